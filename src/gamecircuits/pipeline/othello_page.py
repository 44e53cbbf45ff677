"""Numbers of docs/othello.md, which shows how far GPTs go on beyond their trained length.

The tables in docs/othello hold every number of the page; docs/othello.template.md says which number
stands where. `othello_tables` makes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from pathlib import Path

import numpy as np
import pandas as pd

from gamecircuits.pipeline.othello_tables import AVERAGES, SHARE
from gamecircuits.pipeline.page import (
    AGAIN,
    MARGIN,
    Estimate,
    describe_effects,
    find_estimate,
    judge_agreement,
    make_hypotheses,
    read_table,
    render,
    show,
)
from gamecircuits.training.grid import BETWEEN

TEMPLATE = "othello.template.md"
FOLDER = "othello"  # of the tables and figures, beside the template
EFFECTS = ("helps", "harms", "equal", "undecided")


@dataclass(frozen=True)
class Runs:
    """What was run: a row for each search."""

    rows: pd.DataFrame

    @cached_property
    def by_search(self) -> dict[str, dict]:
        return {row["search"]: row for row in self.rows.to_dict("records")}

    @property
    def num_trials(self) -> int:
        return int((self.rows["num_variants"] * self.rows["num_draws"]).sum())

    def seeds(self) -> list[int]:
        """Of the first run and, if there was one, the second."""
        columns = [self.rows.get(f"seed{suffix}") for suffix in ("", AGAIN)]
        return [int(c.iloc[0]) for c in columns if c is not None and c.notna().any()]

    def num_diverged(self) -> int:
        """In all runs."""
        columns = [self.rows.get(f"num_diverged{suffix}") for suffix in ("", AGAIN)]
        return int(sum(column.sum() for column in columns if column is not None))

    def hours(self, suffix: str = "") -> float | None:
        """That the jobs of a run took together; None if the logs are gone."""
        found = self.rows.get(f"hours{suffix}")
        return None if found is None or found.isna().any() else float(found.sum())


@dataclass(frozen=True)
class Levels:
    """What each level of the factors of a search does, averaged over the other factors.

    `at` names a length: trained, halfway, twice or longest.
    """

    rows: pd.DataFrame

    @cached_property
    def lengths(self) -> dict[str, int]:
        """By name, in order; of two names of one length the last."""
        found = self.rows.drop_duplicates("eval_length").set_index("eval_length")["length"]
        by_length = {int(length): str(at) for at, length in found.sort_values().items()}
        return {at: length for length, at in by_length.items()}

    @cached_property
    def factors(self) -> dict[str, list[str]]:
        """Levels of each factor, in order; others are compared with the first."""
        return {
            str(factor): list(rows["level"].unique())
            for factor, rows in self.rows.groupby("factor", sort=False)
        }

    @property
    def averages(self) -> list[str]:
        return list(self.rows["average"].unique())

    @property
    def has_again(self) -> bool:
        """Whether there was a second run."""
        name = f"mean{AGAIN}"
        return name in self.rows and bool(self.rows[name].notna().any())

    def mean(
        self, level: str, at: str, average: str = "last", metric: str = "total_variation"
    ) -> Estimate:
        return self._find("mean", level, at, average, metric)

    def means(self, level: str) -> list[Estimate]:
        """Total variation of the last iterate at every length."""
        return [self.mean(level, at) for at in self.lengths]

    def change(
        self,
        level: str,
        at: str,
        average: str = "last",
        versus: str = "level",
        metric: str = "total_variation",
        suffix: str = "",
    ) -> Estimate:
        """A paired difference.

        Args:
            versus: from what; the first `level` of the factor, or the first `average`.
            suffix: `_again` for that in the second run.
        """
        return self._find(f"{{}}_vs_{versus}{suffix}", level, at, average, metric)

    def changes(self, level: str, average: str = "last", **kind: str) -> list[Estimate]:
        """`change` at every length."""
        return [self.change(level, at, average, **kind) for at in self.lengths]

    def effect(self, level: str, average: str = "last", **kind: str) -> str:
        """What these differences mean, by length."""
        return describe_effects(self.changes(level, average, **kind), self.lengths.values())

    def others(self, factor: str) -> list[str]:
        """All levels but the first."""
        return self.factors[factor][1:]

    def all_changes(self, factor: str, at: str, **kind: str) -> list[Estimate]:
        """Differences of all other levels at one length."""
        return [self.change(level, at, **kind) for level in self.others(factor)]

    def lowest(self, factor: str, at: str, metric: str = "illegal_token_rate") -> str:
        """The level with the lowest mean: chosen by the result."""
        means = {level: self.mean(level, at, metric=metric).value for level in self.factors[factor]}
        return min(means, key=lambda level: (np.isnan(means[level]), means[level]))

    def _find(self, column: str, level: str, at: str, average: str, metric: str) -> Estimate:
        keys = {"level": level, "eval_length": at, "average": average, "metric": metric}
        return find_estimate(self.rows, column, **keys)


@dataclass(frozen=True)
class Lengths:
    """Models and baselines of a search by length."""

    rows: pd.DataFrame
    trained: int

    @property
    def models(self) -> list[str]:
        """Variants, without baselines."""
        return list(self.rows.loc[self.rows["average"].notna(), "model"].unique())

    @cached_property
    def longest(self) -> int:
        return int(self.rows["length"].max())

    @property
    def halfway(self) -> int:
        return (self.trained + self.longest) // 2

    @property
    def beyond(self) -> list[int]:
        """The lengths of tables beyond those in training."""
        wanted = [self.trained + n for n in (1, 2, 4)] + [self.halfway, self.longest]
        return sorted({length for length in wanted if self.trained < length <= self.longest})

    @property
    def shown(self) -> list[int]:
        """The lengths of tables."""
        quarters = {max(1, self.trained * n // 4) for n in (1, 2, 3, 4)}
        return [*sorted(quarters), *self.beyond]

    def of(
        self,
        model: str,
        length: int,
        metric: str,
        average: str | None = AVERAGES[0],
        suffix: str = "",
    ) -> Estimate:
        """A value with its interval; baselines have no average.

        Args:
            suffix: `_again` for that of the second run.
        """
        rows = self.rows[(self.rows["model"] == model) & (self.rows["length"] == length)]
        is_wanted = rows["average"].isna() if average is None else rows["average"] == average
        row = rows[is_wanted]
        if len(row) != 1:
            raise ValueError(f"{len(row)} rows of the tables fit, not one")
        names = (f"{metric}{end}{suffix}" for end in ("", "_low", "_high"))
        value, low, high = (row.iloc[0].get(name, np.nan) for name in names)
        return Estimate(value, low, high, is_difference=metric in ("difference", "matched"))

    def baseline(self, name: str, length: int, metric: str) -> Estimate:
        return self.of(name, length, metric, None)

    def extreme(self, length: int, metric: str, average: str = AVERAGES[0]) -> tuple[str, str]:
        """The models with the lowest and the highest value: chosen by the result."""
        found = {model: self.of(model, length, metric, average).value for model in self.models}
        return min(found, key=lambda m: found[m]), max(found, key=lambda m: found[m])


@dataclass(frozen=True)
class Mechanisms:
    """Quantities of the mechanism of a search by level."""

    rows: pd.DataFrame

    @cached_property
    def shares(self) -> list[tuple[int, int]]:
        """Layers and lengths of the attention."""
        found = self.rows[self.rows["quantity"] == SHARE].drop_duplicates(["layer", "length"])
        return sorted(zip(found["layer"].astype(int), found["length"].astype(int), strict=True))

    @property
    def places(self) -> list[str]:
        """Headings of the columns of `shares_of`."""
        return [f"layer {layer} at {length}" for layer, length in self.shares]

    def shares_of(self, level: str) -> list[Estimate]:
        """Entropy of attention by layer and length."""
        return [self._share(level, layer, length) for layer, length in self.shares]

    def means(self, level: str, quantities: Iterable[str]) -> list[Estimate]:
        return [
            find_estimate(self.rows, "mean", level=level, quantity=quantity)
            for quantity in quantities
        ]

    def changes(self, level: str, quantities: Iterable[str]) -> list[Estimate]:
        """The paired differences from the first level of the factor."""
        return [self.change(level, quantity) for quantity in quantities]

    def change(self, level: str, quantity: str) -> Estimate:
        return find_estimate(self.rows, "{}_vs_level", level=level, quantity=quantity)

    def _share(self, level: str, layer: int, length: int) -> Estimate:
        rows = self.rows[(self.rows["layer"] == layer) & (self.rows["length"] == length)]
        return find_estimate(rows, "mean", level=level, quantity=SHARE)


def shown(estimates: Iterable[Estimate], decimals: int = 3) -> list[str]:
    return [show(estimate, decimals) for estimate in estimates]


def columns(name: str, lengths: Iterable[int]) -> list[str]:
    """Headings of columns of one quantity at several lengths."""
    first, *others = lengths
    return [f"{name} at {first}", *(f"at {length}" for length in others)]


def variant(name: str) -> str:
    """The name of a variant in words: its levels, with commas."""
    return name.replace(BETWEEN, ", ").replace("_", " ")


def illegal(top1_legal: Estimate) -> str:
    """How often the likeliest token is illegal, in percent."""
    return Estimate(1 - top1_legal.value).percent(1)


def direct(estimate: Estimate) -> str:
    """Where the interval of a difference lies."""
    if np.isnan(estimate.low):
        return "not there"
    if estimate.low > 0:
        return "above zero"
    return "below zero" if estimate.high < 0 else "not clear of zero"


def tally(estimates: Iterable[Estimate]) -> str:
    """How many differences mean what: `2 help, 1 harms, 3 are undecided`."""
    counts = Counter(estimate.effect for estimate in estimates)
    words = {
        "helps": ("helps", "help"), "harms": ("harms", "harm"),
        "equal": ("is equal", "are equal"), "undecided": ("is undecided", "are undecided"),
    }  # fmt: skip
    found = [f"{counts[e]} {w[counts[e] != 1]}" for e, w in words.items() if counts[e]]
    return ", ".join(found)


def group_levels(levels: Levels, factor: str, at: str) -> str:
    """The other levels of a factor by what they do: `helps: rotary; undecided: sinusoidal`."""
    others = levels.others(factor)
    found: dict[str, list[str]] = {}
    for level, change in zip(others, levels.all_changes(factor, at), strict=True):
        found.setdefault(change.effect, []).append(level.replace("_", " "))
    return "; ".join(
        f"{effect}: {', '.join(found[effect])}" for effect in EFFECTS if effect in found
    )


def count_agreement(factors: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Of how many differences of two runs each of REPLICATION holds, and among how many."""
    names = ("difference", "low", "high")
    parts: list[list[pd.DataFrame]] = [[], []]
    for versus in ("vs_level", "vs_average"):
        for part, suffix in zip(parts, ("", AGAIN), strict=True):
            columns = {f"{name}_{versus}{suffix}": name for name in names}
            part.append(factors[list(columns)].rename(columns=columns))
    first, again = (pd.concat(part, ignore_index=True) for part in parts)
    found = judge_agreement(first, again)
    return {
        quantity: (int((among & holds).sum()), int(among.sum()))
        for quantity, (among, holds) in found.items()
    }


