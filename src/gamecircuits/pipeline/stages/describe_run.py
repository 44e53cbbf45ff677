"""Stage: the configuration, the library versions, and what the files of the run hold."""

import html

import pandas as pd

from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import write_frame

PAGE = """<!doctype html><meta charset="utf-8"><title>Configuration</title>
<style>body {{ font: 14px/1.45 sans-serif; margin: 2em }}
pre {{ background: #f5f5f5; padding: 1em }}
td {{ padding: 0 1.5em 0 0; font-family: monospace }}</style>
<h3>Configuration</h3><pre>{config}</pre><h3>Versions</h3><table>{versions}</table>
"""
README = """# Results

Everything in this folder was made from one configuration (`config.html`). Delete what you like: the
next run makes it again. docs/formats.md explains the columns.

| files | hold |
|---|---|
{rows}
| `jobs/STAGE/*.json` | What made each file: settings, code, versions; and its SHA-256 |
| `logs/STAGE/*.log` | What each job said, how long it took, and its memory |
| `checkpoints/` | Only while something is trained: where it goes on after an interruption |
| `report.html` | All figures with captions on one page: `python3 run.py report` |
"""


def describe_run(
    page: str,
    readme: str,
    table: str,
    *,
    job: str,
    config: str,
    values: dict[str, str],
    versions: dict[str, str],
    files: list,
) -> None:
    """Write the configuration as a page and as a table of keys and values, and a README.

    Args:
        config: the configuration as YAML.
        values: the same, by the dotted names of its keys.
        files: for each stage, the patterns of its files and what they hold.
    """
    rows = "".join(f"<tr><td>{name}<td>{number}" for name, number in versions.items())
    content = PAGE.format(config=html.escape(config), versions=rows)
    values = values | {f"version.{name}": number for name, number in versions.items()}
    write_files({page: content.encode(), readme: format_readme(files).encode()})
    write_frame(pd.DataFrame({"key": list(values), "value": list(values.values())}), job, table)


def format_readme(files: list) -> str:
    """A table of all files; names in capitals stand for those of the configuration."""
    rows = []
    for patterns, holds in files:
        shown = " ".join(f"`{_capitalise(pattern)}`" for pattern in _merge(patterns))
        rows.append(f"| {shown} | {holds} |")
    return README.format(rows="\n".join(rows))


def _capitalise(pattern: str) -> str:
    return "".join(
        part.upper() if place % 2 else part
        for place, part in enumerate(pattern.replace("{", "}").split("}"))
    )


def _merge(patterns: list[str]) -> list[str]:
    """Patterns that differ in their suffix alone, as one: figures/NAME.{parquet,csv}."""
    suffixes: dict[str, list[str]] = {}
    for pattern in patterns:
        stem, _, suffix = pattern.rpartition(".")
        suffixes.setdefault(stem, []).append(suffix)
    return [
        f"{stem}.{found[0]}" if len(found) == 1 else f"{stem}.*" for stem, found in suffixes.items()
    ]
