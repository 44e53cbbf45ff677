"""Stage: QK circuit, OV circuit and direct path of a model."""

import sys

from gamecircuits.figures.models.circuits import draw, make_table
from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.tables import write_results
from gamecircuits.transformer.weights import read_model, read_model_job


def plot_circuits(
    job: str, settings: dict, model: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw the three circuits of one model."""
    table = make_table(read_model(*model).parameters)
    figure = draw(table, settings["model"])
    write_results(job, table, output, csv=csv, others=render(figure, images, job))


def main(argv=None) -> int:
    return run_stage(plot_circuits, argv, inputs={"model": read_model_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
