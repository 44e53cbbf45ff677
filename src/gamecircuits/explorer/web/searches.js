// What remedies did in training: paired differences with intervals, and hypotheses with verdicts.

import { choice, h, replace, show, svg, words } from "gamecircuits/dom";
import { ticks } from "gamecircuits/plot";

const LENGTHS = {
  trained: "longest in training",
  twice: "twice that",
  longest: "the longest there is",
};
const VERSUS = {
  variant: "variants, each minus the first",
  average: "averages of the weights, each minus the first",
  earlier: "averages, each minus a single iterate of its age",
};
const ROW = 26;

/** The table of effects as objects that are asked for by row. */
class Effects {
  constructor(data) {
    this.data = data;
    this.size = data.mean.length;
  }

  name(column, row) {
    const { names, codes } = this.data[column];
    return names[codes[row]];
  }

  names(column) {
    return this.data[column].names;
  }

  get contrasts() {
    return Object.keys(VERSUS).filter((name) => this.data[`vs_${name}`]);
  }

  /** Rows that fit all filters (column: name), and have a difference from what is named. */
  find(filters, versus) {
    const difference = versus && this.data[`vs_${versus}`].difference;
    return Array.from({ length: this.size }, (_, row) => row).filter(
      (row) =>
        (!versus || Number.isFinite(difference[row])) &&
        Object.entries(filters).every(([column, name]) => this.name(column, row) === name),
    );
  }
}

