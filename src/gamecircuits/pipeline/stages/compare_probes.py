"""Stage: how well probes read each model of an audit, less how well they read the first."""

import pandas as pd

from gamecircuits.audits.probing import compare_probed
from gamecircuits.storage.tables import read_frame, write_frame


def compare_probes(
    by_game: list[str],
    paths: list[str],
    *,
    job: str,
    models: list[str],
    trained_lengths: list[int | None],
) -> None:
    """Compare models on the same test games.

    Args:
        by_game: accuracy of probes in each test game, by model.
    """
    first, *others = (read_frame(path) for path in by_game)
    tables = []
    for model, other, length in zip(models[1:], others, trained_lengths[1:], strict=True):
        table = compare_probed(first, other, length)
        table.insert(0, "model", model)
        table.insert(1, "versus", models[0])
        tables.append(table)
    write_frame(pd.concat(tables, ignore_index=True), job, *paths)
