// A recorded game on its board, ply by ply, with what a model expects.

import { button, choice, h, moveSlider, percent, replace, slider, words } from "gamecircuits/dom";
import { drawBoard, drawKey, squareName } from "gamecircuits/stones";
import { countLegal, illegalRate } from "gamecircuits/transformer";

class Boards {
  constructor(element, page) {
    Object.assign(this, { element, page });
    this.games = page.data.games.filter((game) => game.board?.plays.length);
    this.bar = h("div", { class: "bar" });
    this.controls = this.makeControls();
    this.view = h("div", { class: "stones" });
    this.words = h("div", { class: "words", "aria-live": "polite" });
    element.append(this.bar, this.controls, h("div", { class: "columns" }, this.view, this.words));
    page.state.listen(["bgame", "bplay", "bmodel"], () => this.drawBar());
    page.state.listen(["bgame", "bplay", "bmodel", "ply"], () => this.show());
    this.drawBar();
    this.show();
  }

  get game() {
    return this.games.find((game) => game.name === this.page.state.get("bgame")) ?? this.games[0];
  }

  get play() {
    const { plays } = this.game.board;
    return plays[this.page.state.get("bplay") - 1] ?? plays[0];
  }

  /** The ply that is shown: three quarters of the game at first. */
  get ply() {
    const last = this.play.tokens.length;
    const wanted = this.page.state.get("ply");
    return wanted < 0 || wanted > last ? Math.floor(0.75 * last) : Math.floor(wanted);
  }

  /** Models that are evaluated on the game. */
  get models() {
    return this.page.data.models.filter((model) => model.games?.includes(this.game.name));
  }

  get model() {
    const name = this.page.state.get("bmodel");
    return name === "none"
      ? undefined
      : (this.models.find((model) => model.name === name) ?? this.models[0]);
  }

  drawBar() {
    const { state } = this.page;
    const { plays } = this.game.board;
    const models = this.models.map((model) => model.name);
    const numbers = plays.map((_, n) => [String(n + 1), `game ${n + 1}`]);
    replace(
      this.bar,
      this.games.length > 1 &&
        choice(
          "Board",
          this.games.map((game) => game.name),
          this.game.name,
          (bgame) => state.set({ bgame, ply: -1 }),
          "bgame",
        ),
      plays.length > 1 &&
        choice(
          "Recorded game",
          numbers,
          String(plays.indexOf(this.play) + 1),
          (n) => state.set({ bplay: Number(n), ply: -1 }),
          "bplay",
        ),
      models.length > 0 &&
        choice(
          "Model",
          [...models, ["none", "no model"]],
          this.model?.name ?? "none",
          (bmodel) => state.set({ bmodel }),
          "bmodel",
        ),
    );
  }

  makeControls() {
    return h(
      "div",
      { class: "bar" },
      button("First", () => this.go(0)),
      button("Back", () => this.go(this.ply - 1)),
      button("Forward", () => this.go(this.ply + 1)),
      button("Last", () => this.go(Infinity)),
      slider("Ply", { min: 0, max: 1, step: 1, value: 0, key: "ply" }, (n) => this.go(n)),
    );
  }

  go(ply) {
    this.page.state.set({ ply: Math.max(0, Math.min(this.play.tokens.length, ply)) });
  }

  show() {
    const { ply, play } = this;
    const last = play.tokens.length;
    const [first, back, forward, end, place] = this.controls.children;
    first.disabled = back.disabled = ply === 0;
    forward.disabled = end.disabled = ply === last;
    moveSlider(place, { value: ply, max: last, read: (n) => `${n} of ${last}` });
    const run =
      this.model && ply > 0 && ply < last
        ? this.page.model(this.model.name).run(Array.from(play.tokens.subarray(0, ply)))
        : undefined;
    const told = this.describe(run?.probabilities);
    replace(this.view, drawBoard(this.game.board, play, ply, run?.probabilities, told.join(" ")));
    const lines = told.map((line) => h("p", {}, line));
    replace(this.words, lines, drawKey(Boolean(run)));
  }

  describe(probabilities) {
    const {
      ply,
      play,
      game: { board },
    } = this;
    const side = play.side[ply];
    const mover = board.players[play.side[ply - 1]];
    const to = ply > 0 && squareName(board, play.played[ply - 1]);
    const before = ply > 0 && `After ply ${ply}: ${mover} to ${to}.`;
    if (side < 0) {
      const end = play.result && `: ${play.result}`;
      const squares = play.decisive.map((square) => squareName(board, square)).join(", ");
      return [before, `The game is over${end}${squares && ` with ${squares}`}.`].filter(Boolean);
    }
    const legal = play.legal.row(ply);
    const count = countLegal(legal);
    const passed =
      ply > 0 && play.side[ply - 1] === side ? `${board.players[1 - side]} cannot move. ` : "";
    const told = [before, `${passed}${board.players[side]} is to move; ${count} moves are legal.`];
    if (probabilities) {
      const illegal = percent(illegalRate(probabilities, legal));
      told.push(`${words(this.model.name)} puts ${illegal} of its probability on illegal moves.`);
    }
    return told.filter(Boolean);
  }
}

export const boards = {
  id: "boards",
  title: "Games on a board",
  short: "Boards",
  isThere: (data) => data.games.some((game) => game.board?.plays.length),
  defaults: () => ({ bgame: "", bplay: 1, bmodel: "", ply: -1 }),
  build(element, page) {
    element.append(
      h(
        "p",
        {},
        "Move through a recorded game. Rings are the legal moves. ",
        "Discs show where a model expects the next stone.",
      ),
    );
    new Boards(element, page);
  },
};
