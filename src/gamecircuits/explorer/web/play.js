// Play tokens, and see what two models make of them.

import { boardCells, tokenCells } from "gamecircuits/cells";
import { button, choice, h, moveSlider, onWidth, replace, slider, words } from "gamecircuits/dom";
import {
  choosePair, firstTokens, listGames, listModels, LONGEST, readTokens,
} from "gamecircuits/games";
import { draw, sample } from "gamecircuits/random";
import { makeRule } from "gamecircuits/rules";
import { modelInWords, ruleInWords, tokenNames } from "gamecircuits/tokens";
import { countLegal } from "gamecircuits/transformer";
import { drawVerdict, sayWhere } from "gamecircuits/verdict";
import {
  drawAttention, drawNext, relativeLogits, sumAttention, sumTable,
} from "gamecircuits/views";

class Play {
  constructor(section, page) {
    this.page = page;
    Object.assign(this, page.state.under("play."));
    this.games = listGames(page.data);
    this.memory = { board: {}, chips: {} }; // of the tab stops
    this.live = h("p", { class: "soft", "aria-live": "polite" });
    this.slider = slider("Tokens played", { min: 0, max: 1, step: 1, value: 0, key: "play.at" },
      (at) => this.set({ tokens: this.line, at }));
    const names = ["choices", "rule", "board", "chips", "buttons"];
    this.parts = Object.fromEntries(names.map((name) =>
      [name, h("div", { class: `holds-${name}` })]));
    this.parts.models = h("div", { class: "columns models" });
    const { choices, rule, board, chips, buttons, models } = this.parts;
    this.parts.table = h("div", { class: "card table" }, rule,
      h("div", { class: "beside" }, board, h("div", {}, chips, this.live, buttons, this.slider)));
    section.append(
      h("p", {}, "Play tokens and see how models with one attention head guess what may come " +
        "next. Orange is probability on tokens that are illegal."),
      ...(page.data.deep_models?.length ? [h("p", { class: "soft" },
        "Models of several layers are not played here, as the page cannot compute them. ",
        "They are under Models.")] : []),
      choices, this.parts.table, models);
    section.addEventListener("keydown", (event) => this.#type(event));
    for (const kind of ["pointermove", "focusin"]) {
      section.addEventListener(kind, (event) => this.#point(event, kind === "focusin"));
    }
    section.addEventListener("click", (event) => this.#lookAt(event));
    page.state.listen(Object.keys(play.defaults()), () => this.draw());
    onWidth(section, () => this.draw());
    this.draw();
  }

  /** Everything that follows from the state, worked out once for each drawing. */
  #read() {
    this.game = this.games.find((game) => game.name === this.get("game")) ?? this.games[0];
    this.rule = makeRule(this.game);
    this.names = tokenNames(this.game);
    this.line = this.#readLine();
    const at = this.get("at");
    this.tokens = at < 0 ? this.line : this.line.slice(0, at);
    this.position = this.rule.after(this.tokens);
    this.isIllegal = new Set(this.rule.illegalPlaces(this.tokens));
    const fitting = listModels(this.game, this.page.data.models);
    const pair = fitting.length ? choosePair(fitting) : [];
    const [left, right] = ["a", "b"].map((key) =>
      fitting.find((model) => model.name === this.get(key)));
    const one = left ?? pair.find((model) => model !== right);
    const other = right ?? pair.find((model) => model !== one);
    this.fitting = fitting;
    this.models = [one, other].filter(Boolean);
    const look = this.get("look");
    this.look = look >= 0 && look < this.game.vocab ? look : (this.tokens[0] ?? 0);
    this.runs = this.tokens.length
      ? this.models.map((model) => this.page.model(model.name).run(this.tokens)) : [];
  }

  /** The tokens of the address, or those that the game is first shown with. */
  #readLine() {
    if (this.get("tokens")[0] === -1) return firstTokens(this.game);
    return readTokens(this.page.state, this.game.vocab);
  }

  // What one can do.

  #play(token) {
    if (this.tokens.length >= LONGEST) return;
    this.set({ tokens: [...this.tokens, token], at: -1 });
  }

