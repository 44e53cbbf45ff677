"""Stage: a figure of all games."""

import importlib
import sys

import pandas as pd

from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def plot_games(
    job: str, settings: dict, branching: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw one of gamecircuits.figures from how many tokens are legal by ply, for all games."""
    figure = importlib.import_module(f"gamecircuits.figures.games.{settings['figure']}")
    tables = [read_table(path).to_pandas() for path in branching]
    table = figure.make_table(pd.concat(tables, ignore_index=True))
    write_results(job, table, output, csv=csv, others=render(figure.draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(plot_games, argv, inputs={"branching": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
