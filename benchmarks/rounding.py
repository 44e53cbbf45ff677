"""How far does rounding spread the absent logits, over many rotations of the simplex?

    python benchmarks/rounding.py [SEED]      (default 0)

Makes the table of docs/theory.md after Proposition 26, in some ten minutes on one core. A row is
the largest spread of all rotations and contexts, in units of u·x: no bound, as more rotations find
more.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from gamecircuits.analysis.contexts import sample_contexts
from gamecircuits.experiments.precision import get_basis, rounded_logits
from gamecircuits.theory.rounding import ROUNDING
from gamecircuits.theory.strength import x_min

ROTATIONS = {4: 40_000, 8: 40_000, 16: 100_000, 64: 10_000, 256: 1000, 1024: 30}
NUM_CONTEXTS = 50  # of each length but 1, of which all are taken
MAX_ILLEGAL_RATE = 1e-3


def find_spreads(vocab_size: int, rotations: int, rng: np.random.Generator) -> dict[str, float]:
    """Largest spread by type, in units of u·x."""
    V, x = vocab_size, x_min(vocab_size, MAX_ILLEGAL_RATE)
    largest = dict.fromkeys(ROUNDING, 0.0)
    for _ in range(rotations):
        basis = get_basis("rotated", V, rng)
        contexts = [np.eye(V, dtype=bool)]
        for length in sorted({2, V // 4, V // 2, V - 2} - {1}):
            contexts.append(sample_contexts(V, length, NUM_CONTEXTS, rng)[0])
        for members in contexts:
            for dtype, (unit, _) in ROUNDING.items():
                logits = rounded_logits(members, basis, x, "rotated", dtype).astype(float)
                high = np.where(members, -np.inf, logits).max(axis=1)
                spread = (high - np.where(members, np.inf, logits).min(axis=1)).max()
                largest[dtype] = max(largest[dtype], spread / (unit * x))
    return largest


def main() -> None:
    rng = np.random.default_rng(int(sys.argv[1]) if sys.argv[1:] else 0)
    print(f"| V | rotations | {' | '.join(ROUNDING)} |")
    print("|---" * (2 + len(ROUNDING)) + "|")
    for vocab_size, rotations in ROTATIONS.items():
        found = find_spreads(vocab_size, rotations, rng)
        shown = " | ".join(f"{value:.1f}" for value in found.values())
        print(f"| {vocab_size} | {rotations:,} | {shown} |".replace(",", " "), flush=True)


if __name__ == "__main__":
    main()
