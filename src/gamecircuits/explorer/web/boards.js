// A recorded game on its board, ply by ply, with what a model expects.

import { button, choice, h, moveSlider, percent, replace, slider, svg, words } from "gamecircuits/dom";

const SIDE = 44; // of a square
const MARGIN = 14;
const column = (n) => (n >= 26 ? String.fromCharCode(96 + Math.floor(n / 26)) : "") + String.fromCharCode(97 + (n % 26));

/** Centre of a square. */
function centre(board, square) {
  const [row, at] = [Math.floor(square / board.columns), square % board.columns];
  const down = board.row_0_is_below ? board.rows - 1 - row : row;
  return [MARGIN + (at + 0.5) * SIDE, (down + 0.5) * SIDE];
}

const squareName = (board, square) => `${column(square % board.columns)}${Math.floor(square / board.columns) + 1}`;

/** A stone, or the sign of a player who has one. */
function drawStone(board, owner, square) {
  const [x, y] = centre(board, square);
  const [player, colour] = [board.players[owner - 1], board.colours[owner - 1]];
  if (player === "X") {
    const arm = 0.26 * SIDE;
    return svg("path", { d: `M${x - arm} ${y - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`,
      stroke: colour, "stroke-width": 6, "stroke-linecap": "round" });
  }
  if (player === "O") return svg("circle", { cx: x, cy: y, r: 0.28 * SIDE, fill: "none", stroke: colour, "stroke-width": 6 });
  return svg("circle", { cx: x, cy: y, r: 0.4 * SIDE, fill: colour, stroke: "#30303088" });
}

class Boards {
  constructor(element, page) {
    Object.assign(this, { element, page });
    this.games = page.data.games.filter((game) => game.squares?.plays.length);
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
    const { plays } = this.game.squares;
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
    return name === "none" ? undefined : this.models.find((model) => model.name === name) ?? this.models[0];
  }

  drawBar() {
    const { state } = this.page;
    const { plays } = this.game.squares;
    const models = this.models.map((model) => model.name);
    const numbers = plays.map((_, n) => [String(n + 1), `game ${n + 1}`]);
    replace(this.bar,
      this.games.length > 1 && choice("Board", this.games.map((game) => game.name), this.game.name,
        (bgame) => state.set({ bgame, ply: -1 }), "bgame"),
      plays.length > 1 && choice("Recorded game", numbers, String(plays.indexOf(this.play) + 1),
        (n) => state.set({ bplay: Number(n), ply: -1 }), "bplay"),
      models.length > 0 && choice("Model", [...models, ["none", "no model"]], this.model?.name ?? "none",
        (bmodel) => state.set({ bmodel }), "bmodel"));
  }

  makeControls() {
    return h("div", { class: "bar" },
      button("First", () => this.go(0)),
      button("Back", () => this.go(this.ply - 1)),
      button("Forward", () => this.go(this.ply + 1)),
      button("Last", () => this.go(Infinity)),
      slider("Ply", { min: 0, max: 1, step: 1, value: 0, key: "ply" }, (n) => this.go(n)));
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
    const run = this.model && ply > 0 && ply < last
      ? this.page.model(this.model.name).run(Array.from(play.tokens.subarray(0, ply))) : undefined;
    const board = this.game.squares;
    const grid = this.drawGrid(run?.probabilities);
    const told = this.describe(run?.probabilities);
    const size = [MARGIN + board.columns * SIDE + 4, board.rows * SIDE + MARGIN];
    const wide = Math.min(560, 120 * board.columns);
    replace(this.view, svg("svg", { viewBox: `0 0 ${size.join(" ")}`, role: "img", "aria-label": told.join(" "),
      style: `max-width: ${wide}px; font-size: ${(13 * size[0]) / wide}px` }, grid));
    replace(this.words, told.map((line) => h("p", {}, line)), this.drawKey(run));
  }

