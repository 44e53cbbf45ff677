"""Stage: one figure of all searches that have a grid."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_grids(
    metrics: list[str],
    baselines: list[str],
    files: list[str],
    *,
    job: str,
    figure: str,
    searches: Sequence[tuple[str, Mapping[str, Any]]],
) -> None:
    """Draw the figure of a module from the metrics of searches.

    Args:
        metrics, baselines: paths of tables, in the order of searches.
        searches: name; game, length (trained) and levels of each factor, in order.
    """
    of_metrics, of_baselines = (
        {name: read_frame(path) for (name, _), path in zip(searches, paths, strict=True)}
        for paths in (metrics, baselines)
    )
    table = importlib.import_module(figure).make_table(of_metrics, of_baselines, searches)
    write_figure(redraw(table, figure=figure), table, job, files)


def redraw(table: pd.DataFrame, *, figure: str, **_: object) -> Figure:
    """The figure of the table that is written beside it."""
    return importlib.import_module(figure).draw(table)
