"""For which architectures the figures of searches are made; a figure that is not here is for all.

It stands apart from them, so that a plan need not load what draws.
"""

MADE_FOR = {
    "circuits": ("one_layer",),
    "mechanisms": ("one_layer",),
    "dispersion": ("gpt",),
    "matched": ("gpt",),
    "progress": ("gpt",),
}


def is_made_for(figure: str, architecture: str) -> bool:
    """Whether there is something to draw in a figure of a search of this architecture."""
    return architecture in MADE_FOR.get(figure, (architecture,))
