"""Edits of the residual stream along probe directions: does a model use the board that is read?

At the last token of a prefix, a direction is added to the residual stream, which moves what it
holds of one square from one value to another. If the model uses that, its next moves are those of
the edited board (Li et al. 2023, arXiv 2210.13382; Nanda et al. 2023, arXiv 2309.00941).

A direction is the difference of two rows of a probe's weights, of the means of the activations of
two values, or of their parts in a regression on the whole board. An edit of strength x adds x times
the distance of the values along the direction, in equal parts at every site from a first one on.
The last site is left out: no layer reads there, and an edit moves the predictions themselves. The
best edit there is a control: what it does needs no layer that uses the board.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.audits.activations import check_sites, list_sites
from gamecircuits.audits.edit_cases import (
    CHANGE,
    EDITS,
    NONE_LEFT,
    Cases,
    measure,
    sample_cases,
    tell_reachable,
)
from gamecircuits.audits.edit_shifts import (
    AFTER,
    MEANS,
    Shifts,
    differ,
    find_shifts,
    find_values,
    make_controls,
    move,
    predict_edited,
)
from gamecircuits.audits.probes import Probe
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD, Game
from gamecircuits.games.splits import SplitGames
from gamecircuits.transformer.gpt import GPT

PROBE = "probe"  # a kind of directions; others are those of `find_values`
STRENGTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)
MOST_FIRST_SITES = 8  # that are tried
GAMES = 4000  # that means are taken over, the first ones
NO_EDIT, EDIT = "no edit", "the edit"
JUDGES = ("errors", "total_variation")  # of what is chosen; the second where the first ties


class Edits(NamedTuple):
    """What edits did, in tables.

    Attributes:
        cases: one row per case of the test games and intervention (`NO_EDIT`, `EDIT`, CONTROLS):
            case, game (rows), length, lengths (trained or beyond), edit (of EDITS), square,
            reachable, moves (`change` if the edit changes what is legal, else `stay`), intervention
            and MEASURES. Errors are the false positives and negatives of the N most likely tokens
            against the N tokens that are legal on the edited board. Masses are of tokens that the
            edit makes legal, makes illegal, and does neither to, and of all that are illegal on the
            edited board; the total variation is from the uniform choice among those legal there.
        choices: one row per edit, intervention (the edit, or the control `AFTER`), direction,
            first_site and strength: count of validation cases of trained lengths whose legal moves
            change, their mean errors and total_variation, and whether it is chosen: for the fewest
            errors, and of these the least total variation.
        counts: one row per edit, length and moves (also `none left`, which is not measured): count
            of test cases.
        example: one case before and after the edit: the flip at trained lengths whose newly legal
            tokens gain the median mass. In part `tokens` one row per token (place): its
            probability and whether it is legal; in part `squares` one row per square: whose stone
            is there, 0 or 1, PAD if nobody's. All rows tell edit, length, mover and square.
    """

    cases: pd.DataFrame
    choices: pd.DataFrame
    counts: pd.DataFrame
    example: pd.DataFrame


def edit_model(
    model: GPT,
    game: Game,
    games: SplitGames,
    probes: Mapping[str, Probe],
    *,
    rng: np.random.Generator,
    random_probes: Mapping[str, Probe] | None = None,
    trained_length: int | None = None,
    per_length: int = 300,
    strengths: tuple[float, ...] = STRENGTHS,
    say: Callable[[str], None] = lambda _: None,
) -> Edits:
    """Edit squares of test games, as it works best on validation games, beside controls.

    Args:
        games: means of activations are of the training games.
        probes: of the feature `owner`, by site. Edits are made at these but the first and last
            site of a model.
        random_probes: the same, fitted to random labels; without them that control is left out.
        trained_length: longest prefix in training (tokens); None: all count as such. Directions and
            choices see no longer ones.
        per_length: distinct prefixes of each length, each with both edits.
        strengths: that are tried.
        say: is told what is done.

    Raises:
        GamecircuitsError: the game has no board or another vocabulary, a site does not exist, or
            a probe is of another width or board.
    """
    board_game = _check(model, game, [*probes.items(), *(random_probes or {}).items()])
    inner, final = list_sites(model)[1:-1], list_sites(model)[-1]
    sites = [site for site in inner if site in probes]
    if not sites:
        raise GamecircuitsError(
            f"no probe is of a site that an edit is made at: {', '.join(inner) or 'there is none'}"
        )
    table = model.parameters.W_pos
    longest = game.max_length if table is None else min(game.max_length, len(table))
    trained = min(trained_length or longest, longest)
    say("reading what activations hold of each square")
    directions, known = _find_directions(model, board_game, games.train, probes, sites, trained)
    labels = {site: differ(probe.W) for site, probe in (random_probes or {}).items()}
    choosing = sample_cases(board_game, games.validation, known, per_length, trained, rng)
    testing = sample_cases(board_game, games.test, known, per_length, longest, rng)
    ways = _list_ways(directions, sites, final, strengths)
    choices = _choose(model, choosing, directions, ways, say)
    reachable = tell_reachable(board_game, testing, rng)
    tables = []
    seen = {name: np.zeros(testing.legal_after.shape) for name in (NO_EDIT, EDIT)}
    is_measured = testing.moves != NONE_LEFT
    for edit, chosen in choices[choices["chosen"]].groupby("edit", sort=False):
        rows = np.flatnonzero(is_measured & (testing.edit == EDITS.index(edit)))
        part = testing.select(rows)
        best = {ways[n].intervention: ways[n] for n in chosen["way"]}
        of_edit = directions[best[EDIT].direction]
        shifts = best[EDIT].move(directions, part)
        interventions: dict[str, Shifts] = {NO_EDIT: {}, EDIT: shifts}
        interventions |= make_controls(shifts, part, of_edit, sites, labels, rng)
        interventions[AFTER] = best[AFTER].move(directions, part)
        about = _describe(part, trained).assign(case=rows, reachable=reachable[rows])
        for name, wanted in interventions.items():
            say(f"{edit}: {name}")
            found = predict_edited(model, part.tokens, part.length, wanted)
            tables.append(about.assign(intervention=name, **measure(found, part)))
            if name in seen:
                seen[name][rows] = found
    cases = pd.concat(tables, ignore_index=True)
    if cases.empty:
        raise GamecircuitsError("the test games have no position to edit; more games may have some")
    choices = choices.drop(columns="way")
    return Edits(cases, choices, _count(testing), _show(board_game, cases, testing, seen))


def _check(model: GPT, game: Game, probes: list[tuple[str, Probe]]) -> BitboardGame:
    if not isinstance(game, BitboardGame):
        raise GamecircuitsError(
            f"{type(game).__name__} has no board to edit; games on boards are othello, mnk and "
            "connect_four"
        )
    if model.vocab_size != game.vocab_size:
        raise GamecircuitsError(
            f"the model has {model.vocab_size} tokens, and the game {game.vocab_size}"
        )
    check_sites(model, [site for site, _ in probes])
    wanted = model.parameters.W_E.shape[1], game.num_squares, 3
    for site, probe in probes:
        if probe.W.shape != wanted:
            raise GamecircuitsError(
                f"the probe of {site} has shape {probe.W.shape}; expected {wanted}: the model's "
                "width, the board's squares, and empty, mine and theirs"
            )
    return game


def _find_directions(
    model: GPT,
    game: BitboardGame,
    tokens: np.ndarray,
    probes: Mapping[str, Probe],
    sites: list[str],
    longest: int,
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Shifts (squares, from, to, d) by kind and site, at the model's last site too; and which
    values are known, bool (squares, 3)."""
    final = list_sites(model)[-1]
    held = find_values(model, game, tokens[:GAMES], [*sites, final], longest)
    directions = {kind: {s: find_shifts(of[s]) for s in of} for kind, of in held.items()}
    means = held[MEANS]
    directions[PROBE] = {s: find_shifts(means[s], probes[s].W) for s in means if s in probes}
    return directions, ~np.isnan(means[final][..., 0])