  #step(by) {
    const at = this.tokens.length + by;
    if (at >= 0 && at <= this.line.length) this.set({ tokens: this.line, at });
  }

  #drawToken(weights) {
    const seed = this.get("seed");
    const token = sample(Array.from(weights), draw(seed));
    if (token >= 0) this.set({ tokens: [...this.tokens, token], at: -1, seed: (seed + 1) % 1e6 });
  }

  #type(event) {
    const isElse = event.ctrlKey || event.metaKey || event.altKey;
    if (isElse || event.target.matches("select, [type=text]")) return;
    if (event.key === "Backspace") this.#step(-1);
    else if (this.names.includes(event.key)) this.#play(this.names.indexOf(event.key));
    else return;
    event.preventDefault();
  }

  #tokenOf(event) {
    const token = event.target.closest?.("[data-token]")?.dataset.token;
    return token == null ? -1 : Number(token);
  }

  #point(event, isFocus) {
    if (this.isDrawing) return;
    const token = this.#tokenOf(event);
    const shown = token >= 0 ? token : isFocus ? this.look : -1;
    if (shown >= 0 && shown !== this.lit) this.#light(shown);
  }

  #lookAt(event) {
    if (event.target.closest("button")) return; // which plays
    const token = this.#tokenOf(event);
    if (token >= 0) this.set({ look: token });
  }

  // What is drawn.

  draw() {
    this.isDrawing = true; // when the focus moves to new elements
    this.#read();
    replace(this.parts.choices, this.#drawChoices());
    this.#drawTable();
    const cards = this.models.map((model, n) => this.#drawModel(model, n));
    replace(this.parts.models, cards);
    this.#drawCharts();
    this.isDrawing = false;
    this.#light(this.look);
  }

  #drawChoices() {
    const ofModel = (key, text, n) => choice(text,
      this.fitting.map((model) => model.name), this.models[n]?.name, (a) => this.set({ [key]: a }),
      `play.${key}`);
    const names = this.games.map((game) => [game.name, words(game.name) +
      (listModels(game, this.page.data.models).length ? "" : " (no model)")]);
    return h("div", { class: "bar" },
      choice("Game", names, this.game.name,
        (game) => this.set({ game, tokens: [-1], at: -1, a: "", b: "", look: -1 }), "play.game"),
      this.models.length > 0 && ofModel("a", "First model", 0),
      this.models.length > 1 && ofModel("b", "Second model", 1));
  }

  #drawTable() {
    const { game, names, position, tokens, parts } = this;
    const onplay = (token) => this.#play(token);
    const isOwn = game.board && game.vocab === game.board.rows * game.board.columns;
    replace(parts.rule, h("p", {}, ruleInWords(game)));
    const board = game.board && boardCells(game, names, position, this.memory.board, onplay);
    replace(parts.board, board);
    replace(parts.chips, !isOwn && tokenCells(names, position.legal, this.memory.chips, onplay));
    parts.table.classList.toggle("has-board", Boolean(game.board));
    replace(this.live, sayWhere(this));
    replace(parts.buttons, this.#drawButtons());
    this.slider.hidden = this.line.length < 2;
    moveSlider(this.slider, { value: tokens.length, max: this.line.length,
      read: (at) => `${at} of ${this.line.length}` });
  }

  #drawButtons() {
    const { game, position, tokens, line } = this;
    const isOver = position.legal && !position.legal.includes(1);
    const canMove = position.legal && !isOver;
    return h("div", { class: "bar" },
      button("← Back", () => this.#step(-1), { disabled: !tokens.length }),
      button("Forward →", () => this.#step(1), { disabled: tokens.length === line.length }),
      button("New", () => this.set({ tokens: [], at: -1 }), { disabled: !tokens.length }),
      button("Random legal token", () => this.#drawToken(position.legal), { disabled: !canMove }),
      ...this.runs.map((run, n) => button(
        `Let ${words(this.models[n].name)} play`,
        () => this.#drawToken(run.probabilities), { disabled: isOver })),
      game.recorded.length > 0 && choice("Recorded plays",
        [["", "choose …"], ...game.recorded.map((_, n) => [String(n), `play ${n + 1}`])], "",
        (n) => n !== "" && this.set({ tokens: Array.from(game.recorded[n].tokens), at: -1 }),
        "play.recorded"));
  }

  #drawModel(model, n) {
    const entry = this.page.data.models.find(({ name }) => name === model.name);
    const [run, { legal }] = [this.runs[n], this.position];
    const longest = entry.trained_length; // null if it was not trained here
    const isBeyond = longest != null && this.tokens.length > longest;
    return h("article", { class: "card model", "aria-labelledby": `play-model-${n}` },
      h("h3", { id: `play-model-${n}` },
        h("span", { class: "spot", style: `--colour: ${entry.colour}` }), words(model.name)),
      h("p", { class: "soft" }, `${modelInWords(entry)}.`),
      run && [
        h("div", { "aria-live": "polite" }, drawVerdict(run, legal, isBeyond && entry)),
        h("h4", {}, "Attention of the last token"),
        h("div", { class: "chart attention" }),
        h("p", { class: "soft number" }, sumAttention(run)),
        h("h4", {}, "What comes next"),
        h("div", { class: "chart next" }),
        h("h4", { class: "sum-of" }, "Where the logit of ",
          choice("token", this.names.map((name, k) => [k, name]), this.look,
            (k) => this.set({ look: Number(k) }), `play.look ${n}`), " comes from"),
        h("div", { class: "sum-here" }),
      ]);
  }

  /** Charts need the width of what holds them, so they come after the cards. */
  #drawCharts() {
    const relative = this.runs.map((run) => relativeLogits(run, this.position.legal));
    const scale = {
      low: Math.min(0, ...relative.map((values) => Math.min(...values))),
      high: Math.max(0, ...relative.map((values) => Math.max(...values))),
      most: Math.max(1e-9, ...this.runs.map((run) => Math.max(...run.probabilities))),
    };
    const count = this.position.legal ? countLegal(this.position.legal) : 0;
    if (count) scale.most = Math.max(scale.most, 1 / count);
    this.runs.forEach((run, n) => {
      const card = this.parts.models.children[n];
      const width = Math.max(240, card.querySelector(".chart").clientWidth);
      const given = { run, tokens: this.tokens, names: this.names, isIllegal: this.isIllegal, width,
        scale, legal: this.position.legal, name: words(this.models[n].name) };
      card.querySelector(".attention").replaceChildren(drawAttention(given));
      card.querySelector(".next").replaceChildren(drawNext(given));
    });
  }

  /** Show one token in all views, without drawing anything but the sums anew. */
  #light(token) {
    this.lit = token;
    for (const card of [this.parts.table, this.parts.models]) {
      for (const element of card.querySelectorAll("[data-token]")) {
        element.classList.toggle("lit", Number(element.dataset.token) === token);
      }
    }
    this.runs.forEach((run, n) => {
      const card = this.parts.models.children[n];
      const table = this.page.model(this.models[n].name).values;
      card.querySelector(".sum-of select").value = token;
      card.querySelector(".sum-here").replaceChildren(...sumTable({ run, tokens: this.tokens,
        names: this.names, k: token, legal: this.position.legal, table }).filter(Boolean));
    });
  }
}

export const play = {
  id: "play",
  title: "Play",
  isThere: (data) => data.games.length + data.models.length > 0,
  defaults: () => ({
    "play.game": "", "play.a": "", "play.b": "", "play.tokens": [-1], "play.at": -1,
    "play.seed": 0, "play.look": -1,
  }),
  build: (section, page) => new Play(section, page),
};
