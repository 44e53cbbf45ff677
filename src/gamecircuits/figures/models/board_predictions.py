"""Figure: what the models see on a board: one game as a strip of boards for each of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch

from gamecircuits.figures.boards._squares import (
    Point,
    column_name,
    draw_on,
    draw_stones,
    frame,
    show_board,
    square,
)
from gamecircuits.figures.models.predictions import (
    MARK,
    PROBABILITY,
    TARGET,
    draw_nothing,
    group_alike,
)
from gamecircuits.figures.style import (
    FULL,
    GREY,
    TRAINED,
    Style,
    colour_bar,
    headline,
    key,
    new_figure,
    readable,
)
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD

NUM_BOARDS = 6  # of a model
MISTAKE = 0.05  # probability from which on an illegal token is marked
LINE: Style = {"edgecolor": "#b0b0b0", "linewidth": 0.4}
LEGAL: Style = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.6}
WRONG: Style = {"facecolor": "none", "edgecolor": MARK, "linewidth": 1.2}
AROUND = 0.32  # inches above and below a board
NAMES = 0.9  # inches left of the boards


def draw(
    table: pd.DataFrame, name: str, game: BitboardGame, trained_lengths: Mapping[str, int | None]
) -> Figure:
    """A row for each model, a column for each of some lengths; models that agree share a row.

    Args:
        table: as of `predictions.make_table`, of one game.
        name: what the config calls the game.
        trained_lengths: longest length in training by model, None if it was not trained.
    """
    if table.empty:
        return draw_nothing(name)
    models = [[n for n in names if n != TARGET] for names in group_alike(table)]
    models = [names for names in models if names]
    lengths = choose_lengths(table["length"].max())
    tokens = table.drop_duplicates("length")["last_token"].to_numpy()[None]
    positions = game.get_owners(tokens)[0], game.get_side_to_move(tokens)[0]
    rows, columns = game.shape
    side = min((FULL - NAMES) / len(lengths) - 0.1, 1.6 * columns / rows) / columns
    height = (side * rows + AROUND) * len(models) + 1.35
    size = len(models), len(lengths), FULL, height
    figure, grid = new_figure(*size, sharey="row")
    for names, strip in zip(models, grid, strict=True):
        strip[0].set_ylabel("\n".join(map(readable, names)))
        trained = trained_lengths.get(names[0])
        for length, axes in zip(lengths, strip, strict=True):
            part = table[(table["model"] == names[0]) & (table["length"] == length)]
            draw_board(axes, part, positions[0][length], game)
            _say_mass(axes, part, trained is not None and length <= trained)
    for length, axes in zip(lengths, grid[0], strict=True):
        axes.set_title(_describe(length, *positions, game), fontsize=7, linespacing=1.2)
    where: Style = {"location": "bottom", "aspect": 30, "pad": 0.03, "shrink": 0.5}
    where |= {"anchor": (0, 0), "ticks": [0, 0.1, 0.5, 1]}
    colour_bar(
        figure, ScalarMappable(PROBABILITY, "Blues"), list(grid.flat), "probability", **where
    )
    handles = list_keys()
    if any(trained_lengths.get(names[0]) for names in models):
        handles.append(Patch(label="lengths in training", **TRAINED))
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    headline(figure, f"one game of {readable(name)}, and what models expect next")
    return figure


def list_keys() -> list:
    """Entries of the legend for what `draw_board` draws."""
    return [
        key(linestyle="none", marker="o", markersize=3, markerfacecolor=LEGAL["facecolor"],
            markeredgecolor=LEGAL["edgecolor"], markeredgewidth=0.6, label="legal next"),
        Patch(label=f"illegal, probability from {MISTAKE:g}", **WRONG),
    ]  # fmt: skip


def choose_lengths(last: int) -> np.ndarray:
    """At most NUM_BOARDS lengths from 1 to the last one, evenly."""
    return np.unique(np.linspace(1, last, min(NUM_BOARDS, last)).round().astype(int))


def find_squares(owner: np.ndarray, game: BitboardGame) -> np.ndarray:
    """Where each token is shown, (V,): its square, or of a column the lowest that is free.

    A full column is shown at its top.

    Args:
        owner: whose stone is on each square, PAD where there is none.
    """
    if game.vocab_size == game.num_squares:
        return np.arange(game.num_squares)
    rows, columns = game.shape
    height = (owner.reshape(rows, columns) != PAD).sum(axis=0)
    return np.minimum(height, rows - 1) * columns + np.arange(columns)


def draw_board(axes: Axes, part: pd.DataFrame, owner: np.ndarray, game: BitboardGame) -> None:
    """Stones, probabilities of the next token, which are legal, and mistakes.

    Args:
        part: one row per token, with columns token, probability and legal.
        owner: whose stone is on each square, PAD where there is none.
    """
    show_board(axes, game)
    axes.set(xticks=[], yticks=[])
    part = part.sort_values("token")
    places = locate(find_squares(owner, game), game)
    draw_on(axes, locate(np.arange(game.num_squares), game), square, "white", **LINE)
    colours = ScalarMappable(PROBABILITY, "Blues").to_rgba(part["probability"].to_numpy())
    draw_on(axes, places, square, colours, **LINE)
    for index, player in enumerate(game.players):
        draw_stones(axes, locate(np.flatnonzero(owner == index), game), player, game)
    legal = part["legal"].to_numpy()
    is_wrong = ~legal & (part["probability"] >= MISTAKE).to_numpy()
    draw_on(axes, places[legal], _spot, LEGAL["facecolor"], **_edges(LEGAL))
    draw_frames(axes, places[is_wrong])


def draw_frames(axes: Axes, rows: pd.DataFrame, size: float = 0.82) -> None:
    """Mark squares as mistakes; `rows` as in `draw_on`."""
    draw_on(axes, rows, frame(size), WRONG["facecolor"], **_edges(WRONG))


def _edges(style: Style) -> Style:
    return {name: value for name, value in style.items() if name != "facecolor"}


def locate(squares: np.ndarray, game: BitboardGame) -> pd.DataFrame:
    """Row and column of squares."""
    row, column = np.divmod(squares, game.shape[1])
    return pd.DataFrame({"row": row, "column": column})


def _spot(centre: Point) -> Patch:
    return Circle(centre, 0.15)


def _say_mass(axes: Axes, part: pd.DataFrame, is_trained: bool) -> None:
    """How much goes to illegal tokens, on grey at lengths in training."""
    mass = part.loc[~part["legal"], "probability"].sum()
    say_below(axes, f"illegal {_round(mass)}", is_trained, is_bad=mass >= MISTAKE)


def say_below(axes: Axes, text: str, is_trained: bool, *, is_bad: bool) -> None:
    """Words below a board, on grey at lengths in training."""
    box: Style | None = {"facecolor": TRAINED["color"], "linewidth": 0, "pad": 1.5}
    axes.set_xlabel(text, bbox=box if is_trained else None, labelpad=4)
    axes.xaxis.label.set(fontsize=7, color="black" if is_bad else GREY)


def _round(mass: float) -> str:
    return f"{mass:.2f}" if mass >= 0.005 else "< 0.01" if mass else "0"


def _describe(length: int, owners: np.ndarray, side: np.ndarray, game: BitboardGame) -> str:
    """How many tokens were seen, and the last of them."""
    is_new = (owners[length] != PAD) & (owners[length - 1] == PAD)
    row, column = np.divmod(np.flatnonzero(is_new)[0], game.shape[1])
    mover = game.players[side[length - 1]]
    tokens = "1 token" if length == 1 else f"{length} tokens"
    return f"{tokens}\n{mover} {column_name(column)}{row + 1}"
