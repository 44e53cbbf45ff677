"""What stages that draw have in common."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.layout import render
from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import write_frame


def write_figure(figure: Figure, table: pd.DataFrame, job: str, files: list[str]) -> None:
    """Write a figure and its data: each of the files in the format of its suffix."""
    data = [path for path in files if path.endswith((".parquet", ".csv"))]
    write_frame(table, job, *data)
    write_files(render(figure, [path for path in files if path not in data], job))
