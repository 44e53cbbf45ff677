// Elements of the page, and numbers as text. Nothing here knows what is shown.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** An element: h("button", {class: "small", onclick: f}, "Undo"). */
export const h = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);

/** The same of SVG. */
export const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

/**
 * New content of an element. What has the focus keeps it if something with the same `data-key` is
 * in the new content, so that a keyboard can go on after a redraw.
 */
export function replace(element, ...children) {
  const key = element.contains(document.activeElement) && document.activeElement.dataset.key;
  const isThere = (child) => child != null && child !== false;
  element.replaceChildren(...children.flat(Infinity).filter(isThere));
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 10⁻³ and the like. */
export const tenTo = (exponent) =>
  `10${String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => RAISED[digit])}`;

/** A number with three digits: 0.0123, 1.23·10⁻⁵, 1230; "–" for what is not a number. */
export function show(value, digits = 3) {
  if (value == null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e6)) {
    return String(Number(value.toPrecision(digits))).replace("-", "−");
  }
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${mantissa.replace("-", "−")}·${tenTo(Number(exponent))}`;
}

/** A share as percent. */
export const percent = (value) => `${show(100 * value, 2)} %`;

/** A name of the config as words. */
export const words = (name) => String(name).replaceAll("_", " ");

/** A labelled <select>; `options` are values, or pairs of value and text. */
export function choice(label, options, value, onchange, key = label) {
  const items = options.map((option) => (Array.isArray(option) ? option : [option, words(option)]));
  return h("label", { class: "choice" }, h("span", {}, label),
    h("select", { "data-key": key, onchange: (event) => onchange(event.target.value) },
      items.map(([item, text]) => h("option", { value: item, selected: item === value }, text))));
}

/** A labelled slider that shows its value; `read` turns its place into what is shown. */
export function slider(label, { min, max, step, value, read = show, key = label }, oninput) {
  const output = h("output", {}, read(value));
  const input = h("input", {
    type: "range", min, max, step, value, "data-key": key, "aria-label": label, // not the output's
    "aria-valuetext": `${read(value)}`,
    oninput: (event) => {
      const now = Number(event.target.value);
      output.textContent = read(now);
      event.target.setAttribute("aria-valuetext", read(now));
      oninput(now);
    },
  });
  return h("label", { class: "slider" }, h("span", {}, label), output, input);
}

/** New place, and perhaps new ends, of a slider that stays: one that is replaced drops its drag. */
export function moveSlider(label, { value, max, read = show }) {
  const input = label.querySelector("input");
  if (max != null) input.max = max;
  input.value = value;
  input.setAttribute("aria-valuetext", read(value));
  label.querySelector("output").textContent = read(value);
}

export const button = (text, onclick, attributes = {}) =>
  h("button", { type: "button", onclick, "data-key": text, ...attributes }, text);

/** Call whenever the element has got another width, in whole pixels; not while it is hidden. */
export function onWidth(element, callback) {
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now && now !== width) {
      width = now;
      callback();
    }
  }).observe(element);
}
