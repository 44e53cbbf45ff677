"""What the stages of an audit have in common: the model, its games, and tables by name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.games.game import Game, make_game
from gamecircuits.games.splits import SplitGames
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import read_frame, write_frame
from gamecircuits.training.streams import iter_split
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.weights import read_model


class Audited(NamedTuple):
    """A model of several layers, its game, random games of each side of the split; its rng."""

    model: GPT
    game: Game
    games: SplitGames
    rng: np.random.Generator


def open_audit(model: str, game: dict, audit: dict, part: str) -> Audited:
    """Read the model and play the games, the same for all models and parts of an audit.

    Args:
        audit: its name and seed; splits, the share of each; fit_games and test_games; the name of
            the model.
        part: of the audit, which has random numbers of its own.
    """
    read = read_model(model)
    assert isinstance(read, GPT)  # the configuration was checked
    rules, seed = make_game(**game), audit["seed"]
    rng = get_rng(seed, f"games of audit {audit['name']}")
    counts = {
        "train": audit["fit_games"],
        "validation": audit["test_games"],
        "test": audit["test_games"],
    }
    played = {
        split: next(iter_split(rules, split, count, audit["splits"], rng))
        for split, count in counts.items()
    }
    own = get_rng(seed, f"{part} of {audit['model']} in audit {audit['name']}")
    return Audited(read, rules, SplitGames(**played), own)


def write_tables(tables: Mapping[str, pd.DataFrame], paths: Iterable[str], job: str) -> None:
    """Write tables to files of their names."""
    for path in paths:
        write_frame(tables[Path(path).stem], job, path)


def read_tables(paths: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Tables by the names of their files."""
    return {Path(path).stem: read_frame(path) for path in paths}
