"""Stage: one figure of what an audit found of a model."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._audit import read_tables
from gamecircuits.pipeline.stages._write import write_figure


def plot_audit(
    tables: list[str],
    files: list[str],
    *,
    job: str,
    figure: str,
    name: str,
    game: dict,
    trained_length: int | None,
) -> None:
    """Draw the figure of a module from the tables of a stage."""
    table = importlib.import_module(figure).make_table(read_tables(tables), trained_length)
    drawn = redraw(table, figure=figure, name=name, game=game, trained_length=trained_length)
    write_figure(drawn, table, job, files)


def redraw(
    table: pd.DataFrame, *, figure: str, name: str, game: dict, trained_length: int | None
) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table, name, make_game(**game), trained_length)
