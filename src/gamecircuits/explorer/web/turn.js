// Turn the numbers of a model of set complement, and see how often it errs by length.

import { build, gramOfFrame, meanOffDiagonal, measure, SAMPLES } from "gamecircuits/built";
import { drawCurves } from "gamecircuits/curves";
import {
  button, choice, h, moveSlider, onWidth, percent, replace, show, slider,
} from "gamecircuits/dom";
import { PRESETS } from "gamecircuits/presets";
import { draw } from "gamecircuits/random";
import { law } from "gamecircuits/theory";

const MOST_TOKENS = 40;
const NORMS = [["none", "no norm"], ["attention", "on the head's output"],
  ["residual", "on the residual stream"]];
const SHAPES = [["full", "wide enough"], ["block", "too narrow: block"],
  ["frame", "too narrow: frame"]];
const START = PRESETS[0].setting;
const nats = (value) => `${show(value)} nats`;
const power = (place) => Number((10 ** place).toPrecision(3));

// The sliders: what each is called, its ends, and which models have it.
const isFull = ({ shape }) => shape === "full";
const SLIDERS = {
  s: { label: "Tokens seen, s", min: 1, max: ({ V }) => V - 1, step: 1, read: String },
  V: { label: "Tokens in all, V", min: 2, max: MOST_TOKENS, step: 1, read: String },
  x: { label: "Strength x", min: 0.1, max: 1000, isLog: true, read: nats },
  beta: { label: "Direct path β, for the last token", min: -60, max: 60, step: 0.1, read: nats,
    isThere: isFull },
  sink: { label: "Attention weight of a sink, a₀", min: 0, max: 20, step: 0.5, read: show,
    isThere: isFull },
  gain: { label: "Gain of the norm, g", min: 0.1, max: 100, isLog: true, read: show,
    isThere: ({ norm }) => norm !== "none" },
  m: { label: "Dimensions, m", min: 1, max: ({ V }) => V - 1, step: 1, read: String,
    isThere: (setting) => !isFull(setting) },
};

const within = (value, low, high) => Math.min(high, Math.max(low, value));
const oneOf = (pairs, value) => (pairs.some(([name]) => name === value) ? value : pairs[0][0]);

/** A setting that makes sense, from whatever the address holds. */
function tidy(given) {
  const setting = { ...given, shape: oneOf(SHAPES, given.shape), norm: oneOf(NORMS, given.norm) };
  setting.V = within(Math.round(setting.V), 2, MOST_TOKENS);
  if (!isFull(setting)) Object.assign(setting, { norm: "none", beta: 0, sink: 0 });
  for (const [name, { min, max, step }] of Object.entries(SLIDERS)) {
    const most = typeof max === "function" ? max(setting) : max;
    setting[name] = within(step === 1 ? Math.round(setting[name]) : setting[name], min, most);
  }
  return setting;
}

/** Whether two settings are the same model; the length at which one looks may differ. */
const sameModel = (one, other) => {
  const [first, second] = [one, other].map((given) => tidy({ ...given, s: 1 }));
  return Object.keys(START).every((name) => first[name] === second[name]);
};

/** Curves of a setting: theory and model at every length. */
export function curvesOf(setting, withModel = true) {
  const lengths = Array.from({ length: setting.V - 1 }, (_, n) => n + 1);
  const mean = setting.shape === "frame" ? meanOffDiagonal(gramOfFrame(setting.V, setting.m)) : 0;
  const model = withModel && build(setting);
  return {
    lengths,
    theory: lengths.map((s) => law(setting, s, mean)),
    model: withModel ? lengths.map((s) => measure(model, setting, s)) : [],
  };
}

/** The formula of the displacement. */
function formulaOf({ norm, shape, beta, sink }) {
  if (shape === "block") return "δ = x/s for tokens with a dimension (1 more for the last), else 0";
  if (shape === "frame") return "mean δ = x (1 − ḡ)/s, where ḡ is the mean inner product";
  const weight = sink > 0 ? "(s + a₀)" : "s";
  const own = beta === 0 ? "" : ", and β more for the last token";
  if (norm === "none") return `δ = x/${weight}${own}`;
  if (norm === "attention") return `δ = g √(V/(s (V − s)))${own}; x and a₀ cancel`;
  const last = beta === 0 ? "" : "; for the last token g (w + β) in place of g w";
  return `δ = g w/√(1 − 1/V + w² s (V − s)/V), where w = x/${weight}${last}`;
}

/** Neighbouring lengths in words. */
function sayLengths(lengths, V) {
  const [first, last] = [lengths[0], lengths.at(-1)];
  if (first === 1 && last === V - 1) return "At every length";
  if (last === V - 1) return `From length ${first} on`;
  return first === last ? `At length ${first}` : `At lengths ${first} to ${last}`;
}

