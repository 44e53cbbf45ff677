// Names of tokens, and the games in words.

import { words } from "gamecircuits/dom";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const BRACKETS = ["([{<", ")]}>"];

const letter = (n) => LETTERS[n];

/** Names of the tokens of a vocabulary without a game: letters, or numbers if they run out. */
export const plainNames = (vocab) =>
  Array.from({ length: vocab }, (_, k) => (vocab <= LETTERS.length ? letter(k) : String(k)));

/** Names of a game's tokens: squares of a board, brackets, symbols, letters or numbers. */
export function tokenNames(game) {
  const { vocab, board, kind, rules } = game;
  if (board && vocab === board.rows * board.columns && board.columns <= LETTERS.length) {
    return Array.from({ length: vocab }, (_, k) =>
      `${letter(k % board.columns)}${Math.floor(k / board.columns) + 1}`);
  }
  if (kind === "flip_flop") return ["w", "i", "r", "0", "1"];
  if (rules?.alphabet) return rules.alphabet;
  if (kind === "dyck" && vocab <= 2 * BRACKETS[0].length) {
    return BRACKETS.flatMap((all) => [...all.slice(0, vocab / 2)]);
  }
  return plainNames(vocab);
}

const SENTENCES = {
  set_complement: () => "A token may come once. Legal are the tokens not yet seen.",
  windowed_complement: ({ rules }) =>
    `A token is legal again after ${rules.window} others. Legal are those not among the last ` +
    `${rules.window}.`,
  mnk: ({ rules }) =>
    `Two players take squares in turns; ${rules.in_a_row} in a line win and end the game. Legal ` +
    "are the free squares.",
  connect_four: ({ rules }) =>
    `Stones fall to the lowest free square of a column; ${rules.in_a_row} in a line win. Legal ` +
    "are the columns that are not full.",
  othello: () =>
    "A disc goes where it encloses a line of the other colour, which it turns. A player without " +
    "a move is skipped.",
  dyck: ({ rules, max_length }) =>
    `Brackets close in the opposite order of their opening, at most ${rules.max_depth} open at ` +
    `once, all closed after ${max_length} tokens.`,
  flip_flop: ({ max_length }) =>
    "Write (w) stores the bit after it, ignore (i) stores none, and read (r) is followed by the " +
    `stored bit. A word has ${max_length} tokens.`,
  regular: ({ max_length }) =>
    `Words of ${max_length} tokens that an automaton accepts. Legal is what begins a word.`,
};

/** The rule of a game in words. */
export const ruleInWords = (game) =>
  game.rules && SENTENCES[game.kind]
    ? SENTENCES[game.kind](game)
    : "This page does not know the rule. What is legal is known along the recorded plays.";

/** What a model is, in a few words. */
export function modelInWords({ kind, origin, norm, sink, trained_length: length }) {
  const made = {
    construction: `weights by construction (${words(kind)})`,
    trial: `trained on prefixes of up to ${length} tokens`,
    file: "weights from a file",
  }[origin] ?? words(kind);
  const normed = {
    attention: "norm on the head's output", residual: "norm on the residual stream",
  };
  return [made, normed[norm], sink > 0 && `sink of weight ${sink}`].filter(Boolean).join(", ");
}

/** Names in a row: "a, c and d", or the first few and how many more. */
export function list(names, most = 12) {
  const left = names.length - most;
  if (left > 0) return `${names.slice(0, most).join(", ")} and ${left} more`;
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
