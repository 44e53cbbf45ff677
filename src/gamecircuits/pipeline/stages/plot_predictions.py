"""Stage: one game followed token by token, with the predictions of every model on it."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.models import board_predictions, predictions
from gamecircuits.games._bitboard_game import BitboardGame
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
    trained_lengths: list[int | None],
) -> None:
    """Draw the predictions on the first game of the dataset.

    Args:
        names, trained_lengths: of the models; longest lengths in training, None without training.
    """
    rules = make_game(**game)
    tokens = next(iter_games(games, rules))[:1]
    mask = rules.get_valid_next_token_mask(tokens)
    read = {model: read_model(path) for model, path in zip(names, models, strict=True)}
    table = predictions.make_table(tokens[0], mask[0], read)
    drawn = redraw(table, name=name, game=game, names=names, trained_lengths=trained_lengths)
    write_figure(drawn, table, job, files)


def redraw(
    table: pd.DataFrame,
    *,
    name: str,
    game: dict,
    names: list[str],
    trained_lengths: list[int | None],
) -> Figure:
    """The figure of the table that is written beside it: boards if the game has one."""
    rules = make_game(**game)
    if isinstance(rules, BitboardGame):
        by_name = dict(zip(names, trained_lengths, strict=True))
        return board_predictions.draw(table, name, rules, by_name)
    return predictions.draw(table, name)
