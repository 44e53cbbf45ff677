"""Stage: a figure of all games."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_games(branching: list[str], files: list[str], *, job: str, figure: str) -> None:
    """Draw the figure of a module from how many tokens are legal by ply, for all games."""
    module = importlib.import_module(figure)
    table = module.make_table(pd.concat(map(read_frame, branching), ignore_index=True))
    write_figure(redraw(table, figure=figure), table, job, files)


def redraw(table: pd.DataFrame, *, figure: str) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table)
