// All models of the run in one table; two of them side by side, with circuits and diagnosis.

import { drawDiagnosis } from "gamecircuits/diagnosis";
import { h, replace, show, words } from "gamecircuits/dom";
import { largestOf, makeMaps } from "gamecircuits/heatmap";

const COLUMNS = [
  ["name", "model"],
  ["kind", "kind"],
  ["norm", "norm"],
  ["gain", "gain"],
  ["vocab", "V"],
  ["d", "d"],
  ["layers", "layers"],
  ["heads", "heads"],
  ["positions", "positions"],
  ["x", "x"],
  ["beta", "β"],
  ["misfit", "misfit"],
  ["rate", "illegal rate"],
  ["fails", "fails at"],
];
const MEANINGS =
  "V is the number of tokens, d the width of the residual stream. x and β are the mean strengths " +
  "of the OV circuit and of the direct path in nats, under a norm as it scales them at length 1. " +
  "Misfit is what of the circuits lies outside the standard form, relative to x. " +
  "The illegal rate is the mean at the longest length that the diagnosis measured. " +
  "A model fails at the first length where the last token of some context is at least as likely " +
  "as an unseen one. In other games it is the first where an illegal token is at least as likely " +
  "as a legal one. Never means at no measured length. " +
  "Illegal rate and failure are known of the models that the run diagnoses. " +
  "Models of several layers have no x, β and misfit; heads are those of a layer.";

/** What of a model is in the table beside its diagnosis; those of several layers have no x. */
const describe = (model, isBesideDeep) =>
  model.tables
    ? {
        ...model.form,
        norm: model.norm,
        gain: model.norm === "none" ? null : model.gain,
        d: model.d,
        ...(isBesideDeep && { layers: 1, heads: 1, positions: "none" }),
      }
    : {
        norm: model.model_norm,
        d: model.width,
        layers: model.layers,
        heads: model.heads,
        positions: model.positions,
      };

const allOf = (data) => [...data.models, ...(data.deep_models ?? [])];

/** Rows of the table: models with what their diagnosis says. */
const makeRows = (data) =>
  allOf(data).map((model) => {
    const { x, beta, misfit, ...about } = describe(model, data.deep_models?.length > 0);
    return {
      ...(data.diagnoses[model.name]?.is_play ? {} : { x, beta, misfit }),
      ...(data.diagnoses[model.name] ?? { curves: {} }),
      ...about,
      name: model.name,
      kind: model.kind,
      vocab: model.vocab,
      model,
    };
  });

/** The first length that fails; "never" where lengths were measured and none does. */
const sayFailure = (row) => ("fails" in row && row.fails == null ? "never" : show(row.fails));

function compare(a, b) {
  const [isA, isB] = [a, b].map((value) => value != null && !Number.isNaN(value));
  if (!isA || !isB) return isB - isA; // what is missing comes last
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}

function sorted(rows, order) {
  const key = order.replace(/^-/, "");
  if (!COLUMNS.some(([name]) => name === key)) return rows;
  const sign = order.startsWith("-") ? -1 : 1;
  const isMissing = (row) => row[key] == null;
  return [...rows].sort((a, b) =>
    isMissing(a) || isMissing(b) ? compare(a[key], b[key]) : sign * compare(a[key], b[key]),
  );
}

/**
 * A circuit without what predictions do not depend on, in nats as at length 1. `r` is what OV
 * favours and direct takes back; `factors` are what the norm multiplies rows by.
 */
function withoutGauge(table, r, sign, factors) {
  const [size] = table.shape;
  const shared = Array.from({ length: size }, (_, row) => {
    let sum = 0;
    for (let k = 0; k < size; k++) if (k !== row) sum += table.at(row, k) - sign * r[k];
    return size > 1 ? sum / (size - 1) : 0;
  });
  return (row, column) => factors[row] * (table.at(row, column) - sign * r[column] - shared[row]);
}

/** QK, OV and direct path of a model without gauge, as functions of row and column. */
export function circuitsOf(model) {
  const { scores, values, direct } = model.tables;
  const size = model.vocab;
  const means = Array.from(
    { length: size },
    (_, row) => scores.row(row).reduce((sum, v) => sum + v, 0) / size,
  );
  return {
    scores: (row, column) => scores.at(row, column) - means[row],
    values: withoutGauge(values, model.r, 1, model.factors.values),
    direct: withoutGauge(direct, model.r, -1, model.factors.direct),
  };
}

/** Circuits of a model of one layer, without gauge. */
function drawCircuits(row) {
  const { model } = row;
  const circuits = circuitsOf(model);
  const scale = Math.max(
    ...["values", "direct"].map((name) => largestOf(circuits[name], model.vocab)),
  );
  const scoreScale = Math.max(0.5, largestOf(circuits.scores, model.vocab));
  const maps = makeMaps({
    vocab: model.vocab,
    scale,
    scoreScale,
    key: `model-${row.name}`,
    circuits,
  });
  return h(
    "div",
    { class: "maps" },
    Object.values(maps).map((map) => map.element),
  );
}

