// Trainings, checkpoint by checkpoint: circuits, strengths, and predictions after one context.

import { button, choice, h, moveSlider, replace, show, slider, words } from "gamecircuits/dom";
import { circuitAt, drawBars, drawCharts, makeModel } from "gamecircuits/course";
import { readTokens } from "gamecircuits/games";
import { largest, largestOf, makeMaps } from "gamecircuits/heatmap";
import { legend } from "gamecircuits/plot";
import { makeRule } from "gamecircuits/rules";
import { plainNames } from "gamecircuits/tokens";
import { countLegal } from "gamecircuits/transformer";

const FRAME = 160; // milliseconds between checkpoints while it plays

class Training {
  constructor(element, page) {
    Object.assign(this, { element, page });
    this.courses = page.data.courses.filter((course) => course.variants.length);
    this.timer = null;
    page.state.listen(["lsearch"], () => this.build());
    page.state.listen(["lstep"], () => this.show());
    page.state.listen(["play.game", "play.tokens", "play.at"], () => this.predict());
    document.addEventListener("visibilitychange", () => this.stop());
    this.build();
  }

  get search() {
    return (
      this.courses.find((one) => one.name === this.page.state.get("lsearch")) ?? this.courses[0]
    );
  }

  get last() {
    return this.search.steps.length - 1;
  }

  get step() {
    const wanted = this.page.state.get("lstep");
    return wanted < 0 || wanted > this.last ? this.last : Math.floor(wanted);
  }

  /** The legal tokens after the context, 1 and 0; null where the page does not know the rule. */
  get legal() {
    const game = this.page.data.games.find((one) => one.name === this.search.game);
    return game ? makeRule(game).after(this.context).legal : null;
  }

  /** Of a variant that diverged, the last checkpoint before. */
  stepOf(course) {
    return Math.min(this.step, course.x.length - 1);
  }

  get context() {
    const { vocab, length, game } = this.search;
    const { state } = this.page;
    const isSame = state.get("play.game") === game;
    const played = isSame ? readTokens(state, vocab) : [];
    const at = state.get("play.at");
    const given = at < 0 ? played : played.slice(0, at);
    const count = Math.max(1, Math.min(vocab - 1, length + 2));
    return given.length ? given : Array.from({ length: count }, (_, n) => n);
  }

  build() {
    this.stop();
    const { search, page } = this;
    const several =
      this.courses.length > 1 &&
      choice(
        "Search",
        this.courses.map((one) => one.name),
        search.name,
        (lsearch) => page.state.set({ lsearch, lstep: -1 }),
        "lsearch",
      );
    this.controls = this.makeControls();
    this.charts = h("div", { class: "plots" });
    this.columns = h("div", { class: "columns four" });
    this.chips = h("div", { class: "bar", role: "group", "aria-label": "Tokens of the context" });
    const colours = search.variants.map((course) => ({
      name: words(course.name),
      colour: course.colour,
    }));
    this.cards = search.variants.map((course) => this.makeCard(course));
    replace(
      this.element.querySelector(".body"),
      several && h("div", { class: "bar" }, several),
      this.controls,
      h("p", { class: "soft" }, search.left_out),
      legend(colours),
      this.charts,
      h("h3", {}, "Circuits and predictions"),
      h(
        "p",
        {},
        "The maps show each circuit as a table over the tokens, without what predictions do not " +
          "depend on. ",
        "A blue diagonal in OV lowers the logit of every seen token: that is the solution. ",
        "Bars are the probabilities after the context below; the dashed line is the target. ",
        h("span", { class: "warn" }, "Orange"),
        " bars fall on illegal tokens.",
      ),
      this.chips,
      this.columns,
    );
    this.columns.append(...this.cards.map((card) => card.element));
    this.show();
  }

  read(step) {
    return `${this.search.steps[step]} of ${this.search.steps[this.last]}`;
  }

  makeControls() {
    return h(
      "div",
      { class: "bar sticky" },
      button("Play", () => this.toggle(), { class: "main" }),
      button("Back", () => this.go(this.step - 1)),
      button("Forward", () => this.go(this.step + 1)),
      slider(
        "Training step",
        {
          min: 0,
          max: this.last,
          step: 1,
          value: this.step,
          key: "lstep",
          read: (n) => this.read(n),
        },
        (n) => this.go(n),
      ),
    );
  }

