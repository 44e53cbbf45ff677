"""Stage: one game as a strip of boards."""

import sys

from gamecircuits.figures.boards.filmstrip import draw, make_table
from gamecircuits.figures.style import render
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results


def plot_filmstrip(
    job: str, settings: dict, games: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw the first game of the dataset."""
    game = make_game(**settings["game"])
    tokens = next(iter_games(*games, game))[0]
    table = make_table(tokens, game, settings["name"])
    write_results(job, table, output, csv=csv, others=render(draw(table, game), images, job))


def main(argv=None) -> int:
    return run_stage(plot_filmstrip, argv, inputs={"games": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
