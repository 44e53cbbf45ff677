"""Tables and text of docs/training.md, which shows what training finds.

`effects.csv`, `mechanisms.csv` and `hypotheses.csv` in docs/training hold every search and every
number of the page; docs/training.template.md says which number stands where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gamecircuits.pipeline.page import (
    AGAIN,
    MARGIN,
    REPLICATION,
    Estimate,
    choose_rows,
    find_estimate,
    judge_agreement,
    make_hypotheses,
    read_table,
    render,
)
from gamecircuits.theory.path import path_loss
from gamecircuits.training.choices import AS_TRAINED
from gamecircuits.training.eval_lengths import EVAL_LENGTHS

TEMPLATE = "training.template.md"
FOLDER = "training"  # of the tables and figures, beside the template
PAIR_KEYS = ["variant", "average", "eval_length", "metric"]
DRAWN = ["hyperparameter", "value"]  # what the trials of a row have in common; empty: all trials


def make_effects(
    effects: Mapping[str, pd.DataFrame], moderators: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Effects of every search in one table.

    Args:
        effects, moderators: tables of a run, by name of the search.

    Returns:
        the rows of `effects` on total variation, and on the illegal token rate as trained of the
        first average. Then those of `moderators` that say what averages do under each schedule, at
        the trained length. Only what the page may need is kept.
    """
    tables = []
    for search, table in effects.items():
        is_first = (table["strength"] == AS_TRAINED) & (
            table["average"] == table["average"].iloc[0]
        )
        is_rate = (table["metric"] == "illegal_token_rate") & is_first
        kept = table[is_rate | (table["metric"] == "total_variation")]
        drawn = moderators[search].query(
            "hyperparameter == 'schedule' and versus == 'average' and eval_length == 'trained'"
        )
        drawn = drawn.drop(columns=["versus", "share_better"])
        drawn = drawn.assign(metric="total_variation", strength=AS_TRAINED)
        names = ("pairs", "difference", "low", "high", "adjusted_low", "adjusted_high")
        pairs = {name: f"{name}_vs_average" for name in names}
        parts = (kept, drawn.rename(columns=pairs))
        tables += [rows.assign(search=search) for rows in parts if len(rows)]
    table = pd.concat(tables, ignore_index=True)
    first = ["search", *DRAWN]
    unused = re.compile("share_better.*|.*_with_average")
    rest = [name for name in table if name not in first and not unused.fullmatch(name)]
    return table[[*first, *rest]]


