"""Edits of a model that is known to use its board, and of others: tables and their numbers."""

import numpy as np
import pandas as pd
import pytest
from edits_by_hand import GAME, SITES, V, make_board_gpt, make_board_probe
from gpts import make_gpt

from gamecircuits.audits.edit_cases import MEASURES, STAY, measure, sample_cases
from gamecircuits.audits.edit_shifts import AFTER, CONTROLS
from gamecircuits.audits.edits import EDIT, NO_EDIT, edit_model
from gamecircuits.audits.probes import Probe
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import split_games
from gamecircuits.transformer.gpt import GPT

OTHELLO = make_game("othello", board_size=4)


def split(game, count=600):
    tokens = game.play(count, np.random.default_rng(0))
    sides = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return split_games(tokens, game.symmetries, sides)


def make_probes(model, sites, rng, squares=16):
    d = model.parameters.W_E.shape[1]
    return {
        site: Probe(rng.normal(size=(d, squares, 3)), np.zeros((squares, 3)), 0, 0)
        for site in sites
    }


@pytest.fixture(scope="module")
def by_hand():
    probes = {site: make_board_probe() for site in SITES}
    model, rng = make_board_gpt(), np.random.default_rng(1)
    random = make_probes(model, SITES, rng, V)
    arguments = model, GAME, split(GAME), probes
    return edit_model(*arguments, rng=rng, random_probes=random, trained_length=4)


@pytest.fixture(scope="module")
def random_case():
    """A random model, the arguments of its edits, and these edits."""
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=16, d=8, num_layers=2, num_positions=10)
    sites = ["blocks.0.resid_mid", "blocks.0.resid_post", "blocks.1.resid_mid"]
    arguments = model, OTHELLO, split(OTHELLO), make_probes(model, sites, rng)
    options = {"trained_length": 6, "per_length": 20, "strengths": (0.0, 1.0)}
    return arguments, options, edit_model(*arguments, rng=np.random.default_rng(2), **options)


def test_a_model_that_uses_its_board_follows_the_edit(by_hand):
    cases = by_hand.cases.set_index("intervention")
    assert set(by_hand.cases["edit"]) == {"erase"}  # a flip changes no legal moves
    edited = cases[cases["moves"] == "change"].loc[EDIT]
    assert (edited["errors"] == 0).all()
    assert edited["illegal"].max() < 1e-4
    num_legal = V - edited["length"] + 1
    np.testing.assert_allclose(edited["newly_legal"], 1 / num_legal, atol=1e-4)
    for name in (NO_EDIT, "random direction", "random labels", "other square"):
        assert cases.loc[name, "errors"].mean() > 0.8, name
        assert cases.loc[name, "newly_legal"].mean() < 0.1, name
    assert set(cases.index) == {NO_EDIT, EDIT, *CONTROLS}


def test_what_is_chosen_has_fewest_errors(by_hand, random_case):
    for edits in (by_hand, random_case[2]):
        for (_, intervention), rows in edits.choices.groupby(["edit", "intervention"]):
            chosen = rows[rows["chosen"]]
            assert len(chosen) == 1
            assert chosen["errors"].item() == rows["errors"].min()
            assert {"class means", "regression"} <= set(rows["direction"])
            is_last = rows["first_site"] == "blocks.1.resid_post"
            assert (is_last == (intervention == AFTER)).all()


