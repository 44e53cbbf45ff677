"""Means over prefixes with errors over games: prefixes of one game are not independent."""

import numpy as np
import pandas as pd

NORMAL = 1.96  # standard errors on either side: a 95 % interval


def estimate_means(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over prefixes and their standard errors over games, (...) each.

    Games are what is sampled. Let c be the sum of values and m the count of prefixes in each of G
    games. The mean is a = Σc / Σm, its error √(G / (G − 1) · Σ(c − a m)²) / Σm (Cochran 1977,
    chapter 6.3, ratio estimates). The error is NaN for one game, and both are for none.

    Args:
        sums: (..., games).
        counts: (..., games), or (games,).
    """
    num_games, total = (counts > 0).sum(axis=-1), counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.sum(axis=-1) / total
        spread = ((sums - mean[..., None] * counts) ** 2).sum(axis=-1)
        return mean, np.sqrt(spread * (num_games / (num_games - 1))) / total


def summarise(values: dict[str, np.ndarray], game: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """Means of values (n,) by group (n,), with standard errors over games (n,) as NAME_error."""
    groups, group = np.unique(group, return_inverse=True)
    size = (len(groups), int(game.max()) + 1)
    cell = group * size[1] + game
    count = np.bincount(cell, minlength=np.prod(size)).reshape(size)
    columns = {"group": groups, "count": count.sum(axis=1), "games": (count > 0).sum(axis=1)}
    for name, of_prefix in values.items():
        sums = np.bincount(cell, of_prefix, np.prod(size)).reshape(size)
        columns[name], columns[f"{name}_error"] = estimate_means(sums, count)
    return pd.DataFrame(columns)


def summarise_overall(
    values: dict[str, np.ndarray],
    game: np.ndarray,
    length: np.ndarray,
    trained_length: int | None,
) -> pd.DataFrame:
    """Means as by `summarise` over `lengths`: all, and those trained and beyond, if there are."""
    tables = [summarise(values, game, np.full(len(length), "all"))]
    if trained_length is not None:
        side = np.where(length > trained_length, "beyond", "trained")
        tables.append(summarise(values, game, side)[::-1])
    return pd.concat(tables, ignore_index=True).rename(columns={"group": "lengths"})
