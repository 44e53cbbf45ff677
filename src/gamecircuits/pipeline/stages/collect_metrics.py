"""Stage: the metrics of all models and games in one tidy table."""

import pandas as pd

from gamecircuits.storage.tables import read_frame, write_frame


def collect_metrics(metrics: list[str], paths: list[str], *, job: str) -> None:
    """Concatenate the metrics, in the order of the config."""
    write_frame(pd.concat(map(read_frame, metrics), ignore_index=True), job, *paths)
