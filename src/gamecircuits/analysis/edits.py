"""Edits of the residual stream along probe directions: does a model use the board that is read?

At the last token of a prefix, a direction is added to the residual stream, which moves what it
holds of one square from one value to another. If the model uses that, its next moves are those of
the edited board (Li et al. 2023, arXiv 2210.13382; Nanda et al. 2023, arXiv 2309.00941).

A direction is the difference of two rows of a probe's weights, of the means of the activations of
two values, or of their parts in a regression on the whole board. An edit of strength x adds x times
the distance of the means along the direction, in equal parts at every site from a first one on. The
last site is left out: no layer reads there, so an edit would only move the predictions themselves.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.analysis.activations import check_sites, list_sites
from gamecircuits.analysis.edit_cases import (
    CHANGE,
    EDITS,
    NONE_LEFT,
    Cases,
    sample_cases,
    tell_reachable,
)
from gamecircuits.analysis.edit_shifts import (
    MEANS,
    Shifts,
    differ,
    find_shifts,
    find_values,
    predict_edited,
    resize,
)
from gamecircuits.analysis.probes import Probe
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
AFTER = "after the last layer"
CONTROLS = ("random direction", "random labels", "other square", "other layer", AFTER)
MEASURES = {  # unit
    "errors": "tokens",
    "newly_legal": "probability",
    "newly_illegal": "probability",
    "others": "probability",
    "illegal": "probability",
    "total_variation": "probability",
}
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
        choices: one row per edit, direction, first_site and strength: count of validation cases
            of trained lengths whose legal moves change, their mean errors and total_variation,
            and whether it is chosen: for the fewest errors, and of these the least total variation.
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
            site of a model; without a probe of the last one the control after it may be left out.
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
    _, *inner, final = list_sites(model)
    sites = [site for site in inner if site in probes]
    if not sites:
        raise GamecircuitsError(
            f"no probe is of a site that an edit is made at: {', '.join(inner) or 'there is none'}"
        )
    table = model.parameters.W_pos
    longest = game.max_length if table is None else min(game.max_length, len(table))
    trained = min(trained_length or longest, longest)
    say("reading what activations hold of each square")
    held = find_values(model, board_game, games.train[:GAMES], [*sites, final], trained)
    directions = {kind: {s: find_shifts(of[s]) for s in of} for kind, of in held.items()}
    with_probes = [site for site in (*sites, final) if site in probes]
    directions[PROBE] = {s: find_shifts(held[MEANS][s], probes[s].W) for s in with_probes}
    known = ~np.isnan(held[MEANS][final][..., 0])
    labels = {site: differ(probe.W) for site, probe in (random_probes or {}).items()}
    choosing = sample_cases(board_game, games.validation, known, per_length, trained, rng)
    testing = sample_cases(board_game, games.test, known, per_length, longest, rng)
    choices = _choose(model, choosing, directions, sites, strengths, say)
    reachable = tell_reachable(board_game, testing, rng)
    moves = testing.moves
    tables = []
    seen = {name: np.zeros(testing.legal_after.shape) for name in (NO_EDIT, EDIT)}
    for chosen in choices[choices["chosen"]].itertuples():
        rows = np.flatnonzero((testing.edit == EDITS.index(chosen.edit)) & (moves != NONE_LEFT))
        part = testing.select(rows)
        of_edit = directions[chosen.direction]
        edited = sites[sites.index(chosen.first_site) :]
        shifts = _move(of_edit, edited, chosen.strength, part)
        about = {
            "case": rows,
            "game": part.game,
            "length": part.length,
            "lengths": np.where(part.length <= trained, "trained", "beyond"),
            "edit": chosen.edit,
            "square": part.square,
            "reachable": reachable[rows],
            "moves": moves[rows],
        }
        interventions: dict[str, Shifts] = {NO_EDIT: {}, EDIT: shifts}
        interventions |= _make_controls(shifts, part, of_edit, sites, labels, rng)
        if final in of_edit:
            interventions[AFTER] = _move(of_edit, [final], chosen.strength, part)
        for name, wanted in interventions.items():
            say(f"{chosen.edit}: {name}")
            found = predict_edited(model, part.tokens, part.length, wanted)
            tables.append(pd.DataFrame(about | {"intervention": name} | measure(found, part)))
            if name in seen:
                seen[name][rows] = found
    cases = pd.concat(tables, ignore_index=True)
    return Edits(cases, choices, _count(testing, moves), _show(board_game, cases, testing, seen))


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


def _take(shifts: np.ndarray, cases: Cases, square: np.ndarray | None = None) -> np.ndarray:
    """The shifts (squares, from, to, d) that cases need, (n, d); of other squares if given."""
    return shifts[cases.square if square is None else square, cases.before, cases.after]


def _move(
    of_kind: Mapping[str, np.ndarray], sites: list[str], strength: float, cases: Cases
) -> Shifts:
    """What an edit adds at each of the sites."""
    return {site: strength / len(sites) * _take(of_kind[site], cases) for site in sites}


def _make_controls(
    shifts: Shifts,
    cases: Cases,
    of_edit: Mapping[str, np.ndarray],
    sites: list[str],
    labels: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, Shifts]:
    """Shifts as long as those of the edit at every site, in other directions.

    Args:
        of_edit: shifts of the edit's kind at the sites, (squares, from, to, d).
        labels: the same from probes of random labels, at some sites; the control needs all.
    """
    away = {site: sites[(n + len(sites) // 2) % len(sites)] for n, site in enumerate(sites)}
    width = next(iter(of_edit.values())).shape[-1]
    anywhere = rng.standard_normal((len(cases.square), width))
    other: dict[str, Callable[[str], np.ndarray]] = {
        "random direction": lambda site: anywhere,  # the same at all sites, so that they add up
        "random labels": lambda site: _take(labels[site], cases),
        "other layer": lambda site: _take(of_edit[away[site]], cases),
        "other square": lambda site: _take(of_edit[site], cases, cases.other),
    }
    if not shifts.keys() <= labels.keys():
        del other["random labels"]
    if len(sites) == 1:
        del other["other layer"]
    sizes = {site: np.linalg.norm(rows, axis=-1) for site, rows in shifts.items()}
    return {
        name: {site: resize(direct(site), size) for site, size in sizes.items()}
        for name, direct in other.items()
    }


def measure(found: np.ndarray, cases: Cases) -> dict[str, np.ndarray]:
    """MEASURES of predictions (n, V), each (n,); NaN for the mass of tokens of a sort of which a
    case has none."""
    before, after = cases.legal_before, cases.legal_after
    rank = np.argsort(np.argsort(-found, axis=1, kind="stable"), axis=1)
    is_top = rank < after.sum(axis=1, keepdims=True)
    sorts = {
        "newly_legal": after & ~before,
        "newly_illegal": before & ~after,
        "others": before == after,
        "illegal": ~after,
    }
    masses = {
        name: np.where(of_sort.any(axis=1), (found * of_sort).sum(axis=1), np.nan)
        for name, of_sort in sorts.items()
    }
    uniform = after / np.maximum(after.sum(axis=1, keepdims=True), 1)
    distance = np.abs(found - uniform).sum(axis=1) / 2
    return {"errors": (is_top != after).sum(axis=1)} | masses | {"total_variation": distance}


def _choose(
    model: GPT,
    cases: Cases,
    directions: Mapping[str, Mapping[str, np.ndarray]],
    sites: list[str],
    strengths: tuple[float, ...],
    say: Callable[[str], None],
) -> pd.DataFrame:
    """The table `choices` of Edits."""
    first_sites = sites[:: -(-len(sites) // MOST_FIRST_SITES)]
    grid = list(itertools.product(directions, first_sites, strengths))
    moves, tables = cases.moves, []
    for edit, name in enumerate(EDITS):
        part = cases.select((cases.edit == edit) & (moves == CHANGE))
        if not len(part.square):
            continue
        say(f"{name}: choosing among {len(grid)} ways")
        rows = []
        for direction, first_site, strength in grid:
            edited = sites[sites.index(first_site) :]
            shifts = _move(directions[direction], edited, strength, part)
            found = measure(predict_edited(model, part.tokens, part.length, shifts), part)
            means = [found[of].mean() for of in JUDGES]
            rows.append((name, direction, first_site, strength, len(part.square), *means))
        columns = ["edit", "direction", "first_site", "strength", "count", *JUDGES]
        table = pd.DataFrame(rows, columns=columns)
        best = table.sort_values(list(JUDGES), kind="stable").index[0]
        tables.append(table.assign(chosen=table.index == best))
    if not tables:
        raise GamecircuitsError(
            "no edit of a square changes the legal moves in the validation games; more games, "
            "longer prefixes or another game may have some"
        )
    return pd.concat(tables, ignore_index=True)


def _count(cases: Cases, moves: np.ndarray) -> pd.DataFrame:
    """The table `counts` of Edits."""
    names = np.array(EDITS)[cases.edit]
    table = pd.DataFrame({"edit": names, "length": cases.length, "moves": moves})
    return table.value_counts(["edit", "length", "moves"], sort=False).reset_index(name="count")


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
