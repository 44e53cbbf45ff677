"""Stage: a figure of the collected metrics."""

import importlib
import sys

from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def plot_metrics(
    job: str, settings: dict, metrics: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw one of gamecircuits.figures from the table of all metrics."""
    figure = importlib.import_module(f"gamecircuits.figures.metrics.{settings['figure']}")
    table = figure.make_table(read_table(*metrics).to_pandas())
    write_results(job, table, output, csv=csv, others=render(figure.draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(plot_metrics, argv, inputs={"metrics": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
