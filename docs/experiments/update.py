"""Keep docs/experiments.md in step with the tables beside this file.

    python docs/experiments/update.py                   # numbers of the text from the tables
    python docs/experiments/update.py results/search    # first the tables from a run's results

A number of the text is followed by a comment that names its cell, `TABLE[KEY=VALUE, ...].COLUMN`:

    0.25<!-- v16_effects[variant=plain, average=last, reach=twice, metric=kl_divergence].mean -->

It keeps the decimals that it has; before a percent sign it is a percentage. Tables are copied with
six significant digits, effects without the divergence.
"""

import re
import sys
from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parent
TEXT = FOLDER.with_suffix(".md")
CELL = re.compile(
    r"(?P<number>[+−]?\d+(?:\.(?P<decimals>\d+))?)(?P<percent> ?%)?"
    r"<!-- (?P<table>\w+)\[(?P<where>[^\]]*)\]\.(?P<column>\w+) -->"
)
DIGITS = "%.6g"


def copy_tables(results: Path) -> None:
    """The summaries of every search in a results folder, as tables of the documentation."""
    for part in ("effects", "mechanisms"):
        for path in sorted(results.glob(f"tables/search_*_{part}.csv")):
            table = pd.read_csv(path)
            if part == "effects":
                table = table[table["metric"] != "kl_divergence"]
            name = path.name.removeprefix("search_")
            table.to_csv(FOLDER / name, index=False, float_format=DIGITS, lineterminator="\n")


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

    def write(match: re.Match) -> str:
        value = look_up(match["table"], match["where"], match["column"])
        value *= 100 if match["percent"] else 1
        number = f"{value:.{len(match['decimals'] or '')}f}".replace("-", "−")
        if match["number"].startswith("+") and value > 0:
            number = f"+{number}"
        return number + match[0].removeprefix(match["number"])

    return CELL.sub(write, text)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        copy_tables(Path(sys.argv[1]))
    TEXT.write_text(update(TEXT.read_text(encoding="utf-8")), encoding="utf-8")
