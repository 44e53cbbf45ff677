"""Stage: the figure of what the heads of a model's first layer attend to."""

import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.boards._squares import get_shape
from gamecircuits.figures.models.attention import GAMES, draw, make_table
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.weights import read_model


def plot_attention(
    model: str,
    games: str,
    files: list[str],
    *,
    job: str,
    name: str,
    game: dict,
    trained_length: int | None,
) -> None:
    """Draw one model, on the first games of the dataset."""
    read = read_model(model)
    assert isinstance(read, GPT)  # the graph has this stage for no others
    tokens = next(iter_games(games, make_game(**game)))[:GAMES]
    table = make_table(tokens, read, trained_length)
    drawn = redraw(table, name=name, game=game, trained_length=trained_length)
    write_figure(drawn, table, job, files)


def redraw(table: pd.DataFrame, *, name: str, game: dict, trained_length: int | None) -> Figure:
    """The figure of the table that is written beside it; boards if tokens are squares."""
    return draw(table, name, get_shape(make_game(**game)), trained_length)
