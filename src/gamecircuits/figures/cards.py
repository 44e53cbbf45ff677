"""Which figures of a run are shown first: those of the report."""

from collections.abc import Iterable
from fnmatch import fnmatch

CARDS = {  # in order: pattern of the figure's path without suffix, and how many at most
    "figures/length_generalization": 1,
    "figures/experiments/averaging": 1,
    "figures/experiments/remedies": 1,
    "figures/hypotheses/*": 1,
    "figures/searches/*/effects": 1,
    "figures/searches/*/curves": 1,
    "figures/searches/*/circuits": 1,
    "figures/searches/*/mechanisms": 1,
    "figures/searches/*/dispersion": 1,
    "figures/searches/*/matched": 1,
    "figures/audits/*/probes": 1,
    "figures/audits/*/beliefs": 1,
    "figures/audits/*/edits": 1,
    "figures/audits/*/attribution": 1,
    "figures/audits/*/first_layer": 1,
    "figures/experiments/training_path": 1,
    "figures/experiments/critical_length": 1,
    "figures/experiments/dimensions": 1,
    "figures/experiments/superposition": 1,
    "figures/predictions/*": 2,
    "figures/models/*": 10,
    "figures/boards/*": 1,
}
FEWEST = 6  # of a run that has as many figures


def choose_cards(paths: Iterable[str]) -> list[str]:
    """The figures to be shown first, in the order of CARDS; others only where these are few.

    Args:
        paths: of all figures of a run below its results, without suffix.
    """
    left, chosen = list(paths), []
    for pattern, count in CARDS.items():
        found = [path for path in left if fnmatch(path, pattern)][:count]
        chosen += found
        left = [path for path in left if path not in found]
    return chosen + left[: max(0, FEWEST - len(chosen))]
