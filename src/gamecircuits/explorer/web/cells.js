// Tokens as buttons, in a row or on a board: one stop of the tab key, arrows between them.

import { h } from "gamecircuits/dom";

/**
 * Buttons with one tab stop, where the focus was last; arrows move by one, or by `columns`.
 *
 * @param items [{key, label, text, class, onclick, token}]
 */
export function cells(items, columns, memory, attributes) {
  const stop = Math.min(memory.at ?? 0, items.length - 1);
  const buttons = items.map((item, n) =>
    h("button", { type: "button", class: item.class, "aria-label": item.label, "data-key": item.key,
      "data-token": item.token, tabindex: n === stop ? 0 : -1, onclick: item.onclick,
      onfocus: () => moveStop(n) }, item.text));
  const moveStop = (n) => {
    buttons[memory.at ?? 0]?.setAttribute("tabindex", -1);
    memory.at = n;
    buttons[n].setAttribute("tabindex", 0);
  };
  memory.at = stop;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const onkeydown = (event) => {
    const to = memory.at + (steps[event.key] ?? NaN);
    if (!buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  };
  return h("div", { role: "group", ...attributes, onkeydown }, buttons);
}

/** Buttons of the tokens; illegal ones are crossed out and can be pressed all the same. */
export function tokenCells(names, legal, memory, onplay) {
  const items = names.map((name, k) => {
    const isLegal = legal ? Boolean(legal[k]) : null;
    return {
      key: `token ${k}`, text: name, token: k, onclick: () => onplay(k),
      class: `chip${isLegal === false ? " illegal" : ""}`,
      label: isLegal === false ? `${name}, illegal` : name,
    };
  });
  return cells(items, 8, memory, { class: "chips", "aria-label": "Tokens: press one to play it" });
}

/** A board with its stones; squares are buttons where each is a token. */
export function boardCells(game, names, position, memory, onplay) {
  const { rows, columns, players, row_0_is_below: isTurned } = game.board;
  const stones = position.stones ?? new Int8Array(rows * columns);
  const isOwn = game.vocab === rows * columns;
  const items = Array.from({ length: rows * columns }, (_, n) => {
    const row = isTurned ? rows - 1 - Math.floor(n / columns) : Math.floor(n / columns);
    const square = row * columns + (n % columns);
    const token = isOwn ? square : square % game.vocab;
    const owner = players[stones[square] - 1];
    const isFree = stones[square] === 0 && (isOwn || row === 0 || stones[square - columns] > 0);
    const isLegal = isFree && position.legal?.[token];
    return {
      key: `square ${square}`, token, onclick: () => onplay(token),
      label: `${names[token]}, ${owner ?? (isLegal ? "legal" : "free")}`,
      class: `square${isLegal ? " legal" : ""}${square === position.last ? " last" : ""}`,
      text: owner ? h("span", { class: `stone player${stones[square]}` }, sign(owner)) : "",
    };
  });
  return cells(items, columns, memory, {
    class: "board", style: `--columns: ${columns}`,
    "aria-label": isOwn ? "Board: press a square to play it" : "Board: press a column to play it",
  });
}

const sign = (player) => (["black", "white"].includes(player) ? "" : player[0].toUpperCase());

