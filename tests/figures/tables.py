"""Tables as stages write them, for the tests of figures."""

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.games.game import make_game
from gamecircuits.transformer.constructions.construction import make_construction


def metrics_table(vocab_size, kinds=("balanced", "untrained"), windowed=True, names=None):
    """A small table as collect_metrics writes it; `names` of the models in place of their kinds."""
    tables = []
    for kind, name in zip(kinds, names or kinds, strict=True):
        construction = make_construction(kind, vocab_size=vocab_size)
        table = evaluate_exhaustively(construction.model())
        lengths = table["length"].unique()
        closed = construction.closed_form(lengths)
        table["closed_form"] = [
            closed[m].mean[list(lengths).index(s)] if m in closed else np.nan
            for m, s in zip(table.metric, table.length, strict=True)
        ]
        model = {"model": name, "kind": kind, "variant": "", "trained_length": np.nan}
        tables.append(table.assign(evaluation="whole", contexts="all", **model))
        if windowed:
            game = make_game("windowed_complement", vocab_size=vocab_size, window=1)
            tokens = game.play(9, np.random.default_rng(0))
            batches = [(tokens, game.get_valid_next_token_mask(tokens))]
            table = evaluate_by_length(construction.model(), batches, range(1, game.max_length), 9)
            some = {"evaluation": "some", "contexts": "sampled", "closed_form": np.nan}
            tables.append(table.assign(**some, **model))
    table = pd.concat(tables, ignore_index=True)
    units = table["metric"].map({name: metric.unit for name, metric in METRICS.items()})
    return table.assign(game="g", vocab_size=vocab_size, unit=units)


def as_trained(table, model, variant, length):
    """The same with one of the models as if training had found it."""
    trained = {"kind": "trained", "variant": variant, "closed_form": np.nan}
    is_model = table["model"] == model
    for column, value in {**trained, "trained_length": length}.items():
        table.loc[is_model, column] = value
    return table
