// A board with its stones, as a picture.

import { h, svg } from "gamecircuits/dom";

const SIDE = 44; // of a square
const MARGIN = 14;
const column = (n) =>
  (n >= 26 ? String.fromCharCode(96 + Math.floor(n / 26)) : "") +
  String.fromCharCode(97 + (n % 26));

/** Centre of a square. */
function centre(board, square) {
  const [row, at] = [Math.floor(square / board.columns), square % board.columns];
  const down = board.row_0_is_below ? board.rows - 1 - row : row;
  return [MARGIN + (at + 0.5) * SIDE, (down + 0.5) * SIDE];
}

export const squareName = (board, square) =>
  `${column(square % board.columns)}${Math.floor(square / board.columns) + 1}`;

/** A stone, or the sign of a player who has one. */
function drawStone(board, owner, square) {
  const [x, y] = centre(board, square);
  const [player, colour] = [board.players[owner], board.colours[owner]];
  if (player === "X") {
    const arm = 0.26 * SIDE;
    return svg("path", {
      d: `M${x - arm} ${y - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`,
      stroke: colour,
      "stroke-width": 6,
      "stroke-linecap": "round",
    });
  }
  if (player === "O")
    return svg("circle", {
      cx: x,
      cy: y,
      r: 0.28 * SIDE,
      fill: "none",
      stroke: colour,
      "stroke-width": 6,
    });
  return svg("circle", { cx: x, cy: y, r: 0.4 * SIDE, fill: colour, stroke: "#30303088" });
}

/** The board as one picture; `told` says it in words. */
export function drawBoard(board, play, ply, probabilities, told) {
  const size = [MARGIN + board.columns * SIDE + 4, board.rows * SIDE + MARGIN];
  const wide = Math.min(560, 120 * board.columns);
  return svg(
    "svg",
    {
      viewBox: `0 0 ${size.join(" ")}`,
      role: "img",
      "aria-label": told,
      style: `max-width: ${wide}px; font-size: ${(13 * size[0]) / wide}px`,
    },
    drawGrid(board, play, ply, probabilities),
  );
}

/** Squares, stones, moves and coordinates after a ply of a play. */
function drawGrid(board, play, ply, probabilities) {
  const count = board.rows * board.columns;
  const owner = play.owner.row(ply);
  const moved = ply > 0 ? play.played[ply - 1] : -1;
  const cells = Array.from({ length: count }, (_, square) => {
    const [x, y] = centre(board, square);
    return [
      svg("rect", {
        x: x - SIDE / 2,
        y: y - SIDE / 2,
        width: SIDE,
        height: SIDE,
        stroke: board.look.line,
        fill: square === moved ? board.look.last : board.look.square,
      }),
      board.hole &&
        owner[square] < 0 &&
        svg("circle", { cx: x, cy: y, r: 0.4 * SIDE, fill: board.hole }),
    ];
  });
  const stones = Array.from(
    { length: count },
    (_, square) => owner[square] >= 0 && drawStone(board, owner[square], square),
  );
  const rows = Array.from({ length: board.rows }, (_, row) => {
    const [, y] = centre(board, row * board.columns);
    return svg("text", { x: MARGIN - 4, y: y + 4, "text-anchor": "end", class: "soft" }, row + 1);
  });
  const columns = Array.from({ length: board.columns }, (_, n) =>
    svg(
      "text",
      {
        x: MARGIN + (n + 0.5) * SIDE,
        y: board.rows * SIDE + 10,
        "text-anchor": "middle",
        class: "soft",
      },
      column(n),
    ),
  );
  const moves = drawMoves(board, play, ply, probabilities);
  return [cells, stones, moves, drawDecision(board, play, ply), rows, columns];
}

/** Legal moves as rings; probabilities as discs whose area is the probability. */
function drawMoves(board, play, ply, probabilities) {
  const legal = play.legal.row(ply);
  const squares = play.squares.row(ply);
  return Array.from(legal, (isLegal, token) => {
    if (squares[token] < 0) return [];
    const [x, y] = centre(board, squares[token]);
    const p = probabilities?.[token] ?? 0;
    return [
      isLegal > 0 && svg("circle", { cx: x, cy: y, r: 0.36 * SIDE, class: "ring" }),
      p > 0.002 &&
        svg("circle", {
          cx: x,
          cy: y,
          r: 0.25 * SIDE * Math.sqrt(p / Math.max(...probabilities)),
          class: isLegal ? "disc" : "disc-warn",
        }),
    ];
  });
}

/** The squares that decided the game, at its end. */
function drawDecision(board, play, ply) {
  if (ply < play.tokens.length) return [];
  return play.decisive.map((square) => {
    const [x, y] = centre(board, square);
    const corner = { x: x - SIDE / 2 + 2, y: y - SIDE / 2 + 2 };
    return svg("rect", { ...corner, width: SIDE - 4, height: SIDE - 4, class: "decisive" });
  });
}

/** What rings and discs mean. */
export function drawKey(hasModel) {
  const sign = (name) =>
    svg(
      "svg",
      { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" },
      svg("circle", { cx: 10, cy: 10, r: 8, class: name }),
    );
  return h(
    "ul",
    { class: "legend" },
    h("li", {}, sign("ring"), "legal move"),
    hasModel && [
      h("li", {}, sign("disc"), "probability (area) on a legal move"),
      h("li", {}, sign("disc-warn"), "on an illegal one"),
    ],
  );
}
