"""Stage: a figure of the collected metrics."""

import importlib
import sys

from gamecircuits.figures.style import render
from gamecircuits.parquet import read_job, read_table
from gamecircuits.results import write_results
from gamecircuits.stages.command import DRAWN, run_stage


def plot_metrics(
    job: str, settings: dict, metrics: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw one of gamecircuits.figures from the table of all metrics."""
    figure = importlib.import_module(f"gamecircuits.figures.{settings['figure']}")
    table = figure.get_table(read_table(*metrics).to_pandas())
    write_results(job, table, output, csv=csv, others=render(figure.draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(plot_metrics, argv, inputs={"metrics": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
