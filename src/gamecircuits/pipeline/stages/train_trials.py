"""Stage: train one group of a search's trials."""

import os

import numpy as np
import pandas as pd

# One thread: a job is one core, and sums are the same whatever the number of cores.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
os.environ["NPROC"] = "1"  # else products wake a second thread, for a third more time
# On a GPU: sums in one order, and of single precision.
os.environ["XLA_FLAGS"] += " --xla_gpu_deterministic_ops=true"
os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"

import jax
import jaxlib  # noqa: F401 (the compiler: its version belongs to the job)
from safetensors.numpy import save

from gamecircuits.games.datasets import GameDataset
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import SPLITS
from gamecircuits.pipeline.run.progress import log
from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import write_frame
from gamecircuits.training.averaging import make_average
from gamecircuits.training.checkpoint import Checkpoint
from gamecircuits.training.program import train
from gamecircuits.training.streams import iter_dataset, iter_split
from gamecircuits.training.trial import ARCHITECTURES, get_hyperparameters


def train_trials(
    games: list[str],
    trials: str,
    weights: str,
    trajectory: str,
    checkpoint: str,
    *,
    job: str,
    search: str,
    seed: int,
    game: dict,
    architecture: str,
    group: list[dict],
    length: int,
    steps: int,
    checkpoints: int,
    averages: list,
    splits: dict[str, float] | None,
    num_games: int | None,
) -> None:
    """Train; keep the weights before and after, every average, and the iterates on the way.

    Args:
        games: shards to train on; games are played anew if there are none.
        group: for each trial its variant, number and hyperparameters.
        averages: pairs of a name and the average's settings.
        splits: shares of the splits, for games that are played anew.
        num_games: in all shards together.
    """
    rules, dataset = make_game(**game), None
    known = get_hyperparameters(architecture)
    hyperparameters = [
        ARCHITECTURES.make(architecture, **{key: row[key] for key in known}) for row in group
    ]
    V, context = rules.vocab_size, rules.max_length
    kinds = {name: make_average(**average) for name, average in averages}
    if games:
        dataset = GameDataset(games, num_games)

    def open_games(batch_size: int, rng: np.random.Generator, split: str = "train"):
        if dataset:
            return iter_dataset(dataset, split, batch_size, rng)
        assert splits is not None  # the games are played anew
        return iter_split(rules, split, batch_size, splits, rng)

    for split in SPLITS:  # a game may be too small to have games of all
        next(open_games(1, np.random.default_rng(0), split))
    progress = Checkpoint(checkpoint, f"{job} on {jax.default_backend()}")
    run = train(
        rules,
        hyperparameters,
        [row["number"] for row in group],
        list(kinds.values()),
        open_games,
        length=length,
        num_steps=steps,
        num_checkpoints=checkpoints,
        seed=seed,
        name=search,
        checkpoint=progress,
        log=log,
    )
    interval = steps // checkpoints
    table: list[dict] = []
    after: dict[str, np.ndarray] = {}
    on_the_way = {"steps": run.checkpoints}
    for n, (row, trial) in enumerate(zip(group, hyperparameters, strict=True)):
        key = f"{row['variant']}/{row['number']}"
        for name, vector in [("start", run.start[n]), *zip(kinds, run.averages[n], strict=True)]:
            parts = trial.to_tensors(trial.from_vector(vector, V, context))
            after |= {f"{key}/{name}/{part}": matrix for part, matrix in parts.items()}
        iterates = trial.from_vector(run.trajectory[n], V, context)
        on_the_way |= {f"{key}/{part}": matrices for part, matrices in iterates.items()}
        on_the_way[f"{key}/loss"] = run.losses[n]
        losses = run.losses[n].astype(np.float64)
        # A loss is that before its step: after the last step there is none.
        is_finite = np.append(np.isfinite(losses), np.isfinite(run.trajectory[n, -1]).all())
        diverged_at = np.nan if is_finite.all() else float(np.argmin(is_finite))
        ends = {"diverged_at": diverged_at, "final_loss": losses[-interval:].mean()}
        table.append({"search": search, **row, **ends})
    write_frame(pd.DataFrame(table), job, trials)
    write_files({weights: _to_bytes(after), trajectory: _to_bytes(on_the_way)})
    progress.remove()


def _to_bytes(tensors: dict[str, np.ndarray]) -> bytes:
    return save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()})
