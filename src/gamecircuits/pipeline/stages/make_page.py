"""Stage: the page to look at and play with, one file that needs nothing else."""

from collections.abc import Mapping, Sequence

from gamecircuits.explorer.games import RECORDED, describe_game, fits
from gamecircuits.explorer.models import MAX_TOKENS, describe_model, keep_few
from gamecircuits.explorer.page import make_page as write_html
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.storage.files import write_files
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import read_model


def make_page(
    models: Sequence[str],
    games: Sequence[str],
    page: str,
    *,
    job: str,
    title: str,
    assets: str,
    model_entries: Sequence[Mapping],
    game_entries: Sequence[Mapping],
) -> None:
    """Collect what the page shows, and write it.

    Args:
        models, games: files, as in model_entries and game_entries: a model, or a first shard.
        assets: digest of what the browser gets beside the data; a change makes the page anew.
        model_entries: name, kind, origin, the games that the model is evaluated on, the longest
            prefix in training, if there was any, and a colour.
        game_entries: name, settings.
    """
    data = {
        "summary": "",
        "models": [_read_model(*pair) for pair in zip(models, model_entries, strict=True)],
        "games": [_read_game(*pair) for pair in zip(games, game_entries, strict=True)],
    }
    data["models"] = keep_few([model for model in data["models"] if model])
    data["games"] = [game for game in data["games"] if game]
    write_files({page: write_html(data, title)})


def _read_model(path: str, entry: Mapping) -> dict | None:
    """A model for the page; None if the page cannot run it."""
    model = read_model(path)
    if not isinstance(model, OneLayer) or model.vocab_size > MAX_TOKENS:
        return None
    return {**entry, **describe_model(model)}


def _read_game(path: str, entry: Mapping) -> dict | None:
    """A game for the page; None if it has too many tokens to show."""
    settings, shown = entry["settings"], {k: v for k, v in entry.items() if k != "settings"}
    game = make_game(**settings)
    if not fits(game):
        return None
    tokens = next(iter_games(path, game))[:RECORDED]
    return {**shown, "kind": settings["kind"], **describe_game(game, settings["kind"], tokens)}
