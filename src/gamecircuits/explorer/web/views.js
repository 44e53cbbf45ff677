// What one model makes of one context: attention, logits, probabilities, and the sum of a logit.
//
// Each is drawn from a run of transformer.js. Elements of token k carry data-token="k", so that
// what is looked at can be lit in all views at once.

import { h, percent, show, svg } from "gamecircuits/dom";
import { countLegal, illegalRate } from "gamecircuits/transformer";

const AXIS = 52; // pixels for the numbers at the left
const COLUMN = 18; // least width of a token's column, below which a chart takes several rows
const HEIGHTS = { logits: 92, gap: 46, shares: 78 };
const LOW = { logits: 60, gap: 16, shares: 48 }; // where a chart takes several rows
const MOST = 9; // places that are listed one by one

const fixed = (value) => value.toFixed(2).replace("-", "−");
const middle = { "text-anchor": "middle" };

/** Arcs from the last place to each, their widths and numbers the attention. */
export function drawAttention({ run, tokens, names, isIllegal, width }) {
  const hasSink = run.sinkShare > 0;
  const places = tokens.length + (hasSink ? 1 : 0);
  const step = Math.min(52, width / places);
  const x = (place) => step * (place + (hasSink ? 1.5 : 0.5));
  const inside = (place) => Math.min(width - 17, Math.max(17, x(place))); // of numbers
  const last = tokens.length - 1;
  const top = 12 + Math.min(86, 16 + 0.3 * step * places);
  const arcs = tokens.map((token, i) =>
    arc(x(last), x(i), top, run.attention[i], { "data-token": token }));
  if (hasSink) arcs.unshift(arc(x(last), x(-1), top, run.sinkShare, { class: "arc sink" }));
  const most = run.attention.indexOf(Math.max(...run.attention));
  const labels = tokens.flatMap((token, i) => [
    step >= 13 && chip(x(i), top, step, names[token], isIllegal.has(i), token),
    (step >= 36 || (step >= 13 && i === most)) &&
      svg("text", { x: inside(i), y: top + 40, class: "soft number", ...middle },
        fixed(run.attention[i])),
  ]);
  if (hasSink) {
    labels.push(svg("text", { x: x(-1), y: top + 17, class: "soft", ...middle },
      step < 30 ? "0" : "sink"));
    if (step >= 36) {
      labels.push(svg("text", { x: x(-1), y: top + 40, class: "soft number", ...middle },
        fixed(run.sinkShare)));
    }
  }
  const text = `Attention of the last token, ${names[tokens[last]]}: ${tokens
    .map((token, i) => `${names[token]} ${fixed(run.attention[i])}`).join(", ")}` +
    `${hasSink ? `, sink ${fixed(run.sinkShare)}` : ""}. The sum is 1.`;
  return svg("svg", { width, height: top + 46, role: "img", "aria-label": text },
    ...arcs, ...labels.filter(Boolean));
}

function arc(from, to, y, weight, attributes) {
  const rise = from === to ? 34 : Math.min(y - 8, 18 + 0.28 * (from - to));
  const path = from === to
    ? `M${from - 7},${y} C${from - 26},${y - rise} ${from + 26},${y - rise} ${from + 7},${y}`
    : `M${from},${y} C${from},${y - 1.3 * rise} ${to},${y - 1.3 * rise} ${to},${y}`;
  return svg("path", { d: path, fill: "none", class: "arc",
    "stroke-width": Math.max(0.6, Math.min(10, 18 * weight)), ...attributes });
}

function chip(x, y, step, name, isIllegal, token) {
  const size = Math.min(26, step - 2);
  return svg("g", { "data-token": token, class: isIllegal ? "chip-drawn bad" : "chip-drawn" },
    svg("rect", { x: x - size / 2, y, width: size, height: 24, rx: 4 }),
    svg("text", { x, y: y + 16.5, ...middle, ...small(name, size) }, name));
}

const small = (name, size) => (7 * name.length > size ? { style: "font-size: 10px" } : {});

/** Attention as a sum in words. */
export function sumAttention(run) {
  const seen = run.attention.reduce((sum, share) => sum + share, 0);
  const places = run.attention.length === 1 ? "the only place" : `${run.attention.length} places`;
  return run.sinkShare > 0
    ? `${fixed(seen)} to ${places} + ${fixed(run.sinkShare)} to the sink = 1.00`
    : `Sum over ${places}: ${fixed(seen)}`;
}

