"""Stage: QK circuit, OV circuit and direct path of a model."""

from gamecircuits.figures.models.circuits import draw, make_table
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.transformer.weights import read_model


def plot_circuits(model: str, files: list[str], *, job: str, name: str) -> None:
    """Draw the three circuits of one model."""
    table = make_table(read_model(model))
    write_figure(draw(table, name), table, job, files)
