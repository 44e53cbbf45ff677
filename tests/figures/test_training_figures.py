"""Figures of searches: they draw any search, and say what is missing."""

import importlib

import numpy as np
import pandas as pd
import pytest
from deep_tables import make_deep

from gamecircuits.figures.hypotheses import forest
from gamecircuits.figures.layout import fit
from gamecircuits.figures.searches import circuits, curves, effects, mechanisms, scatter
from gamecircuits.figures.searches._made_for import MADE_FOR
from gamecircuits.figures.searches._search import choose_averages, forget_theory, get_looks
from gamecircuits.figures.searches.circuits import CIRCUITS
from gamecircuits.kinds import list_modules
from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.choices import COMPARED
from gamecircuits.training.effects import get_effects
from gamecircuits.training.hypotheses import VERDICTS, judge
from gamecircuits.training.trial import get_hyperparameters
from gamecircuits.transformer.circuits import ov_circuit
from gamecircuits.transformer.constructions.construction import make_construction

OF_STEPS = ("loss", "x_mean", "beta_mean", "misfit", "displacement_trained",
            "illegal_token_rate_trained", "illegal_token_rate_longest")  # fmt: skip


def make_tables(
    variants=("plain", "normed"),
    trials=3,
    averages=("last", "ema"),
    lost=(),
    legal=(3.0, 2.0, 1.0),
    predicted=("plain",),
    earlier=None,
):
    """Tables as collect_search writes them; trials `lost` diverged and have no measurements.

    `legal` is how many tokens are legal, by length; `predicted` are variants without a norm.
    """
    rng = np.random.default_rng(0)
    keys = [{"variant": v, "number": n} for v in variants for n in range(trials)]
    kept = [key for key in keys if tuple(key.values()) not in lost]
    default = {name: getattr(OneLayerTrial(), name) for name in get_hyperparameters("one_layer")}
    drawn = [{"learning_rate": 10.0 ** -(n + 1), "tied": n == 1} for n in range(trials)]
    metrics = pd.DataFrame(
        key | {"average": a, "strength": "as_trained", "length": s, "metric": m, "count": 9,
               "mean": rng.uniform(0.1, 0.9),
               "standard_form": rng.uniform(0.1, 0.9) if key["variant"] in predicted else np.nan,
               "validation": 0.1 * key["number"]}
        for key in kept for a in averages for s in range(1, 5) for m in (*COMPARED, "displacement")
    )  # fmt: skip
    return {
        "metrics": metrics,
        "trials": pd.DataFrame(key | default | drawn[key["number"]] for key in keys),
        "dynamics": pd.DataFrame(
            key | {"step": step} | dict.fromkeys(OF_STEPS, 0.1 * step)
            for key in kept for step in (2, 4)
        ),
        "noise": pd.DataFrame(
            key | {"length": s, "num_legal": n, "noise": 0.1, "bias": 0.1}
            for key in kept for s, n in enumerate(legal, start=1)
        ),
        "circuits": pd.DataFrame(
            key | {"state": state, "circuit": circuit, "vocab_size": 5}
            | {"row": row, "column": column}
            | {"value": -(8.0 + row) * (row == column) if state == "learned" else 0.1}
            for key in keys if key["number"] == 0
            for state in (("start", "learned") if key in kept else ("start",))
            for circuit in CIRCUITS for row in range(2) for column in range(2)
        ),
        "effects": get_effects(
            metrics, 2, {name: {} for name in variants}, list(averages), trials, earlier or {}
        ),
    }  # fmt: skip


SEARCHES = {
    "whole": {},
    "one trial": {"trials": 1},
    "an earlier iterate": {"averages": ("last", "then", "ema"), "earlier": {"ema": "then"}},
    "one variant": {"variants": ("plain",)},
    "nothing to compare": {"variants": ("plain",), "averages": ("last",), "trials": 1},
    "many variants": {"variants": tuple("abcdefghi"), "averages": ("last",)},
    "ten variants of long names": {"variants": tuple(f"{c}_long_name" * 4 for c in "abcdefghij")},
    "as many legal tokens at two lengths": {"legal": (3.0, 2.0, 3.0)},
    "as many legal tokens everywhere": {"legal": (3.0, 3.0, 3.0)},
    "a norm everywhere": {"predicted": ()},
    "first trial lost": {"lost": [("plain", 0)]},
    "first variant lost": {"lost": [("plain", n) for n in range(3)]},
}


NAMES = list_modules("gamecircuits.figures.searches")


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize(
    ("name", "architecture"),
    [(n, a) for n in NAMES for a in MADE_FOR.get(n, ["one_layer"])] + [("curves", "gpt")],
)
def test_any_search_can_be_drawn(name, architecture, search):
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    tables = make_tables(**search)
    if architecture != "one_layer":
        tables = make_deep(tables)
    figure = module.draw(module.make_table(tables, 2), "my_game", 2)
    figure.draw_without_rendering()
    assert "my game, trained on prefixes of 1 to 2 tokens" in figure.get_suptitle()
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
    assert not any(map(is_empty, shown))


