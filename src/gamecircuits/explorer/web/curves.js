// Curves by length: theory as lines, a model as points, the last setting as a ghost.

import { show, svg } from "gamecircuits/dom";

const [LEFT, RIGHT, TOP, BOTTOM] = [58, 76, 26, 40];
const LOWEST = 1e-12; // of a logarithmic axis

/**
 * @param series [{name, kind, line?, points?, ghost?}], with lists of [length, value]
 * @param here {length, text}: where one is, and what is said there
 */
export function drawCurves({ width, height = 250, title, series, lengths, isLog, here, label, guess }) {
  const x = makeX(width, lengths);
  const values = series.flatMap(({ line = [], points = [], ghost = [] }) =>
    [...line, ...points, ...ghost].map(([, value]) => value)).filter(Number.isFinite);
  const y = isLog ? makeLog(height, values) : makeLinear(height, values);
  const path = (list) => list.filter(([, value]) => Number.isFinite(value))
    .map(([s, value], n) => `${n ? "L" : "M"}${x(s).toFixed(1)},${y.at(value).toFixed(1)}`).join("");
  const marks = series.flatMap(({ kind, line = [], points = [], ghost = [] }) => [
    svg("path", { class: `curve ghost ${kind}`, d: path(ghost) }),
    svg("path", { class: `curve ${kind}`, d: path(line) }),
    ...points.filter(([, value]) => Number.isFinite(value)).map(([s, value]) =>
      svg("circle", { class: `point ${kind}`, cx: x(s), cy: y.at(value), r: s === here.length ? 5.5 : 3 })),
  ]);
  return svg("svg", { width, height, role: "img", "aria-label": label },
    svg("text", { x: 4, y: 14, class: "title" }, title),
    ...y.ticks.flatMap((value) => [
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y.at(value), y2: y.at(value),
        class: value === 0 && !isLog ? "zero" : "grid" }),
      svg("text", { x: LEFT - 6, y: y.at(value) + 4, "text-anchor": "end", class: "soft number" },
        isLog ? tenTo(value) : show(value)),
    ]),
    ...ticksOf(lengths).map((s) => svg("text", { x: x(s), y: height - BOTTOM + 18,
      "text-anchor": "middle", class: "soft number" }, s)),
    svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 6, "text-anchor": "middle", class: "soft" },
      "tokens seen"),
    svg("line", { class: "here", x1: x(here.length), x2: x(here.length), y1: TOP, y2: height - BOTTOM }),
    guess != null && svg("line", { class: "guessed", x1: LEFT, x2: width - RIGHT, y1: y.at(guess), y2: y.at(guess) }),
    ...marks,
    ...nameCurves(series, y, width));
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** 1, 0.1, 0.01, 10⁻³, ... */
function tenTo(value) {
  const exponent = Math.round(Math.log10(value));
  if (exponent > -3) return String(value);
  return `10${[...String(exponent)].map((sign) => RAISED[sign]).join("")}`;
}

/** Names at the right end of the curves, kept apart. */
function nameCurves(series, y, width) {
  const ends = series.filter(({ name }) => name).map(({ name, kind, line = [], points = [] }) => {
    const last = [...(line.some(([, v]) => Number.isFinite(v)) ? line : points)]
      .filter(([, value]) => Number.isFinite(value)).at(-1);
    return last && { name, kind, y: y.at(last[1]) };
  }).filter(Boolean).sort((one, other) => one.y - other.y);
  ends.forEach((end, n) => (end.y = n ? Math.max(end.y, ends[n - 1].y + 14) : end.y));
  return ends.map(({ name, kind, y: place }) =>
    svg("text", { x: width - RIGHT + 9, y: place + 4, class: `end ${kind}` }, name));
}

const makeX = (width, lengths) => {
  const span = Math.max(1, lengths.at(-1) - lengths[0]);
  const inner = width - LEFT - RIGHT - 12;
  return (s) => LEFT + 6 + (lengths.length === 1 ? inner / 2 : (inner * (s - lengths[0])) / span);
};

function makeLog(height, values) {
  const low = Math.max(LOWEST, Math.min(0.1, ...values.filter((value) => value > 0)));
  const first = Math.floor(Math.log10(low) + 1e-9);
  const inner = height - TOP - BOTTOM;
  const at = (value) => TOP + inner * (Math.log10(Math.min(1, Math.max(value, 10 ** first))) / first);
  const step = Math.ceil(-first / 4);
  const ticks = Array.from({ length: Math.floor(-first / step) + 1 }, (_, n) => 10 ** (-n * step));
  return { at, ticks };
}

function makeLinear(height, values) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const inner = height - TOP - BOTTOM;
  const rough = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 5, 10].map((n) => n * rough).find((n) => n >= span / 4);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(9)));
  return { at: (value) => TOP + 6 + ((inner - 6) * (high - value)) / span, ticks };
}

/** About eight round lengths, the first and the last among them. */
function ticksOf(lengths) {
  const [first, last] = [lengths[0], lengths.at(-1)];
  const step = [1, 2, 5, 10, 20].find((n) => (last - first) / n <= 8) ?? 50;
  const inner = lengths.filter((s) => s % step === 0 && s > first && last - s >= 0.7 * step);
  return [...new Set([first, ...inner, last])];
}
