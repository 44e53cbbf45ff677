// Captions and statements: blocks of text from gamecircuits.explorer.text, and marks within a line.

import { h } from "gamecircuits/dom";

const MARKS = /(\*\*.+?\*\*|``?[^`]+``?|(?<![\w)*])\*[^\s*](?:[^*]*[^\s*])?\*(?![\w*]))/;

/** Text with **bold**, *emphasis* and `code` as elements. */
export const inline = (text) =>
  text
    .split(MARKS)
    .filter(Boolean)
    .map((part) => {
      if (part.length > 4 && part.startsWith("**")) return h("b", {}, part.slice(2, -2));
      if (part.length > 2 && part.startsWith("`")) return h("code", {}, part.replaceAll("`", ""));
      if (part.length > 2 && part.startsWith("*")) return h("em", {}, part.slice(1, -1));
      return part;
    });

/** Paragraphs, lists and formulas; `blocks` are pairs of a kind and a text. */
export function prose(blocks) {
  const found = [];
  for (const [kind, text] of blocks) {
    if (kind === "pre") found.push(h("pre", { tabindex: 0 }, text));
    else if (kind === "p") found.push(h("p", {}, inline(text)));
    else {
      if (found.at(-1)?.tagName !== "UL") found.push(h("ul", {}));
      found.at(-1).append(h("li", {}, inline(text)));
    }
  }
  return found;
}
