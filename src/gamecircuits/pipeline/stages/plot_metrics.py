"""Stage: a figure of the collected metrics."""

import importlib

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_metrics(metrics: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw the figure of a module from the table of all metrics."""
    module = importlib.import_module(figure)
    table = module.make_table(read_frame(metrics))
    write_figure(module.draw(table), table, job, files)
