"""Stage: one model on one game, length by length, beside the closed form."""

import sys

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.games.datasets import iter_games_and_masks
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.command import run_stage, say
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import cast, read_model, read_model_job


def evaluate_model(
    job: str,
    settings: dict,
    model: list[str],
    games: list[str],
    masks: list[str],
    threads: str,
    output: str,
) -> None:
    """Measure every metric at every length, over sampled or all contexts."""
    loaded = cast(read_model(*model), settings["dtype"])
    lengths = settings["lengths"]
    if settings["contexts"] == "all":
        table = evaluate_exhaustively(loaded, lengths, threads=int(threads), say=say)
    else:
        game = make_game(**settings["game"])
        batches = (
            pair
            for shards in zip(games, masks, strict=True)
            for pair in iter_games_and_masks(*shards, game)
        )
        table = evaluate_by_length(loaded, batches, lengths, settings["num_games"])
    add_closed_form(settings, table)
    about = {
        "evaluation": settings["evaluation"],
        "game": settings["name"],
        "model": settings["model"],
        "kind": settings["kind"],
        "contexts": settings["contexts"],
        "vocab_size": len(loaded.parameters.W_E),
        "dtype": settings["dtype"],
    }
    for position, (column, value) in enumerate(about.items()):
        table.insert(position, column, value)
    unit = table["metric"].map({metric: unit for metric, (unit, _) in METRICS.items()})
    table.insert(table.columns.get_loc("metric") + 1, "unit", unit)
    write_results(job, table, output)


def add_closed_form(settings: dict, table: pd.DataFrame) -> None:
    """Add what theory says of the mean, minimum and maximum over all contexts of set complement.

    NaN where it does not say, for other games and for trained models.
    """
    columns = np.full((3, len(table)), np.nan)
    if settings["construction"] and settings["game"]["kind"] == "set_complement":
        construction = make_construction(**settings["construction"])
        lengths = table["length"].unique()
        laws = construction.closed_form(lengths)
        place = {length: index for index, length in enumerate(lengths)}
        rows = zip(table["metric"], table["length"], strict=True)
        columns = np.array(
            [[statistic[place[s]] for statistic in laws[metric]] for metric, s in rows]
        ).T
    names = ("closed_form", "closed_form_min", "closed_form_max")
    for name, values in zip(names, columns, strict=True):
        table[name] = values


def main(argv=None) -> int:
    inputs = {"model": read_model_job, "games": read_job, "masks": read_job}
    return run_stage(evaluate_model, argv, inputs=inputs, options=["threads"])


if __name__ == "__main__":
    sys.exit(main())
