"""Tables and text of docs/inside.md: what OthelloGPTs know of the board.

The tables in docs/inside hold every number of the page; docs/inside.template.md says which number
stands where.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.page import NOTHING, Estimate, choose_rows, read_table, render, show
from gamecircuits.storage.tables import read_frame

TEMPLATE = "inside.template.md"
FOLDER = "inside"  # of the tables and figures, beside the template
FEATURE = "owner"
NORMAL = 1.96  # standard errors on either side: a 95 % interval
SIDES = ("trained", "beyond")  # lengths
SERIES = {  # of probes: what they are called on the page, and their columns
    "linear": {"probe": "linear", "labels": "true", "weights": "trained"},
    "mlp": {"probe": "mlp", "labels": "true", "weights": "trained"},
    "shuffled": {"probe": "linear", "labels": "true", "weights": "shuffled"},
    "random": {"probe": "linear", "labels": "random", "weights": "trained"},
}
FITTED = {"all": "all lengths", "trained": "trained lengths"}
MEASURES = ("errors", "newly_legal", "newly_illegal")
METRIC = "illegal_token_rate"


# Tables.


def make_tables(config: Config, results: Path) -> dict[str, pd.DataFrame]:
    """Tables of the page from those of all audits of a run, by name."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for audit in config.audits:
        folder = results / f"audits/{audit}"
        trained = config.find_trained_length(config.audits[audit].models[0])
        read = {path.stem: read_frame(path) for path in (folder / "tables").glob("*.parquet")}
        read["comparison"] = read_frame(folder / "comparison.parquet")
        for name, table in _choose(read, trained).items():
            parts.setdefault(name, []).append(table.assign(audit=audit))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def _choose(tables: dict[str, pd.DataFrame], trained: int | None) -> dict[str, pd.DataFrame]:
    """What the page shows of one audit."""
    probes = choose_rows(tables["probes"], feature=FEATURE)
    probes = probes[probes["lengths"].isin(SIDES)]
    edits = choose_rows(tables["edits"], moves="change", by="lengths")
    compared = choose_rows(tables["comparison"], feature=FEATURE, fitted_on=FITTED["all"])
    ablated = choose_rows(tables["ablation"], metric=METRIC)
    keys = ["model", "component", "replaced_by"]
    return {
        "probes": probes.drop(columns=["feature", "loss", "loss_error"]),
        "edits": edits[edits["measure"].isin(MEASURES)].drop(columns=["moves", "by"]),
        "attribution": _name_sides(tables["attribution"], ["model", "component"], trained),
        "ablation": _name_sides(ablated, keys, trained).drop(columns="metric"),
        "heads": tables["heads"],
        "first_layer": tables["first_layer"],
        "rescaled": tables["rescaled"],
        "averages": compared[compared["lengths"].isin(SIDES)],
    }


def _name_sides(table: pd.DataFrame, keys: list[str], trained: int | None) -> pd.DataFrame:
    """Rows of all lengths in training, and of all beyond, with `lengths` in words."""
    first, last = table["first_length"], table["last_length"]
    longest = table.groupby(keys)["last_length"].transform("max")
    is_trained = (first == 1) & (last == (longest if trained is None else trained))
    is_beyond = (first == (trained or 0) + 1) & (last == longest) & ~is_trained
    table = table.assign(lengths=np.select([is_trained, is_beyond], SIDES, ""))
    return table[table["lengths"] != ""].drop(columns=["first_length", "last_length"])


# The page.


