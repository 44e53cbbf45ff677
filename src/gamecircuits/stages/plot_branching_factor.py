"""Stage: the branching factor of every game."""

import sys

import pandas as pd

from gamecircuits.figures.branching_factor import draw, get_table
from gamecircuits.figures.style import render
from gamecircuits.parquet import read_job, read_table
from gamecircuits.results import write_results
from gamecircuits.stages.command import DRAWN, run_stage


def plot_branching_factor(
    job: str, settings: dict, branching: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw the number of legal tokens by ply, for all games."""
    tables = [read_table(path).to_pandas() for path in branching]
    table = get_table(pd.concat(tables, ignore_index=True))
    write_results(job, table, output, csv=csv, others=render(draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(plot_branching_factor, argv, inputs={"branching": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
