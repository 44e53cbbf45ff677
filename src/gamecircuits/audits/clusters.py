"""Means over prefixes with errors over games: prefixes of one game are not independent."""

import numpy as np
import pandas as pd

NORMAL = 1.96  # standard errors on either side: a 95 % interval


def summarise(values: dict[str, np.ndarray], game: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """Means of values (n,) by group (n,), with standard errors over games (n,) as NAME_error.

    Values of one game are not independent, so games are what is sampled: with sums c and counts m
    of each of G games, the mean is a = Σc / Σm and its error √(G / (G − 1) · Σ(c − a m)²) / Σm
    (Cochran 1977, chapter 6.3, ratio estimates). It is NaN for one game.
    """
    groups, group = np.unique(group, return_inverse=True)
    size = (len(groups), int(game.max()) + 1)
    cell = group * size[1] + game
    count = np.bincount(cell, minlength=np.prod(size)).reshape(size)
    num_games, total = (count > 0).sum(axis=1), count.sum(axis=1)
    table = pd.DataFrame({"group": groups, "count": total, "games": num_games})
    for name, of_prefix in values.items():
        sums = np.bincount(cell, of_prefix, np.prod(size)).reshape(size)
        mean = sums.sum(axis=1) / total
        spread = ((sums - mean[:, None] * count) ** 2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            table[name] = mean
            table[f"{name}_error"] = np.sqrt(spread * num_games / (num_games - 1)) / total
    return table


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
