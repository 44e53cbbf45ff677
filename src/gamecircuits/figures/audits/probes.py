"""Figure: what probes read from a model's residual stream, beside their controls."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.audits.clusters import NORMAL
from gamecircuits.figures.style import (
    FULL,
    GREY,
    TRAINED,
    Style,
    headline,
    integer_ticks,
    key,
    new_panels,
    panel,
    readable,
)
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import Game

LAYERS, LENGTHS = "by layer", "by length"  # parts of the table
ALL, SHORT = "all lengths", "trained lengths"  # that a probe was fitted on
BASE = "base rate"
LOOKS: dict[str, Style] = {
    "linear probe": {"color": "#0072B2", "marker": "o", "zorder": 4},
    "MLP probe": {"color": "#E69F00", "marker": "s", "zorder": 3},
    "shuffled weights": {"color": "#6b6b6b", "marker": "^", "zorder": 2},
    "random labels": {"color": "#D55E00", "marker": "v", "zorder": 2},
    BASE: {"color": "black", "linestyle": (0, (1, 1.3)), "linewidth": 1.0, "zorder": 5},
}
DASH = (0, (4, 2))  # of probes that were fitted on trained lengths alone
WHOLE = {"squares": "boards", "places": "positions"}
COLUMNS = ["part", "series", "feature", "fitted_on", "layer", "length", "games"]
MEASURES = ["accuracy", "accuracy_error", "whole", "whole_error", "base_accuracy", "base_whole"]


class Panel(NamedTuple):
    """What a panel shows of which feature, and what it says."""

    feature: str
    part: str  # of the table
    measure: str
    title: str
    ylabel: str


def make_table(tables: Mapping[str, pd.DataFrame], trained_length: int | None) -> pd.DataFrame:
    """Shares that are read right, by layer over trained lengths, and by length at one site.

    The site of a feature is where the linear probe has the lowest loss on the training games, of
    those where there is an MLP probe too.

    Args:
        tables: overall, by_length and fits of `audits.probing.Probed`.

    Returns:
        one row for each series (`LOOKS`, but for the base rate, which is in columns), feature,
        fitted_on, and layer (part `by layer`) or length (part `by length`; `layer` is the site's).
    """
    overall, by_length, fits = (tables[name] for name in ("overall", "by_length", "fits"))
    wanted = "trained" if "trained" in set(overall["lengths"]) else "all"
    overall = overall[(overall["lengths"] == wanted) & (overall["prefixes"] == "all")]
    layers = overall.assign(part=LAYERS)
    plain = fits[(fits["labels"] == "true") & (fits["weights"] == "trained")]
    shortest = SHORT if SHORT in set(plain["fitted_on"]) else ALL
    has_mlp = plain["layer"].isin(plain.loc[plain["probe"] == "mlp", "layer"])
    plain = plain[has_mlp | ~has_mlp.any()]
    plain = plain[(plain["probe"] == "linear") & (plain["fitted_on"] == shortest)]
    best = plain.loc[plain.groupby("feature", sort=False)["loss"].idxmin(), ["feature", "layer"]]
    lengths = by_length.merge(best, on=["feature", "layer"]).assign(part=LENGTHS)
    table = pd.concat([layers, lengths], ignore_index=True)
    table["series"] = np.select(
        [table["probe"] == "mlp", table["labels"] == "random", table["weights"] == "shuffled"],
        ["MLP probe", "random labels", "shuffled weights"],
        "linear probe",
    )
    return table.reindex(columns=COLUMNS + MEASURES)


def draw(table: pd.DataFrame, name: str, game: Game, trained_length: int | None) -> Figure:
    """For each feature: places by layer, whole positions by layer, and places by length.

    Args:
        name: of the model.
        game: that it is audited on.
        trained_length: longest prefix in training (tokens); None: all count as such.
    """
    places = "squares" if isinstance(game, BitboardGame) else "places"
    features = list(dict.fromkeys(table["feature"]))
    panels = [part for feature in features for part in _list_panels(table, feature, places)]
    per_line = max(len(_list_panels(table, feature, places)) for feature in features)
    figure, grid = new_panels(len(panels), per_line, FULL / per_line, 2.05)
    for index, (axes, shown) in enumerate(zip(grid.flat, panels, strict=False)):
        rows = table[(table["feature"] == shown.feature) & (table["part"] == shown.part)]
        panel(axes, index, shown.title, ylabel=shown.ylabel)
        if shown.part == LENGTHS:
            _draw_lengths(axes, rows, shown.measure, trained_length)
        else:
            _draw_layers(axes, rows, shown.measure)
        axes.set_ylim(top=1.03)
    longest = int(table["length"].max()) if trained_length is None else trained_length
    games = int(table["games"].max())
    headline(
        figure,
        f"{readable(name)}: what probes read from the residual stream\nby layer: prefixes of 1 to "
        f"{longest} tokens; {games:,} test games; bars and bands: 95 % intervals",
    )
    seen = [series for series in LOOKS if series == BASE or (table["series"] == series).any()]
    handles: list = [key(**{"linestyle": "-", **LOOKS[series]}, label=series) for series in seen]
    if SHORT in set(table["fitted_on"]):
        handles.append(key(linestyle=DASH, color=GREY, label="fitted on trained lengths alone"))
    if trained_length is not None:
        handles.append(Patch(label="lengths in training", **TRAINED))
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _list_panels(table: pd.DataFrame, feature: str, places: str) -> list[Panel]:
    """Panels of a feature; where a position has one place, nothing is said twice."""
    rows = table[table["feature"] == feature]
    layer = rows.loc[rows["part"] == LENGTHS, "layer"].max()
    where = f"after layer {layer:g}" if layer else "at the embedding"
    of_places, whole = f"share of {places}", WHOLE[places]
    if is_single := bool((rows["whole"] == rows["accuracy"]).all()):
        of_places = f"share of {whole}"
    panels = [
        Panel(feature, LAYERS, "accuracy", f"{feature} by layer", of_places),
        Panel(feature, LAYERS, "whole", f"{feature}, whole {whole}", f"share of {whole}"),
        Panel(feature, LENGTHS, "accuracy", f"{feature} {where}", of_places),
    ]
    return panels[::2] if is_single else panels


def _draw_layers(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    rows = rows.sort_values("layer")
    for (series, fitted_on), line in rows.groupby(["series", "fitted_on"], sort=False):
        axes.errorbar(
            line["layer"], line[measure], NORMAL * line[f"{measure}_error"],
            elinewidth=0.8, linestyle=DASH if fitted_on == SHORT else "-", **LOOKS[series],
            markerfacecolor="white" if fitted_on == SHORT else LOOKS[series]["color"],
        )  # fmt: skip
    base = rows.drop_duplicates("layer")
    axes.plot(base["layer"], base[f"base_{measure}"], **LOOKS[BASE])
    integer_ticks(axes, [0, *rows["layer"].apply(np.ceil)])
    axes.set_xlabel("layers passed (half: attention alone)")


def _draw_lengths(axes: Axes, rows: pd.DataFrame, measure: str, trained_length: int | None) -> None:
    if trained_length is not None and trained_length < rows["length"].max():
        axes.axvspan(0.5, trained_length + 0.5, zorder=0, **TRAINED)
    rows = rows.sort_values("length")
    for (series, fitted_on), line in rows.groupby(["series", "fitted_on"], sort=False):
        look = LOOKS[series]
        half = NORMAL * line[f"{measure}_error"]
        low, high = line[measure] - half, line[measure] + half
        axes.fill_between(line["length"], low, high, color=look["color"], alpha=0.2, linewidth=0)
        axes.plot(
            line["length"], line[measure], color=look["color"], zorder=look["zorder"],
            linestyle=DASH if fitted_on == SHORT else "-",
        )  # fmt: skip
    base = rows.drop_duplicates("length")
    axes.plot(base["length"], base[f"base_{measure}"], **LOOKS[BASE])
    axes.set_xlim(0.5, rows["length"].max() + 0.5)
    integer_ticks(axes, rows["length"].astype(int))
    axes.set_xlabel("length of the prefix (tokens)")
