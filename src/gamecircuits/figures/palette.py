"""One colour for each remedy, wherever it is met: as a model, a variant of a search, a curve.

Okabe and Ito's colours come first, for what meets most often. All can be told apart on white and on
the dark page, and by people with red-green blindness where they meet (tests/figures/test_palette.py
computes both). Averages of the weights have no colours: they differ in dash and width.
"""

from collections.abc import Iterable

COLOURS = {
    "plain": "#0072B2",
    "attention_norm": "#009E73",
    "residual_norm": "#D55E00",
    "attention_dropout": "#E69F00",
    "minimal": "#56B4E9",
    "sink": "#9A2A7E",
    "self_sink": "#E39AC6",
    "tied": "#922F0C",
    "harmonic": "#6684FB",
    "block": "#255F64",
    "frame": "#66C2A5",
    "untrained": "#666666",
}
SAME = {  # other names of these
    "none": "plain",
    "no_norm": "plain",
    "balanced": "plain",
    "attention": "attention_norm",
    "residual": "residual_norm",
    "dropout": "attention_dropout",
    "self-sink": "self_sink",
    "uniform": "untrained",
}


def remedy_of(name: str) -> str | None:
    """The remedy that a kind, a variant or a model of an experiment is; None if it is another."""
    words = name.strip().replace(" ", "_")
    words = SAME.get(words, words)
    return words if words in COLOURS else None


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each of the names that are seen together.

    Names of remedies have theirs. Other names take those that are free, in order; when all are
    taken they come round again, so let marker and dash differ too.
    """
    names = list(dict.fromkeys(names))
    remedies = {name: remedy_of(name) for name in names}
    taken = set(remedies.values())
    free = [c for remedy, c in COLOURS.items() if remedy not in taken | {"untrained"}]
    free = free or list(COLOURS.values())
    others = [name for name in names if remedies[name] is None]
    found = {name: free[n % len(free)] for n, name in enumerate(others)}
    return {
        name: found[name] if remedy is None else COLOURS[remedy]
        for name, remedy in remedies.items()
    }


def colour_of(name: str) -> str:
    """The colour of one name by itself."""
    return colours_of([name])[name]