def make_mechanisms(mechanisms: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Quantities of the mechanism of every search in one table; `count` is of trials."""
    tables = [table.assign(search=search) for search, table in mechanisms.items()]
    table = pd.concat(tables, ignore_index=True).rename(columns={"num_trials": "count"})
    return table[["search", *(name for name in table if name != "search")]]


def compare_runs(
    first: Mapping[str, pd.DataFrame], again: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """How far two runs with different seeds agree on their paired differences.

    Args:
        first, again: effects of each run, by name of the search.

    Returns:
        rows of the table of mechanisms, for every search and for "all": the share `mean` of the
        `count` differences for which each of REPLICATION holds, by kind of difference.
    """
    counts = []
    for search in first:
        runs = [run[run["strength"] == AS_TRAINED] for run in (first[search], again[search])]
        pairs = runs[0].merge(runs[1], on=PAIR_KEYS, suffixes=("", AGAIN))
        pairs = pairs[pairs["metric"] != "kl_divergence"]
        for versus in ("vs_average", "vs_variant"):
            names = ("low", "high", "difference")
            ends, new = (
                pd.DataFrame({name: pairs[f"{name}_{versus}{suffix}"] for name in names})
                for suffix in ("", AGAIN)
            )
            for quantity, (among, holds) in judge_agreement(ends, new).items():
                name = f"{quantity}_{versus}"
                counts.append((search, name, among.sum(), (among & holds).sum(), quantity))
    table = pd.DataFrame(counts, columns=["search", "quantity", "count", "true", "kind"])
    total = table.groupby("kind", sort=False)[["count", "true"]].sum().reset_index()
    table = pd.concat([table, total.assign(search="all", quantity=total["kind"])])
    table["mean"] = table["true"] / table["count"].replace(0, np.nan)
    meaning = table["kind"].map(REPLICATION)
    return table.drop(columns=["true", "kind"]).assign(unit="share", meaning=meaning)


def is_replication(mechanisms: pd.DataFrame) -> pd.Series:
    """Rows about the agreement of two runs."""
    return mechanisms["variant"].isna()


@dataclass(frozen=True)
class Search:
    """The numbers of one search, as the template asks for them.

    `at` names an evaluation length: trained, twice or longest.
    """

    name: str
    effects: pd.DataFrame
    mechanisms: pd.DataFrame

    @cached_property
    def variants(self) -> list[str]:
        return list(self.effects["variant"].unique())

    @cached_property
    def averages(self) -> list[str]:
        return list(self.effects["average"].unique())

    @cached_property
    def all_draws(self) -> pd.DataFrame:
        """The effects without those of some draws alone."""
        return self.effects[self.effects["hyperparameter"].isna()]

    @cached_property
    def as_trained(self) -> pd.DataFrame:
        """Of these, those of weights as they were trained."""
        return choose_rows(self.all_draws, strength=AS_TRAINED)

    @property
    def num_draws(self) -> int:
        return int((self.as_trained["num_trials"] + self.as_trained["num_diverged"]).iloc[0])

    @property
    def num_diverged(self) -> int:
        """Trials that diverged, in all variants."""
        keys = {"average": self.averages[0], "eval_length": "trained", "metric": "total_variation"}
        return int(choose_rows(self.as_trained, **keys)["num_diverged"].sum())

    @property
    def lengths(self) -> list[int]:
        """As trained, twice that, and the longest; the last two may be the same."""
        rows = self.effects.drop_duplicates("eval_length").set_index("eval_length")
        return [int(rows.loc[at, "length"]) for at in EVAL_LENGTHS]

    @property
    def vocab_size(self) -> int:
        """V, where the longest length leaves a single token, as in set complement."""
        return self.lengths[2] + 1

    def total_variation(self, variant: str, at: str, average: str = "last") -> Estimate:
        return self._error("total_variation", variant, at, average)

    def total_variations(self, variant: str) -> list[Estimate]:
        return [self.total_variation(variant, at) for at in EVAL_LENGTHS]

    def illegal_rates(self, variant: str) -> list[Estimate]:
        return [self._error("illegal_token_rate", variant, at) for at in EVAL_LENGTHS]

    def _error(self, metric: str, variant: str, at: str, average: str = "last") -> Estimate:
        keys = {"metric": metric, "variant": variant, "average": average, "eval_length": at}
        return find_estimate(self.as_trained, "mean", **keys)

    def best(self, variant: str, at: str, average: str = "last") -> Estimate:
        """Mean total variation of the best quarter of the draws."""
        keys = {"variant": variant, "average": average, "eval_length": at}
        return find_estimate(self.as_trained, "best_mean", metric="total_variation", **keys)

    def change(
        self,
        variant: str,
        at: str,
        average: str = "last",
        *,
        versus: str = "vs_variant",
        strength: str = AS_TRAINED,
        schedule: str | None = None,
    ) -> Estimate:
        """A paired difference in total variation.

        Args:
            versus: from what; `vs_variant` (plain), `vs_average` (last), `vs_earlier` (the single
                iterate of the same age) or `beyond_parts` (interaction of two variants).
            strength: of both; `as_trained`, `rescaled` or `matched`.
            schedule: of the draws with this schedule only.
        """
        rows = choose_rows(self.effects, value=schedule) if schedule else self.all_draws
        keys = {"variant": variant, "average": average, "eval_length": at, "strength": strength}
        return find_estimate(rows, f"{{}}_{versus}", metric="total_variation", **keys)

    def changes(self, variant: str, average: str = "last", **kind: Any) -> list[Estimate]:
        """`change` at every evaluation length."""
        return [self.change(variant, at, average, **kind) for at in EVAL_LENGTHS]

    def mechanism(self, variant: str, quantity: str) -> Estimate:
        return find_estimate(self.mechanisms, "mean", variant=variant, quantity=quantity)

    def mechanism_change(self, variant: str, quantity: str) -> Estimate:
        """The paired difference of a quantity from that of the first variant."""
        return find_estimate(self.mechanisms, "{}_vs_variant", variant=variant, quantity=quantity)

    def strength(self, variant: str) -> Estimate:
        return self.mechanism(variant, "x_mean")

    def slope_under_norm(self) -> Estimate:
        """Exponent of g √(V/(s(V−s))) over all lengths s (Proposition 23)."""
        s = np.arange(1, self.vocab_size)
        return Estimate(np.polyfit(np.log(s), -np.log(s * (self.vocab_size - s)) / 2, 1)[0])

    def own_score(self, variant: str) -> Estimate:
        """α, the score of a token with itself above that with others, if nothing else spreads."""
        V = self.vocab_size
        spread = self.mechanism(variant, "score_spread").value
        return Estimate(-spread * V / (V - 1) ** 0.5)

    def excess_loss(self, variant: str, *, balanced: str = "") -> Estimate:
        """Loss of the mean strengths in nats above the entropy of the targets (Theorem 27).

        Args:
            balanced: without direct path, and with uniform attention, of the same `x`, or of the
                same `budget` x + β.
        """
        x, beta = self.strength(variant).value, self.mechanism(variant, "beta_mean").value
        strengths = {
            "": np.array([x, beta, self.own_score(variant).value]),
            "x": np.array([x, 0.0, 0.0]),
            "budget": np.array([x + beta, 0.0, 0.0]),
        }[balanced]
        V, trained = self.vocab_size, self.lengths[0]
        floor = np.log(V - np.arange(1, trained + 1)).mean()
        return Estimate(float(path_loss(strengths, V, trained)) - floor)

    def slope(self, variant: str) -> Estimate:
        """Slope of log displacement against log length."""
        return self.mechanism(variant, "dispersion_exponent")


@dataclass(frozen=True)
class Replication:
    """Agreement of the search with its second run; of every search and difference, or of some."""

    rows: pd.DataFrame

    def count(self, quantity: str, search: str = "all") -> int:
        """Number of differences that the share is of."""
        return int(choose_rows(self.rows, search=search, quantity=quantity)["count"].iloc[0])

    def true(self, quantity: str) -> int:
        """Number of differences for which it holds."""
        return round(self.share(quantity).value * self.count(quantity))

    def share(self, quantity: str, search: str = "all") -> Estimate:
        return find_estimate(self.rows, "mean", search=search, quantity=quantity)


def make_searches(effects: pd.DataFrame, mechanisms: pd.DataFrame) -> list[Search]:
    """Searches in the order of the tables."""
    return [
        Search(name, rows, mechanisms[mechanisms["search"] == name])
        for name, rows in effects.groupby("search", sort=False)
    ]


def render_page(docs: Path) -> str:
    """The text of docs/training.md from the template and the tables beside it."""
    effects, mechanisms, hypotheses = (
        read_table(docs / FOLDER / f"{name}.csv")
        for name in ("effects", "mechanisms", "hypotheses")
    )
    searches = make_searches(effects, mechanisms)
    names: dict[str, object] = {search.name: search for search in searches}
    names |= {
        "searches": searches,
        "hypotheses": make_hypotheses(hypotheses),
        "margin": MARGIN,
        "num_trials": sum(search.num_draws * len(search.variants) for search in searches),
        "num_diverged": sum(search.num_diverged for search in searches),
        "replication": Replication(mechanisms[is_replication(mechanisms)]),
    }
    return render(docs, TEMPLATE, names)
