"""Figures of searches with a grid: what a line is, and grids of any shape."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from deep_tables import make_gridded
from matplotlib.colors import to_hex

from gamecircuits.figures.grids.extrapolation import draw, make_table
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.stages.plot_grids import plot_grids
from gamecircuits.storage.tables import write_frame

LEVELS = {"positions": ["learned", "rotary"], "placement": ["before", "after"], "rate": ["a", "b"]}


def tabulate(metrics, baselines, levels, trained=5):
    about = {"game": "my_game", "length": trained, "levels": list(levels.items())}
    return make_table({"s": metrics}, {"s": baselines}, [("s", about)])


def test_a_line_is_the_mean_over_draws_and_all_levels_of_other_factors():
    metrics, baselines = make_gridded(LEVELS, trained=5)
    table = tabulate(metrics, baselines, LEVELS)
    assert len(table) == 2 * 2 * 4
    by_variant = metrics[(metrics["metric"] == "total_variation") & (metrics["average"] == "last")]
    for row in table.to_dict("records"):
        names = [f"{row['factor']}.{row['other_factor']}.{rate}" for rate in "ab"]
        rows = by_variant[
            by_variant["variant"].isin(names) & (by_variant["length"] == row["length"])
        ]
        draws = [rows.loc[rows["number"] == n, "mean"].mean() for n in range(3)]
        wanted = [np.mean(draws), min(draws), max(draws)]
        np.testing.assert_allclose([row["mean"], row["lowest"], row["highest"]], wanted)
        assert (row["relative"], row["uniform"]) == (row["length"] / 5, 0.8)
        assert (row["num_draws"], row["num_others"]) == (3, 2)


def test_lines_of_one_level_share_a_colour_and_start_where_they_were_measured():
    metrics, baselines = make_gridded(LEVELS, trained=5)
    table = tabulate(metrics, baselines, LEVELS)
    figure = draw(table)
    [axes] = [axes for axes in figure.axes if axes.get_visible()]
    _, *lines = axes.lines  # the first is the uniform guess
    assert len({(to_hex(line.get_color()), line.get_linestyle()) for line in lines}) == 4
    assert len({to_hex(line.get_color()) for line in lines}) == 2
    for line, (_, rows) in zip(
        lines, table.groupby(["factor", "other_factor"], sort=False), strict=True
    ):
        np.testing.assert_allclose(line.get_xydata(), rows[["relative", "mean"]])
    assert "3 draws, and of all levels of the other factors" in figure.get_suptitle()


@pytest.mark.parametrize("kept", [["positions"], ["positions", "placement"]])
@pytest.mark.parametrize("draws", [0, 1])
def test_any_grid_can_be_drawn(kept, draws):
    levels = {name: LEVELS[name] for name in kept}
    metrics, baselines = make_gridded(levels, trained=5, draws=draws)
    table = tabulate(metrics, baselines, levels)
    figure = draw(table)
    figure.draw_without_rendering()
    assert ("All trials diverged" in figure.get_suptitle()) == (draws == 0)
    assert "other factors" not in figure.get_suptitle()


def test_a_search_that_diverged_does_not_hide_another():
    metrics, baselines = make_gridded(LEVELS, trained=5)
    about = {"game": "my_game", "length": 5, "levels": list(LEVELS.items())}
    both = {"lost": metrics[:0], "s": metrics}
    table = make_table(both, dict.fromkeys(both, baselines), [(name, about) for name in both])
    assert set(table["search"]) == {"s"}
    pd.testing.assert_frame_equal(table, tabulate(metrics, baselines, LEVELS), check_dtype=False)


def test_the_stage_draws_the_searches_in_the_order_of_the_settings(tmp_path):
    """Its job reads the tables of all searches with a grid."""
    grid = {factor: {level: {} for level in names} for factor, names in LEVELS.items()}
    search = {"game": "g", "architecture": "gpt", "length": 3, "steps": 2, "checkpoints": 1}
    config = {
        "results": str(tmp_path / "results"),
        "games": {"g": {"kind": "set_complement", "vocab_size": 8}},
        "searches": {"z": search | {"grid": grid}, "a": search | {"grid": grid}, "other": search},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    job = Plan(load_config(tmp_path / "c.yaml")).job("plot_grids", figure="extrapolation")
    for name, tables in job.reads.items():
        assert [Path(path).parent.name for path, _ in tables] == ["z", "a"]
        for seed, (path, _) in enumerate(tables):
            metrics, baselines = make_gridded(LEVELS, trained=3, seed=seed)
            write_frame({"metrics": metrics, "baselines": baselines}[name], "", path)
    paths = {name: [path for path, _ in tables] for name, tables in job.reads.items()}
    plot_grids(**paths, **job.work.settings, files=job.files[:4], job="{}")
    table = pd.read_csv(tmp_path / "results/figures/grids/extrapolation.csv")
    assert list(table["search"].unique()) == ["z", "a"]
    metrics, baselines = make_gridded(LEVELS, trained=3, seed=1)
    wanted = tabulate(metrics, baselines, LEVELS, trained=3)
    np.testing.assert_allclose(table.loc[table["search"] == "a", "mean"], wanted["mean"])