/** What a model is, in words. */
function listFacts(row) {
  const { model } = row;
  const facts = [`kind ${words(row.kind)}`, `V = ${row.vocab}`];
  if (!model.tables) {
    const context = model.context ? ` up to ${model.context}` : "";
    return [
      ...facts,
      `${model.layers} layers of ${model.heads} heads`,
      `width ${model.width}`,
      model.mlp ? `MLPs of ${model.mlp}` : "no MLP",
      `${model.positions === "none" ? "no" : words(model.positions)} positions${context}`,
      model.model_norm === "none" ? "no norm" : model.model_norm,
    ];
  }
  return [
    ...facts,
    `d = ${row.d}`,
    model.norm === "none" ? "no norm" : `${model.norm} norm, gain ${show(model.gain)}`,
    model.sink > 0 && `sink of weight ${show(model.sink)}`,
  ];
}

function drawModel(row) {
  const { model } = row;
  const { colour } = model;
  return h(
    "section",
    { class: "card", style: `border-top: 4px solid ${colour}` },
    h("h3", {}, words(row.name)),
    h("p", { class: "soft" }, listFacts(row).filter(Boolean).join(", ")),
    model.tables && drawCircuits(row),
    drawDiagnosis(row, colour),
  );
}

/** Names of the models that are shown at first: a constructed and a trained one, if there are. */
function choosePair(data) {
  const known = allOf(data).filter((model) => data.diagnoses[model.name]);
  const isTrained = (model) => model.origin === "trial";
  const pair = [known.find((model) => !isTrained(model)), known.find(isTrained)].filter(Boolean);
  return (pair.length ? pair : allOf(data).slice(0, 1)).map((model) => model.name);
}

export const models = {
  id: "models",
  title: "The models, compared",
  short: "Models",
  isThere: (data) => Boolean(data.diagnoses && allOf(data).length),
  defaults: (page) => ({ msort: "", pair: choosePair(page.data).join(",") }),
  build(element, page) {
    const { data, state } = page;
    const rows = makeRows(data);
    const shown = COLUMNS.filter(([key]) => rows.some((row) => row[key] != null));
    const table = h("div", { class: "scroll" });
    const pair = h("div", { class: "columns" });
    const isThere = (name) => rows.some((row) => row.name === name);
    const chosen = () => {
      const wanted = state.get("pair").split(",");
      const found = wanted.filter(isThere).slice(0, 2);
      return found.length || wanted[0] === "" ? found : choosePair(data);
    };
    const tick = (name) => {
      const now = chosen();
      const next = now.includes(name)
        ? now.filter((one) => one !== name)
        : [...now, name].slice(-2);
      state.set({ pair: next.join(",") });
    };
    const drawTable = () => {
      const order = state.get("msort");
      const head = shown.map(([key, title]) => {
        const direction = order === key ? "ascending" : order === `-${key}` ? "descending" : false;
        const arrow = { ascending: " ↑", descending: " ↓" }[direction] ?? "";
        const isNumber = rows.some((row) => typeof row[key] === "number");
        return h(
          "th",
          { scope: "col", "aria-sort": direction, class: isNumber && "number" },
          h(
            "button",
            {
              type: "button",
              class: "plain",
              "data-key": `sort-${key}`,
              onclick: () => state.set({ msort: order === key ? `-${key}` : key }),
            },
            title + arrow,
          ),
        );
      });
      replace(
        table,
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "show"), head)),
          h(
            "tbody",
            {},
            sorted(rows, order).map((row) =>
              h(
                "tr",
                {},
                h(
                  "td",
                  {},
                  h("input", {
                    type: "checkbox",
                    checked: chosen().includes(row.name),
                    "data-key": `tick-${row.name}`,
                    "aria-label": `show ${words(row.name)}`,
                    onchange: () => tick(row.name),
                  }),
                ),
                shown.map(([key]) =>
                  typeof row[key] === "number" || row[key] == null
                    ? h(
                        "td",
                        { class: "number" },
                        key === "fails" ? sayFailure(row) : show(row[key]),
                      )
                    : h("td", {}, key === "norm" && row.norm === "none" ? "–" : words(row[key])),
                ),
              ),
            ),
          ),
        ),
      );
    };
    const drawPair = () =>
      replace(
        pair,
        chosen().map((name) => drawModel(rows.find((row) => row.name === name))),
      );
    element.append(
      h("p", {}, "A click on a heading sorts. Tick two models to see them side by side."),
      table,
      h("details", {}, h("summary", {}, "What the columns mean"), h("p", {}, MEANINGS)),
      pair,
    );
    state.listen(["msort", "pair"], drawTable);
    state.listen(["pair"], drawPair);
    drawTable();
    drawPair();
  },
};