def render_page(docs: Path) -> str:
    """The text of docs/othello.md from the template and the tables beside it.

    What a second run and the languages say is left out where there are no tables of them.
    """
    names = ("runs", "factors", "lengths", "mechanisms", "hypotheses")
    tables = {name: read_table(docs / FOLDER / f"{name}.csv") for name in names}
    runs = Runs(tables["runs"])
    factors = {search: Levels(rows) for search, rows in _split(tables["factors"])}
    lengths = {
        search: Lengths(rows, int(runs.by_search[search]["trained"]))
        for search, rows in _split(tables["lengths"])
    }
    mechanisms = {search: Mechanisms(rows) for search, rows in _split(tables["mechanisms"])}
    languages: dict[str, Levels] = {}
    language_runs = None
    if (docs / FOLDER / "languages.csv").is_file():
        languages = {
            search: Levels(rows)
            for search, rows in _split(read_table(docs / FOLDER / "languages.csv"))
        }
        language_runs = Runs(read_table(docs / FOLDER / "language_runs.csv"))
    small = factors["small"]
    return render(
        docs,
        TEMPLATE,
        {
            "runs": runs,
            "side": isqrt(int(runs.by_search["small"]["vocab_size"])),
            "small": small,
            "large": factors["large"],
            "by_length": lengths,
            "inside": mechanisms,
            "hypotheses": make_hypotheses(tables["hypotheses"]),
            "agreement": count_agreement(tables["factors"]) if small.has_again else None,
            "languages": languages,
            "language_runs": language_runs,
            "margin": MARGIN,
            "show": show,
            "shown": shown,
            "columns": columns,
            "variant": variant,
            "illegal": illegal,
            "direct": direct,
            "tally": tally,
            "group_levels": group_levels,
            "AGAIN": AGAIN,
        },
    )


def _split(table: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Rows of each search, in order."""
    return ((str(search), rows) for search, rows in table.groupby("search", sort=False))
