"""Stage: the configuration and the library versions, for the report."""

import html as markup
import sys

import pandas as pd
import yaml

from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.tables import write_results

PAGE = """<!doctype html><meta charset="utf-8"><title>Configuration</title>
<style>body {{ font: 14px/1.45 sans-serif; margin: 2em }}
pre {{ background: #f5f5f5; padding: 1em }}
td {{ padding: 0 1.5em 0 0; font-family: monospace }}</style>
<h3>Configuration</h3><pre>{config}</pre><h3>Versions</h3><table>{versions}</table>
"""


def write_config(job: str, settings: dict, output: str, html: str) -> None:
    """Write the configuration as a page for the report, and as a table of keys and values."""
    versions = settings["versions"]
    text = settings["config"]
    rows = "".join(f"<tr><td>{name}<td>{number}" for name, number in versions.items())
    page = PAGE.format(config=markup.escape(text), versions=rows)
    values = _flatten(yaml.safe_load(text)) | {f"version.{k}": v for k, v in versions.items()}
    table = pd.DataFrame({"key": list(values), "value": [str(value) for value in values.values()]})
    write_results(job, table, output, others={html: page.encode()})


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def main(argv=None) -> int:
    return run_stage(write_config, argv, outputs=("output", "html"))


if __name__ == "__main__":
    sys.exit(main())
