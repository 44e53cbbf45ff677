"""Stage: how often each square of a board is legal, by stage of the game."""

from gamecircuits.figures.boards.legality import draw, make_table
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_legality(legality: str, files: list[str], *, job: str, game: dict) -> None:
    """Draw boards with the share of positions in which each square is legal."""
    rules = make_game(**game)
    assert isinstance(rules, BitboardGame)  # the graph has this stage for no others
    table = make_table(read_frame(legality), rules)
    write_figure(draw(table, rules), table, job, files)
