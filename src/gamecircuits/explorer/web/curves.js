// Curves by length: theory as lines, a model as points, the last setting as a ghost.

import { show, svg } from "gamecircuits/dom";
import { decades, power, ticks } from "gamecircuits/plot";

const [LEFT, RIGHT, TOP, BOTTOM] = [58, 76, 26, 40];
const LOWEST = 1e-12; // of a logarithmic axis

/**
 * @param series [{name, kind, line?, points?, ghost?}], with lists of [length, value]
 * @param here {length, text}: where one is, and what is said there
 */
export function drawCurves(given) {
  const { width, height = 250, title, series, lengths, isLog, here, label, guess } = given;
  const x = makeX(width, lengths);
  const all = series.flatMap(({ line = [], points = [], ghost = [] }) =>
    [...line, ...points, ...ghost].map(([, value]) => value)).filter(Number.isFinite);
  const isDrawn = ([, value]) => Number.isFinite(value) && (!isLog || value >= LOWEST);
  const values = all.filter((value) => isDrawn([0, value]));
  if (guess != null) values.push(Math.max(guess, 1e-3));
  const y = isLog ? makeLog(height, values) : makeLinear(height, values);
  const path = (list) => list.filter(isDrawn)
    .map(([s, value], n) => `${n ? "L" : "M"}${x(s).toFixed(1)},${y.at(value).toFixed(1)}`)
    .join("");
  const marks = series.flatMap(({ kind, line: curve = [], points = [], ghost = [] }) => [
    svg("path", { class: `curve ghost ${kind}`, d: path(ghost) }),
    svg("path", { class: `curve ${kind}`, d: path(curve) }),
    ...points.filter(isDrawn).map(([s, value]) =>
      svg("circle", { class: `point ${kind}`, cx: x(s), cy: y.at(value),
        r: s === here.length ? 5.5 : 3 })),
  ]);
  return svg("svg", { width, height, role: "img", "aria-label": label },
    svg("text", { x: 4, y: 14, class: "title" },
      values.length < all.length ? `${title} (below 10⁻¹²: not drawn)` : title),
    ...y.ticks.flatMap((value) => [
      line(value === 0 && !isLog ? "zero" : "grid", LEFT, width - RIGHT, y.at(value), y.at(value)),
      svg("text", { x: LEFT - 6, y: y.at(value) + 4, "text-anchor": "end", class: "soft number" },
        isLog ? power(value) : show(value)),
    ]),
    ...ticksOf(lengths).map((s) => svg("text", { x: x(s), y: height - BOTTOM + 18,
      "text-anchor": "middle", class: "soft number" }, s)),
    svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 6, "text-anchor": "middle",
      class: "soft" }, "tokens seen"),
    line("here", x(here.length), x(here.length), TOP, height - BOTTOM),
    guess != null && line("guessed", LEFT, width - RIGHT, y.at(guess), y.at(guess)),
    ...marks,
    ...nameCurves(series, y, width));
}

const line = (kind, x1, x2, y1, y2) => svg("line", { class: kind, x1, x2, y1, y2 });

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
  const low = Math.max(LOWEST, Math.min(0.01, ...values));
  const first = Math.floor(Math.log10(low) + 1e-9);
  const inner = height - TOP - BOTTOM;
  const clip = (value) => Math.min(1, Math.max(value, 10 ** first));
  const at = (value) => TOP + (inner * Math.log10(clip(value))) / first;
  return { at, ticks: decades(10 ** first, 1) };
}

function makeLinear(height, values) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const inner = height - TOP - BOTTOM;
  const at = (value) => TOP + 6 + ((inner - 6) * (high - value)) / span;
  return { at, ticks: ticks(low, high, 4) };
}

/** About eight round lengths, the first and the last among them. */
function ticksOf(lengths) {
  const [first, last] = [lengths[0], lengths.at(-1)];
  const step = [1, 2, 5, 10, 20].find((n) => (last - first) / n <= 8) ?? 50;
  const inner = lengths.filter((s) => s % step === 0 && s > first && last - s >= 0.7 * step);
  return [...new Set([first, ...inner, last])];
}
