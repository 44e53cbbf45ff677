"""Stage: QK circuit, OV circuit and direct path of a model."""

import sys

from gamecircuits.figures.circuits import draw, get_table
from gamecircuits.figures.style import render
from gamecircuits.results import write_results
from gamecircuits.stages.command import run_stage
from gamecircuits.transformer.weights import read_model


def plot_circuits(
    job: str, settings: dict, model: str, output: str, csv: str, images: list[str]
) -> None:
    """Draw the three circuits of one model."""
    table = get_table(read_model(model, construction=settings["construction"]).parameters)
    figure = draw(table, settings["model"])
    write_results(job, table, output, csv=csv, others=render(figure, images, job))


def main(argv=None) -> int:
    return run_stage(plot_circuits, argv, model=False, output=False, csv=False, images=True)


if __name__ == "__main__":
    sys.exit(main())
