"""Stage: one table of all models of an audit."""

import pandas as pd

from gamecircuits.storage.tables import read_frame, write_frame


def collect_audit(of_models: list[str], paths: list[str], *, job: str, models: list[str]) -> None:
    """Join tables of models, in order, with a column for the model."""
    parts = [read_frame(path) for path in of_models]
    for model, part in zip(models, parts, strict=True):
        part.insert(0, "model", model)
    write_frame(pd.concat(parts, ignore_index=True), job, *paths)
