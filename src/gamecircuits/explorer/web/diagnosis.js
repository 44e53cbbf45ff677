// What the diagnosis of a model found by length: measured, predicted and certified.

import { h, show } from "gamecircuits/dom";
import { chart, FLOOR, legend, range } from "gamecircuits/plot";

const RATE = "illegal_token_rate";
const TITLES = {
  [RATE]: "Illegal rate by length",
  last_displacement: "Lowest displacement of the last token (nats)",
  other_displacement: "Lowest displacement of the others (nats)",
  lowest_displacement: "Lowest displacement of any illegal token (nats)",
};

/** Kinds of numbers in a curve, in the order in which they are drawn, with their look. */
const looks = (colour) => [
  { kind: "predicted", name: "predicted from x and β", colour },
  { kind: "certified", name: "certified by lengths 1 and 2", colour: "var(--soft)", dash: "5 4" },
  { kind: "measured", name: "measured", colour, points: true },
];

/** The ends of a curve in words. */
const say = ({ length, measured }) =>
  `${show(measured[0])} after ${length[0]}, ${show(measured.at(-1))} after ${length.at(-1)} tokens`;

/** The axis of displacements, from what was measured; bounds far below are not drawn. */
function fitAxis({ measured, predicted }) {
  const [low, high] = range(measured, predicted ?? [], [0]);
  return [low - 0.2 * (high - low) * (low < 0), high];
}

function drawCurve(model, name, curve, colour) {
  const isRate = name === RATE;
  const y = isRate ? [FLOOR, 1] : fitAxis(curve);
  const inside = (value) => (isRate || (value >= y[0] && value <= y[1]) ? value : NaN);
  return chart({
    title: TITLES[name],
    xLabel: "tokens seen",
    x: [1, Math.max(2, curve.length.at(-1))],
    y,
    log: isRate,
    label: `${TITLES[name]} of ${model}: ${say(curve)}.`,
    series: looks(colour)
      .filter(({ kind }) => curve[kind])
      .map(({ kind, ...look }) => ({
        ...look,
        x: curve.length,
        y: Array.from(curve[kind], inside),
      })),
  });
}

/** Charts of a model's diagnosis and what is in them, or that there is none. */
export function drawDiagnosis({ name, curves }, colour) {
  const there = Object.keys(TITLES).filter((title) => curves[title]?.measured);
  if (!there.length) return h("p", { class: "soft" }, "The run has no diagnosis of this model.");
  const drawn = looks(colour).filter(({ kind }) => there.some((title) => curves[title][kind]));
  return h(
    "div",
    { class: "plots two" },
    there.map((title) => drawCurve(name, title, curves[title], colour)),
    legend(drawn),
  );
}