def is_empty(axes) -> bool:
    """Whether nothing is drawn in a panel, not even a text."""
    curves = [line for line in axes.lines if len(line.get_xdata())]
    return not (curves or axes.images or axes.collections or axes.patches or axes.texts)


@pytest.mark.parametrize("name", ["mechanisms", "circuits"])
def test_no_panel_shows_theory_of_a_game_that_it_does_not_speak_of(name):
    module = importlib.import_module(f"gamecircuits.figures.searches.{name}")
    tables = make_tables()
    shown, suptitles = [], []
    for given in (tables, forget_theory(tables)):
        figure = module.draw(module.make_table(given, 2), "g", 2)
        suptitles.append(figure.get_suptitle())
        panels = [axes for axes in figure.axes if axes.get_visible()]
        shown.append({f"{axes.get_title(loc='left')}{axes.get_ylabel()}" for axes in panels})
    said = "the theory speaks of set complement; this is another game"
    assert [said in title for title in suptitles] == [False, True]
    missing = " ".join(shown[0] - shown[1])
    for word in {"mechanisms": ("direct path", "standard form", "predicted")}.get(
        name, ("construction",)
    ):
        assert word in missing


def test_curves_are_medians_with_quartiles_and_titles_count_what_diverged():
    tables = make_tables(lost=[("plain", 1)])
    table = curves.make_table(tables, 2)
    axes = curves.draw(table, "g", 2).axes[0]
    assert axes.get_title(loc="left").endswith("plain\n3 trials, 1 diverged")
    rows = tables["metrics"].query(
        "variant == 'plain' and average == 'last' and metric == 'illegal_token_rate'"
    )
    median = axes.lines[0].get_ydata()
    trials = rows.pivot(index="length", columns="number", values="mean")
    np.testing.assert_allclose(median, trials.mean(axis=1))  # of two
    ys = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert {trials.quantile(q, axis=1)[3].round(9) for q in (0.25, 0.75)} <= set(ys.round(9))


def test_a_variant_has_one_colour_in_all_figures():
    tables = make_tables()
    shown = effects.make_table(tables, 2)
    of_variants = shown[shown["versus"] == "variant"]
    drawn = effects.draw(shown, "g", 2)
    colours = {line.get_color() for axes in drawn.axes for line in axes.get_lines()}
    wanted = get_looks(["plain", "normed"])
    assert set(of_variants["variant"]) == {"normed"}
    assert {look["color"] for look in wanted.values()} <= colours
    assert get_looks(["plain", "last", "normed"])["normed"]["color"] not in colours


def test_every_row_of_effects_keeps_its_name_when_it_is_laid_out():
    """Panels of a row share their axis, and only the left one has the names."""
    tables = make_tables(variants=("plain", "b", "c"))
    figure = effects.draw(effects.make_table(tables, 2), "g", 2)
    fit(figure)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["b", "last", "ema", "c", "last", "ema"]


def test_at_most_three_averages_are_shown_the_first_among_them():
    assert choose_averages(make_tables(averages=tuple("abcdef"))) == ["a", "c", "f"]
    assert choose_averages(make_tables(averages=("last",))) == ["last"]


def test_effects_have_the_sign_of_a_difference_from_the_first():
    tables = make_tables()
    table = effects.make_table(tables, 2)
    row = table.query(
        "versus == 'variant' and average == 'last' and eval_length == 'longest'"
        " and metric == 'total_variation'"
    ).iloc[0]
    values = tables["metrics"].query(
        "average == 'last' and length == 4 and metric == 'total_variation'"
    )
    means = values.groupby("variant")["mean"].mean()
    assert (row["variant"], row["baseline"], row["pairs"]) == ("normed", "plain", 3)
    assert row["difference"] == pytest.approx(means["normed"] - means["plain"])


def test_scatter_shows_what_varied_and_marks_what_diverged():
    table = scatter.make_table(make_tables(lost=[("normed", 2)]), 2)
    assert {"learning_rate", "tied"} <= set(table)
    assert not {"norm", "d_model"} & set(table)
    figure = scatter.draw(table, "g", 2)
    panels = {axes.get_xlabel(): axes for axes in figure.axes if axes.get_visible()}
    assert panels["learning rate"].get_xscale() == "log"
    assert [text.get_text() for text in panels["tied"].get_xticklabels()] == ["False", "True"]
    crosses = [line for line in panels["learning rate"].lines if line.get_marker() == "x"]
    assert [x for line in crosses for x in line.get_xdata()] == [pytest.approx(1e-3)]


