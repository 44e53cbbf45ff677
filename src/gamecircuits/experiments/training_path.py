"""Do transformers in training go where the closed form says (section 10 of docs/theory.md)?"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Annotated, Any

import numpy as np
import pandas as pd
from annotated_types import Interval, MinLen

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.games.set_complement import SetComplement
from gamecircuits.theory.path import get_illegal_rate, longest_length
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights

KINDS: dict[str, dict[str, Any]] = {
    "gradient descent, exact": {"optimizer": "sgd", "targets": "exact"},
    "gradient descent, sampled": {"optimizer": "sgd"},
    "AdamW, exact": {"targets": "exact"},
    "AdamW, sampled": {},
    "AdamW, weight decay": {"targets": "exact", "weight_decay": (0.02, 0.5)},
    "AdamW, dropout": {"targets": "exact", "attention_dropout": (0.05, 0.3)},
}
RATES = {"sgd": (0.3, 3.0), "adamw": (1e-3, 1e-2)}  # of learning, by optimizer
VOCAB_SIZES = (8, 16)
WIDTHS = (16, 24, 32)
STRENGTHS = ("x", "beta", "alpha")
SHOWN = ("vocab_size", "trained", "d_model", "d_k", "learning_rate", "init_scale", "schedule",
         "weight_decay", "attention_dropout")  # fmt: skip
NUM_GAMES = 400  # on which illegal token rates are measured


@dataclass(frozen=True)
class Shape:
    """What trials that are trained together have in common."""

    vocab_size: int
    trained: int
    widths: dict[str, int]


@dataclass(frozen=True)
class TrainingPath(Experiment):
    """Strengths and illegal token rates on the way of random trainings, predicted and measured.

    Vocabulary size, trained length, widths, learning rate, schedule and scale of the first weights
    are drawn. Trainings of the part `held_out` are drawn apart, of kinds in turn.
    """

    num_shapes: Annotated[int, Interval(ge=1, le=20), "vocabularies and widths of each kind"] = 2
    num_trials: Annotated[int, Interval(ge=1, le=20), "trainings of each of these"] = 2
    num_held_out: Annotated[int, Interval(ge=0, le=200), "held-out vocabularies and widths"] = 5
    num_steps: Annotated[int, Interval(ge=20, le=100_000), "steps of a training"] = 1000
    num_checkpoints: Annotated[int, Interval(ge=1, le=100), "looks at each training"] = 10
    max_illegal_rates: Annotated[
        list[Annotated[float, Interval(gt=0, lt=1)]],
        MinLen(1),
        "illegal token rates up to which a length counts as solved",
    ] = field(default_factory=lambda: [0.01, 0.03, 0.1, 0.3])

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per training, step and quantity: `predicted` and `measured`.

        Quantities: x, beta and alpha in nats; illegal_rate at the length trained and at V−1; at the
        end also longest_length, the longest with an illegal rate up to `max_illegal_rate`.
        """
        mine, held_out = rng.spawn(2)
        kinds = list(KINDS)
        groups = [("drawn", kind, mine) for kind in kinds for _ in range(self.num_shapes)]
        groups += [("held_out", kinds[n % len(kinds)], held_out) for n in range(self.num_held_out)]
        tables: list[pd.DataFrame] = []
        for number, (part, kind, stream) in enumerate(groups):
            shape = draw_shape(stream)
            trials = [draw_trial(kind, shape, stream) for _ in range(self.num_trials)]
            seed = int(stream.integers(1 << 31))
            found = pd.DataFrame(self._train(shape, trials, seed))
            found["run"] += number * self.num_trials
            tables.append(found.assign(part=part, kind=kind))
            log(f"{part}, {kind}: {len(trials)} trainings, V = {shape.vocab_size}")
        return pd.concat(tables, ignore_index=True)

    def _train(self, shape: Shape, trials: list[OneLayerTrial], seed: int) -> Iterator[dict]:
        """Train and predict a group of trials, and compare."""
        # JAX takes long to load, and whoever reads a configuration makes its experiments.
        import jax

        from gamecircuits.training.averaging import Last
        from gamecircuits.training.predicted_path import get_mean_strengths, predict_path
        from gamecircuits.training.program import train

        V, n = shape.vocab_size, shape.trained
        game = SetComplement(V)
        run = train(
            game, trials, range(len(trials)), [Last()],
            lambda size, rng: (game.play(size, rng) for _ in count()),
            length=n, num_steps=self.num_steps,
            num_checkpoints=self.num_checkpoints, seed=seed, name="training_path",
        )  # fmt: skip
        path = predict_path(
            trials, run.start, V, n, self.num_steps, self.num_checkpoints, seed=seed
        )
        jax.clear_caches()  # no other group has these programs
        games = game.play(NUM_GAMES, np.random.default_rng(seed))
        for number, trial in enumerate(trials):
            told = {name: value for name, value in asdict(trial).items() if name in SHOWN}
            about = {"run": number, "vocab_size": V, "trained": n, **told}
            for look, step in enumerate(path.checkpoints):
                weights = trial.from_vector(run.trajectory[number, look], V, V - 1)
                predicted = path.strengths[number, look]
                measured = np.asarray(get_mean_strengths(Weights(**weights)))
                rates = measure_rates(trial.make_model(weights), games)
                laws = get_illegal_rate(V, np.arange(1, V), predicted)
                pairs = [
                    *zip(STRENGTHS, [np.nan] * 3, predicted, measured, strict=True),
                    *(("illegal_rate", m, laws[m - 1], rates[m - 1]) for m in (n, V - 1)),
                ]
                for quantity, length, law, found in pairs:
                    yield about | {"step": step, "quantity": quantity, "length": length,
                                   "predicted": law, "measured": found}  # fmt: skip
            for rate in self.max_illegal_rates:
                yield about | {
                    "step": step, "quantity": "longest_length", "max_illegal_rate": rate,
                    "predicted": longest_length(V, predicted, rate),
                    "measured": np.cumprod(rates <= rate).sum(),
                }  # fmt: skip


def draw_shape(rng: np.random.Generator) -> Shape:
    """Draw V, a trained length of 3 to V−3, and widths; every other model has uniform attention."""
    V = int(rng.integers(VOCAB_SIZES[0], VOCAB_SIZES[1] + 1))
    d = int(rng.choice(WIDTHS))
    widths = {"d_model": d, "d_v": d, "d_k": int(rng.choice([0, d]))}
    return Shape(V, int(rng.integers(3, V - 2)), widths)


def draw_trial(kind: str, shape: Shape, rng: np.random.Generator) -> OneLayerTrial:
    """Draw the numbers that differ within a group; ranges are uniform on a log scale."""
    fixed = KINDS[kind]
    ranges = {"learning_rate": RATES[fixed.get("optimizer", "adamw")], "init_scale": (0.4, 1.6)}
    drawn = {
        key: float(np.exp(rng.uniform(*np.log(value)))) if isinstance(value, tuple) else value
        for key, value in (ranges | fixed).items()
    }
    schedule = str(rng.choice(["constant", "linear", "cosine"]))
    return OneLayerTrial(**shape.widths, **drawn, schedule=schedule)  # type: ignore[arg-type]


def measure_rates(model, games: np.ndarray) -> np.ndarray:
    """Mean illegal token rate after prefixes of the lengths 1..V−1 of games (N, V), (V−1,)."""
    tokens = games[:, :-1].astype(np.int64)
    seen = np.cumsum(tokens[:, :, None] == np.arange(model.vocab_size), axis=1) > 0
    return np.where(seen, probabilities(model.logits(tokens)), 0).sum(axis=2).mean(axis=0)
