"""Stage: how often each square of a board is legal, by stage of the game."""

import sys

from gamecircuits.figures.boards.legality import draw, make_table
from gamecircuits.figures.style import render
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def plot_legality(
    job: str, settings: dict, legality: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw boards with the share of positions in which each square is legal."""
    game = make_game(**settings["game"])
    table = make_table(read_table(*legality).to_pandas(), game)
    write_results(job, table, output, csv=csv, others=render(draw(table, game), images, job))


def main(argv=None) -> int:
    return run_stage(plot_legality, argv, inputs={"legality": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
