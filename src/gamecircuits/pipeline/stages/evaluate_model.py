"""Stage: one model on one game, length by length, beside the closed form."""

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.analysis.symmetry import evaluate_by_symmetry
from gamecircuits.games.datasets import iter_games_and_masks
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.progress import log
from gamecircuits.storage.tables import write_frame
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import read_model


def evaluate_model(
    model: str,
    games: list[str],
    masks: list[str],
    metrics: str,
    *,
    job: str,
    evaluation: str,
    contexts: str,
    lengths: list[int],
    dtype: str,
    name: str,
    game: dict,
    named: str,
    kind: str,
    construction: dict | None,
    trained: list | None,
    num_games: int = 0,
    threads: int = 1,
) -> None:
    """Measure every metric at every length, over sampled contexts, or all, one by one or by orbits.

    Args:
        name: of the game.
        named: the model's name.
        construction: settings of a constructed model, None for any other.
        trained: the variant of a trained model, and the number of tokens that it was trained on.
        num_games: in all shards together, if contexts are sampled.
        threads: for all contexts; the result does not depend on it.
    """
    loaded, rules = read_model(model).cast(dtype), make_game(**game)
    if contexts == "all":
        table = evaluate_exhaustively(loaded, lengths, threads=threads, log=log)
    elif contexts == "orbits":
        table = evaluate_by_symmetry(loaded, lengths)
    else:
        batches = (
            pair
            for shards in zip(games, masks, strict=True)
            for pair in iter_games_and_masks(*shards, rules)
        )
        table = evaluate_by_length(loaded, batches, lengths, num_games)
    add_closed_form(table, construction if game["kind"] == "set_complement" else None)
    columns = {
        "evaluation": evaluation,
        "game": name,
        "model": named,
        "kind": kind,
        "variant": trained[0] if trained else "",
        "trained_length": float(trained[1]) if trained else np.nan,
        "contexts": contexts,
        "vocab_size": rules.vocab_size,
        "dtype": dtype,
    }
    for position, (column, value) in enumerate(columns.items()):
        table.insert(position, column, value)
    unit = table["metric"].map({name: metric.unit for name, metric in METRICS.items()})
    table.insert(table.columns.get_loc("metric") + 1, "unit", unit)
    write_frame(table, job, metrics)


def add_closed_form(table: pd.DataFrame, construction: dict | None) -> None:
    """Add what theory says of the mean, minimum and maximum over all contexts of set complement.

    NaN where it does not say, for other games and for models that are no construction.
    """
    columns = np.full((3, len(table)), np.nan)
    if construction:
        lengths = table["length"].unique()
        laws = make_construction(**construction).closed_form(lengths)
        place = {length: index for index, length in enumerate(lengths)}
        for row, (metric, length) in enumerate(zip(table["metric"], table["length"], strict=True)):
            if metric in laws:
                columns[:, row] = [statistic[place[length]] for statistic in laws[metric]]
    names = ("closed_form", "closed_form_min", "closed_form_max")
    for name, values in zip(names, columns, strict=True):
        table[name] = values
