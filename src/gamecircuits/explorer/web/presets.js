// Settings worth seeing, each with one sentence.

import { leastStrength } from "gamecircuits/theory";

const V = 12;
const x = 20;
const plain = { V, x, beta: 0, sink: 0, norm: "none", gain: 5, shape: "full", m: 6, s: 8 };
const sameAtStart = Number((x * Math.sqrt(1 - 1 / V)).toFixed(2)); // displacement x at length 1

export const PRESETS = [
  {
    name: "Dispersion",
    setting: plain,
    text: "More tokens share the strength x: each is displaced by x/s, and the illegal rate rises.",
  },
  {
    name: "A sink does not help",
    setting: { ...plain, sink: 4 },
    text: "A sink takes attention and gives nothing: every displacement is smaller, x/(s + a₀).",
  },
  {
    name: "Normalise the head",
    setting: { ...plain, norm: "attention", gain: sameAtStart },
    text: "Divided by its length, the mean does not fade: the displacement with 11 tokens " +
      "seen is that with one.",
  },
  {
    name: "Normalise the stream",
    setting: { ...plain, x: 2, norm: "residual", gain: 21.4 },
    text: "The length now contains the token's own embedding, which does not shrink: this helps " +
      "in part.",
  },
  {
    name: "A tied model fails",
    setting: { ...plain, x: 48, beta: -7.4, s: 6 },
    text: "The direct path raises the last token by 7.4: from the critical length on it is more " +
      "likely than absent ones.",
  },
  {
    name: "Too narrow: block",
    setting: { ...plain, shape: "block", x: 60, m: 8 },
    text: "Eight tokens have a dimension each and are told apart; the other four are ignored.",
  },
  {
    name: "Too narrow: frame",
    setting: { ...plain, shape: "frame", m: 8 },
    text: "All twelve tokens share eight dimensions: the seen ones fall, but the absent ones are " +
      "no longer level.",
  },
  {
    name: "Strong enough",
    setting: { ...plain, x: Number(leastStrength(V, 1e-3).toFixed(1)), s: 11 },
    text: "An x of about V ln(V/ε) keeps the illegal rate at ε = 0.1 % even with one token left.",
  },
];
