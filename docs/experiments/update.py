"""Keep docs/experiments.md in step with the tables beside this file.

    python docs/experiments/update.py                            # numbers from the tables
    python docs/experiments/update.py results/search [AGAIN]     # first the tables from results

AGAIN is a run of the same config with another seed; `replication.csv` says how far the two agree.

A number of the text is followed by a comment that names its cell, `TABLE[KEY=VALUE, ...].COLUMN`:

    0.25<!-- v16_effects[variant=plain, average=last, reach=twice, metric=kl_divergence].mean -->

It keeps the decimals that it has; before a percent sign it is a percentage. Tables are copied with
six significant digits, effects without the divergence, moderators of the schedule alone.
"""

import re
import sys
from functools import cache
from pathlib import Path

import pandas as pd
from PIL import Image

FOLDER = Path(__file__).resolve().parent
TEXT = FOLDER.with_suffix(".md")
CELL = re.compile(
    r"(?P<number>[+−]?\d+(?:\.(?P<decimals>\d+))?)(?P<percent> ?%)?"
    r"<!-- (?P<table>\w+)\[(?P<where>[^\]]*)\]\.(?P<column>\w+) -->"
)
DIGITS = "%.6g"
FIGURES = ("training_mechanisms_v16", "training_circuits_v16")
LARGE, COLOURS = 300_000, 128  # bytes, and what becomes of larger ones


def read_tables(results: Path, part: str) -> dict[str, pd.DataFrame]:
    """The effects or mechanisms of every search in a results folder, by the search's name."""
    paths = sorted(results.glob(f"tables/search_*_{part}.csv"))
    searches = [path.stem.removeprefix("search_").removesuffix(f"_{part}") for path in paths]
    return dict(zip(searches, map(pd.read_csv, paths), strict=True))


def copy_tables(results: Path) -> None:
    """The summaries of every search in a results folder, as tables of the documentation."""
    for part in ("effects", "mechanisms", "moderators"):
        for search, table in read_tables(results, part).items():
            is_kept = slice(None)
            if part == "effects":
                is_kept = table["metric"] != "kl_divergence"
            if part == "moderators":
                is_kept = table["hyperparameter"] == "schedule"
            write(table[is_kept], f"{search}_{part}")


def copy_figures(results: Path) -> None:
    """The figures that the text shows; large ones with few colours, in a quarter of the space."""
    for name in FIGURES:
        path, copy = results / f"figures/{name}.png", FOLDER / f"{name}.png"
        copy.write_bytes(path.read_bytes())
        if path.stat().st_size > LARGE:
            image = Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            image.save(copy, optimize=True)


def write(table: pd.DataFrame, name: str) -> None:
    path = FOLDER / f"{name}.csv"
    table.to_csv(path, index=False, float_format=DIGITS, lineterminator="\n")


def compare_runs(first: Path, again: Path) -> pd.DataFrame:
    """How far two runs of one config with different seeds agree on their paired differences.

    One row per search and kind of comparison, and one of all: how many there are; in how many the
    two differ by less than the root of the sum of squares of their intervals' halves, which is to
    be expected of 95 %; how many intervals of the first run exclude zero; in how many of these
    the second run has the same sign, and in how many its interval excludes zero on the other side.
    """
    tables, others, rows = read_tables(first, "effects"), read_tables(again, "effects"), []
    keys = ["variant", "average", "reach", "metric"]
    for search in (search for search in tables if search in others):
        table = tables[search]
        pairs = table.merge(others[search], on=keys, suffixes=("", "_again"))
        pairs = pairs[pairs["metric"] != "kl_divergence"]
        for versus in ("vs_average", "vs_variant"):
            ends = {name: pairs[f"{name}_{versus}"] for name in ("low", "high", "difference")}
            new = {name: pairs[f"{name}_{versus}_again"] for name in ends}
            is_there = ends["low"].notna() & new["low"].notna()
            halves = [(run["high"] - run["low"]) / 2 for run in (ends, new)]
            apart = (ends["difference"] - new["difference"]).abs()
            agrees = apart <= (halves[0] ** 2 + halves[1] ** 2) ** 0.5
            is_clear = (ends["low"] > 0) | (ends["high"] < 0)
            is_same = ends["difference"] * new["difference"] > 0
            is_clear_again = (new["low"] > 0) | (new["high"] < 0)
            rows.append({
                "search": search, "versus": versus, "comparisons": is_there.sum(),
                "agree": (agrees & is_there).sum(), "clear": (is_clear & is_there).sum(),
                "same_sign": (is_clear & is_same & is_there).sum(),
                "contradicted": (is_clear & is_clear_again & ~is_same & is_there).sum(),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    total = table.drop(columns=["search", "versus"]).sum()
    table = pd.concat([table, pd.DataFrame([{"search": "all", "versus": "all", **total}])])
    table["agree_share"] = table["agree"] / table["comparisons"]
    table["same_sign_share"] = table["same_sign"] / table["clear"]
    return table


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv", keep_default_na=False, na_values=[""])


def look_up(table: str, where: str, column: str) -> float:
    """The one cell that a comment names."""
    rows = _read(table)
    for condition in filter(None, (part.strip() for part in where.split(","))):
        key, value = condition.split("=")
        rows = rows[rows[key].astype(str) == value]
    if len(rows) != 1:
        raise ValueError(f"{table}[{where}] has {len(rows)} rows, not one")
    return float(rows[column].iloc[0])


def update(text: str) -> str:
    """The text with the numbers that the tables have now."""

    def put(match: re.Match) -> str:
        value = look_up(match["table"], match["where"], match["column"])
        value *= 100 if match["percent"] else 1
        number = f"{value:.{len(match['decimals'] or '')}f}".replace("-", "−")
        if match["number"].startswith("+") and value > 0:
            number = f"+{number}"
        return number + match[0].removeprefix(match["number"])

    return CELL.sub(put, text)


if __name__ == "__main__":
    folders = [Path(folder) for folder in sys.argv[1:]]
    if folders:
        copy_tables(folders[0])
        copy_figures(folders[0])
    if len(folders) > 1:
        write(compare_runs(*folders), "replication")
    TEXT.write_text(update(TEXT.read_text(encoding="utf-8")), encoding="utf-8")
