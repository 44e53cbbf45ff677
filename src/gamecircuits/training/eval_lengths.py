"""The lengths that trials are compared at."""

EVAL_LENGTHS = ("trained", "twice", "longest")
HALFWAY = "halfway"  # between the trained and the longest length, for factors and hypotheses


def name_lengths(trained: int, longest: int) -> dict[str, int]:
    """Lengths by name: as trained, twice that, the longest measured; none is beyond the longest."""
    wanted = (trained, 2 * trained, longest)
    return {name: min(n, longest) for name, n in zip(EVAL_LENGTHS, wanted, strict=True)}


def name_all_lengths(trained: int, longest: int) -> dict[str, int]:
    """The same and the length halfway, in the order of the lengths."""
    found = name_lengths(trained, longest)
    found[HALFWAY] = (found["trained"] + longest) // 2
    return dict(sorted(found.items(), key=lambda item: item[1]))
