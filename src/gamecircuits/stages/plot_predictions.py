"""Stage: one game followed token by token, with the predictions of every model on it."""

import sys

from gamecircuits.datasets import iter_games
from gamecircuits.figures.predictions import draw, get_table
from gamecircuits.figures.style import render
from gamecircuits.games.game import make_game
from gamecircuits.results import write_results
from gamecircuits.stages.command import run_stage
from gamecircuits.transformer.weights import read_model


def plot_predictions(
    job: str,
    settings: dict,
    games: str,
    models: list[str],
    output: str,
    csv: str,
    images: list[str],
) -> None:
    """Draw the predictions on the first game of the dataset."""
    game = make_game(**settings["game"])
    tokens = next(iter_games(games, game, settings["game"]))[:1]
    mask = game.get_valid_next_token_mask(tokens)
    loaded = {
        name: read_model(path, construction=construction)
        for path, (name, construction) in zip(models, settings["models"], strict=True)
    }
    table = get_table(tokens[0], mask[0], loaded)
    figure = draw(table, settings["name"])
    write_results(job, table, output, csv=csv, others=render(figure, images, job))


def main(argv=None) -> int:
    return run_stage(
        plot_predictions, argv, games=False, models=True, output=False, csv=False, images=True
    )


if __name__ == "__main__":
    sys.exit(main())
