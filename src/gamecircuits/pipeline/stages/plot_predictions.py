"""Stage: one game followed token by token, with the predictions of every model on it."""

import sys

from gamecircuits.figures.models.predictions import draw, make_table
from gamecircuits.figures.style import render
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results
from gamecircuits.transformer.weights import read_model, read_model_job


def plot_predictions(
    job: str,
    settings: dict,
    games: list[str],
    models: list[str],
    output: str,
    csv: str,
    images: list[str],
) -> None:
    """Draw the predictions on the first game of the dataset."""
    game = make_game(**settings["game"])
    tokens = next(iter_games(*games, game))[:1]
    mask = game.get_valid_next_token_mask(tokens)
    loaded = {name: read_model(path) for name, path in zip(settings["models"], models, strict=True)}
    table = make_table(tokens[0], mask[0], loaded)
    figure = draw(table, settings["name"])
    write_results(job, table, output, csv=csv, others=render(figure, images, job))


def main(argv=None) -> int:
    return run_stage(
        plot_predictions, argv, inputs={"games": read_job, "models": read_model_job}, outputs=DRAWN
    )


if __name__ == "__main__":
    sys.exit(main())
