// Play tokens, and see what two models make of them.

import { h } from "gamecircuits/dom";

export const play = {
  id: "play",
  title: "Play",
  isThere: (data) => data.models.length > 0,
  defaults: () => ({}),
  build(element) {
    element.append(h("p", {}, "…"));
  },
};
