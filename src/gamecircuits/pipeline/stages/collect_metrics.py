"""Stage: the metrics of all models and games in one tidy table."""

import sys

import pandas as pd

from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def collect_metrics(job: str, settings: dict, metrics: list[str], output: str, csv: str) -> None:
    """Concatenate the metrics, in the order of the config."""
    tables = [read_table(path).to_pandas() for path in metrics]
    write_results(job, pd.concat(tables, ignore_index=True), output, csv=csv)


def main(argv=None) -> int:
    return run_stage(collect_metrics, argv, inputs={"metrics": read_job}, outputs=("output", "csv"))


if __name__ == "__main__":
    sys.exit(main())