def test_the_same_generator_gives_the_same_tables(random_case):
    arguments, options, edits = random_case
    again = edit_model(*arguments, rng=np.random.default_rng(2), **options)
    for one, other in zip(edits, again, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_no_strength_changes_nothing(random_case):
    arguments, options, _ = random_case
    rng = np.random.default_rng(2)
    edits = edit_model(*arguments, rng=rng, **options | {"strengths": (0.0,)})
    wide = edits.cases.set_index(["case", "intervention"])[list(MEASURES)].unstack()
    for name in MEASURES:
        for intervention in (EDIT, "random direction", "other square", AFTER):
            np.testing.assert_array_equal(wide[name, intervention], wide[name, NO_EDIT])


def test_cases_are_counted_once(random_case):
    _, _, edits = random_case
    counts = edits.counts.groupby("moves")["count"].sum()
    measured = edits.cases[edits.cases["intervention"] == EDIT]
    assert measured["case"].is_unique
    assert measured["moves"].value_counts().to_dict() == counts.drop("none left").to_dict()
    beyond = measured[measured["lengths"] == "beyond"]
    assert beyond["length"].min() == 7
    assert beyond["length"].max() == 10  # the model has no more positions
    stays = measured[measured["moves"] == STAY]
    assert stays[["newly_legal", "newly_illegal"]].isna().all(axis=None)


def test_measures_are_those_of_plain_loops():
    rng = np.random.default_rng(3)
    known = np.ones((16, 3), dtype=bool)
    cases = sample_cases(OTHELLO, split(OTHELLO).test, known, 10, 9, rng)
    found = rng.dirichlet(np.full(16, 0.3), len(cases.square))
    measured = measure(found, cases)
    for n, p in enumerate(found):
        before, after = (set(np.flatnonzero(x[n])) for x in (cases.legal_before, cases.legal_after))
        top = set(sorted(range(16), key=lambda token: -p[token])[: len(after)])
        assert measured["errors"][n] == len(top - after) + len(after - top)
        sorts = {
            "newly_legal": after - before,
            "newly_illegal": before - after,
            "others": set(range(16)) - (before ^ after),
            "illegal": set(range(16)) - after,
        }
        uniform = [(token in after) / max(len(after), 1) for token in range(16)]
        distance = sum(abs(x - y) for x, y in zip(p, uniform, strict=True)) / 2
        assert measured["total_variation"][n] == pytest.approx(distance)
        for name, tokens in sorts.items():
            wanted = sum(p[t] for t in tokens) if tokens else np.nan
            assert measured[name][n] == pytest.approx(wanted, nan_ok=True)


def test_the_example_is_a_case(by_hand):
    rows = by_hand.example
    square = rows["square"].iloc[0]
    case = by_hand.cases[by_hand.cases["length"] == rows["length"].iloc[0]]
    case = case[case["square"] == square].set_index("intervention")
    tokens, squares = (rows[rows["part"] == part] for part in ("tokens", "squares"))
    changed = squares.loc[squares["before"] != squares["after"], "place"]
    assert changed.tolist() == [square]
    for name, column in ((NO_EDIT, "before"), (EDIT, "after")):
        assert tokens[column].sum() == pytest.approx(1)
        mass = tokens.loc[~tokens["legal_before"] & tokens["legal_after"].astype(bool), column]
        assert np.isclose(case.loc[name, "newly_legal"], mass.sum()).any()


def test_what_cannot_be_edited_is_said():
    rng = np.random.default_rng(0)
    model, site = make_gpt(rng, V=16, d=8), "blocks.0.resid_mid"
    probes, games = make_probes(model, [site], rng), split(OTHELLO, 40)

    def fails(message, model=model, game=OTHELLO, probes=probes, games=games, **options):
        with pytest.raises(GamecircuitsError, match=message):
            edit_model(model, game, games, probes, rng=rng, **options)

    fails("SetComplement has no board", game=make_game("set_complement", vocab_size=16))
    fails(
        "the model has 16 tokens, and the game 9",
        game=make_game("mnk", rows=3, columns=3, in_a_row=3),
    )
    fails(r"no site 'blocks.7.resid_mid'; allowed", probes={"blocks.7.resid_mid": probes[site]})
    wide = make_probes(make_gpt(rng, V=16, d=9), [site], rng)
    fails(r"probe of blocks.0.resid_mid has shape \(9, 16, 3\); expected \(8, 16, 3\)", probes=wide)
    fails("expected", random_probes=wide)
    for useless in (
        {},
        {"blocks.1.resid_post": probes[site]},
        {"blocks.0.resid_pre": probes[site]},
    ):
        fails("no probe is of a site that an edit is made at: blocks.0.resid_mid", probes=useless)
    fails(
        "no edit of a square changes the legal moves",
        games=games._replace(validation=games.test[:0]),
    )
    fails("the test games have no position", games=games._replace(test=games.test[:0]))
    broken = model.parameters._replace(b_U=None, W_pos=np.nan * model.parameters.W_pos)
    fails("activations at .* are not finite", model=GPT(broken, model.design))