def test_mechanisms_are_set_beside_what_the_first_average_and_the_theory_say():
    tables = make_tables(averages=("last", "ema", "bema"), lost=[("plain", 1)])
    table = mechanisms.make_table(tables, 2)
    metrics = tables["metrics"].set_index(["variant", "number", "average", "metric", "length"])
    for quantity, s in [("total_variation", 2), ("displacement", 4)]:
        kept = table[table["quantity"] == f"{quantity}_kept"].set_index(
            ["variant", "number", "average"]
        )
        wanted = [metrics.loc[("plain", 2, a, quantity, s), "mean"] for a in ("bema", "last")]
        assert kept.loc[("plain", 2, "bema"), "value"] == pytest.approx(wanted[0] / wanted[1])
        assert set(kept.xs("last", level="average")["value"]) == {1.0}
    is_bias = table["average"] == "bias"
    bias = table[is_bias & (table["variant"] == "normed")].set_index("number")["value"]
    first = metrics.loc[("normed", 0, "last", "total_variation", 2), "mean"]
    assert bias[0] == pytest.approx(0.1 / first)
    assert table.loc[table["diverged"], ["variant", "number"]].to_numpy().tolist() == [["plain", 1]]
    panels = {axes.get_title(loc="left"): axes for axes in mechanisms.draw(table, "g", 2).axes}
    rates = panels["illegal rate predicted: at 2 (hollow), 4"]
    shown = [line for line in rates.lines if len(line.get_xdata()) and line.get_marker() == "o"]
    found = {tuple(xy) for line in shown for xy in line.get_xydata()}
    rows = metrics.xs("illegal_token_rate", level="metric").loc[("plain", slice(None), "last")]
    for s in (2, 4):
        of_length = rows.xs(s, level="length")
        assert set(zip(of_length["standard_form"], of_length["mean"], strict=True)) <= found


def test_circuits_are_those_of_first_trials_beside_the_construction():
    tables = make_tables(variants=tuple("abcdef"), lost=[("b", 0)])
    tables["trials"].loc[tables["trials"]["variant"] == "c", "norm"] = "attention"
    table = circuits.make_table(tables, 2)
    assert table["variant"].unique().tolist() == ["balanced construction", *"abcd"]
    made = table[table["variant"] == "balanced construction"]
    assert set(made["circuit"]) == {"ov_circuit"}
    wanted = make_construction("balanced", vocab_size=5, max_illegal_rate=1e-3).model()
    diagonal = np.diag(ov_circuit(wanted.parameters)) - ov_circuit(wanted.parameters)[0, 1]
    assert made["value"].min() == pytest.approx(diagonal[0])
    assert set(made["shown"]) == {-1.0, 0.0}
    of_c = table[table["variant"] == "c"].set_index(["circuit", "row", "column"])["shown"]
    np.testing.assert_allclose(of_c["ov_circuit"].unstack(), np.diag([-8 / 8.5, -9 / 8.5]))
    metrics = tables["metrics"].set_index(["variant", "number", "average", "metric", "length"])
    after_one = metrics.loc[("c", 0, "last", "displacement", 1), "mean"]
    assert of_c["direct_path", 0, 0] == pytest.approx(-8 / after_one)  # its norm spares it
    of_d = table[table["variant"] == "d"].set_index(["circuit", "row", "column"])["shown"]
    assert of_d["direct_path", 0, 0] == pytest.approx(-8 / 8.5)
    figure = circuits.draw(table, "g", 2)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("diverged") == len(CIRCUITS)
    assert "the first 2 of 5 tokens" in figure.get_suptitle()


REGIONS = [(-0.2, 0.2), (np.nan, 0.0), (3.0, np.nan), (1e-9, 2e-9)]
INTERVALS = [(0.1, 0.0, 0.2), (-1.0, -1.0, -1.0), (2.0, np.nan, np.nan), (np.nan,) * 3]


def make_hypotheses() -> pd.DataFrame:
    rows = [
        {"search": search, "claim": "It is so, " + "and so on, " * 20 + "or not.", "unit": "nats"}
        | {"measure": "x_mean", "compared": "plain", "num_trials": 2, "num_missing": 1}
        | {"mean": mean, "low": low, "high": high, "verdict": judge(low, high, *region)}
        | dict(zip(("region_low", "region_high"), region, strict=True))
        for search in ("s", "t")
        for region in REGIONS
        for mean, low, high in INTERVALS
    ]
    return pd.DataFrame(rows)


def test_hypotheses_of_any_region_and_interval_can_be_drawn():
    table = make_hypotheses()
    figure = forest.draw(forest.make_table(table))
    figure.draw_without_rendering()
    counts = table["verdict"].value_counts()
    assert set(counts.index) == set(forest.LOOKS) == set(VERDICTS)
    assert all(f"{counts[verdict]} {verdict}" in figure.get_suptitle() for verdict in VERDICTS)


def test_intervals_lie_in_their_regions_as_the_verdicts_say():
    """Whether a line is inside the shaded region, by the places of both in the figure."""
    table = make_hypotheses()[:2].assign(search="s")  # in the region, and outside
    [axes] = forest.draw(table).axes
    colours = [look[0] for look in forest.LOOKS.values()]
    lines = [line.get_xdata() for line in axes.lines
             if line.get_color() in colours and len(line.get_xdata()) == 2
             and line.get_linewidth() > 1]  # fmt: skip
    regions = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    found = [judge(*line, *region) for line, region in zip(lines, regions, strict=True)]
    assert found == table["verdict"].tolist() == ["supported", "contradicted"]
