"""Models that are hard to draw: their norms, sinks and sizes, long names, other games."""

from functools import cache, partial

import numpy as np
import pandas as pd
from bigram import LogitsOnly
from gpts import make_gpt
from matplotlib.figure import Figure

from gamecircuits.analysis.diagnosis import diagnose_on
from gamecircuits.figures.models.anatomy import draw, make_table
from gamecircuits.games.game import Game, make_game
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.one_layer import OneLayer

LONG = "a_name_of_sixty_characters_which_is_as_long_as_names_may_be0"


def draw_model(
    model, kind: str, name: str = "mine", game: Game | None = None, length: int | None = None
) -> Figure:
    """The figure of a model on set complement, or on another game."""
    return draw(tabulate(model, kind, game, length), name)


@cache  # for several widths
def tabulate(model, kind: str, game: Game | None, length: int | None) -> pd.DataFrame:
    played = game or make_game("set_complement", vocab_size=model.vocab_size)
    diagnosis = diagnose_on(played, model, np.random.default_rng(0))
    diagnosis.insert(0, "game", LONG if game else "set_complement")
    return make_table(model, diagnosis, kind, length)


def make_random(vocab_size: int, noise: float, **settings) -> OneLayer:
    """A trained model, as it might be: near the balanced one, with noise everywhere."""
    rng = np.random.default_rng(0)
    qk, ov, direct = noise * rng.standard_normal((3, vocab_size, vocab_size))
    return OneLayer(from_circuits(qk, ov - 20 * np.eye(vocab_size), direct), **settings)


WINDOWED = make_game("windowed_complement", vocab_size=8, window=3)
FREE = make_game("windowed_complement", vocab_size=4, window=0, max_length=6)
SCENARIOS = {
    **{
        kind: partial(draw_model, make_construction(kind, vocab_size=9).model(), kind)
        for kind in ("attention_norm", "balanced", "block", "frame", "harmonic", "minimal",
                     "residual_norm", "self_sink", "sink", "tied", "untrained")
    },
    "V = 2": partial(draw_model, make_construction("balanced", vocab_size=2).model(), "balanced"),
    "noise at V = 2": partial(draw_model, make_random(2, 3.0), "trained", LONG),
    "V = 14": partial(draw_model, make_construction("tied", vocab_size=14).model(), "tied"),
    "V = 64": partial(draw_model, make_random(64, 0.5), "trained", LONG, length=20),
    "V = 200": partial(draw_model, make_construction("sink", vocab_size=200).model(), "sink"),
    "a norm and a sink": partial(
        draw_model, make_random(12, 0.5, norm="attention", gain=1234.5, sink=0.01), "file", LONG
    ),
    "post-norm": partial(draw_model, make_random(12, 8.0, norm="residual", gain=5.0), "trained"),
    "noise alone": partial(draw_model, make_random(9, 50.0), "trained", length=4),
    "another game": partial(draw_model, make_random(8, 0.5, sink=2.0), "file", LONG, WINDOWED),
    "another kind": partial(draw_model, LogitsOnly(make_random(8, 0.5)), "deep", LONG),
    "another kind and game": partial(
        draw_model, LogitsOnly(make_random(8, 0.5)), "deep", game=WINDOWED
    ),
    "a GPT": partial(
        draw_model, make_gpt(np.random.default_rng(0), V=8, num_positions=30), "trained", LONG,
        WINDOWED, 4,
    ),
    "all is legal": partial(draw_model, make_random(4, 0.5), "file", game=FREE),
}  # fmt: skip
