"""Evaluate all claims on random instances: the table results/tables/claims.csv.

    python -m gamecircuits.claims.check [SEED]

does so for the default vocabulary sizes, with another seed.
"""

import re
import sys
from collections.abc import Callable, Iterable

import pandas as pd

from gamecircuits.claims.claim import Claim, load_claims
from gamecircuits.randomness import get_rng


def check_all(
    vocab_sizes: Iterable[int],
    instances: int,
    seed: int,
    log: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """Evaluate every claim on `instances` random instances of each vocabulary size.

    Returns:
        one row per instance: claim, statement, where it is proved, instance, predicted, measured,
        their relation, tolerance, contexts checked, and whether it holds.
    """
    rows = []
    for claim in sorted(load_claims().values(), key=_place):
        for vocab_size in vocab_sizes:
            if vocab_size < claim.smallest:
                continue
            for number in range(instances if claim.is_random else 1):
                rng = get_rng(seed, f"claim {claim.name} {vocab_size}", number)
                case = claim.build(vocab_size, rng)
                outcome = claim.check(case)
                rows.append(
                    {
                        "claim": claim.name,
                        "proved": claim.proved,
                        "statement": claim.statement,
                        "instance": case.description,
                        "vocab_size": vocab_size,
                        "number": number,
                        "predicted": float(outcome.predicted),
                        "relation": outcome.relation,
                        "measured": float(outcome.measured),
                        "tolerance": float(outcome.tolerance),
                        "contexts": int(outcome.contexts),
                        "holds": outcome.holds,
                    }
                )
                if not outcome.holds:
                    log(f"CLAIM FAILS: {describe(rows[-1])}")
        log(f"{claim.proved}: {claim.name}")
    return pd.DataFrame(rows)


def _place(claim: Claim) -> tuple[int, str]:
    """Number and letter of the statement in docs/theory.md, to sort claims by."""
    number = re.search(r"(\d+)(\w?)", claim.proved)
    return (int(number[1]), number[2]) if number else (0, "")


def describe(row: dict) -> str:
    """Describe one row of the table in one line."""
    return (
        f"{row['claim']} ({row['proved']}), {row['instance']}: measured {row['measured']:.10g}, "
        f"should be {row['relation']} {row['predicted']:.10g} up to {row['tolerance']:.2g}"
    )


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the table, one row per claim: instances, contexts checked, failures.

    `used` is the largest share of the tolerance that an equality needed.
    """
    is_equality = table["relation"] == "="
    deviation = (table["measured"] - table["predicted"]).abs()
    allowed = table["tolerance"].where(table["tolerance"] > 0, 1.0)
    used = (deviation / allowed).where(is_equality)
    grouped = table.assign(used=used).groupby(["claim", "proved", "statement"], sort=False)
    return grouped.agg(
        instances=("holds", "size"),
        contexts=("contexts", "sum"),
        failures=("holds", lambda holds: int((~holds).sum())),
        used=("used", "max"),
    ).reset_index()


def main(argv: list[str]) -> int:
    seed = int(argv[0]) if argv else 0
    table = check_all([4, 5, 6, 8, 10], 2, seed, lambda message: print(message, flush=True))
    print(summarize(table).drop(columns="statement").to_string())
    return int(not table["holds"].all())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
