"""Stage: stop the run, loudly, if a claim does not hold. The table of claims stays."""

from gamecircuits.claims.check import describe, summarize
from gamecircuits.errors import GamecircuitsError
from gamecircuits.storage.tables import read_frame, write_frame


def confirm_claims(claims: str, paths: list[str], *, job: str) -> None:
    """Write one row per claim, or fail with the instances that do not hold."""
    table = read_frame(claims)
    failing = table[~table["holds"]]
    if len(failing):
        lines = "\n".join(f"  {describe(row)}" for row in failing.to_dict("records"))
        raise GamecircuitsError(
            f"{len(failing)} of {len(table)} instances of the theory's claims FAIL:\n{lines}\n"
            f"All instances are in {claims}"
        )
    write_frame(summarize(table), job, *paths)
