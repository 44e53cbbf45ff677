"""Stage: one figure of a search."""

import importlib

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    DIVERGED,
    KEYS,
    draw_nothing,
    forget_theory,
)
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame
from gamecircuits.training.choices import AS_TRAINED


def plot_search(
    metrics: str,
    trials: str,
    dynamics: str,
    noise: str,
    circuits: str,
    effects: str,
    files: list[str],
    matched: str | None = None,
    baselines: str | None = None,
    attention: str | None = None,
    illegal: str | None = None,
    *,
    job: str,
    figure: str,
    game: str,
    kind: str,
    length: int,
) -> None:
    """Draw the figure of a module from the tables of a search, of weights as trained.

    Args:
        game: its name, and
        kind: of which theory speaks or not.
        matched, baselines, attention, illegal: further tables of deeper models.
    """
    paths = {
        "metrics": metrics,
        "trials": trials,
        "dynamics": dynamics,
        "noise": noise,
        "circuits": circuits,
        "effects": effects,
        "matched": matched,
        "baselines": baselines,
        "attention": attention,
        "illegal": illegal,
    }
    tables = {name: read_frame(path) for name, path in paths.items() if path}
    if tables["effects"].empty:
        table = tables["trials"][KEYS].assign(**{DIVERGED: True})
    else:
        tables["effects"] = tables["effects"][tables["effects"]["strength"] == AS_TRAINED]
        if kind != "set_complement":
            tables = forget_theory(tables)
        table = importlib.import_module(figure).make_table(tables, length)
    drawn = redraw(table, figure=figure, game=game, length=length)
    write_figure(drawn, table, job, files)


def redraw(table: pd.DataFrame, *, figure: str, game: str, length: int, **_: object) -> Figure:
    """The figure of the table that is written beside it."""
    if list(table.columns) == [*KEYS, DIVERGED]:
        return draw_nothing(game, length, "all trials diverged: lower the learning rate")
    return importlib.import_module(figure).draw(table, game, length)