  drawGrid(probabilities) {
    const { ply, play, game: { squares: board } } = this;
    const count = board.rows * board.columns;
    const owner = play.owner.row(ply);
    const moved = ply > 0 ? play.played[ply - 1] : -1;
    const cells = Array.from({ length: count }, (_, square) => {
      const [x, y] = centre(board, square);
      return [svg("rect", { x: x - SIDE / 2, y: y - SIDE / 2, width: SIDE, height: SIDE, stroke: board.look.line,
        fill: square === moved ? board.look.last : board.look.square }),
      board.hole && !owner[square] && svg("circle", { cx: x, cy: y, r: 0.4 * SIDE, fill: board.hole })];
    });
    const stones = Array.from({ length: count }, (_, square) => owner[square] > 0 && drawStone(board, owner[square], square));
    const rows = Array.from({ length: board.rows }, (_, row) => {
      const [, y] = centre(board, row * board.columns);
      return svg("text", { x: MARGIN - 4, y: y + 4, "text-anchor": "end", class: "soft" }, row + 1);
    });
    const columns = Array.from({ length: board.columns }, (_, n) =>
      svg("text", { x: MARGIN + (n + 0.5) * SIDE, y: board.rows * SIDE + 10, "text-anchor": "middle", class: "soft" }, column(n)));
    return [cells, stones, this.drawMoves(probabilities), this.drawLine(), rows, columns];
  }

  /** Legal moves as rings; probabilities as discs whose area is the probability. */
  drawMoves(probabilities) {
    const { ply, play, game: { squares: board } } = this;
    const legal = play.legal.row(ply);
    const squares = play.squares.row(ply);
    return Array.from(legal, (isLegal, token) => {
      if (squares[token] < 0) return [];
      const [x, y] = centre(board, squares[token]);
      const p = probabilities?.[token] ?? 0;
      return [
        isLegal > 0 && svg("circle", { cx: x, cy: y, r: 0.36 * SIDE, class: "ring" }),
        p > 0.002 && svg("circle", { cx: x, cy: y, r: 0.25 * SIDE * Math.sqrt(p / Math.max(...probabilities)),
          class: isLegal ? "disc" : "disc-warn" }),
      ];
    });
  }

  drawLine() {
    const { ply, play, game: { squares: board } } = this;
    if (ply < play.tokens.length || !play.line.length) return [];
    const ends = [play.line[0], play.line.at(-1)].map((square) => centre(board, square));
    return svg("line", { x1: ends[0][0], y1: ends[0][1], x2: ends[1][0], y2: ends[1][1], class: "winning" });
  }

  describe(probabilities) {
    const { ply, play, game: { squares: board } } = this;
    const side = play.side[ply];
    const before = ply > 0 && `After ply ${ply}: ${board.players[play.side[ply - 1]]} to ${squareName(board, play.played[ply - 1])}.`;
    if (side < 0) {
      const stones = [1, 2].map((n) => play.owner.row(ply).reduce((sum, owner) => sum + (owner === n), 0));
      const end = play.winner ? `${board.players[play.winner - 1]} wins` : "a draw";
      const how = play.line.length ? ` with ${play.line.map((square) => squareName(board, square)).join(", ")}`
        : `, ${stones.join(" to ")}`;
      return [before, `The game is over: ${end}${how}.`].filter(Boolean);
    }
    const legal = play.legal.row(ply);
    const count = legal.reduce((sum, isLegal) => sum + isLegal, 0);
    const passed = ply > 0 && play.side[ply - 1] === side ? `${board.players[1 - side]} cannot move. ` : "";
    const told = [before, `${passed}${board.players[side]} is to move; ${count} moves are legal.`];
    if (probabilities) {
      const illegal = probabilities.reduce((sum, p, token) => sum + (legal[token] ? 0 : p), 0);
      told.push(`${words(this.model.name)} puts ${percent(illegal)} of its probability on illegal moves.`);
    }
    return told.filter(Boolean);
  }

  drawKey(run) {
    const sign = (name) => svg("svg", { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" },
      svg("circle", { cx: 10, cy: 10, r: 8, class: name }));
    return h("ul", { class: "legend" }, h("li", {}, sign("ring"), "legal move"),
      run && [h("li", {}, sign("disc"), "probability (area) on a legal move"), h("li", {}, sign("disc-warn"), "on an illegal one")]);
  }
}

export const boards = {
  id: "boards",
  title: "Games on a board",
  short: "Boards",
  isThere: (data) => data.games.some((game) => game.squares?.plays.length),
  defaults: () => ({ bgame: "", bplay: 1, bmodel: "", ply: -1 }),
  build(element, page) {
    element.append(h("p", {}, "Move through a recorded game. Rings are the legal moves; discs show where a model expects the next stone."));
    this.boards = new Boards(element, page);
  },
};