@dataclass(frozen=True)
class Inside:
    """All tables of one audit.

    `side` is trained or beyond.
    """

    tables: dict[str, pd.DataFrame]

    @property
    def models(self) -> list[str]:
        return list(self.tables["probes"]["model"].unique())

    @property
    def layers(self) -> list[float]:
        """Numbers of layers passed at the sites of probes."""
        return list(self.tables["probes"]["layer"].unique())

    def probe(
        self, model: str, layer: float, side: str, series: str, fitted: str = "all",
        measure: str = "accuracy", prefixes: str = "all",
    ) -> Estimate:  # fmt: skip
        """A share that is read right; a dash where there is no such probe."""
        rows = choose_rows(
            self.tables["probes"], model=model, lengths=side, fitted_on=FITTED[fitted],
            prefixes=prefixes, **SERIES[series],
        )  # fmt: skip
        rows = rows[rows["layer"] == layer]
        return _with_error(rows, measure) if len(rows) else Estimate(np.nan)

    def base(self, model: str, side: str, measure: str = "base_accuracy") -> Estimate:
        """The same of the base rate."""
        rows = choose_rows(
            self.tables["probes"], model=model, lengths=side, fitted_on=FITTED["all"],
            prefixes="all", **SERIES["linear"],
        )  # fmt: skip
        return _with_error(rows[:1], measure)

    def best_layer(self, model: str, side: str = "trained", fitted: str = "trained") -> float:
        """Where a linear probe reads most: chosen by the result."""
        read = {n: self.probe(model, n, side, "linear", fitted).value for n in self.layers}
        return max(read, key=lambda layer: read[layer])

    def gain(self, model: str, versus: str, layer: float, side: str) -> Estimate:
        """Difference of two models in what a linear probe reads."""
        rows = choose_rows(self.tables["averages"], model=model, versus=versus, lengths=side)
        row = _only(rows[rows["layer"] == layer])
        ends = row["accuracy_low"], row["accuracy_high"]
        return Estimate(row["accuracy"], *ends, is_difference=True)

    @property
    def edits(self) -> list[str]:
        return sorted(self.tables["edits"]["edit"].unique(), reverse=True)  # flip, erase

    @property
    def interventions(self) -> list[str]:
        """The edit first, then its controls."""
        found = self.tables["edits"]["intervention"].unique()
        return ["the edit", *(name for name in found if name not in ("the edit", "no edit"))]

    def edit(self, names: tuple[str, str, str, str], measure: str) -> pd.Series:
        """A measure of an edit; names are model, edit, side and intervention."""
        model, edit, side, intervention = names
        return _only(
            choose_rows(
                self.tables["edits"], model=model, edit=edit, group=side,
                intervention=intervention, measure=measure,
            )
        )  # fmt: skip

    def mean(self, names: tuple[str, str, str, str], measure: str) -> Estimate:
        """Of a measure after an intervention; names as in `edit`."""
        row = self.edit(names, measure)
        return Estimate(row["mean"], row["low"], row["high"])

    def effect(self, names: tuple[str, str, str, str], measure: str) -> Estimate:
        """What an intervention changes; names as in `edit`."""
        row = self.edit(names, measure)
        return Estimate(row["effect"], row["effect_low"], row["effect_high"], is_difference=True)

    def shows_use(self, model: str, edit: str, side: str) -> bool:
        """Whether an edit leaves fewer errors than one after the last layer, intervals apart."""
        names = ("the edit", "after the last layer")
        early, late = (self.effect((model, edit, side, name), "errors") for name in names)
        return early.high < late.low

    def components(self, model: str) -> list[str]:
        """By what they add to the displacement at trained lengths, the largest first."""
        rows = choose_rows(self.tables["attribution"], model=model, lengths="trained")
        return list(rows.sort_values("displacement", ascending=False)["component"])

    def adds(self, model: str, component: str, side: str) -> Estimate:
        """Nats of displacement."""
        names = {"model": model, "component": component, "lengths": side}
        return _with_error(
            choose_rows(self.tables["attribution"], **names), "displacement", "error"
        )

    def without(self, model: str, component: str, side: str, replaced_by: str) -> Estimate:
        """Change of illegal mass where the output is replaced; a dash where that was not done."""
        names = {"model": model, "component": component, "lengths": side}
        rows = choose_rows(self.tables["ablation"], replaced_by=replaced_by, **names)
        if not len(rows):
            return Estimate(np.nan)
        found = _with_error(rows, "change", "error")
        return Estimate(found.value, found.low, found.high, is_difference=True)

    def head(self, model: str, column: str, head: str = "all") -> float:
        rows = choose_rows(self.tables["heads"], model=model)
        return float(_only(rows[rows["head"].astype(str) == head])[column])

    def length(self, model: str, length: int, column: str) -> float:
        rows = choose_rows(self.tables["first_layer"], model=model)
        return float(_only(rows[rows["length"] == length])[column])

    def rescaled(self, model: str, length: int, factor: float, column: str, direction="probe"):
        rows = choose_rows(self.tables["rescaled"], model=model, direction=direction)
        rows = rows[(rows["length"] == length) & (rows["factor"] == factor)]
        return float(_only(rows)[column])


def _only(rows: pd.DataFrame) -> pd.Series:
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows of the tables fit, not one")
    return rows.iloc[0]


def _with_error(rows: pd.DataFrame, column: str, error: str | None = None) -> Estimate:
    """A mean and its 95 % interval from its standard error."""
    row = _only(rows)
    half = NORMAL * row[error or f"{column}_error"]
    return Estimate(row[column], row[column] - half, row[column] + half)


def percent(estimate: Estimate, decimals: int = 1) -> str:
    """A share in percent with half of its interval: 97.5 ± 0.2."""
    if np.isnan(estimate.value):
        return NOTHING
    half = (estimate.high - estimate.low) / 2
    return f"{100 * estimate.value:.{decimals}f} ± {100 * half:.{decimals}f}"


def round_all(numbers: Iterable[float], decimals: int = 2) -> list[str]:
    return [NOTHING if np.isnan(n) else f"{n:.{decimals}f}".replace("-", "−") for n in numbers]


def render_page(docs: Path) -> str:
    """The text of docs/inside.md from the template and the tables beside it."""
    tables = {path.stem: read_table(path) for path in sorted((docs / FOLDER).glob("*.csv"))}
    audits = dict.fromkeys(tables["probes"]["audit"])
    names = {
        audit: Inside({name: rows[rows["audit"] == audit] for name, rows in tables.items()})
        for audit in audits
    }
    return render(docs, TEMPLATE, {**names, "show": show, "percent": percent, "rounded": round_all})
