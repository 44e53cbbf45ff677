// The words of the page, for those who meet them for the first time.

import { h } from "gamecircuits/dom";

const WORDS = [
  ["token", "what is played: a letter, a square, a bracket. A context is the tokens so far."],
  ["length", "how many tokens a context has, s; the vocabulary has V."],
  ["illegal rate", "the probability that a model gives to illegal tokens, all together."],
  ["logit", "a model's score of a token. Probabilities are in proportion to exp(logit)."],
  ["nat", "the unit of logits: one nat less makes a token e ≈ 2.7 times less likely than another."],
  ["displacement δ", "how far the logit of a seen token lies below the lowest legal one. " +
    "At 0 it is as likely as a legal token."],
  ["attention", "shares that sum to one. They say how much of each place the last token reads."],
  ["sink", "a place without a token. It takes attention and adds nothing."],
  ["OV, QK, direct path", "circuits: what a token that is read does to the logits, which tokens " +
    "are read, and what the last token does to the logits by itself."],
  ["strength x, β", "how far the OV circuit lowers a token that is read alone, and how far the " +
    "direct path lowers the last one. A negative β raises it."],
  ["standard form", "circuits that do nothing but this, x and β; the misfit is what is left."],
  ["norm, gain", "a norm divides a vector by its length and multiplies it by the gain."],
  ["balanced, tied", "kinds of models: all seen tokens are displaced alike, or the " +
    "embedding of a token also reads its logit (W_U = W_Eᵀ)."],
];

/** A folded list of the words. */
export const glossary = () =>
  h("details", { class: "glossary" },
    h("summary", {}, "Words of this page"),
    h("dl", {}, WORDS.map(([word, meaning]) => [h("dt", {}, word), h("dd", {}, meaning)])));
