// The one-layer transformer, computed from tables over the vocabulary (docs/theory.md).
//
// After a context with last token ℓ:
//   weights    w_i = exp(scores[ℓ, t_i]), attention a_i = w_i / (Σ w + sink)
//   logits     f_k = own · direct[ℓ, k] + scale · Σ_i a_i values[t_i, k]
// where a norm makes scale = gain / (length of the vector that it divides), from Gram tables, and
// own is scale under a norm of the residual stream, else 1.

export class Transformer {
  /** @param model an entry of the page's models: norm, gain, sink, and tables (V, V). */
  constructor(model) {
    Object.assign(this, model.tables);
    this.model = model;
    this.vocab = model.vocab;
    this.norm = model.norm;
    this.gain = model.gain;
    this.sink = model.sink;
  }

  /** Attention that the last of the tokens pays to each, and what goes to the sink. */
  attend(tokens) {
    const row = this.scores.row(tokens[tokens.length - 1]);
    const highest = tokens.reduce(
      (most, token) => Math.max(most, row[token]), this.sink > 0 ? Math.log(this.sink) : -Infinity);
    const weights = tokens.map((token) => Math.exp(row[token] - highest));
    const sink = this.sink > 0 ? this.sink * Math.exp(-highest) : 0;
    const total = weights.reduce((sum, weight) => sum + weight, sink);
    return { attention: weights.map((weight) => weight / total), sinkShare: sink / total };
  }

  /** What the norm multiplies: the head's output, or the whole residual stream. */
  #scale(tokens, attention) {
    if (this.norm === "none") return 1;
    let square = 0;
    tokens.forEach((t, i) => {
      const row = this.gram.row(t);
      tokens.forEach((u, j) => (square += attention[i] * attention[j] * row[u]));
    });
    if (this.norm === "residual") {
      const last = tokens[tokens.length - 1];
      const row = this.cross.row(last);
      square += this.length2[last];
      tokens.forEach((t, i) => (square += 2 * attention[i] * row[t]));
    }
    return square > 0 ? this.gain / Math.sqrt(square) : 0;
  }

  /**
   * Everything about one context (a list of at least one token).
   *
   * logits (V) and probabilities (V); attention by place; part(i, k): what place i adds to the
   * logit of k; own(k): what the last token adds by itself.
   */
  run(tokens) {
    const direct = this.direct.row(tokens[tokens.length - 1]);
    const { attention, sinkShare } = this.attend(tokens);
    const scale = this.#scale(tokens, attention);
    const factor = this.norm === "residual" ? scale : 1;
    const logits = Float64Array.from(direct, (value) => factor * value);
    tokens.forEach((token, i) => {
      const values = this.values.row(token);
      const weight = scale * attention[i];
      for (let k = 0; k < logits.length; k++) logits[k] += weight * values[k];
    });
    const part = (i, k) => scale * attention[i] * this.values.at(tokens[i], k);
    const own = (k) => factor * direct[k];
    return { attention, sinkShare, scale, logits, probabilities: softmax(logits), part, own };
  }
}

export function softmax(logits) {
  const highest = Math.max(...logits);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Probability on tokens that are not legal. */
export const illegalRate = (probabilities, legal) =>
  probabilities.reduce((sum, p, k) => sum + (legal[k] ? 0 : p), 0);

/** How many tokens are legal. */
export const countLegal = (legal) => legal.reduce((sum, isLegal) => sum + isLegal, 0);
