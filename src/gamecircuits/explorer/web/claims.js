// The statements of the theory, each with what its check found.

import { choice, h, replace, show, svg, words } from "gamecircuits/dom";
import { inline, prose } from "gamecircuits/prose";

const LOWEST = 1e-6; // left end of the axis, of the tolerance
const SHOWN = [
  ["", "all"],
  ["equal", "equalities"],
  ["bound", "bounds"],
  ["fail", "failing"],
];

const isFailing = (row) => row.failures > 0;
const isBound = (row) => row.used == null;

/** Where a residual lies between nothing and the whole tolerance, on a logarithmic axis. */
function drawUsed(used) {
  const place = (value) =>
    8 + 124 * (1 + Math.log10(Math.max(value, LOWEST)) / -Math.log10(LOWEST));
  const tick = (value) =>
    svg("line", { x1: place(value), x2: place(value), y1: 4, y2: 16, class: "gridline" });
  return svg(
    "svg",
    {
      viewBox: "0 0 140 20",
      width: 140,
      height: 20,
      role: "img",
      "aria-label": used === 0 ? "exact" : `${show(100 * used)} % of the tolerance`,
    },
    svg("line", { x1: 8, x2: 132, y1: 10, y2: 10, class: "gridline" }),
    [1e-6, 1e-4, 1e-2, 1].map(tick),
    svg("circle", { cx: place(used), cy: 10, r: 5, class: used > 1 ? "mark-warn" : "mark" }),
  );
}

function makeRow(row, statements) {
  const found = row.names.filter((name) => statements[name]);
  const verdict = isFailing(row)
    ? h("b", { class: "warn" }, `fails in ${row.failures} of ${row.instances}`)
    : "holds";
  const used = isBound(row)
    ? h("span", { class: "soft" }, "a bound")
    : [
        drawUsed(row.used),
        h(
          "span",
          { class: "soft number" },
          row.used === 0 ? "exact" : `${show(100 * row.used, 2)} %`,
        ),
      ];
  return h(
    "li",
    { class: "claim" },
    h("div", {}, h("b", {}, row.proved), h("div", { class: "soft" }, words(row.claim))),
    h(
      "div",
      {},
      inline(row.statement),
      found.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, `The statement: ${found.join(", ")}`),
          found.map((name) => h("div", { class: "statement" }, prose(statements[name]))),
        ),
    ),
    h("div", { class: "used" }, used),
    h(
      "div",
      { class: "soft" },
      verdict,
      h("br"),
      `${row.instances} instances`,
      row.contexts > 0 && `, ${row.contexts.toLocaleString("en")} contexts`,
    ),
  );
}

export const claims = {
  id: "claims",
  title: "The theory, claim by claim",
  short: "Claims",
  isThere: (data) => Boolean(data.claims),
  defaults: () => ({ find: "", kind: "" }),
  build(element, page) {
    const { rows, statements } = page.data.claims;
    const { state } = page;
    const failing = rows.filter(isFailing).length;
    const list = h("ul", { class: "claims" });
    const count = h("p", { class: "soft", "aria-live": "polite" });
    const text = (row) =>
      [row.proved, row.claim, words(row.claim), row.statement].join(" ").toLowerCase();
    const draw = () => {
      const [find, kind] = [state.get("find").toLowerCase().trim(), state.get("kind")];
      const isShown =
        { equal: (row) => !isBound(row), bound: isBound, fail: isFailing }[kind] ?? (() => true);
      const found = rows.filter((row) => text(row).includes(find) && isShown(row));
      count.textContent = `${found.length} of ${rows.length} claims`;
      replace(
        list,
        found.map((row) => makeRow(row, statements)),
      );
    };
    const input = h("input", {
      type: "search",
      value: state.get("find"),
      "data-key": "find",
      oninput: (event) => state.set({ find: event.target.value }),
    });
    const bar = h("div", { class: "bar" });
    const drawBar = () => {
      if (input.value !== state.get("find")) input.value = state.get("find");
      const options = failing ? SHOWN : SHOWN.filter(([kind]) => kind !== "fail");
      replace(
        bar,
        h("label", { class: "choice" }, h("span", {}, "Find in the claims"), input),
        choice("Show", options, state.get("kind"), (kind) => state.set({ kind })),
      );
    };
    element.append(
      h(
        "p",
        {},
        failing ? h("b", { class: "warn" }, `${failing} claims fail. `) : "All claims hold. ",
        "Each is a proved statement, tested on random instances that fulfil its hypotheses.",
      ),
      h(
        "p",
        {},
        "The dot is the largest difference between prediction and measurement. ",
        "The axis is logarithmic, from a millionth of the numerical tolerance to all of it. ",
        "Bounds need no tolerance.",
      ),
      bar,
      count,
      list,
    );
    drawBar();
    state.listen(["find", "kind"], draw);
    state.listen(["kind"], drawBar);
    draw();
  },
};
