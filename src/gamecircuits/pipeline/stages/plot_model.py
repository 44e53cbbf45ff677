"""Stage: the figure of a model, its circuits and its diagnosis."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.models.anatomy import draw, make_table
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame
from gamecircuits.transformer.weights import read_model


def plot_model(
    model: str,
    diagnosis: str,
    files: list[str],
    *,
    job: str,
    name: str,
    kind: str,
    trained_length: int | None,
) -> None:
    """Draw one model."""
    table = make_table(read_model(model), read_frame(diagnosis), kind, trained_length)
    write_figure(redraw(table, name=name), table, job, files)


def redraw(table: pd.DataFrame, *, name: str, **_: object) -> Figure:
    """The figure of the table that is written beside it."""
    return draw(table, name)
