// Closed formulas of docs/theory.md, as in gamecircuits/theory, for a model of set complement.
//
// A setting is {V, x, beta, sink, norm, gain, shape, m}. Shape "full": every token has strength x,
// the last one beta more, the head writes -x times the mean of simplex vertices into dimensions of
// its own. "block": the first m tokens have a dimension each, the others none. "frame": all tokens
// share m dimensions.

/** Displacements at length s of a full model: {others, last} (Propositions 1, 23, 24, Cor. 21a). */
export function displacements({ V, x, beta, sink, norm, gain }, s) {
  const share = x / (s + sink);
  if (norm === "none") return { others: share, last: share + beta };
  // The mean of s of V simplex vertices has the squared length (V - s) / (V s).
  let square = (share * share * s * (V - s)) / V;
  if (norm === "residual") square += 1 - 1 / V; // the last token's own embedding
  const scale = square > 0 ? gain / Math.sqrt(square) : 0;
  return { others: scale * share, last: scale * share + (norm === "residual" ? scale : 1) * beta };
}

/** Illegal token rate Q/(1+Q) from the displacements of the seen tokens (Proposition 14). */
export function illegalRate(V, seen) {
  const weigh = ([count, delta]) => (count > 0 ? count * Math.exp(-delta) : 0);
  const odds = seen.reduce((sum, one) => sum + weigh(one), 0);
  const absent = V - seen.reduce((sum, [count]) => sum + count, 0);
  return Number.isFinite(odds) ? odds / (odds + absent) : 1;
}

/** Classes of contexts of length s that theory treats alike: [{share, seen: [[count, delta]]}]. */
export function classes(setting, s) {
  const { V, x, m, shape } = setting;
  if (shape === "full") {
    const { others, last } = displacements(setting, s);
    return [{ share: 1, seen: [[s - 1, others], [1, last]] }];
  }
  if (shape !== "block") return [];
  const found = []; // by how many handled tokens are seen, and the last one's kind (Prop. 19)
  for (let h = Math.max(0, s - (V - m)); h <= Math.min(m, s); h++) {
    const share = choose(m, h) * choose(V - m, s - h) / choose(V, s);
    if (h > 0) {
      found.push({ share: (share * h) / s, handled: h, isLastHandled: true,
        seen: [[h - 1, x / s], [s - h, 0], [1, x / s + 1]] });
    }
    if (h < s) {
      found.push({ share: (share * (s - h)) / s, handled: h, isLastHandled: false,
        seen: [[h, x / s], [s - h - 1, 0], [1, 0]] });
    }
  }
  return found;
}

/** Means over contexts of length s: {rate, others, last}; NaN where theory says nothing. */
export function law(setting, s, gramOfFrame) {
  const { V, x, shape } = setting;
  if (shape === "frame") { // Theorem 22: the mean displacement, by the mean inner product
    const mean = (x * (1 - gramOfFrame)) / s;
    return { rate: NaN, others: mean, last: mean };
  }
  const found = classes(setting, s);
  const mean = (value) => found.reduce((sum, one) => sum + one.share * value(one), 0);
  const before = ({ seen }) =>
    seen.slice(0, -1).reduce((sum, [count, delta]) => sum + count * delta, 0);
  return {
    rate: mean(({ seen }) => illegalRate(V, seen)),
    others: s > 1 ? mean(before) / (s - 1) : NaN,
    last: mean(({ seen }) => seen[seen.length - 1][1]),
  };
}

/** Binomial coefficient as a number. */
function choose(n, k) {
  let ways = 1;
  for (let j = 1; j <= k; j++) ways *= (n - k + j) / j;
  return ways;
}

/** Least strength that keeps an illegal rate at every length, beta = 0 (Proposition 15). */
export const leastStrength = (V, rate) =>
  Math.max(0, (V - 1) * (Math.log(V - 1) + Math.log((1 - rate) / rate)));