class Turn {
  constructor(section, page) {
    Object.assign(this, page.state.under("turn."));
    this.before = tidy(START);
    this.sliders = Object.fromEntries(Object.entries(SLIDERS).map(([name, one]) =>
      [name, this.#makeSlider(name, one)]));
    const names = ["presets", "text", "choices", "reading", "details", "curves", "guess"];
    this.parts = Object.fromEntries(names.map((name) => [name, h("div", { class: name })]));
    this.parts.reading.setAttribute("aria-live", "polite");
    this.guess = slider("Your guess", { min: 0, max: 100, step: 1, value: 50, key: "turn.guess",
      read: (value) => `${value} %` }, (guess) => this.set({ guess }));
    const { s, V, ...others } = this.sliders;
    section.append(
      h("p", {}, "A model of set complement has few numbers. Turn them, and see the probability " +
        "that it wastes on seen tokens. Lines are theory, points are the model."),
      this.parts.presets, this.parts.text,
      h("div", { class: "turn" },
        h("div", { class: "card sliders" }, s, V, this.parts.choices, Object.values(others)),
        h("div", { class: "shown" }, this.parts.reading, this.parts.details, this.parts.curves,
          this.parts.guess)));
    section.addEventListener("change", () => this.#settle());
    page.state.listen(Object.keys(turn.defaults()), () => this.draw());
    onWidth(section, () => this.draw());
    this.draw();
  }

  #makeSlider(name, { label, min, max, step, isLog, read }) {
    const ends = isLog ? { min: Math.log10(min), max: Math.log10(max), step: 0.01 }
      : { min, max: typeof max === "function" ? max(START) : max, step };
    const value = isLog ? Math.log10(START[name]) : START[name];
    return slider(label, { ...ends, value, key: `turn.${name}`,
      read: (place) => read(isLog ? power(place) : place) },
    (place) => this.set({ [name]: isLog ? power(place) : place }));
  }

  #read() {
    return tidy(Object.fromEntries(Object.keys(START).map((name) => [name, this.get(name)])));
  }

  /** What was drawn when a control came to rest is the ghost of what comes next. */
  #settle() {
    if (this.settled && !sameModel(this.settled, this.setting)) this.before = this.settled;
    this.settled = this.setting;
  }

  draw() {
    this.setting = this.#read();
    this.settled ??= this.setting;
    this.isAsked = this.get("ask") === 1;
    this.#drawPresets();
    this.#drawControls();
    if (!this.drawn || !sameModel(this.drawn, this.setting)) this.found = curvesOf(this.setting);
    this.drawn = this.setting;
    this.#drawReading(this.found);
    this.#drawCurves(this.found);
    this.#drawGuess(this.found);
  }

  #drawPresets() {
    const chosen = PRESETS.find(({ setting }) => sameModel(setting, this.setting));
    replace(this.parts.presets, PRESETS.map(({ name, setting }) =>
      button(name, () => {
        this.before = tidy(START);
        this.settled = tidy(setting);
        this.set({ ...setting, ask: 0 });
      }, { "aria-pressed": String(chosen?.name === name) })));
    replace(this.parts.text, h("p", {}, chosen
      ? chosen.text : "A setting of your own."));
  }

