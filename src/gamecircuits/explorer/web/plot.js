// Small charts of lines and points as SVG, with axes that name their numbers.

import { h, show, svg, tenTo } from "gamecircuits/dom";

const LEFT = 46,
  RIGHT = 18,
  TOP = 10,
  BOTTOM = 34;

export const FLOOR = 1e-8; // of rates on a logarithmic axis

/** Round numbers from low to high, about `count` of them. */
export function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) =>
    Number(((first + n) * step).toPrecision(12)),
  );
}

/** Powers of ten from low to high, thinned to about five. */
export function decades(low, high) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const step = Math.max(1, Math.ceil((last - first) / 4));
  const found = [];
  for (let n = last; n >= first; n -= step) found.push(10 ** n);
  return found;
}

/** A power of ten: 0.1, 10⁻³. */
export function power(value) {
  const exponent = Math.round(Math.log10(value));
  return exponent > -3 && exponent < 4 ? String(Number(value.toPrecision(3))) : tenTo(exponent);
}

/** The lowest and the highest finite number of lists; [0, 1] if there are none. */
export function range(...lists) {
  const values = lists.flatMap((list) => Array.from(list)).filter(Number.isFinite);
  if (!values.length) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/**
 * A chart. `series` have x and y (lists), colour, and optionally dash, width, points (marks and no
 * line); on a logarithmic axis what lies below y is left out, and said. `shade` is a range of x in
 * grey, with `shadeText` in it; `cursor` a place on x.
 */
export function chart({
  label,
  title,
  x,
  y,
  log = false,
  series,
  xLabel,
  shade,
  shadeText,
  cursor,
  width = 340,
  height = 190,
}) {
  const [x0, x1] = x,
    [y0, y1] = log ? y.map(Math.log10) : y;
  const placeX = (value) => LEFT + ((value - x0) / (x1 - x0 || 1)) * (width - LEFT - RIGHT);
  const level = (value) => (log ? Math.log10(value) : value);
  const placeY = (value) =>
    height - BOTTOM - ((level(value) - y0) / (y1 - y0 || 1)) * (height - TOP - BOTTOM);
  const isDrawn = (value) => Number.isFinite(value) && !(log && value < y[0]);
  const isLow = log && series.some((one) => Array.from(one.y).some((value) => value < y[0]));
  const round = (value) => Math.round(value * 100) / 100;
  const yTicks = log ? decades(...y) : ticks(y[0], y[1], 4);
  const xTicks = ticks(x0, x1, 5);
  const grid = yTicks.map((value) => [
    svg("line", {
      x1: LEFT,
      x2: width - RIGHT,
      y1: placeY(value),
      y2: placeY(value),
      class: "gridline",
    }),
    svg(
      "text",
      { x: LEFT - 6, y: placeY(value) + 4, "text-anchor": "end", class: "soft" },
      log ? power(value) : show(value),
    ),
  ]);
  const below = xTicks.map((value) =>
    svg(
      "text",
      { x: placeX(value), y: height - BOTTOM + 16, "text-anchor": "middle", class: "soft" },
      show(value, 4),
    ),
  );
  const shaded = shade && [
    svg("rect", {
      x: placeX(shade[0]),
      width: Math.max(0, placeX(shade[1]) - placeX(shade[0])),
      y: TOP,
      height: height - TOP - BOTTOM,
      class: "shade",
    }),
    svg("text", { x: placeX(shade[0]) + 4, y: TOP + 12, class: "soft" }, shadeText ?? ""),
  ];
  const lines = series.map((one) => {
    const places = Array.from(one.x, (value, n) => [placeX(value), placeY(one.y[n]), one.y[n]])
      .filter(([, , value]) => isDrawn(value))
      .map(([a, b]) => [round(a), round(b)]);
    if (one.points) {
      return places.map(([a, b]) => svg("circle", { cx: a, cy: b, r: 3, fill: one.colour }));
    }
    return svg("polyline", {
      points: places.map((place) => place.join(",")).join(" "),
      fill: "none",
      stroke: one.colour,
      "stroke-width": one.width ?? 2,
      "stroke-dasharray": one.dash ?? false,
      "stroke-linejoin": "round",
    });
  });
  const at =
    cursor != null &&
    svg("line", {
      x1: placeX(cursor),
      x2: placeX(cursor),
      y1: TOP,
      y2: height - BOTTOM,
      class: "cursor",
    });
  const drawn = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "drawing" },
    shaded,
    grid,
    below,
    svg(
      "text",
      { x: (LEFT + width - RIGHT) / 2, y: height - 3, "text-anchor": "middle", class: "soft" },
      xLabel,
    ),
    at,
    lines,
  );
  const note = isLow && h("span", { class: "soft" }, ` (below ${power(y[0])}: not drawn)`);
  return h("figure", { class: "plot" }, h("figcaption", {}, title, note), drawn);
}

/** What the colours (and dashes) mean: pairs of a name and its look. */
export const legend = (entries) =>
  h(
    "ul",
    { class: "legend" },
    entries.map(({ name, colour, dash, points }) =>
      h(
        "li",
        {},
        svg(
          "svg",
          { viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" },
          points
            ? svg("circle", { cx: 13, cy: 5, r: 4, fill: colour })
            : svg("line", {
                x1: 1,
                x2: 25,
                y1: 5,
                y2: 5,
                stroke: colour,
                "stroke-width": 3,
                "stroke-dasharray": dash ?? false,
              }),
        ),
        name,
      ),
    ),
  );
