"""Stage: a figure of the collected metrics."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_metrics(metrics: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw the figure of a module from the table of all metrics."""
    module = importlib.import_module(figure)
    table = module.make_table(read_frame(metrics))
    write_figure(redraw(table, figure=figure), table, job, files)


def redraw(table: pd.DataFrame, *, figure: str) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table)
