"""Stage: one figure of the hypotheses."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_hypotheses(hypotheses: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw the figure of a module from the table of hypotheses."""
    module = importlib.import_module(figure)
    table = module.make_table(read_frame(hypotheses))
    write_figure(redraw(table, figure=figure), table, job, files)


def redraw(table: pd.DataFrame, *, figure: str) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table)
