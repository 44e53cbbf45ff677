// Random numbers that an address repeats.

/** A number in [0, 1) that depends on the seed alone (mulberry32). */
export function draw(seed) {
  let t = (seed * 0x9e3779b1 + 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** Index drawn with probabilities proportional to the weights. */
export function sample(weights, uniform) {
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found >= 0 ? found : weights.findLastIndex((weight) => weight > 0);
}
