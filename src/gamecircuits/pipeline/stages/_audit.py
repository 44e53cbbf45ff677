"""What the stages of an audit have in common: the model, its games, and tables by name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gamecircuits.games.game import Game, make_game
from gamecircuits.games.splits import SplitGames
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import read_frame, write_frame
from gamecircuits.training.streams import iter_split
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.weights import read_model


class Audited(NamedTuple):
    """A model of several layers, its game, and random games of each side of the split."""

    model: GPT
    game: Game
    games: SplitGames


def open_audit(
    model: str,
    game: dict,
    name: str,
    seed: int,
    splits: dict[str, float],
    fit_games: int,
    test_games: int,
) -> Audited:
    """Read the model and play the games, the same for all models and stages of an audit.

    Args:
        name: of the audit.
        splits: share of each, by name.
    """
    read = read_model(model)
    assert isinstance(read, GPT)  # the configuration was checked
    rules = make_game(**game)
    rng = get_rng(seed, f"games of audit {name}")
    counts = {"train": fit_games, "validation": test_games, "test": test_games}
    played = {
        split: next(iter_split(rules, split, count, splits, rng)) for split, count in counts.items()
    }
    return Audited(read, rules, SplitGames(**played))


def write_tables(tables: Mapping[str, pd.DataFrame], paths: Iterable[str], job: str) -> None:
    """Write tables to files of their names."""
    for path in paths:
        write_frame(tables[Path(path).stem], job, path)


def read_tables(paths: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Tables by the names of their files."""
    return {Path(path).stem: read_frame(path) for path in paths}