  #drawControls() {
    const { setting } = this;
    replace(this.parts.choices,
      choice("Width", SHAPES, setting.shape, (shape) => this.set({ shape }), "turn.shape"),
      isFull(setting) &&
        choice("Norm", NORMS, setting.norm, (norm) => this.set({ norm }), "turn.norm"));
    for (const [name, { max, isLog, read, isThere }] of Object.entries(SLIDERS)) {
      this.sliders[name].hidden = isThere ? !isThere(setting) : false;
      moveSlider(this.sliders[name], {
        value: isLog ? Math.log10(setting[name]) : setting[name],
        max: typeof max === "function" ? max(setting) : null,
        read: () => read(setting[name]),
      });
    }
  }

  #drawReading({ theory, model, lengths }) {
    const { setting } = this;
    const { s, V, shape } = setting;
    const [now, law] = [model[s - 1], theory[s - 1]];
    const counted = `After ${s} of ${V} tokens`;
    const lost = isFull(setting) ? lengths.filter((n) => theory[n - 1].last <= 1e-12) : [];
    const others = s > 1 && show(now.others) !== show(now.last)
      ? `The last token lies ${nats(now.last)} below the absent ones, the others ` +
        `${nats(now.others)}.`
      : `Each seen token lies ${nats(now.last)} below the absent ones.`;
    replace(this.parts.reading, h("p", {}, this.isAsked ? `${counted}: what do you guess?` : [
      `${counted} `, h("strong", { class: "warn" }, percent(now.rate)),
      " of the probability falls on seen ones."]));
    replace(this.parts.details,
      h("p", {}, !this.isAsked && (Number.isFinite(law.rate)
        ? `Theory: ${percent(law.rate)}. ` : "Theory has bounds only. "), others,
        lost.length > 0 && ` ${sayLengths(lost, V)} the last token is at least as likely as an ` +
          "absent one."),
      h("p", { class: "soft" }, `Displacement: ${formulaOf(setting)}.`,
        shape === "frame" && ` Points: means over ${SAMPLES} random contexts of each length.`));
  }

  #drawCurves({ lengths, theory, model }) {
    const { setting, before } = this;
    const hasGhost = before.V === setting.V && !sameModel(before, setting);
    const ghost = hasGhost ? curvesOf(before, before.shape === "frame") : null;
    const past = ghost && (before.shape === "frame" ? ghost.model : ghost.theory);
    const listOf = (list, name) => (list ?? []).map((one, n) => [n + 1, one[name]]);
    const here = { length: setting.s };
    const areSame = theory.every(({ others, last }) =>
      Number.isNaN(others) || Math.abs(others - last) <= 1e-9 * (1 + Math.abs(last)));
    const curveOf = (name, text, kind) => ({ name: text, kind, line: listOf(theory, name),
      points: listOf(model, name), ghost: listOf(past, name) });
    const displaced = areSame ? [curveOf("last", "all seen", "all")]
      : [curveOf("others", "others", "others"), curveOf("last", "last", "last")];
    const rate = this.isAsked ? [] : [curveOf("rate", "illegal", "rate")];
    const holders = [h("div", {}), h("div", {})];
    replace(this.parts.curves, holders);
    const width = Math.max(280, holders[0].clientWidth);
    const first = model[0], last = model.at(-1);
    const ends = (name, text) =>
      `from ${text(first[name])} at length 1 to ${text(last[name])} at length ${lengths.at(-1)}`;
    holders[0].append(drawCurves({ width, lengths, here, isLog: true, series: rate,
      title: "Illegal rate", guess: this.get("ask") > 0 ? this.get("guess") / 100 : null,
      label: this.isAsked ? "Illegal rate by length, hidden until you have guessed."
        : `Illegal rate by length, ${ends("rate", percent)}.` }));
    holders[1].append(drawCurves({ width, lengths, here, isLog: false, series: displaced,
      title: "Displacement (nats)",
      label: `Displacement of the last token by length, ${ends("last", nats)}.` }));
    if (hasGhost) {
      const name = sameModel(before, START)
        ? `${PRESETS[0].name}, the first setting` : "the setting before this one";
      this.parts.curves.append(h("p", { class: "soft" }, `Dotted: ${name}.`));
    }
  }

  #drawGuess({ model }) {
    const { s, V } = this.setting;
    const [ask, guess] = [this.get("ask"), within(this.get("guess"), 0, 100)];
    const found = 100 * model[s - 1].rate;
    const off = Math.abs(guess - found);
    const missed = `You were ${show(off, 2)} points too ${guess < found ? "low" : "high"}.`;
    const verdict = `You guessed ${guess} %; it is ${percent(found / 100)}. ` +
      `${off < 2 ? "Well guessed." : missed}`;
    moveSlider(this.guess, { value: guess, read: (value) => `${value} %` });
    replace(this.parts.guess, h("div", { class: "card guess-card" },
      h("h3", {}, "Guess first"),
      h("p", {}, ask === 0 ? "Hide the answer, guess it, and compare."
        : `After ${s} of ${V} tokens: what share of the probability falls on seen ones?`),
      ask > 0 && this.guess,
      h("p", { "aria-live": "polite" }, ask === 2 && verdict),
      h("div", { class: "bar" },
        ask === 1 ? button("Reveal", () => this.set({ ask: 2 }))
          : button(ask === 0 ? "Ask me" : "Ask me again", () => this.#ask()))));
  }

  /** A question: a preset and a length, by the number of the question. */
  #ask() {
    const question = this.get("question");
    const { setting } = PRESETS[Math.floor(draw(2 * question) * PRESETS.length)];
    const s = 2 + Math.floor(draw(2 * question + 1) * (setting.V - 2));
    this.before = tidy(START);
    this.settled = tidy({ ...setting, s });
    this.set({ ...setting, s, ask: 1, guess: 50, question: (question + 1) % 1e6 });
  }
}

export const turn = {
  id: "turn",
  title: "Turn the numbers of a model",
  short: "Turn",
  isThere: () => true,
  defaults: () => ({
    ...Object.fromEntries(Object.entries(START).map(([name, value]) => [`turn.${name}`, value])),
    "turn.ask": 0, "turn.guess": 50, "turn.question": 0,
  }),
  build: (section, page) => new Turn(section, page),
};
