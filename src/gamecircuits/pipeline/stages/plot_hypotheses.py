"""Stage: one figure of the hypotheses."""

import importlib

from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.storage.tables import read_frame


def plot_hypotheses(hypotheses: str, files: list[str], *, job: str, figure: str) -> None:
    """Draw the figure of a module from the table of hypotheses."""
    module = importlib.import_module(figure)
    table = module.make_table(read_frame(hypotheses))
    write_figure(module.draw(table), table, job, files)
