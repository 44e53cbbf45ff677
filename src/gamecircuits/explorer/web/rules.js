// What is legal after a context, by kind of game; each rule is that of gamecircuits/games/KIND.py.
//
// A rule is a function of the game. It gives a function from tokens to
// {legal, stones?, side?, last?, stopped?}: legal is a Uint8Array (V), or null where no play of the
// game begins so, and `stopped` is the place of the first illegal token; stones are 0 (free), 1 (of
// who began) or 2, by square; side is who is to move; last is the square played last.

const where = (vocab, isLegal) => Uint8Array.from({ length: vocab }, (_, k) => isLegal(k));

/** A rule from positions {legal, play(token), ...}: says nothing after an illegal token. */
const follow = (start) => (tokens) => {
  let position = start;
  for (const [place, token] of tokens.entries()) {
    if (!position.legal[token]) return { ...position, legal: null, stopped: place };
    position = position.play(token);
  }
  return position;
};

const setComplement = ({ vocab }) => (tokens) => {
  const seen = new Set(tokens);
  return { legal: where(vocab, (k) => !seen.has(k)) };
};

const windowedComplement = ({ vocab, max_length, rules }) => (tokens) => {
  const seen = new Set(tokens.slice(Math.max(0, tokens.length - rules.window)));
  return { legal: where(vocab, (k) => tokens.length < max_length && !seen.has(k)) };
};

const DIRECTIONS = [[0, 1], [1, 0], [1, 1], [1, -1]];

/** The squares from one on, in steps, up to the edge. */
function* walk({ rows, columns }, square, [down, right]) {
  let row = Math.floor(square / columns) + down;
  let column = (square % columns) + right;
  for (; row >= 0 && row < rows && column >= 0 && column < columns; row += down, column += right) {
    yield row * columns + column;
  }
}

/** Stones of the same player in unbroken lines with one, along a direction; itself included. */
function lineThrough(board, stones, square, [down, right]) {
  const line = [square];
  for (const step of [[down, right], [-down, -right]]) {
    for (const next of walk(board, square, step)) {
      if (stones[next] !== stones[square]) break;
      line.push(next);
    }
  }
  return line;
}

/** m,n,k-games and, where stones fall, Connect four: token ≡ square modulo the vocabulary. */
function lines({ vocab, board, rules }) {
  const squares = board.rows * board.columns;
  const files = Array.from({ length: vocab }, (_, token) =>
    Array.from({ length: squares / vocab }, (_, n) => token + n * vocab));
  const position = (stones, side, isWon) => ({
    stones,
    side,
    legal: where(vocab, (k) => !isWon && files[k].some((square) => stones[square] === 0)),
    play(token) {
      const square = files[token].find((place) => stones[place] === 0);
      const next = Int8Array.from(stones);
      next[square] = side;
      const wins = DIRECTIONS.some(
        (step) => lineThrough(board, next, square, step).length >= rules.in_a_row);
      return { ...position(next, 3 - side, wins), last: square };
    },
  });
  return follow(position(new Int8Array(squares), 1, false));
}

const AROUND = DIRECTIONS.flatMap(([down, right]) => [[down, right], [-down, -right]]);

/** Discs that a move of `side` turns; none if it is illegal. */
function flips(board, stones, square, side) {
  if (stones[square]) return [];
  return AROUND.flatMap((step) => {
    const between = [];
    for (const next of walk(board, square, step)) {
      if (stones[next] === side) return between;
      if (stones[next] === 0) return [];
      between.push(next);
    }
    return [];
  });
}

