"""Figure: the first layer as a model of set complement, and what the rest makes of it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.audits.bridge import ALL
from gamecircuits.figures.boards._squares import column_name, get_shape
from gamecircuits.figures.style import (
    COLOURS,
    DASHES,
    FULL,
    GREY,
    HOLLOW,
    TRAINED,
    Style,
    colour_bar,
    headline,
    integer_ticks,
    key,
    new_panels,
    nth_look,
    panel,
    plain_log_ticks,
    readable,
)
from gamecircuits.games.game import Game

DISPLACED, CIRCUIT, RESCALED, LAYERS = "lengths", "circuit", "rescaled", "layers"
SPREAD: Style = {"color": "black", "linestyle": DASHES[2]}
LEAST = 1e-7  # probability at the lower edge
MAX_NAMES = 16  # of tokens, on an axis
SUBLAYERS = {"embedding": DASHES[2], "attention": "-", "mlp": DASHES[1]}
DISPLACEMENT = "displacement", "score (nats)"  # columns of the layers, and what they are called
ACCURACY, ENTROPY = ("accuracy", "share right"), ("share_of_uniform", "share of uniform")
TITLES = (
    "played below not played",
    "the same, by layer",
    "attended to read token",
    "accuracy of “not played”",
    "entropy of attention",
    "mass on played tokens",
)
FACTOR_COLOURS = {0.0: COLOURS[0], 0.5: COLOURS[1], 1.0: GREY, 2.0: COLOURS[2]}


def make_table(tables: Mapping[str, pd.DataFrame], trained_length: int | None) -> pd.DataFrame:
    """The tables of `audits.bridge.Bridge`, one below the other; `part` says which."""
    circuit = tables[CIRCUIT]
    parts = {name: tables[name] for name in (DISPLACED, RESCALED, LAYERS)}
    parts[CIRCUIT] = circuit[circuit["head"] == ALL]
    return pd.concat([part.assign(part=name) for name, part in parts.items()], ignore_index=True)


def draw(table: pd.DataFrame, name: str, game: Game, trained_length: int | None) -> Figure:
    """Six panels.

    Args:
        name: of the model.
        game: that it is audited on; tokens are named as the squares of its board, if they are so.
    """
    shape = get_shape(game)
    parts = {part: rows.dropna(axis=1, how="all") for part, rows in table.groupby("part")}
    figure, grid = new_panels(6, 3, FULL / 3, 1.9)
    panels = list(grid.flat)
    _draw_displacement(panels[0], parts[DISPLACED])
    image = _draw_circuit(panels[2], parts[CIRCUIT], shape)
    colour_bar(figure, image, panels[2], "nats", shrink=0.9)
    _draw_mass(panels[5], parts[RESCALED])
    for place, (column, label) in {1: DISPLACEMENT, 3: ACCURACY, 4: ENTROPY}.items():
        _draw_layers(panels[place], parts[LAYERS], column)
        panels[place].set_ylabel(label)
    for index, (axes, title) in enumerate(zip(panels, TITLES, strict=True)):
        panel(axes, index, title)
        if index != 2:
            axes.set_xlabel("length s (tokens)")
            _shade(axes, parts[DISPLACED])
    headline(figure, f"{readable(name)}: the first layer and set complement")
    figure.legend(handles=_explain(parts), loc="outside lower left", ncols=4)
    return figure


def _shade(axes: Axes, lengths: pd.DataFrame) -> None:
    low, high = lengths["length"].min() - 0.4, lengths["length"].max() + 0.4
    trained = lengths.loc[lengths["is_trained"].astype(bool), "length"]
    if 0 < len(trained) < len(lengths):
        axes.axvspan(low, trained.max() + 0.5, zorder=0, **TRAINED)
    axes.set_xlim(low, high)
    integer_ticks(axes, lengths["length"])


def _draw_displacement(axes: Axes, rows: pd.DataFrame) -> None:
    axes.plot(rows["length"], rows["by_law"], color=GREY)
    axes.plot(rows["length"], rows["level_spread"], **SPREAD)
    axes.plot(rows["length"], rows["by_form"], color=COLOURS[1], linestyle=DASHES[1])
    axes.plot(rows["length"], rows["measured"], "o", color=COLOURS[0])
    axes.set_ylabel(DISPLACEMENT[1])
    axes.set_yscale("log")
    plain_log_ticks(axes.yaxis)


def _draw_circuit(axes: Axes, rows: pd.DataFrame, shape: tuple[int, int] | None) -> ScalarMappable:
    values = rows.pivot(index="attended", columns="read", values="logit")
    most = float(np.abs(values.to_numpy()).max()) or 1.0
    image = axes.imshow(
        values, "RdBu", Normalize(-most, most), aspect="auto", interpolation="nearest"
    )
    axes.grid(False)
    names = [_name(int(token), shape) for token in values.columns]
    step = -(-len(names) // MAX_NAMES)
    places = range(0, len(names), step)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(places, [names[place] for place in places])
    axes.tick_params(length=0, labelsize=5.5)
    axes.set(xlabel="read token", ylabel="attended token")
    return image


def _name(token: int, shape: tuple[int, int] | None) -> str:
    if shape is None:
        return str(token)
    row, column = divmod(token, shape[1])
    return f"{column_name(column)}{row + 1}"


def _draw_mass(axes: Axes, rows: pd.DataFrame) -> None:
    for (direction, factor), part in rows.groupby(["direction", "factor"]):
        colour = FACTOR_COLOURS[factor]
        if direction == "random":
            if factor == 0:
                axes.plot(part["length"], part["mass"], "s", color="black", **HOLLOW)
            continue
        axes.plot(part["length"], part["predicted_mass"], color=colour)
        axes.plot(part["length"], part["mass"], "o", color=colour)
    axes.set(ylabel="probability", yscale="log", ylim=(LEAST, 1.5))


def _draw_layers(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    for (layer, sublayer), part in rows.groupby(["layer", "sublayer"]):
        if part[column].notna().any():
            axes.plot(part["length"], part[column], **_look_of(int(layer), sublayer))
    if column == DISPLACEMENT[0]:
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    if column == ACCURACY[0]:
        base = rows.groupby("length")["base_rate"].first()
        axes.plot(base, color=GREY, linestyle="none", marker="_", markersize=7)
        axes.set_ylim(top=1.04)
    if column == ENTROPY[0]:
        axes.axhline(1, color=GREY, linewidth=0.9)
        axes.set_ylim(0, 1.05)


def _look_of(layer: int, sublayer: str) -> Style:
    look = nth_look(layer + 2)
    return {"color": GREY if layer == 0 else look["color"], "linestyle": SUBLAYERS[sublayer]}


def _explain(parts: dict[str, pd.DataFrame]) -> list:
    handles: list = [
        key(label="measured", marker="o", linestyle="none", color=COLOURS[0]),
        key(label="(mean x + mean β)/s", color=GREY),
        key(label="spread of unplayed tokens", **SPREAD),
        key(label="x, β and the attention", color=COLOURS[1], linestyle=DASHES[1]),
    ]
    for factor, colour in FACTOR_COLOURS.items():
        handles.append(key(label=f"x times {factor:g}", marker="o", color=colour))
    handles.append(key(label="control of x times 0", marker="s", color="black", **HOLLOW))
    sites = parts[LAYERS][["layer", "sublayer"]].drop_duplicates()
    for layer, sublayer in sites.itertuples(index=False):
        name = "embedding" if layer == 0 else f"layer {int(layer)}, {_say(sublayer)}"
        handles.append(key(label=name, **_look_of(int(layer), sublayer)))
    handles.append(key(label="guess by length", linestyle="none", marker="_", markersize=7))
    handles.append(Patch(label="lengths in training", **TRAINED))
    return handles


def _say(sublayer: str) -> str:
    return "MLP" if sublayer == "mlp" else sublayer
