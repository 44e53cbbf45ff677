"""What the stages of an audit have in common: the model, and the games that it is asked about."""

from typing import NamedTuple

from gamecircuits.games.game import Game, make_game
from gamecircuits.games.splits import SplitGames
from gamecircuits.randomness import get_rng
from gamecircuits.training.streams import iter_split
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.weights import read_model


class Audited(NamedTuple):
    """A model of several layers, its game, and random games of each side of the split."""

    model: GPT
    game: Game
    games: SplitGames


def open_audit(model: str, settings: dict) -> Audited:
    """Read the model and play the games, the same for all models and stages of an audit.

    Args:
        settings: audit (its name), seed, game, splits, fit_games, test_games.
    """
    read = read_model(model)
    assert isinstance(read, GPT)  # the configuration was checked
    game = make_game(**settings["game"])
    counts = {
        "train": settings["fit_games"],
        "validation": settings["test_games"],
        "test": settings["test_games"],
    }
    rng = get_rng(settings["seed"], f"games of audit {settings['audit']}")
    played = {
        split: next(iter_split(game, split, count, settings["splits"], rng))
        for split, count in counts.items()
    }
    return Audited(read, game, SplitGames(**played))
