"""What names a trial of a search, and which average stands for all where one is shown."""

KEYS = ["variant", "number"]  # columns that name a trial of a search


def choose_middle(averages: list[str]) -> str | None:
    """The average that stands for averaging, chosen by its place in the config, not by its result.

    None if there is only the first one, which others are compared with.
    """
    return averages[max(1, (len(averages) - 1) // 2)] if len(averages) > 1 else None
