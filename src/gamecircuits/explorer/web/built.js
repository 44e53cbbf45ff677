// Models of set complement with given strengths, as tables over the vocabulary.

import { Table } from "gamecircuits/data";
import { draw } from "gamecircuits/random";
import { classes } from "gamecircuits/theory";
import { illegalRate, Transformer } from "gamecircuits/transformer";

export const SAMPLES = 24; // contexts of a length, where they are not all alike

function fill(V, value) {
  const values = new Float64Array(V * V);
  for (let i = 0; i < V; i++) for (let k = 0; k < V; k++) values[i * V + k] = value(i, k);
  return new Table(values, [V, V]);
}

/** Unit vectors of random signs in m dimensions, and their inner products (V, V). */
export function gramOfFrame(V, m) {
  const signs = Array.from({ length: V }, (_, i) =>
    Array.from({ length: m }, (_, j) => (draw(i * m + j) < 0.5 ? 1 : -1)));
  return fill(V, (i, k) => signs[i].reduce((sum, sign, j) => sum + sign * signs[k][j], 0) / m);
}

/** Mean inner product of different vectors. */
export function meanOffDiagonal({ values, shape: [V] }) {
  let sum = 0;
  values.forEach((value, n) => (sum += n % (V + 1) ? value : 0));
  return sum / (V * (V - 1));
}

/** A model with the strengths of a setting; see theory.js. */
export function build({ V, x, beta, sink, norm, gain, shape, m }) {
  const center = (i, k) => (i === k ? 1 : 0) - 1 / V;
  const isHandled = (i, k) => (i === k && i < m ? 1 : 0);
  const frame = shape === "frame" ? gramOfFrame(V, m) : null;
  const like = { full: center, block: isHandled, frame: (i, k) => frame.at(i, k) }[shape];
  const own = { full: (i, k) => -beta * center(i, k), block: (i, k) => -isHandled(i, k) }[shape];
  const tables = {
    scores: fill(V, () => 0),
    values: fill(V, (i, k) => -x * like(i, k)),
    direct: fill(V, own ?? (() => 0)),
    gram: fill(V, (i, k) => x * x * like(i, k)),
    cross: fill(V, () => 0), // the head writes where the embedding is not
    length2: new Float64Array(V).fill(1 - 1 / V),
  };
  return new Transformer({ vocab: V, norm, gain, sink, tables });
}

/** Contexts of length s with their shares: one of each kind where they are alike, else a sample. */
export function contexts(setting, s) {
  const { V, m, shape } = setting;
  const range = (from, count) => Array.from({ length: count }, (_, n) => from + n);
  if (shape === "full") return [{ share: 1, tokens: range(0, s) }];
  if (shape === "block") {
    return classes(setting, s).map(({ share, handled, isLastHandled }) => {
      const [inside, outside] = [range(0, handled), range(m, s - handled)];
      return { share, tokens: isLastHandled ? [...outside, ...inside] : [...inside, ...outside] };
    });
  }
  const sample = (n) => shuffle(V, n * V).slice(0, s);
  return range(0, SAMPLES).map((n) => ({ share: 1 / SAMPLES, tokens: sample(n) }));
}

function shuffle(V, seed) {
  const tokens = Array.from({ length: V }, (_, k) => k);
  for (let n = V - 1; n > 0; n--) {
    const other = Math.floor(draw(seed + n) * (n + 1));
    [tokens[n], tokens[other]] = [tokens[other], tokens[n]];
  }
  return tokens;
}

/** What a model does at length s, over the contexts of the setting: {rate, others, last}. */
export function measure(model, setting, s) {
  const found = { rate: 0, others: s > 1 ? 0 : NaN, last: 0 };
  for (const { share, tokens } of contexts(setting, s)) {
    const run = model.run(tokens);
    const legal = new Uint8Array(setting.V).fill(1);
    for (const token of tokens) legal[token] = 0;
    const level = absentLevel(run.logits, legal, setting.shape);
    const gaps = tokens.map((token) => level - run.logits[token]);
    found.rate += share * illegalRate(run.probabilities, legal);
    const last = gaps.pop();
    found.last += share * last;
    if (s > 1) found.others += (share * gaps.reduce((sum, value) => sum + value, 0)) / (s - 1);
  }
  return found;
}

/** What seen tokens lie below: the lowest absent logit, or for frames their mean, as in theory. */
function absentLevel(logits, legal, shape) {
  const absent = logits.filter((_, k) => legal[k]);
  if (shape !== "frame") return Math.min(...absent);
  return absent.reduce((sum, logit) => sum + logit, 0) / absent.length;
}
