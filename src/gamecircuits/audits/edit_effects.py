"""Means of what edits did, with intervals, and whether controls do as little as they should.

Cases of one game are not independent: intervals are over games, Student's at 95 %. They hold the
choice of directions fixed, which other games made.
"""

import numpy as np
import pandas as pd
from scipy import stats

from gamecircuits.audits.clusters import estimate_means
from gamecircuits.audits.edit_cases import MEASURES
from gamecircuits.audits.edits import NO_EDIT

LEVEL = 0.95
MARGINS = {"tokens": 0.1, "probability": 0.02}  # by unit: effects that count as none
WITHIN, OUTSIDE, UNDECIDED = "within the margin", "outside the margin", "undecided"
GROUPS = ("all", "lengths", "reachable", "length")  # cases are taken together by these
KEYS = ["edit", "moves", "by", "group", "intervention", "measure"]


def summarise_edits(cases: pd.DataFrame) -> pd.DataFrame:
    """Means over cases, and over the changes that interventions make to what is without edit.

    Args:
        cases: as of `Edits`.

    Returns:
        one row per edit, moves (change, stay), group of cases (`by` one of GROUPS), intervention
        and measure: unit; count of cases and games; mean, low, high; effect, effect_low and
        effect_high (paired with the same case without edit); margin, and verdict on the effect:
        its interval lies within ±margin, outside, or neither.
    """
    about = ["case", "game", "edit", "moves", *GROUPS[1:], "intervention"]
    long = cases.melt(about, list(MEASURES), "measure", "value")
    pairs = ["case", "measure"]
    without = long[long["intervention"] == NO_EDIT].set_index(pairs)["value"].rename("without")
    long["change"] = long["value"] - long.join(without, on=pairs)["without"]
    long = long.dropna(subset="value").assign(all="all")
    parts = [long.assign(by=by, group=long[by].astype(str)) for by in GROUPS]
    rows = pd.concat(parts, ignore_index=True)
    means = describe_by_game(rows, "value")
    effects = describe_by_game(rows, "change")[["mean", "low", "high"]]
    effects.columns = pd.Index(["effect", "effect_low", "effect_high"])
    table = means.join(effects).reset_index()
    unit = table["measure"].map(MEASURES)
    margin = unit.map(MARGINS)
    is_within = (table["effect_low"] >= -margin) & (table["effect_high"] <= margin)
    is_outside = (table["effect_low"] > margin) | (table["effect_high"] < -margin)
    verdict = np.select([is_within, is_outside], [WITHIN, OUTSIDE], UNDECIDED)
    return table.assign(unit=unit, margin=margin, verdict=verdict)


def describe_by_game(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Count, games, mean, low and high of a column by KEYS; no interval for a single game."""
    games = rows.groupby([*KEYS, "game"])[value].agg(["sum", "count"]).unstack("game", fill_value=0)
    sums, counts = games["sum"].to_numpy(), games["count"].to_numpy()
    num_games = (counts > 0).sum(axis=1)
    mean, error = estimate_means(sums, counts)
    half = stats.t.ppf((1 + LEVEL) / 2, np.where(num_games > 1, num_games - 1, np.nan)) * error
    columns = {"count": counts.sum(axis=1), "games": num_games, "mean": mean}
    columns |= {"low": mean - half, "high": mean + half}
    return pd.DataFrame(columns, index=games.index)
