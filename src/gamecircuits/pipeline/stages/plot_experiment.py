"""Stage: the figure of one experiment on the theory."""

import importlib
import sys

from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def plot_experiment(
    job: str, settings: dict, experiment: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw what an experiment measured, with the figure module that has the name of its kind."""
    figure = importlib.import_module(f"gamecircuits.figures.experiments.{settings['kind']}")
    table = read_table(*experiment).to_pandas()
    write_results(job, table, output, csv=csv, others=render(figure.draw(table), images, job))


def main(argv=None) -> int:
    return run_stage(plot_experiment, argv, inputs={"experiment": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