/** A player without a move is skipped; the game is over when neither has one. */
function othello({ vocab, board }) {
  const moves = (stones, side) => where(vocab, (k) => flips(board, stones, k, side).length > 0);
  const position = (stones, side) => {
    let legal = moves(stones, side);
    let mover = side;
    if (!legal.includes(1)) {
      const others = moves(stones, 3 - side);
      if (others.includes(1)) [legal, mover] = [others, 3 - side];
    }
    return {
      stones,
      side: mover,
      legal,
      play(token) {
        const next = Int8Array.from(stones);
        for (const square of [token, ...flips(board, stones, token, mover)]) next[square] = mover;
        return { ...position(next, 3 - mover), last: token };
      },
    };
  };
  const start = new Int8Array(vocab);
  const first = (board.columns + 1) * (board.rows / 2 - 1); // upper left square of the centre
  start[first] = start[first + board.columns + 1] = 2;
  start[first + 1] = start[first + board.columns] = 1;
  return follow(position(start, 1));
}

function dyck({ vocab, max_length, rules }) {
  const kinds = rules.num_brackets;
  const position = (open, left) => ({
    legal: where(vocab, (k) =>
      k < kinds
        ? open.length < Math.min(rules.max_depth, left)
        : open.length > 0 && open[open.length - 1] === k - kinds),
    play: (k) => position(k < kinds ? [...open, k] : open.slice(0, -1), left - 1),
  });
  return follow(position([], max_length));
}

const [WRITE, IGNORE, READ, ZERO] = [0, 1, 2, 3];

function flipFlop({ vocab, max_length }) {
  const position = (step, instruction, bit) => ({
    legal: where(vocab, (k) => {
      if (step >= max_length) return false;
      if (step % 2) return k >= ZERO && (instruction !== READ || k === bit);
      if (step === 0) return k === WRITE;
      return step === max_length - 2 ? k === READ : k <= READ;
    }),
    play: (k) =>
      step % 2
        ? position(step + 1, instruction, instruction === WRITE ? k : bit)
        : position(step + 1, k, bit),
  });
  return follow(position(0, IGNORE, null));
}

/** Words of one length that an automaton accepts: a token is legal if some word begins so. */
function regular({ vocab, max_length, rules }) {
  const next = (state, k) => rules.transitions[state][rules.alphabet[k]];
  const states = Object.keys(rules.transitions);
  const canEnd = [new Set(rules.accepting)]; // by how many tokens are left
  for (let left = 1; left <= max_length; left++) {
    const tokens = Array.from({ length: vocab }, (_, k) => k);
    canEnd.push(new Set(states.filter((state) =>
      tokens.some((k) => canEnd[left - 1].has(next(state, k))))));
  }
  const position = (state, left) => ({
    legal: where(vocab, (k) => left > 0 && canEnd[left - 1].has(next(state, k))),
    play: (k) => position(next(state, k), left - 1),
  });
  return follow(position(rules.start, max_length));
}

export const RULES = {
  set_complement: setComplement,
  windowed_complement: windowedComplement,
  mnk: lines,
  connect_four: lines,
  othello,
  dyck,
  flip_flop: flipFlop,
  regular,
};

/** What follows along recorded plays, for games whose rule is not known here. */
const recorded = (game) => (tokens) => {
  if (tokens.length === 0) return { legal: game.opening };
  const play = game.recorded.find((one) => tokens.every((token, n) => one.tokens[n] === token));
  return { legal: play ? play.legal.row(tokens.length - 1) : null };
};

const made = new WeakMap(); // rules, by game

/**
 * The rule of a game of the page, made once.
 *
 * isKnown: whether it is known after any context; after(tokens): what follows;
 * illegalPlaces(tokens): places of tokens that were illegal, up to where the rule stops.
 */
export function makeRule(game) {
  if (!made.has(game)) made.set(game, describe(game));
  return made.get(game);
}

function describe(game) {
  const isKnown = Boolean(game.rules && RULES[game.kind]);
  const after = isKnown ? RULES[game.kind](game) : recorded(game);
  const goesOn = game.kind === "set_complement" || game.kind === "windowed_complement";
  const illegalPlaces = (tokens) => {
    if (!goesOn) return [after(tokens).stopped ?? []].flat();
    return [...tokens.keys()].filter((n) => !after(tokens.slice(0, n)).legal[tokens[n]]);
  };
  return { isKnown, after, illegalPlaces };
}