/** Rows of intervals around zero: [{name, value, low, high, wideLow, wideHigh, text}]. */
function drawIntervals(rows, label) {
  const finite = rows
    .flatMap((row) => [row.value, row.low, row.high, row.wideLow, row.wideHigh])
    .filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const pad = 0.04 * (high - low || 1);
  const width = 640;
  const place = (value) => 8 + ((value - low + pad) / (high - low + 2 * pad)) * (width - 16);
  const marks = ticks(low, high, 6);
  const axis = svg(
    "svg",
    { viewBox: `0 0 ${width} 22`, class: "strip", "aria-hidden": "true" },
    marks.map((value) =>
      svg("text", { x: place(value), y: 15, "text-anchor": "middle", class: "soft" }, show(value)),
    ),
  );
  const draw = (row) => {
    const [least, most] = Number.isFinite(row.wideLow)
      ? [row.wideLow, row.wideHigh] : [row.low, row.high];
    const kind = most < 0 ? "helps" : least > 0 ? "harms" : "open";
    const line = (a, b, stroke) =>
      Number.isFinite(a) &&
      Number.isFinite(b) &&
      svg("line", {
        x1: place(a),
        x2: place(b),
        y1: ROW / 2,
        y2: ROW / 2,
        "stroke-width": stroke,
        class: `effect ${kind}`,
      });
    return svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${ROW}`,
        class: "strip",
        role: "img",
        "aria-label": `${row.name}: ${row.text}`,
      },
      marks.map((value) =>
        svg("line", {
          x1: place(value),
          x2: place(value),
          y1: 0,
          y2: ROW,
          class: value === 0 ? "zeroline" : "gridline",
        }),
      ),
      line(row.wideLow, row.wideHigh, 1.5),
      line(row.low, row.high, 5),
      svg("circle", { cx: place(row.value), cy: ROW / 2, r: 5, class: `effect ${kind}` }),
    );
  };
  return h(
    "div",
    { class: "intervals", role: "group", "aria-label": label },
    rows.map((row) => [
      h("span", {}, row.name),
      draw(row),
      h("span", { class: "number soft" }, row.text),
    ]),
    h("span", {}),
    axis,
    h("span", {}),
  );
}

const between = (low, high, unit = "") => {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return "no interval";
  return `[${show(low)}, ${show(high)}]${unit && ` ${unit}`}`;
};

function drawHypotheses(rows) {
  const mark = { supported: "✓", contradicted: "✗", undecided: "?" };
  return [
    h("h3", {}, "Stated before the run"),
    h(
      "p",
      {},
      "Each claim names a region. It is supported if the whole interval lies in the region.",
    ),
    h(
      "ul",
      { class: "claims hypotheses" },
      rows.map((row) =>
        h(
          "li",
          { class: "claim" },
          h(
            "div",
            {},
            h("b", {}, `${mark[row.verdict] ?? ""} ${row.verdict}`),
            h("div", { class: "soft" }, words(row.search)),
          ),
          h(
            "div",
            {},
            row.claim,
            h("div", { class: "soft" }, `${words(row.measure)}: ${row.compared}`),
          ),
          h(
            "div",
            { class: "number" },
            `${show(row.mean)} ${row.unit}`,
            h("div", { class: "soft" }, between(row.low, row.high)),
          ),
          h(
            "div",
            { class: "soft number" },
            `region ${row.region_low == null ? "−∞" : show(row.region_low)} to ` +
              `${row.region_high == null ? "∞" : show(row.region_high)}`,
            h("br"),
            `${row.trials} trials`,
          ),
        ),
      ),
    ),
  ];
}

class Browser {
  constructor(page) {
    this.page = page;
    this.effects = new Effects(page.data.effects);
    this.bar = h("div", { class: "bar" });
    this.found = h("div", { "aria-live": "polite" });
    page.state.listen(["search", "metric", "versus", "at", "of", "strength"], () => this.draw());
    this.draw();
  }

  /** What is chosen under a name of the state, or the first there is. */
  chosen(key, options) {
    const value = this.page.state.get(key);
    return options.includes(value) ? value : options[0];
  }

  draw() {
    const { effects } = this;
    const search = this.chosen("search", effects.names("search"));
    const versus = this.chosen("versus", effects.contrasts);
    const other = versus === "variant" ? "average" : "variant";
    const there = effects.find({ search }, versus);
    const occurring = (column) =>
      effects
        .names(column)
        .filter((name) => there.some((row) => effects.name(column, row) === name));
    const metric = this.chosen("metric", occurring("metric"));
    const at = this.chosen("at", occurring("eval_length"));
    const of = this.chosen("of", occurring(other));
    const strength = this.chosen("strength", occurring("strength"));
    this.first = effects.find({ search }).at(0); // what others are compared with
    const rows = effects.find({ search, metric, strength, eval_length: at, [other]: of }, versus);
    this.drawBar({ search, versus, metric, at, of, strength }, occurring, other);
    this.drawRows(rows, versus, { metric, other, of });
  }

  drawBar(now, occurring, other) {
    const set = (key) => (value) => this.page.state.set({ [key]: value });
    const { effects } = this;
    const control = (label, key, options) =>
      options.length > 1 && choice(label, options, now[key], set(key), key);
    const named = (names, texts) => names.map((name) => [name, texts[name] ?? words(name)]);
    replace(
      this.bar,
      control("Search", "search", effects.names("search")),
      control("Compare", "versus", named(effects.contrasts, VERSUS)),
      control("Error", "metric", occurring("metric")),
      control("At length", "at", named(occurring("eval_length"), LENGTHS)),
      control(other === "average" ? "Weights" : "Variant", "of", occurring(other)),
      control("Strength", "strength", occurring("strength")),
    );
  }

  drawRows(rows, versus, { metric, other, of }) {
    const { data } = this.effects;
    const own = other === "average" ? "variant" : "average";
    if (!rows.length) return replace(this.found, h("p", {}, "Nothing was compared like this."));
    const values = data[`vs_${versus}`];
    const shown = rows.map((row) => ({
      name: words(this.effects.name(own, row)),
      value: values.difference[row],
      low: values.low[row],
      high: values.high[row],
      wideLow: values.adjusted_low[row],
      wideHigh: values.adjusted_high[row],
      text:
        `${show(values.difference[row])} ${between(values.low[row], values.high[row])}, ` +
        `${values.pairs[row]} pairs`,
    }));
    const length = data.length[rows[0]];
    const from = versus === "earlier"
      ? "a single iterate of the same age" : words(this.effects.name(own, this.first));
    replace(
      this.found,
      h(
        "p",
        {},
        `Mean difference from ${from} in ${words(metric)} after ${length} tokens, with 95 % `,
        "intervals. ",
        `${other === "average" ? "Weights" : "Variant"}: ${words(of)}. Left of zero is better.`,
      ),
      drawIntervals(shown, `Differences in ${words(metric)}`),
      h(
        "p",
        { class: "soft" },
        "Thick lines are Student's intervals of the mean over pairs of trials from the same draw. ",
        "Thin lines are wider, so that those of all comparisons of a kind hold together. ",
        "Grey: an interval reaches zero.",
      ),
    );
  }
}

export const searches = {
  id: "searches",
  title: "What helps in training",
  short: "Searches",
  isThere: (data) =>
    Boolean(data.effects?.vs_variant || data.effects?.vs_average) || data.hypotheses?.length > 0,
  defaults: () => ({ search: "", metric: "", versus: "", at: "longest", of: "", strength: "" }),
  build(element, page) {
    const { effects, hypotheses } = page.data;
    element.append(
      h(
        "p",
        {},
        "Models are trained in pairs from the same random draw, with a remedy and without. ",
        "An interval that does not reach zero tells a difference from chance.",
      ),
    );
    if (effects?.vs_variant || effects?.vs_average) {
      const browser = new Browser(page);
      element.append(browser.bar, browser.found);
    }
    const known = (page.data.courses ?? []).map((course) => course.name);
    const apart = (effects?.search.names ?? []).filter((name) => !known.includes(name));
    if (apart.length) {
      const names = apart.map(words).join(", ");
      element.append(
        h("p", { class: "soft" }, `The training of ${names} cannot be followed step by step here.`),
      );
    }
    if (hypotheses.length) element.append(...drawHypotheses(hypotheses));
  },
};
