"""The lengths that trials are compared at."""

EVAL_LENGTHS = ("trained", "twice", "longest")


def name_lengths(trained: int, longest: int) -> dict[str, int]:
    """Lengths by name: as trained, twice that, the longest measured; none is beyond the longest."""
    wanted = (trained, 2 * trained, longest)
    return {name: min(n, longest) for name, n in zip(EVAL_LENGTHS, wanted, strict=True)}
