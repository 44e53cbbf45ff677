"""What a model does in random plays of a game: all there is to say where the theory is silent."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from gamecircuits.analysis.contexts import spaced_lengths
from gamecircuits.analysis.evaluation import evaluate_by_length
from gamecircuits.analysis.quantities import OF_THEORY, UNITS, row, rows_of_sizes, to_frame
from gamecircuits.errors import ParameterError
from gamecircuits.games.datasets import play_batches
from gamecircuits.games.game import Game
from gamecircuits.transformer.interface import Model

MOST_PLAYS, FEWEST_PLAYS = 4000, 100
MAX_LOGITS = 10_000_000  # of all plays together
TIE = 1e-9  # nats: displacements up to it may be rounding
STATISTICS = {  # quantity: metric and statistic of `evaluate_by_length`
    "illegal_token_rate": ("illegal_token_rate", "mean"),
    "highest_illegal_token_rate": ("illegal_token_rate", "max"),
    "absent_spread": ("absent_spread", "max"),
    "lowest_displacement": ("logit_gap", "min"),
    "contexts": ("illegal_token_rate", "count"),
}


def measure_plays(
    model: Model,
    game: Game,
    rng: np.random.Generator,
    log: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """Illegal token rate, displacement and spread by length, over the contexts of random plays.

    Args:
        model: any model of the game's vocabulary.
        game: any game; its legal tokens are what the model is compared with.
        rng: plays the games.
        log: takes lines on the progress.

    Returns:
        a diagnosis without the columns OF_THEORY. Contexts have the weight with which they occur.
        Lengths that no play reaches have no rows.

    Raises:
        ParameterError: the game has another vocabulary, or nothing to predict.
    """
    check_game(model, game)
    lengths = spaced_lengths(game.max_length - 1)
    logits_of_play = (game.max_length - 1) * game.vocab_size
    num_plays = int(np.clip(MAX_LOGITS // logits_of_play, FEWEST_PLAYS, MOST_PLAYS))

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for tokens in play_batches(game, num_plays, rng):
            yield tokens, game.get_valid_next_token_mask(tokens)
            log(f"{len(tokens)} of {num_plays} games played")

    found = evaluate_by_length(model, batches(), lengths, num_plays)
    found = found[found["count"] > 0]  # at some lengths all games are over, or all is legal
    rows = rows_of_sizes(model)
    gaps = found[found["metric"] == "logit_gap"]
    rows.append(
        row("first_failure_in_plays", "tokens", gaps.loc[gaps["min"] <= TIE, "length"].min())
    )
    for quantity, (metric, statistic) in STATISTICS.items():
        of_metric = found[found["metric"] == metric]
        for length, value in zip(of_metric["length"], of_metric[statistic], strict=True):
            rows.append(row(quantity, UNITS[quantity], value, length=length))
    return to_frame(rows).drop(columns=OF_THEORY)


def check_game(model: Model, game: Game) -> None:
    """Raise ParameterError unless the model can be measured on the game."""
    if game.vocab_size != model.vocab_size:
        allowed = f"{model.vocab_size}, that of the model"
        raise ParameterError("vocab_size", game.vocab_size, allowed)
    if game.max_length < 2:
        allowed = "from 2, so that there is something to predict"
        raise ParameterError("max_length", game.max_length, allowed)
