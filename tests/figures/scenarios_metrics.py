"""Figures of metrics that are hard to lay out."""

from functools import partial

import pandas as pd
from tables import as_trained, metrics_table

from gamecircuits.figures.metrics import displacement, length_generalization

LONG = "a_name_of_sixty_characters_which_is_as_long_as_any_may_be_60"


def trained():
    """Two models of one remedy in one panel, one of them trained."""
    table = metrics_table(6, ("balanced", "balanced", "attention_norm"), names=["a", "b", "c"])
    return as_trained(table, "b", "plain", 3)


def many():
    table = metrics_table(5, ("balanced", "attention_norm", "minimal", "untrained"))
    tables = [table.assign(evaluation=f"{name}_{n}") for n in range(3) for name in ("x", "y")]
    return pd.concat(tables, ignore_index=True)


TABLES = {
    "one model": lambda: metrics_table(6, ("balanced",), windowed=False),
    "two tokens": lambda: metrics_table(2, ("untrained", "balanced"), windowed=False),
    "long names": lambda: metrics_table(
        6, ("balanced", "attention_norm"), names=[LONG, LONG.replace("a", "b")]
    ).assign(game=LONG),
    "an own kind": lambda: metrics_table(6).assign(kind="own"),
    "trained": trained,
    "many": many,
}


def draw(figure, table):
    return figure.draw(figure.make_table(table()))


SCENARIOS = {
    f"{figure.__name__.rpartition('.')[2]}, {name}": partial(draw, figure, table)
    for figure in (length_generalization, displacement)
    for name, table in TABLES.items()
}
