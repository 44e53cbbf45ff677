"""Stage: one game as a strip of boards."""

from gamecircuits.figures.boards.filmstrip import draw, make_table
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._write import write_figure


def plot_filmstrip(games: str, files: list[str], *, job: str, name: str, game: dict) -> None:
    """Draw the first game of the dataset."""
    rules = make_game(**game)
    assert isinstance(rules, BitboardGame)  # the graph has this stage for no others
    table = make_table(next(iter_games(games, rules))[0], rules, name)
    write_figure(draw(table, rules), table, job, files)
