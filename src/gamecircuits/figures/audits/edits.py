"""Figure: what edits of squares do to a model's next moves, beside controls, and one such edit."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.audits.edit_cases import CHANGE, EDITS
from gamecircuits.audits.edit_shifts import CONTROLS
from gamecircuits.audits.edits import EDIT, NO_EDIT
from gamecircuits.figures.boards._squares import draw_on, frame
from gamecircuits.figures.layout import FIXED
from gamecircuits.figures.models.board_predictions import draw_board, list_keys, locate
from gamecircuits.figures.models.predictions import PROBABILITY
from gamecircuits.figures.style import (
    COLOURS,
    FULL,
    GREY,
    TRAINED,
    Style,
    colour_bar,
    headline,
    integer_ticks,
    key,
    new_figure,
    panel,
    readable,
)
from gamecircuits.games._bitboard_game import BitboardGame

SHOWN = (EDIT, *reversed(CONTROLS))  # from above
ERRORS, MASSES = ("errors",), ("newly_legal", "newly_illegal")
MARKERS = {"errors": "o", "newly_legal": "^", "newly_illegal": "v"}
PAST = {"flip": "flipped", "erase": "erased"}
EDITED = "#E69F00"  # frame of the edited square
MARGIN: Style = {"color": "#cfe8df", "linewidth": 0}
DOT: Style = {"linestyle": "none", "markersize": 3.6}
HOLLOW = {"markerfacecolor": "white"}  # beyond the lengths in training
APART = 0.17  # of two symbols of a line
HEIGHTS = (1.5, 1.5, 1.35, 1.85)  # inches, of each line of panels
AROUND = 1.2  # inches: headline, colour bar and legend
EFFECTS, BY_LENGTH, EXAMPLE = "effects", "by length", "example"  # parts of the table


def make_table(tables: Mapping[str, pd.DataFrame], trained_length: int | None) -> pd.DataFrame:
    """What is drawn, of cases whose legal moves change, and the example.

    Args:
        tables: effects, as of `summarise_edits`, and example, as of `Edits`.

    Returns:
        part `effects`: at lengths in training and beyond; part `by length`: errors at each length;
        both with the columns of `effects`. Part `example`: `of` is tokens or squares.
    """
    effects, example = tables["effects"], tables["example"]
    effects = effects[(effects["moves"] == CHANGE) & effects["measure"].isin(ERRORS + MASSES)]
    by_length = effects[(effects["by"] == "length") & effects["measure"].isin(ERRORS)]
    parts: dict[str, pd.DataFrame] = {
        EFFECTS: effects[effects["by"] == "lengths"],
        BY_LENGTH: by_length.assign(length=by_length["group"].astype(int)),
        EXAMPLE: example.rename(columns={"part": "of"}),
    }
    drawn = [table.assign(part=part) for part, table in parts.items()]
    return pd.concat(drawn, ignore_index=True).drop(columns=["moves", "by"])


def draw(table: pd.DataFrame, name: str, game: BitboardGame, trained_length: int | None) -> Figure:
    """A column for each sort of edit; below them one edit as two boards.

    Args:
        table: as of `make_table`.
        name: of the model.
        trained_length: longest prefix in training (tokens); None: all count as such.
    """
    effects, by_length, example = (
        table[table["part"] == part] for part in (EFFECTS, BY_LENGTH, EXAMPLE)
    )
    size = len(HEIGHTS), len(EDITS), FULL, sum(HEIGHTS) + AROUND
    figure, grid = new_figure(*size, height_ratios=HEIGHTS, sharey="row")
    figure.set_label(FIXED)
    shown = [one for one in SHOWN if (effects["intervention"] == one).any()]
    edits = [edit for edit in EDITS if (effects["edit"] == edit).any()]
    for axes in grid[:3, len(edits) :].flat:
        axes.set_visible(False)
    for column, edit in enumerate(edits):
        errors, masses, curve = grid[:3, column]
        rows = effects[effects["edit"] == edit]
        _draw_effects(errors, rows, ERRORS, shown)
        _draw_effects(masses, rows[rows["group"] == "trained"], MASSES, shown)
        _draw_lengths(curve, by_length[by_length["edit"] == edit], trained_length)
        letters = range(column, 3 * len(edits), len(edits))
        panel(errors, letters[0], f"{edit}: errors", xlabel="change of errors (tokens)")
        panel(masses, letters[1], f"{edit}: probability", xlabel="change of probability")
        panel(curve, letters[2], f"{edit}: errors by length", xlabel="length (tokens)")
    grid[2, 0].set_ylabel("errors (tokens)")
    grid[2, 0].set_ylim(0, 1.2 * by_length["mean"].max())
    _draw_example(grid[3], example, game, first=3 * len(edits))
    bar: Style = {"location": "bottom", "aspect": 40, "pad": 0.03, "shrink": 0.6, "anchor": (0, 0)}
    bar |= {"ticks": [0, 0.1, 0.5, 1]}
    image = ScalarMappable(PROBABILITY, "Blues")
    colour_bar(figure, image, list(grid[3]), "probability of the next token", **bar)
    is_beyond = bool((effects["group"] == "beyond").any())
    figure.legend(handles=_make_keys(is_beyond), loc="outside lower left", ncols=4)
    headline(figure, f"edits of squares in the residual stream of {readable(name)}")
    return figure


def _draw_effects(
    axes: Axes, rows: pd.DataFrame, measures: tuple[str, ...], shown: list[str]
) -> None:
    """Changes against no edit, a line for each intervention: of two measures, or of two ranges of
    lengths."""
    heights = {name: -place for place, name in enumerate(shown)}
    rows = rows[rows["measure"].isin(measures) & rows["intervention"].isin(shown)]
    for margin in rows["margin"].unique():
        axes.axvspan(-margin, margin, **MARGIN)
    axes.axvline(0, color=GREY, linewidth=0.8)
    is_second = (rows["group"] == "beyond") | (rows["measure"] == MASSES[1])
    height = rows["intervention"].map(heights) + np.where(is_second, -APART, APART)
    is_edit = rows["intervention"] == EDIT
    for (group, measure, blue), part in rows.groupby(["group", "measure", is_edit]):
        ends = part[["effect_low", "effect_high"]].sub(part["effect"], axis=0).abs().T
        style: Style = {"color": COLOURS[0] if blue else GREY, "marker": MARKERS[measure], **DOT}
        style |= HOLLOW if group == "beyond" else {}
        axes.errorbar(
            part["effect"], height[part.index], xerr=ends.to_numpy(), elinewidth=1.0, **style
        )
    axes.set_yticks(list(heights.values()), list(heights))
    axes.set_ylim(-len(shown) + 0.4, 0.6)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=3)


def _draw_lengths(axes: Axes, rows: pd.DataFrame, trained_length: int | None) -> None:
    """Errors with and without edit, by length, with their intervals."""
    if trained_length is not None:
        axes.axvspan(rows["length"].min() - 0.5, trained_length + 0.5, **TRAINED)
    for intervention, colour in ((NO_EDIT, GREY), (EDIT, COLOURS[0])):
        part = rows[rows["intervention"] == intervention].sort_values("length")
        ends = part[["low", "high"]].sub(part["mean"], axis=0).abs().T
        every = max(1, len(part) // 12)
        style: Style = {"marker": "o", "markersize": 2.5, "linewidth": 1.0}
        style |= {"markevery": every, "errorevery": every}
        axes.errorbar(part["length"], part["mean"], yerr=ends.to_numpy(), color=colour, **style)
    integer_ticks(axes, rows["length"].astype(int))


def _draw_example(pair: np.ndarray, rows: pd.DataFrame, game: BitboardGame, first: int) -> None:
    """The board of the example and its edited one, with the model's probabilities."""
    tokens = rows[rows["of"] == "tokens"].rename(columns={"place": "token"})
    squares = rows[rows["of"] == "squares"].sort_values("place")
    edited = locate(rows["square"].iloc[:1].to_numpy(int), game)
    length, mover = int(rows["length"].iloc[0]), rows["mover"].iloc[0]
    seen = "1 token" if length == 1 else f"{length} tokens"
    titles = {
        "before": f"{seen}, {mover} to move",
        "after": f"the same, {PAST[rows['edit'].iloc[0]]}",
    }
    for number, (column, axes) in enumerate(zip(titles, pair, strict=True)):
        part = tokens.rename(columns={column: "probability", f"legal_{column}": "legal"})
        part = part.astype({"legal": bool, "token": int})
        draw_board(axes, part, squares[column].to_numpy(int), game)
        draw_on(axes, edited, frame(0.94), "none", edgecolor=EDITED, linewidth=1.6)
        panel(axes, first + number, titles[column])


def _make_keys(is_beyond: bool) -> list:
    """Entries of the legend."""
    beyond = [key(marker="o", label="beyond the lengths in training", **DOT, **HOLLOW)]
    return [
        key(color=COLOURS[0], label=EDIT),
        key(label="no edit, or a control"),
        *(beyond if is_beyond else []),
        key(marker=MARKERS["newly_legal"], label="newly legal tokens", **DOT),
        key(marker=MARKERS["newly_illegal"], label="newly illegal tokens", **DOT),
        Patch(label="counts as no effect", **MARGIN),
        Patch(facecolor="none", edgecolor=EDITED, linewidth=1.6, label="edited square"),
        *list_keys(),
    ]
