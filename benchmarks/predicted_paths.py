"""Where the prediction of the path of training fails: pairs of trainings chosen by hand.

    python benchmarks/predicted_paths.py [SEED]      (default 77)

Makes the second table of section 10 of docs/theory.md, in some three minutes on one core. A row is
two trainings of 1000 steps with a cosine schedule, and what of x and α is predicted and measured at
their ends.
"""

import sys
from itertools import count

import jax
import numpy as np

from gamecircuits.games.set_complement import SetComplement
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights
from gamecircuits.training.averaging import Last
from gamecircuits.training.predicted_path import get_mean_strengths, predict_path
from gamecircuits.training.program import train

NUM_STEPS, SCHEDULE = 1000, "cosine"
RATES = {"sgd": 1.5, "adamw": 0.004}
NAMES = {"sgd": "gradient descent", "adamw": "AdamW"}
CHOSEN = [  # V, n, d, d_v, optimizer, targets, tied
    (16, 13, 24, 24, "sgd", "exact", False),
    (16, 15, 24, 24, "adamw", "exact", False),
    (20, 19, 30, 30, "sgd", "exact", False),
    (20, 19, 30, 30, "adamw", "exact", False),
    (20, 19, 30, 30, "adamw", "sampled", False),
    (20, 19, 64, 64, "adamw", "sampled", False),
    (20, 6, 64, 64, "adamw", "exact", False),
    (12, 11, 48, 14, "adamw", "exact", False),
    (12, 11, 48, 6, "adamw", "exact", False),
    (12, 6, 32, 32, "adamw", "sampled", True),
    (12, 6, 64, 64, "adamw", "exact", True),
    (12, 6, 64, 64, "sgd", "exact", True),
]


def compare(vocab_size: int, trained: int, trial: OneLayerTrial, seed: int) -> np.ndarray:
    """Strengths at the end, predicted and measured, of two trainings: (2, 2, 3)."""
    V, game, trials = vocab_size, SetComplement(vocab_size), [trial] * 2
    run = train(
        game, trials, range(2), [Last()],
        lambda size, rng: (game.play(size, rng) for _ in count()),
        length=trained, num_steps=NUM_STEPS, num_checkpoints=1, seed=seed, name="predicted_paths",
    )  # fmt: skip
    path = predict_path(trials, run.start, V, trained, NUM_STEPS, 1, seed=seed)
    jax.clear_caches()  # no other pair has these programs
    ends = (trial.from_vector(end, V, V - 1) for end in run.trajectory[:, -1])
    measured = [get_mean_strengths(Weights(**end)) for end in ends]
    return np.array([path.strengths[:, -1], measured])


def main() -> None:
    seed = int(sys.argv[1]) if sys.argv[1:] else 77
    print(
        "| V | n | d | d_v | tied | training | x predicted | x measured | α predicted | measured |"
    )
    print("|---" * 10 + "|")
    for V, n, d, d_v, optimizer, targets, tied in CHOSEN:
        trial = OneLayerTrial(
            d_model=d, d_v=d_v, d_k=d, optimizer=optimizer, targets=targets, tied=tied,
            learning_rate=RATES[optimizer], schedule=SCHEDULE,
        )  # fmt: skip
        found = compare(V, n, trial, seed)
        x, alpha = (
            [", ".join(f"{value:.{digits}f}" for value in of) for of in found[:, :, place]]
            for place, digits in ((0, 1), (2, 2))
        )
        cells = [
            V,
            n,
            d,
            d_v,
            "yes" if tied else "no",
            f"{NAMES[optimizer]}, {targets}",
            *x,
            *alpha,
        ]
        print(f"| {' | '.join(map(str, cells))} |".replace("-", "−"), flush=True)


if __name__ == "__main__":
    main()
