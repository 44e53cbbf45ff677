// Figures of the run: some on cards, all others in a list.

import { h } from "gamecircuits/dom";
import { inline, prose } from "gamecircuits/prose";

/** The picture of a figure as an address that the browser knows while the page is open. */
function addressOf(picture) {
  return URL.createObjectURL(new Blob([picture], { type: "image/webp" }));
}

/** Links to the files of a figure, which lie beside the page. */
const links = (figure) =>
  ["png", "svg", "csv", "parquet"].map((suffix) =>
    h("a", { href: `${figure.path}.${suffix}` }, suffix.toUpperCase()),
  );

function makeCard(figure, folder, hasFiles) {
  const address = figure.image ?? (figure.picture && addressOf(figure.picture));
  const picture = address
    ? h("img", { src: address, alt: `${figure.title}. ${figure.see}`, loading: "lazy" })
    : h("p", { class: "soft" }, "The picture is too large for this page; open the PNG.");
  const command = `python3 run.py ${folder}/${figure.path}.png`;
  return h(
    "article",
    { class: "card figure", id: figure.path },
    h("h3", {}, figure.title),
    h("p", {}, inline(figure.see)),
    hasFiles && address
      ? h("a", { href: `${figure.path}.png`, class: "picture" }, picture)
      : picture,
    h(
      "div",
      { class: "bar" },
      h("details", {}, h("summary", {}, "How to read it"), prose(figure.more)),
      h(
        "details",
        {},
        h("summary", {}, "How it was made"),
        h(
          "p",
          {},
          "This command makes it, with the configuration of this run: ",
          h("code", {}, command),
        ),
        figure.made &&
          h(
            "p",
            {},
            `It was drawn by the stage ${figure.made.stage}, job ${figure.made.job}. `,
            hasFiles && [
              "Settings, code and versions are in ",
              h("a", { href: figure.record }, figure.record),
              ".",
            ],
          ),
      ),
      hasFiles && h("span", { class: "files" }, "Files: ", links(figure)),
    ),
  );
}

function makeItem(figure, hasFiles) {
  const picture =
    figure.picture && h("img", { src: addressOf(figure.picture), alt: "", loading: "lazy" });
  const title = h("b", {}, figure.title);
  return h(
    "li",
    { class: "item" },
    picture,
    h(
      "div",
      {},
      title,
      h("p", { class: "soft" }, inline(figure.see)),
      hasFiles && h("span", { class: "files" }, links(figure)),
    ),
  );
}

export const results = {
  id: "results",
  title: "What was found",
  short: "Figures",
  isThere: (data) => Boolean(data.figures?.length),
  defaults: () => ({}),
  build(element, page) {
    const { figures } = page.data;
    const hasFiles = !page.data.is_copy;
    const cards = figures.filter((figure) => figure.is_card);
    const others = figures.filter((figure) => !figure.is_card);
    const sections = [...new Set(others.map((figure) => figure.section))];
    element.append(
      h(
        "p",
        {},
        "Each card says first what to see. ",
        hasFiles && "A click on a picture opens it in full size.",
      ),
      h(
        "nav",
        { class: "contents", "aria-label": "Cards" },
        h(
          "ul",
          {},
          cards.map((figure) =>
            h(
              "li",
              {},
              h(
                "a",
                {
                  href: `#${figure.path}`,
                  onclick: (event) => {
                    event.preventDefault(); // the address holds the state
                    document.getElementById(figure.path).scrollIntoView();
                  },
                },
                figure.title,
              ),
            ),
          ),
        ),
      ),
      ...cards.map((figure) => makeCard(figure, page.data.folder, hasFiles)),
    );
    if (!others.length) return;
    element.append(
      h(
        "details",
        { class: "card" },
        h("summary", {}, `${others.length} more figures`),
        sections.map((section) => [
          h("h3", {}, section),
          h(
            "ul",
            { class: "items" },
            others
              .filter((figure) => figure.section === section)
              .map((figure) => makeItem(figure, hasFiles)),
          ),
        ]),
      ),
    );
  },
};
