// Which games can be played, by which models, and how they are first shown.

export const LONGEST = 200; // tokens that are taken from an address
const STORY = 10; // tokens of set complement that are played at first sight

/** Games that can be shown, those that the run tries two models on first. */
export function listGames({ games, models }) {
  const sizes = new Set(games.map((game) => game.vocab));
  const others = [...new Set(models.map((model) => model.vocab))].filter((V) => !sizes.has(V));
  const made = others.map((vocab) => ({
    name: `set complement of ${vocab}`, kind: "set_complement", vocab, max_length: vocab, rules: {},
    board: null, opening: new Uint8Array(vocab).fill(1), recorded: [],
  }));
  const rank = (game) => {
    const fitting = listModels(game, models);
    const found = fitting.filter((model) => model.games?.includes(game.name));
    if (new Set(found.map((model) => model.origin)).size > 1) return 0;
    return found.length ? 1 : fitting.length ? 2 : 3;
  };
  return [...games, ...made].map((game, n) => [rank(game), n, game])
    .sort((one, other) => one[0] - other[0] || one[1] - other[1]).map(([, , game]) => game);
}

/** Models of the game's vocabulary, those that the run evaluates on it first. */
export function listModels(game, models) {
  const fitting = models.filter((model) => model.vocab === game.vocab);
  const first = fitting.filter((model) => model.games?.includes(game.name));
  return [...new Set([...first, ...fitting])];
}

/** Constructed beside trained, if there are both; else the first two. */
export function choosePair(models) {
  const made = models.find((model) => model.origin === "construction") ?? models[0];
  const found = models.find((model) => model.origin !== "construction" && model !== made);
  return [made, found ?? models.find((model) => model !== made)].filter(Boolean);
}

/** The tokens that a game is first shown with. */
export function firstTokens({ kind, vocab, recorded: [first] }) {
  const all = first ? Array.from(first.tokens) : Array.from({ length: vocab }, (_, k) => k);
  const count = kind === "set_complement" ? Math.min(STORY, vocab - 2) : Math.ceil(all.length / 2);
  return all.slice(0, Math.max(1, count));
}

/** The tokens in the address, without those that a vocabulary does not have. */
export const readTokens = (state, vocab) =>
  state.get("play.tokens").filter((token) => token >= 0 && token < vocab).slice(0, LONGEST);
