"""Stage: the figure of one experiment on the theory."""

import importlib

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_experiment(table: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw what an experiment measured, with the figure module that has the name of its kind."""
    measured = read_frame(table)
    write_figure(importlib.import_module(figure).draw(measured), measured, job, files)
