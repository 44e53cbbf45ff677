"""Pages of docs/ that are made from a template and tables: numbers, hypotheses of two runs, text.

A page is NAME.md, made from NAME.template.md and the tables in the folder NAME beside it. Where two
runs with different seeds are shown, a table has the second one's numbers in columns `_again`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from gamecircuits.training.hypotheses import describe_interval

MARGIN = 0.01  # of a difference in total variation: errors that are closer are called equal
WIDTH = 100  # of the page's text
_fill = partial(fill, width=WIDTH, break_long_words=False, break_on_hyphens=False)
NOTHING = "–"  # in place of a number that is not there
AGAIN = "_again"  # ends the columns of the second run
REPLICATION = {  # quantity: meaning
    "agree": "differences of two runs that are as close as their intervals allow",
    "same_sign": "of the differences clear in the first run, those with its sign in the second",
    "contradicted": "of these, those whose interval in the second run is on the other side of zero",
}
OUTCOME = [  # of a run
    *("num_trials", "num_missing", "mean", "std", "skewness", "low", "high", "verdict"),
]


def join_runs(
    first: pd.DataFrame, again: pd.DataFrame, keys: Sequence[str], values: Sequence[str]
) -> pd.DataFrame:
    """The table of a run with values of another beside them, in columns `_again`.

    The other's are empty in rows that it does not have.
    """
    names = {name: f"{name}{AGAIN}" for name in values}
    again = again[[*keys, *values]].rename(columns=names)
    return first.merge(again, how="left", on=list(keys))


def split_runs(
    joined: pd.DataFrame, keys: Sequence[str], values: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What join_runs has joined; of the second run its values, where it has some."""
    columns = {f"{name}{AGAIN}": name for name in values}
    again = joined[[*keys, *columns]].dropna(subset=list(columns), how="all")
    return joined.drop(columns=list(columns)), again.rename(columns=columns)