  makeCard(course) {
    const { vocab } = this.search;
    const end = course.x.length - 1;
    const ends = ["values", "direct"].map((name) => largestOf(circuitAt(course, name, end), vocab));
    const scoreScale = Math.max(
      0.5,
      ...this.search.variants.map((one) => largest(one.tables.scores.values)),
    );
    const none = () => 0;
    const maps = makeMaps({
      vocab,
      scale: Math.max(...ends) || 1,
      scoreScale,
      key: `learn-${course.name}`,
      circuits: { scores: none, values: none, direct: none },
    });
    const numbers = h("p", { class: "number soft" });
    const bars = h("div", {});
    const element = h(
      "section",
      { class: "card", style: `border-top: 4px solid ${course.colour}` },
      h("h4", {}, words(course.name)),
      numbers,
      h(
        "div",
        { class: "maps" },
        Object.values(maps).map((map) => map.element),
      ),
      bars,
    );
    return { course, maps, numbers, bars, element };
  }

  show() {
    const { search, step } = this;
    const number = search.steps[step];
    const [play, back, forward, place] = this.controls.children;
    play.textContent = this.timer ? "Pause" : "Play";
    back.disabled = step === 0;
    forward.disabled = step === this.last;
    moveSlider(place, { value: step, read: (n) => this.read(n) });
    replace(
      this.charts,
      drawCharts(search, (course) => this.stepOf(course), number),
    );
    for (const { course, maps, numbers } of this.cards) {
      const at = this.stepOf(course);
      for (const [name, map] of Object.entries(maps)) map.update(circuitAt(course, name, at));
      const late = at < step ? ` Training diverged after step ${search.steps[at]}.` : "";
      const norm =
        course.norm === "none" ? "" : `; ${course.norm} norm, gain ${show(course.gain[at])}`;
      const strengths = `x = ${show(course.x[at])}, β = ${show(course.beta[at])} nats`;
      numbers.textContent = `${strengths}${norm}.${late}`;
    }
    this.predict();
  }

  predict() {
    const { context, search } = this;
    const { vocab } = search;
    const names = plainNames(vocab);
    const isSeen = (token) => context.includes(token);
    const toggle = (token) => {
      const next = isSeen(token) ? context.filter((t) => t !== token) : [...context, token];
      this.page.state.set({
        "play.game": search.game,
        "play.at": -1,
        "play.tokens": next.length ? next : [token],
      });
    };
    replace(
      this.chips,
      h("span", {}, "Context: "),
      names.map((name, token) =>
        h(
          "button",
          {
            type: "button",
            class: "pick",
            "aria-pressed": String(isSeen(token)),
            "data-key": `chip-${token}`,
            onclick: () => toggle(token),
          },
          name,
        ),
      ),
      h("span", { class: "soft" }, `last: ${names[context.at(-1)]}`),
    );
    const { legal } = this;
    const count = legal ? countLegal(legal) : 0;
    const target = count ? 1 / count : 0;
    const found = this.cards.map(
      ({ course }) => makeModel(course, vocab, this.stepOf(course)).run(context).probabilities,
    );
    const top = 1.05 * Math.max(target, ...found.map((p) => Math.max(...p)));
    this.cards.forEach(({ bars }, n) =>
      replace(bars, drawBars(found[n], { legal, vocab, target, top })),
    );
  }

  go(step) {
    this.page.state.set({ lstep: Math.max(0, Math.min(this.last, step)) });
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.step === this.last) this.go(0);
    const slow = matchMedia("(prefers-reduced-motion: reduce)").matches ? 5 : 1;
    this.timer = setInterval(() => {
      if (this.step === this.last || this.element.hidden) this.stop();
      else this.go(this.step + 1);
    }, FRAME * slow);
    this.show();
  }

  stop() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.show();
  }
}

export const learn = {
  id: "learn",
  title: "Watch a model learn",
  short: "Learn",
  isThere: (data) => Boolean(data.courses?.some((course) => course.variants.length)),
  defaults: () => ({ lsearch: "", lstep: -1 }),
  build(element, page) {
    const apart = page.data.courses.filter((course) => !course.variants.length);
    element.append(
      h(
        "p",
        {},
        "Several models are trained from the same random start, each with another remedy. ",
        "Move the step, or press Play, and see the mechanism grow.",
      ),
      h("div", { class: "body" }),
      ...apart.map((course) =>
        h("p", { class: "soft" }, `${words(course.name)}: ${course.left_out}`),
      ),
    );
    new Training(element, page);
  },
};