/** The logits, less what they are drawn against: the lowest legal one, or else the highest. */
export function relativeLogits(run, legal) {
  const isLegal = legal?.includes(1);
  const level = run.logits.reduce(
    (found, logit, k) =>
      isLegal ? (legal[k] ? Math.min(found, logit) : found) : Math.max(found, logit),
    isLegal ? Infinity : -Infinity);
  return run.logits.map((logit) => logit - level);
}

/** Logits above, probabilities below, a column for each token; `scale` is {low, high, most}. */
export function drawNext({ run, legal, names, width, scale, name }) {
  const vocab = names.length;
  const rows = Math.ceil(vocab / Math.max(1, Math.floor((width - AXIS) / COLUMN)));
  const perRow = Math.ceil(vocab / rows);
  const cell = Math.min(44, (width - AXIS) / perRow);
  const relative = relativeLogits(run, legal);
  const target = legal?.includes(1) ? 1 / countLegal(legal) : null;
  const content = [];
  let y = 16;
  for (let row = 0; row < rows; row++) {
    const sizes = { ...(rows > 1 ? LOW : HEIGHTS), ...(row === 0 && { gap: HEIGHTS.gap }) };
    const place = placeRow(y, sizes, scale);
    const end = Math.min(vocab, (row + 1) * perRow);
    for (let k = row * perRow; k < end; k++) {
      const x = AXIS + cell * (k - row * perRow + 0.5);
      content.push(drawColumn({ k, x, cell, place, target, name: names[k],
        relative: relative[k], share: run.probabilities[k], isLegal: legal && legal[k] }));
    }
    content.push(...drawAxes(place, scale, AXIS + cell * (end - row * perRow), row === 0, legal));
    y = place.base + 36;
  }
  const label = `Next token by ${name}: ${names
    .map((token, k) => [token, run.probabilities[k]]).sort((one, other) => other[1] - one[1])
    .slice(0, 5).map(([token, p]) => `${token} ${percent(p)}`).join(", ")}` +
    `${legal ? `; illegal tokens together ${
      percent(illegalRate(run.probabilities, legal))}` : ""}.`;
  return svg("svg", { width, height: y - 12, role: "img", "aria-label": label }, ...content);
}

/** Where a row's logits and probabilities are drawn. */
function placeRow(top, { logits, gap, shares }, scale) {
  const base = top + logits + gap + shares;
  const span = scale.high - scale.low || 1;
  return {
    top, base, shares,
    logit: (value) => top + 4 + ((logits - 8) * (scale.high - value)) / span,
    height: (share) => ((shares - 6) * share) / scale.most,
  };
}

function drawAxes({ top, base, shares, logit }, scale, right, isFirst, legal) {
  const line = (y, kind) => svg("line", { x1: AXIS, x2: right, y1: y, y2: y, class: kind });
  const number = (y, text) =>
    svg("text", { x: AXIS - 6, y: y + 4, "text-anchor": "end", class: "soft number" }, text);
  const level = logit(0);
  return [
    line(level, "level"), number(level, "0"),
    logit(scale.low) - level > 14 && number(logit(scale.low), show(scale.low, 2)),
    level - logit(scale.high) > 14 && number(logit(scale.high), show(scale.high, 2)),
    line(base, "axis"), number(base, "0"), number(base - shares + 6, percent(scale.most)),
    isFirst && svg("text", { x: AXIS, y: top - 4, class: "soft" },
      legal?.includes(1) ? "logit − lowest legal logit (nats)" : "logit − highest logit (nats)"),
    isFirst && svg("text", { x: AXIS, y: base - shares - 16, class: "soft" },
      legal?.includes(1) ? "probability; dashed: the right answer" : "probability"),
  ].filter(Boolean);
}

