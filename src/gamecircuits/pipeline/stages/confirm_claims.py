"""Stage: stop the run, loudly, if a claim does not hold. The table of claims stays."""

import sys

from gamecircuits.claims.check import describe, summarize
from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def confirm_claims(job: str, settings: dict, claims: list[str], output: str, csv: str) -> None:
    """Write one row per claim, or fail with the instances that do not hold."""
    table = read_table(*claims).to_pandas()
    failing = table[~table["holds"]]
    if len(failing):
        lines = "\n".join(f"  {describe(row)}" for row in failing.to_dict("records"))
        raise GamecircuitsError(
            f"{len(failing)} of {len(table)} instances of the theory's claims FAIL:\n{lines}\n"
            f"All instances are in {claims[0]}"
        )
    write_results(job, summarize(table), output, csv=csv)


def main(argv=None) -> int:
    inputs = {"claims": read_job}
    return run_stage(confirm_claims, argv, inputs=inputs, outputs=("output", "csv"))


if __name__ == "__main__":
    sys.exit(main())
