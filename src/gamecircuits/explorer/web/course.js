// Drawings of trainings: curves by step and length, circuits at a checkpoint, predictions.

import { h, percent, svg, words, show } from "gamecircuits/dom";
import { chart, FLOOR, range } from "gamecircuits/plot";
import { plainNames } from "gamecircuits/tokens";
import { illegalRate, Transformer } from "gamecircuits/transformer";

const NUMBERS = [
  ["x", "Strength x of the OV circuit (nats)"],
  ["beta", "Strength β of the direct path (nats)"],
  ["misfit", "Misfit: outside the standard form, over x"],
  ["noise", "Noise of the predictions (total variation)"],
];

/** A circuit at a checkpoint; under a norm as the norm scales it at length 1. */
export function circuitAt(course, name, step) {
  const table = course.tables[name].row(step);
  const factor = name === "scores" ? null : course.factors[name].row(step);
  return (row, column) => table.at(row, column) * (factor ? factor[row] : 1);
}

/** The model of a variant at a checkpoint, to run. */
export function makeModel(course, vocab, step) {
  const at = ([name, table]) => [name, table.row(step)];
  const tables = Object.fromEntries(Object.entries(course.tables).map(at));
  return new Transformer({ vocab, norm: course.norm, gain: course.gain[step], sink: 0, tables });
}

/** Errors, strengths and noise of all variants of a search; `stepOf` is the place of a variant. */
export function drawCharts(search, stepOf, number) {
  const steps = Array.from(search.steps);
  const lines = (values) =>
    search.variants.map((course) => ({
      x: steps.slice(0, course.x.length),
      y: values(course),
      colour: course.colour,
    }));
  const lengths = Array.from({ length: search.variants[0].illegal.shape[1] }, (_, n) => n + 1);
  const rates = search.variants.map((course) => ({
    x: lengths,
    colour: course.colour,
    y: Array.from(course.illegal.row(stepOf(course))),
  }));
  const said = search.variants.map(
    (course) =>
      `${words(course.name)} ${show(course.illegal.at(stepOf(course), search.length - 1))}`,
  );
  const byLength = chart({
    title: "Illegal rate by length, at this step",
    xLabel: "tokens seen",
    label: `Illegal rate at step ${number}; after ${search.length} tokens: ${said.join(", ")}.`,
    x: [1, lengths.at(-1)],
    y: [FLOOR, 1],
    log: true,
    series: rates,
    shade: [1, search.length],
    shadeText: "in training",
  });
  const byStep = (title, series, look) =>
    chart({
      title,
      label: `${title}, by step`,
      xLabel: "step",
      x: [steps[0], steps.at(-1)],
      cursor: number,
      series,
      ...look,
    });
  const charts = NUMBERS.map(([key, title]) => {
    const series = lines((course) => Array.from(course[key]));
    if (key === "misfit") {
      const high = range(...series.map((one) => one.y))[1];
      return byStep(title, series, { y: [0.001, Math.max(10, high)], log: true });
    }
    return byStep(title, series, { y: range(...series.map((one) => one.y), [0]) });
  });
  const longest = lines((course) =>
    Array.from(course.x, (_, n) => course.illegal.at(n, lengths.length - 1)),
  );
  const late = byStep(`Illegal rate after ${lengths.length} tokens`, longest, { y: [0, 1] });
  return [byLength, late, ...charts];
}

/** Probabilities as bars; with a target, those of illegal tokens in the colour of warning. */
export function drawBars(probabilities, { legal, vocab, target, top }) {
  const isIllegal = (token) => target > 0 && !legal[token];
  const [width, height] = [320, 96];
  const each = width / vocab;
  const names = plainNames(vocab);
  const place = (p) => height - (p / top) * height;
  const told = names.map((name, token) => `${name} ${percent(probabilities[token])}`).join(", ");
  return [
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height + 16}`,
        role: "img",
        class: "drawing",
        "aria-label": `Probabilities: ${told}`,
      },
      Array.from(probabilities, (p, token) => [
        svg("rect", {
          x: token * each + each * 0.12,
          width: each * 0.76,
          y: place(p),
          height: height - place(p),
          class: isIllegal(token) ? "bar-warn" : "bar-legal",
        }),
        vocab <= 32 &&
          svg(
            "text",
            {
              x: (token + 0.5) * each,
              y: height + 13,
              "text-anchor": "middle",
              class: isIllegal(token) ? "soft struck" : "",
            },
            names[token],
          ),
      ]),
      target > 0 &&
        svg("line", { x1: 0, x2: width, y1: place(target), y2: place(target), class: "goal" }),
    ),
    target > 0 &&
      h("p", { class: "number" }, "illegal: ",
        h("b", { class: "warn" }, percent(illegalRate(probabilities, legal)))),
  ];
}
