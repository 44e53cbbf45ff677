"""Stage: the figure of one experiment on the theory."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_experiment(table: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw what an experiment measured, with the figure module that has the name of its kind."""
    measured = read_frame(table)
    write_figure(redraw(measured, figure=figure), measured, job, files)


def redraw(table: pd.DataFrame, *, figure: str) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table)
