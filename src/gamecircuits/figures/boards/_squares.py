"""What the figures of boards have in common: coordinates, squares and stones."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Annulus, Circle, Patch, Polygon, Rectangle

from gamecircuits.figures.layout import FLOWING
from gamecircuits.figures.style import COLOURS, FULL, new_figure
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import Game

MAX_HEIGHT = 3.0  # inches, of a board
PER_LINE = 5  # boards, if they are not wide
MAX_TICKS = 16
Point = tuple[float, float]


class Look(NamedTuple):
    """Colours of a board: squares, lines between them, the last move, and holes for the stones."""

    square: str
    line: str
    last_move: str
    hole: str | None = None


LOOKS = {  # by the names of the players
    ("black", "white"): Look("#86ab8f", "#5d7f67", "#e6d98c"),
    ("X", "O"): Look("#ffffff", "#a8a8a8", "#fbe9b7"),
    ("red", "yellow"): Look("#6288b5", "#6288b5", "#27486f", hole="#f4f6f9"),
}
PLAIN = Look("#e6e2da", "#b4afa4", "#f5dca3")
PLAYERS = {
    "black": "#1f1f1f",
    "white": "#fbfbfb",
    "red": "#c8403d",
    "yellow": "#f0c441",
    "X": COLOURS[0],
    "O": "#D55E00",
}


def get_look(game: BitboardGame) -> Look:
    return LOOKS.get(game.players, PLAIN)


def get_colour(player: str, game: BitboardGame) -> str:
    return PLAYERS.get(player, COLOURS[game.players.index(player)])


def get_shape(game: Game) -> tuple[int, int] | None:
    """Rows and columns of a game's board, if its tokens are the squares."""
    if isinstance(game, BitboardGame) and game.num_squares == game.vocab_size:
        return game.shape
    return None


def new_boards(
    game: BitboardGame, first: int, second: int
) -> tuple[Figure, np.ndarray, np.ndarray, float]:
    """Figure, the axes of the first and of the second boards, and the side of a square in inches.

    The second ones end the last line of the first ones if there is room, else have lines of their
    own.
    """
    rows, columns = game.shape
    per_line = max(1, min(PER_LINE, 12 * PER_LINE // columns))
    side = min((FULL / per_line - 0.3) / columns, MAX_HEIGHT / rows)
    above = -(-first // per_line)
    is_beside = second <= above * per_line - first
    lines = above if is_beside else above - (-second // per_line)
    figure, grid = new_figure(lines, per_line, FULL, (side * rows + 0.55) * lines + 0.5)
    figure.set_label(FLOWING)
    figure.get_layout_engine().set(h_pad=0.08)
    flat = grid.ravel()
    start = len(flat) - second if is_beside else above * per_line
    strip, others = flat[:first], flat[start : start + second]
    for axes in (*flat[first:start], *flat[start + second :]):
        axes.set_visible(False)
    x, y = _ticks(columns), _ticks(rows)
    for axes in (*strip, *others):
        show_board(axes, game)
        axes.set_xticks(x, [column_name(column) for column in x])
        axes.set_yticks(y, [str(row + 1) for row in y])
        axes.tick_params(length=0, pad=2, labelsize=6)
    return figure, strip, others, side


def show_board(axes: Axes, game: BitboardGame) -> None:
    """Make a square of the board 1 wide and 1 high, and hide all around it."""
    rows, columns = game.shape
    axes.set_aspect("equal", anchor="W")
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(*((-0.5, rows - 0.5) if game.row_0_is_below else (rows - 0.5, -0.5)))
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _ticks(size: int) -> range:
    return range(0, size, -(-size // MAX_TICKS))


def column_name(column: int) -> str:
    """Letters as in chess; aa, ab, ... after z."""
    first = chr(ord("a") + column // 26 - 1) if column >= 26 else ""
    return first + chr(ord("a") + column % 26)


def draw_on(
    axes: Axes, rows: pd.DataFrame, shape: Callable[[Point], Patch], colour: Any, **style
) -> None:
    """Draw a shape on squares.

    Args:
        rows: one for each square, with columns row and column.
        shape: a function like those below, of a square's centre.
        colour: of all, or one for each.
    """
    patches = [shape((x, y)) for x, y in rows[["column", "row"]].to_numpy(float)]
    style = {"edgecolor": "none", "clip_on": False, **style}
    axes.add_collection(PatchCollection(patches, facecolor=colour, **style))


def square(centre: Point) -> Patch:
    x, y = centre
    return Rectangle((x - 0.5, y - 0.5), 1, 1)


def frame(size: float) -> Callable[[Point], Patch]:
    """Edges of a part of a square, by the length of its sides."""
    return lambda centre: Rectangle((centre[0] - size / 2, centre[1] - size / 2), size, size)


def dot(centre: Point) -> Patch:
    return Circle(centre, 0.11)


def disc(centre: Point) -> Patch:
    return Circle(centre, 0.4)


def ring(centre: Point) -> Patch:
    return Annulus(centre, 0.32, 0.1)


def cross(centre: Point) -> Patch:
    arm = np.array([0.1, 0.3 + 0.2j, 0.2 + 0.3j])
    outline = np.concatenate([arm * 1j**quarter for quarter in range(4)])
    return Polygon(np.stack([outline.real, outline.imag], axis=1) + centre)


def draw_stones(axes: Axes, rows: pd.DataFrame, player: str, game: BitboardGame) -> None:
    """The player's stones, discs if the player has no other sign; `rows` as in `draw_on`."""
    colour = get_colour(player, game)
    if sign := {"X": cross, "O": ring}.get(player):
        draw_on(axes, rows, sign, colour)
    else:
        draw_on(axes, rows, disc, colour, edgecolor="#303030", linewidth=0.5)
