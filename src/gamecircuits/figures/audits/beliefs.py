"""Figure: a game as a strip of boards, and what a probe reads of each square where."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.boards._squares import draw_on, draw_stones, show_board, square
from gamecircuits.figures.models.board_predictions import (
    LINE,
    WRONG,
    choose_lengths,
    draw_frames,
    locate,
    say_below,
)
from gamecircuits.figures.style import (
    FULL,
    TRAINED,
    Style,
    colour_bar,
    headline,
    new_figure,
    readable,
)
from gamecircuits.games._bitboard_game import BitboardGame

FEATURE = "owner"  # of squares: empty, mine or theirs
UNSURE = Normalize(1 / 3, 1)  # probability of what is read
COLOURMAP = "Purples_r"
AROUND, BELOW = 0.34, 1.3  # inches: around a board, and below all of them
NAMES = 0.55  # inches left of the boards


def make_table(tables: Mapping[str, pd.DataFrame], trained_length: int | None) -> pd.DataFrame:
    """What a probe reads of the owner of each square in one test game.

    Args:
        tables: beliefs, as of `audits.probing.Probed`.
    """
    beliefs = tables["beliefs"]
    return beliefs[beliefs["feature"] == FEATURE].reset_index(drop=True)


def draw(table: pd.DataFrame, name: str, game: BitboardGame, trained_length: int | None) -> Figure:
    """Positions after some numbers of tokens above, and what is read of them below.

    Args:
        name: of the model.
        trained_length: longest prefix in training (tokens); None: all count as such.
    """
    lengths = choose_lengths(int(table["length"].max()))
    tokens = table.drop_duplicates("length").sort_values("length")["token"].to_numpy()[None]
    side = game.get_side_to_move(tokens)[0]
    rows, columns = game.shape
    width = min((FULL - NAMES) / len(lengths) - 0.1, 1.6 * columns / rows)
    height = 2 * (width * rows / columns + AROUND) + BELOW
    figure, grid = new_figure(2, len(lengths), FULL, height)
    for length, (above, below) in zip(lengths, grid.T, strict=True):
        part = table[table["length"] == length].sort_values("place")
        wrong = (part["read"] != part["value"]).to_numpy()
        _draw(above, part["value"], side[length], game)
        _draw(below, part["read"], side[length], game, part["probability"].to_numpy())
        draw_frames(below, locate(np.flatnonzero(wrong), game), 0.94)
        seen = "1 token" if length == 1 else f"{length} tokens"
        title = f"{seen}\n{game.players[side[length]]} to move"
        above.set_title(title, fontsize=7, linespacing=1.2)
        is_trained = trained_length is not None and length <= trained_length
        say_below(below, f"{wrong.sum()} wrong", is_trained, is_bad=bool(wrong.any()))
    grid[0, 0].set_ylabel("position")
    grid[1, 0].set_ylabel("as it is read")
    image = ScalarMappable(UNSURE, COLOURMAP)
    where: Style = {
        "location": "bottom",
        "aspect": 30,
        "pad": 0.03,
        "shrink": 0.5,
        "anchor": (0, 0),
    }
    colour_bar(figure, image, list(grid.flat), "probability of what is read", **where)
    handles = [Patch(label="read wrong", **WRONG)]
    if trained_length is not None:
        handles.append(Patch(label="lengths in training", **TRAINED))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    passed = f"{table['layer'].iloc[0]:g}"
    layers = "layer" if passed == "1" else "layers"
    headline(
        figure, f"{readable(name)}: a test game as a linear probe reads it after {passed} {layers}"
    )
    return figure


def _draw(
    axes: Axes,
    values: pd.Series,
    side: int,
    game: BitboardGame,
    probability: np.ndarray | None = None,
) -> None:
    """A board of squares that are empty, mine or theirs, as the side to move sees them.

    Args:
        probability: shades squares that are read unsurely.
    """
    show_board(axes, game)
    axes.set(xticks=[], yticks=[])
    places = locate(np.arange(game.num_squares), game)
    shades: Any = "white"
    if probability is not None:
        shades = ScalarMappable(UNSURE, COLOURMAP).to_rgba(probability)
    draw_on(axes, places, square, shades, **LINE)
    for word, player in (("mine", side), ("theirs", 1 - side)):
        draw_stones(axes, places[(values == word).to_numpy()], game.players[player], game)
