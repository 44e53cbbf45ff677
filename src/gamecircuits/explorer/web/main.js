// The page: its parts, and the way between them.

import { unpack } from "gamecircuits/data";
import { h } from "gamecircuits/dom";
import { glossary } from "gamecircuits/glossary";
import { State } from "gamecircuits/state";
import { Transformer } from "gamecircuits/transformer";
import { play } from "gamecircuits/play";
import { turn } from "gamecircuits/turn";
import { learn } from "gamecircuits/learn";
import { boards } from "gamecircuits/boards";
import { results } from "gamecircuits/results";
import { models } from "gamecircuits/models";
import { searches } from "gamecircuits/searches";
import { claims } from "gamecircuits/claims";

// A part is {id, title, isThere(data), defaults(page), build(element, page)}: `build` fills the
// element once, when it is first shown, and listens to the state. What lacks data is left out.
const PARTS = [play, turn, learn, boards, results, models, searches, claims];

/** What every part is given. */
class Page {
  constructor(data) {
    this.data = data;
    this.parts = PARTS.filter((part) => part.isThere(data));
    this.state = new State({ view: this.parts[0]?.id ?? "" });
    for (const part of this.parts) this.state.add(part.defaults(this));
    this.transformers = new Map();
  }

  /** A model by its name; the first one if there is none of that name. */
  model(name) {
    const entry = this.data.models.find((model) => model.name === name) ?? this.data.models[0];
    if (!this.transformers.has(entry.name)) {
      this.transformers.set(entry.name, new Transformer(entry));
    }
    return this.transformers.get(entry.name);
  }
}

function buildParts(page) {
  const main = document.getElementById("main");
  const sections = page.parts.map((part) =>
    h("section", { id: `view-${part.id}`, "aria-labelledby": `title-${part.id}`, hidden: true },
      h("h2", { id: `title-${part.id}` }, part.title)));
  const links = page.parts.map((part) =>
    h("a", { href: page.state.address({ view: part.id }),
      onclick: (event) => {
        event.preventDefault();
        page.state.set({ view: part.id });
      } }, part.short ?? part.title));
  main.replaceChildren(...sections);
  document.querySelector("nav").replaceChildren(...links);
  document.querySelector("header").append(glossary());

  const isBuilt = new Set();
  const build = (index) => {
    if (isBuilt.has(index)) return;
    isBuilt.add(index);
    page.parts[index].build(sections[index], page);
  };
  const show = () => {
    const wanted = page.parts.findIndex((part) => part.id === page.state.get("view"));
    const chosen = Math.max(wanted, 0);
    sections.forEach((section, index) => (section.hidden = index !== chosen));
    links.forEach((link, index) => {
      if (index === chosen) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    if (sections.length) build(chosen);
  };
  page.state.listen(["view"], show);
  window.addEventListener("beforeprint", () => sections.forEach((_, index) => build(index)));
  show();
}

export async function start() {
  const data = await unpack(document.getElementById("data").textContent);
  const page = new Page(data);
  window.gamecircuits = page; // for the console, and for tests
  document.getElementById("summary").textContent = data.summary;
  buildParts(page);
  document.documentElement.dataset.ready = "yes";
}