function drawColumn({ k, x, cell, place, target, name, relative, share, isLegal }) {
  const kind = isLegal == null ? "unknown" : isLegal ? "legal" : "illegal";
  const { top, base, height } = place;
  const wide = Math.max(3, Math.min(26, 0.66 * cell));
  const y = place.logit(relative);
  return svg("g", { class: `column ${kind}`, "data-token": k },
    svg("rect", { class: "ground", x: x - cell / 2, y: top, width: cell, height: base - top + 22 }),
    kind === "illegal" && svg("line", { class: "stem", x1: x, x2: x, y1: place.logit(0), y2: y }),
    svg("circle", { class: "dot", cx: x, cy: y, r: Math.min(4.5, 0.3 * cell) }),
    svg("rect", { class: "bar-drawn", x: x - wide / 2, y: base - height(share), width: wide,
      height: height(share) }),
    target !== null && isLegal && svg("rect", { class: "target", x: x - wide / 2 - 1.5,
      y: base - height(target), width: wide + 3, height: height(target) }),
    cell >= 38 && share >= 0.0005 && svg("text", { x, y: base - height(share) - 4, ...middle,
      class: "soft number", style: "font-size: 10px" }, percent(share)),
    svg("text", { x, y: base + 16, ...middle, class: "name", ...small(name, cell) }, name));
}

/** Where the logit of token k comes from, number by number. */
export function sumTable({ run, tokens, names, k, legal, table }) {
  const places = tokens.map((token, i) => ({
    name: `${names[token]}, place ${i + 1}`, attention: run.attention[i],
    value: table.at(token, k), adds: run.part(i, k), token,
  }));
  const shown = new Set([...places].sort((one, other) => Math.abs(other.adds) - Math.abs(one.adds))
    .slice(0, tokens.length > MOST + 1 ? MOST : MOST + 1));
  const rest = places.filter((place) => !shown.has(place));
  const own = run.own(k);
  const most = Math.max(...places.map(({ adds }) => Math.abs(adds)), Math.abs(own), 1e-300);
  const clean = (value) => (Math.abs(value) < 1e-12 * most ? 0 : value); // what rounding leaves
  const line = (name, attention, value, adds, token) =>
    h("tr", token == null ? {} : { "data-token": token },
      h("th", { scope: "row" }, name), h("td", { class: "number" }, attention),
      h("td", { class: "number" }, value), h("td", { class: "number" }, show(clean(adds))),
      h("td", { class: "share" }, signedBar(adds / most)));
  const rows = places.filter((place) => shown.has(place))
    .map(({ name, attention, value, adds, token }) =>
      line(name, fixed(attention), show(value), adds, token));
  if (rest.length) {
    rows.push(line(`${rest.length} other places`,
      fixed(rest.reduce((sum, place) => sum + place.attention, 0)), "",
      rest.reduce((sum, place) => sum + place.adds, 0)));
  }
  const below = clean(-relativeLogits(run, legal)[k]);
  const factor = run.scale === 1 ? "" : `, times ${show(run.scale)} by the norm`;
  return [
    h("p", { class: "soft" },
      `Attention × value${factor} = what a place adds. Values and sums in nats.`),
    h("div", { class: "scroll" }, h("table", { class: "sum" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "from"),
        ...["attention", "value", "adds"].map((text) =>
          h("th", { scope: "col", class: "number" }, text)), h("td"))),
      h("tbody", {}, rows, line("direct path", "", "", own)),
      h("tfoot", {}, h("tr", {},
        h("th", { scope: "row" }, `logit of ${names[k]}`), h("td"), h("td"),
        h("td", { class: "number" }, show(clean(run.logits[k]))), h("td"))))),
    legal?.includes(1) && h("p", { class: legal[k] ? "" : "warn" },
      legal[k]
        ? `${names[k]} is legal${
          below ? `, ${show(-below)} nats above the lowest legal logit` : ""}.`
        : `${names[k]} is illegal: displacement δ = ${show(below)} nats ` +
          `(${sayWhere(below)} the lowest legal logit).`),
    h("p", {}, `Its probability is ${percent(run.probabilities[k])}.`),
  ];
}

const sayWhere = (below) => (below > 0 ? "below" : below < 0 ? "above" : "level with");

/** A bar to the right of the middle, or to the left if the share (of 1) is negative. */
function signedBar(share) {
  const from = Math.min(0.5, 0.5 + share / 2);
  return h("span", { class: "signed", "aria-hidden": "true",
    style: `--share: ${Math.abs(share).toFixed(4)}; --from: ${from.toFixed(4)}` });
}
