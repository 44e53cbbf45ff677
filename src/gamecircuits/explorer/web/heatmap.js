// Tables over the vocabulary as squares of colour, read cell by cell with pointer or arrow keys.

import { h, show } from "gamecircuits/dom";
import { plainNames } from "gamecircuits/tokens";

const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Set(); // redrawn when the colours of the page change
const redraw = () => {
  for (const one of drawn) {
    if (one.canvas.isConnected) one.draw();
    else drawn.delete(one);
  }
};
dark.addEventListener("change", redraw);
let ends = null;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const parse = (name) => {
    const value = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((n) => parseInt(value.slice(n, n + 2), 16));
  };
  return { low: parse("--low"), middle: parse("--paper"), high: parse("--high") };
}

/**
 * A table (V, V). `values(row, column)`; `scale` is what full colour means; `title` stands above,
 * `unit` goes with the numbers. Call `update(values)` of the result to show other ones.
 */
export class Heatmap {
  constructor({ title, rows, columns, vocab, values, scale, unit, key }) {
    Object.assign(this, { title, vocab, values, scale, unit, rows, columns });
    this.cell = [0, 0];
    this.canvas = h("canvas", {
      width: vocab,
      height: vocab,
      role: "img",
      tabindex: 0,
      class: "heatmap",
      "data-key": key,
      onkeydown: (event) => this.#move(event),
      onpointermove: (event) => this.#point(event),
      onfocus: () => this.#tell(),
      onpointerleave: () => this.#rest(),
      onblur: () => this.#rest(),
    });
    this.readout = h("span", { class: "readout", "aria-live": "polite" });
    this.element = h(
      "figure",
      { class: "map" },
      h("figcaption", {}, title),
      this.canvas,
      this.readout,
    );
    drawn.add(this);
    this.update(values);
  }

  update(values, scale = this.scale) {
    this.values = values;
    this.scale = scale;
    this.draw();
    this.#rest();
    const full = `full colour is ${show(scale)} ${this.unit}`;
    const told = `${this.title}: table of ${this.vocab} by ${this.vocab}, ${full}`;
    this.canvas.setAttribute("aria-label", `${told}. Arrow keys read its cells.`);
  }

  draw() {
    ends = readColours();
    const size = this.vocab;
    const image = new ImageData(size, size);
    for (let n = 0; n < size * size; n++) {
      const part =
        Math.max(
          -1,
          Math.min(1, this.values(Math.floor(n / size), n % size) / (this.scale || 1)),
        ) || 0;
      const end = part < 0 ? ends.low : ends.high;
      const share = Math.abs(part) ** 0.8;
      for (let c = 0; c < 3; c++)
        image.data[4 * n + c] = ends.middle[c] + share * (end[c] - ends.middle[c]);
      image.data[4 * n + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(image, 0, 0);
  }

  #rest() {
    this.readout.textContent = `full colour: ±${show(this.scale)} ${this.unit}`;
  }

  #tell() {
    const [row, column] = this.cell;
    const names = plainNames(this.vocab);
    const value = show(this.values(row, column));
    const place = `${this.rows} ${names[row]}, ${this.columns} ${names[column]}`;
    this.readout.textContent = `${place}: ${value}`;
  }

  #move(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key
    ];
    if (!step) return;
    event.preventDefault();
    this.cell = this.cell.map((n, axis) => Math.max(0, Math.min(this.vocab - 1, n + step[axis])));
    this.#tell();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const part = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    this.cell = part.map((share) =>
      Math.max(0, Math.min(this.vocab - 1, Math.floor(share * this.vocab))),
    );
    this.#tell();
  }
}

/** QK, OV and direct path side by side; `circuits` are functions of row and column. */
export function makeMaps({ vocab, scale, scoreScale, key, circuits }) {
  const looks = {
    scores: ["QK", "last token", "score of", scoreScale],
    values: ["OV", "seen token", "logit of", scale],
    direct: ["direct", "last token", "logit of", scale],
  };
  return Object.fromEntries(
    Object.entries(looks).map(([name, [title, rows, columns, own]]) => [
      name,
      new Heatmap({
        title,
        rows,
        columns,
        vocab,
        values: circuits[name],
        scale: own,
        unit: "nats",
        key: `${key}-${name}`,
      }),
    ]),
  );
}

/** The highest absolute value of a table, or of many. */
export const largest = (values) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The same of a circuit, a function of row and column. */
export const largestOf = (circuit, size) =>
  largest(Array.from({ length: size * size }, (_, n) => circuit(Math.floor(n / size), n % size)));
