"""Stage: one game followed token by token, with the predictions of every model on it."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.models.predictions import draw, make_table
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.transformer.weights import read_model


def plot_predictions(
    games: str,
    models: list[str],
    files: list[str],
    *,
    job: str,
    name: str,
    game: dict,
    names: list[str],
) -> None:
    """Draw the predictions on the first game of the dataset."""
    rules = make_game(**game)
    tokens = next(iter_games(games, rules))[:1]
    mask = rules.get_valid_next_token_mask(tokens)
    read = {model: read_model(path) for model, path in zip(names, models, strict=True)}
    table = make_table(tokens[0], mask[0], read)
    write_figure(redraw(table, name=name), table, job, files)


def redraw(table: pd.DataFrame, *, name: str, **_: object) -> Figure:
    """The figure of the table that is written beside it."""
    return draw(table, name)
