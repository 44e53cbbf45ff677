"""Stage: the branching factor of every game."""

import sys

import pandas as pd

from gamecircuits.figures.branching_factor import draw, get_table
from gamecircuits.figures.style import render
from gamecircuits.parquet import read_table
from gamecircuits.results import write_results
from gamecircuits.stages.command import run_stage


def plot_branching_factor(
    job: str, settings: dict, branching: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw the number of legal tokens by ply, for all games."""
    tables = [
        read_table(path, "measure_branching", name=name).to_pandas()
        for path, name in zip(branching, settings["games"], strict=True)
    ]
    table = get_table(pd.concat(tables, ignore_index=True))
    write_results(job, table, output, csv=csv, others=render(draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(
        plot_branching_factor, argv, branching=True, output=False, csv=False, images=True
    )


if __name__ == "__main__":
    sys.exit(main())