class Way(NamedTuple):
    """A way to edit: a kind of directions, the sites, and how far."""

    intervention: str
    direction: str
    sites: list[str]
    strength: float

    def move(self, directions: Mapping[str, Mapping[str, np.ndarray]], cases: Cases) -> Shifts:
        """What it adds at each of its sites."""
        return move(directions[self.direction], self.sites, self.strength, cases)


def _list_ways(
    directions: Mapping[str, Mapping[str, np.ndarray]],
    sites: list[str],
    final: str,
    strengths: tuple[float, ...],
) -> list[Way]:
    """All that are tried: from a first site on, and at the last site of the model alone."""
    first_sites = range(0, len(sites), -(-len(sites) // MOST_FIRST_SITES))
    return [
        Way(intervention, direction, edited, strength)
        for intervention, choices in {
            EDIT: [sites[first:] for first in first_sites],
            AFTER: [[final]],
        }.items()
        for direction, edited, strength in itertools.product(directions, choices, strengths)
        if set(edited) <= directions[direction].keys()
    ]


def _choose(
    model: GPT,
    cases: Cases,
    directions: Mapping[str, Mapping[str, np.ndarray]],
    ways: list[Way],
    say: Callable[[str], None],
) -> pd.DataFrame:
    """The table `choices` of Edits, with the number of each way."""
    moves, tables = cases.moves, []
    for edit, name in enumerate(EDITS):
        part = cases.select((cases.edit == edit) & (moves == CHANGE))
        if not len(part.square):
            continue
        say(f"{name}: choosing among {len(ways)} ways")
        rows = []
        for number, way in enumerate(ways):
            shifts = way.move(directions, part)
            found = measure(predict_edited(model, part.tokens, part.length, shifts), part)
            about = (name, way.intervention, way.direction, way.sites[0], way.strength)
            means = [found[of].mean() for of in JUDGES]
            rows.append((number, *about, len(part.square), *means))
        columns = ["way", "edit", "intervention", "direction", "first_site", "strength", "count"]
        table = pd.DataFrame(rows, columns=[*columns, *JUDGES])
        in_order = table.sort_values(list(JUDGES), kind="stable")
        best = in_order.drop_duplicates("intervention").index
        tables.append(table.assign(chosen=table.index.isin(best)))
    if not tables:
        raise GamecircuitsError(
            "no edit of a square changes the legal moves in the validation games; more games, "
            "longer prefixes or another game may have some"
        )
    return pd.concat(tables, ignore_index=True)


def _describe(cases: Cases, trained: int) -> pd.DataFrame:
    """The columns of the table `cases` that tell what is edited."""
    return pd.DataFrame(
        {
            "game": cases.game,
            "length": cases.length,
            "lengths": np.where(cases.length <= trained, "trained", "beyond"),
            "edit": np.array(EDITS)[cases.edit],
            "square": cases.square,
            "moves": cases.moves,
        }
    )


def _count(cases: Cases) -> pd.DataFrame:
    """The table `counts` of Edits."""
    names = ["edit", "length", "moves"]
    found = _describe(cases, 0).value_counts(names, sort=False)
    return found.reset_index(name="count")


def _show(
    game: BitboardGame, cases: pd.DataFrame, testing: Cases, seen: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """The table `example` of Edits; of other cases if no such flip changes the legal moves."""
    names = ["edit", "lengths", "moves", "case"]
    masses = cases.pivot(index=names, columns="intervention", values="newly_legal").reset_index()
    gains = masses.assign(gain=masses[EDIT] - masses[NO_EDIT]).sort_values("gain", kind="stable")
    gains = gains[gains["gain"].notna()] if gains["gain"].notna().any() else gains
    is_wanted = (gains[names[:3]] == ["flip", "trained", CHANGE]).all(axis=1)
    gains = gains[is_wanted] if is_wanted.any() else gains
    case = gains["case"].iloc[(len(gains) - 1) // 2]
    owners = np.array([[PAD, 0, 1], [PAD, 1, 0]])[testing.side[case]]
    parts = [
        pd.DataFrame(
            {
                "part": "tokens",
                "before": seen[NO_EDIT][case],
                "after": seen[EDIT][case],
                "legal_before": testing.legal_before[case],
                "legal_after": testing.legal_after[case],
            }
        ),
        pd.DataFrame(
            {
                "part": "squares",
                "before": owners[testing.board[case]],
                "after": owners[testing.edited[case]],
            }
        ),
    ]
    about = {
        "edit": EDITS[testing.edit[case]],
        "length": testing.length[case],
        "mover": game.players[testing.side[case]],
        "square": testing.square[case],
    }
    return pd.concat([part.rename_axis("place").reset_index().assign(**about) for part in parts])
