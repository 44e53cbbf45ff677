"""Stage: one game on its board, and how often each square is legal."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.boards.board import draw, make_table
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_board(
    games: str, legality: str, files: list[str], *, job: str, name: str, game: dict
) -> None:
    """Draw the first game of the dataset, and the legality in all games."""
    rules = make_game(**game)
    assert isinstance(rules, BitboardGame)  # the graph has this stage for no others
    tokens = next(iter_games(games, rules))[0]
    table = make_table(tokens, read_frame(legality), rules, name)
    write_figure(redraw(table, game=game), table, job, files)


def redraw(table: pd.DataFrame, *, game: dict, **_: object) -> Figure:
    """The figure of the table that is written beside it."""
    return draw(table, make_game(**game))
