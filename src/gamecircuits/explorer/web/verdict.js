// What is seen, in words.

import { h, percent, show } from "gamecircuits/dom";
import { list } from "gamecircuits/tokens";
import { countLegal, illegalRate } from "gamecircuits/transformer";
import { relativeLogits } from "gamecircuits/views";

/** Where a game stands. */
export function sayWhere({ game, rule, names, position, tokens, isIllegal }) {
  const legal = position.legal && names.filter((_, k) => position.legal[k]);
  const player = position.side && game.board.players[position.side - 1];
  const wrong = [...isIllegal].map((place) => `${names[tokens[place]]} at place ${place + 1}`);
  const said = wrong.length ? `Illegal: ${list(wrong, 3)}. ` : "";
  if (!legal) {
    const why = rule.isKnown ? "No play of the game begins so" : "No recorded play begins so";
    return `${said}${why}; the models answer all the same.`;
  }
  if (!legal.length) return `${said}The game is over after ${tokens.length} tokens.`;
  const turn = player ? `${player} to move; ` : "";
  return `${said}${tokens.length} played; ${turn}${legal.length} legal: ${list(legal)}. ` +
    (tokens.length ? "" : "Models answer after the first token.");
}

/** The least and the most of some numbers as text, once if they look alike. */
function span(values, read) {
  const [least, most] = [read(Math.min(...values)), read(Math.max(...values))];
  return least === most ? least : `${least} to ${most}`;
}

function sayLost(run, legal) {
  const gaps = [...relativeLogits(run, legal)].filter((_, k) => !legal[k]).map((value) => -value);
  if (!gaps.length) return "Every token is legal.";
  const above = gaps.filter((gap) => gap <= 0).length;
  const count = gaps.length;
  const tie = "at least as likely as the least likely legal one.";
  if (above && count === 1) return `The illegal token is ${tie}`;
  if (above) return `${above} of ${count} illegal tokens are ${tie}`;
  const who = count === 1 ? "The illegal token lies" : `The ${count} illegal tokens lie`;
  return `${who} ${span(gaps, (gap) => show(gap, 2))} nats below the lowest legal one.`;
}

const sayRest = (rate) =>
  rate >= 0.005 ? percent(1 - rate) : rate > 0 ? `All but ${percent(rate)}` : "All";

/**
 * The illegal rate of a model as a number, and what is seen in words.
 *
 * @param beyond the model's entry if the context is longer than any in its training
 */
export function drawVerdict(run, legal, beyond) {
  const count = legal ? countLegal(legal) : 0;
  if (!count) {
    return h("p", {}, legal ? "The game is over: no answer is right."
      : "The rule says nothing about this context, so nothing is right or wrong here.");
  }
  const rate = illegalRate(run.probabilities, legal);
  return [
    h("p", { class: "verdict" },
      h("span", { class: `big${rate >= 0.01 ? " warn" : ""}` }, percent(rate)),
      h("span", {}, " illegal rate"),
      h("span", { class: "meter", "aria-hidden": "true", style: `--share: ${rate.toFixed(4)}` })),
    h("p", {}, `${sayRest(rate)} of the probability falls on the ${count} legal `,
      `${count === 1 ? "token" : "tokens"}. ${sayLost(run, legal)} Each place gets `,
      `${span(run.attention, (share) => share.toFixed(2))} of the attention.`,
      beyond && ` In training it met prefixes of at most ${beyond.trained_length} tokens.`),
  ];
}