def join_hypotheses(first: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """The hypotheses of a run, with the outcome of another beside it.

    The other's is empty for hypotheses that it does not have, or that claimed something else there.
    """
    return join_runs(first, again, _list_stated(first), OUTCOME)


def split_hypotheses(joined: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What join_hypotheses has joined."""
    return split_runs(joined, _list_stated(joined), OUTCOME)


def _list_stated(table: pd.DataFrame) -> list[str]:
    """Columns of a table of hypotheses that were there before the run."""
    found = [*OUTCOME, *(f"{name}{AGAIN}" for name in OUTCOME)]
    return [name for name in table if name not in found]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table with six significant digits, so that writing what was read changes nothing."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


@dataclass(frozen=True)
class Estimate:
    """A number of the page, with its interval where it has one; a difference shows its sign."""

    value: float
    low: float = np.nan
    high: float = np.nan
    is_difference: bool = False
    adjusted: tuple[float, float] | None = None  # the interval, corrected for the number of such

    def __str__(self) -> str:
        return self.to(3)

    def to(self, decimals: int) -> str:
        return self._format(self.value, decimals)

    def percent(self, decimals: int = 0) -> str:
        return f"{self._format(100 * self.value, decimals)} %"

    def interval(self, decimals: int = 3) -> str:
        """The value and, in brackets, its interval."""
        value, low, high = (self._format(x, decimals) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    @property
    def effect(self) -> str:
        """What a difference in an error means, by its corrected interval; see MARGIN."""
        if self.adjusted is None:
            raise ValueError("only a difference with a corrected interval helps or harms")
        low, high = self.adjusted
        if low >= -MARGIN and high <= MARGIN:
            return "equal"
        return "helps" if high < 0 else "harms" if low > 0 else "undecided"

    def _format(self, number: float, decimals: int) -> str:
        if np.isnan(number):
            raise ValueError("this number is not in the tables")
        sign = "+" if self.is_difference and number > 0 else ""
        return f"{sign}{number:.{decimals}f}".replace("-", "−")


def show(estimate: Estimate, decimals: int = 3) -> str:
    """The value, with its interval where there is one; a dash if it is not there."""
    if np.isnan(estimate.value):
        return NOTHING
    has_interval = np.isfinite(estimate.low) and np.isfinite(estimate.high)
    return estimate.interval(decimals) if has_interval else estimate.to(decimals)


def describe_effects(estimates: Iterable[Estimate], places: Iterable[object]) -> str:
    """What differences mean, by where each was measured: `helps: 12, 15; equal: 6`."""
    found: dict[str, list[str]] = {}
    for estimate, place in zip(estimates, places, strict=True):
        found.setdefault(estimate.effect, []).append(str(place))
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{effect}: {', '.join(where)}" for effect, where in found.items())


def choose_rows(rows: pd.DataFrame, **keys: str) -> pd.DataFrame:
    for key, value in keys.items():
        rows = rows[rows[key] == value]
    return rows


def find_estimate(rows: pd.DataFrame, column: str, **keys: str) -> Estimate:
    """The number in the only row; `{}` in the column stands for difference, low and high."""
    rows = choose_rows(rows, **keys)
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows of the tables fit, not one")
    row = rows.iloc[0]
    if "{}" in column:
        value, low, high = (row[column.format(name)] for name in ("difference", "low", "high"))
        ends = [column.format(f"adjusted_{end}") for end in ("low", "high")]
        adjusted = (row[ends[0]], row[ends[1]]) if set(ends) <= set(row.index) else None
        return Estimate(value, low, high, is_difference=True, adjusted=adjusted)
    return Estimate(row[column], row.get("low", np.nan), row.get("high", np.nan))


def judge_agreement(
    first: pd.DataFrame, again: pd.DataFrame
) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Whether differences of two runs, in the same rows, are as their intervals allow.

    Two differences agree if they are closer than the root of the sum of squares of their
    intervals' halves, which is to be expected of 95 %. A difference is clear if its interval
    excludes zero.

    Args:
        first, again: difference, low and high.

    Returns:
        for each of REPLICATION which rows it is about, and in which it holds.
    """
    is_there = first["low"].notna() & again["low"].notna()
    halves = [(run["high"] - run["low"]) / 2 for run in (first, again)]
    apart = (first["difference"] - again["difference"]).abs()
    is_clear = is_there & ((first["low"] > 0) | (first["high"] < 0))
    is_same = first["difference"] * again["difference"] > 0
    is_clear_again = (again["low"] > 0) | (again["high"] < 0)
    return {
        "agree": (is_there, apart <= (halves[0] ** 2 + halves[1] ** 2) ** 0.5),
        "same_sign": (is_clear, is_same),
        "contradicted": (is_clear, is_clear_again & ~is_same),
    }


@dataclass(frozen=True)
class Hypothesis:
    """What two runs say of a hypothesis: a row of hypotheses.csv."""

    row: Mapping[str, Any]

    @property
    def claim(self) -> str:
        return self.row["claim"]

    @property
    def verdicts(self) -> list[str]:
        """Of the first run and, if there was one, the second."""
        found = [self.row["verdict"], self.row["verdict_again"]]
        return [verdict for verdict in found if isinstance(verdict, str)]

    @property
    def verdict(self) -> str | None:
        """That of all runs; None where they differ."""
        first, *others = self.verdicts
        return first if all(other == first for other in others) else None

    @property
    def outcomes(self) -> list[str]:
        """Verdict and numbers of each run, two cells of a table."""
        pairs = zip(self.verdicts, self.numbers, strict=True)
        found = [f"{verdict}: {numbers}" for verdict, numbers in pairs]
        return ([*found, ""])[:2]

    @property
    def numbers(self) -> list[str]:
        """Mean and interval of each run."""
        names = ("mean", "low", "high")
        return [
            describe_interval(*(self.row[name + suffix] for name in names))
            for suffix in ("", "_again")[: len(self.verdicts)]
        ]

    @property
    def region(self) -> str:
        low, high = (f"{self.row[f'region_{end}']:.4g}" for end in ("low", "high"))
        if low == "nan":
            text = f"at most {high}"
        else:
            text = f"at least {low}" if high == "nan" else f"between {low} and {high}"
        return text.replace("-", "−")

    @property
    def sentence(self) -> str:
        """Verdicts, numbers and region; the numbers of both runs where the verdicts differ."""
        first, *again = self.verdicts
        where, numbers = "", self.numbers[:1]
        if again == [first]:
            where = " in both runs"
        elif again:
            where, numbers = f" in the first run, {again[0]} in the second", self.numbers
        unit = self.row["unit"]
        has_unit = isinstance(unit, str) and unit != "probability" and np.isfinite(self.row["low"])
        unit = f" {unit}" if has_unit else ""
        return f"{first.capitalize()}{where}: {' and '.join(numbers)}{unit}, claimed {self.region}."


def make_hypotheses(table: pd.DataFrame) -> dict[str, Hypothesis]:
    """Hypotheses by name, in the order of the table."""
    return {row["hypothesis"]: Hypothesis(row) for row in table.to_dict("records")}


def render(docs: Path, template: str, names: Mapping[str, object]) -> str:
    """The text of a page from its template in docs/, which knows these names."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(docs),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {
        "intervals": lambda estimates: [estimate.interval() for estimate in estimates],
        "effect": describe_effects,
        "words": lambda name: name.replace("_", " "),
    }
    return wrap(environment.get_template(template).render(names))


def wrap(markdown: str) -> str:
    """Markdown with paragraphs and list items at most WIDTH wide; tables and code stay."""
    blocks: list[tuple[str, bool]] = []  # text, and whether it can be wrapped
    for line in markdown.splitlines():
        is_prose = bool(line) and not line.startswith(("|", "#", "    "))
        if is_prose and not line.startswith("- ") and blocks and blocks[-1][1]:
            blocks[-1] = (f"{blocks[-1][0]} {line.strip()}", True)
        else:
            blocks.append((line, is_prose))
    lines = []
    for text, is_prose in blocks:
        indent = "  " if text.startswith("- ") else ""
        lines.append(_fill(text, subsequent_indent=indent) if is_prose else text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip()) + "\n"
