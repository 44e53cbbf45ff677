"""Stage: train one group of a search's trials."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

# One thread: a job is one core, and sums are the same whatever the number of cores.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
# On a GPU: sums in one order, and of single precision.
os.environ["XLA_FLAGS"] += " --xla_gpu_deterministic_ops=true"
os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
os.environ["JAX_ENABLE_X64"] = "0"

import jax
import jaxlib  # noqa: F401 (the compiler: its version belongs to the job)
from safetensors.numpy import save

from gamecircuits.games.datasets import GameDataset
from gamecircuits.games.game import make_game
from gamecircuits.games.splits import SPLITS
from gamecircuits.pipeline.run.command import run_stage, say
from gamecircuits.storage.parquet import read_job
from gamecircuits.storage.tables import write_results
from gamecircuits.training.averaging import make_average
from gamecircuits.training.checkpoint import Checkpoint
from gamecircuits.training.program import train
from gamecircuits.training.streams import iter_dataset, iter_split
from gamecircuits.training.trial import HYPERPARAMETERS, Trial
from gamecircuits.training.weights import from_vector, make_model


def train_trials(
    job: str,
    settings: dict,
    games: list[str],
    output: str,
    weights: str,
    trajectory: str,
    checkpoint: str,
) -> None:
    """Train; keep the weights before and after, every average, and the iterates on the way."""
    game, rows = make_game(**settings["game"]), settings["trials"]
    group = [Trial(**{key: row[key] for key in HYPERPARAMETERS}) for row in rows]
    averages = {name: make_average(**about) for name, about in settings["averages"]}
    if games:
        dataset = GameDataset(Path(games[0]).parent, settings["num_games"])

    def open_games(batch_size: int, rng: np.random.Generator, split: str = "train"):
        if games:
            return iter_dataset(dataset, split, batch_size, rng)
        return iter_split(game, split, batch_size, settings["splits"], rng)

    for split in SPLITS:  # a game may be too small to have games of all
        next(open_games(1, np.random.default_rng(0), split))
    progress = Checkpoint(checkpoint, f"{job} on {jax.default_backend()}")
    run = train(
        game,
        group,
        [row["number"] for row in rows],
        list(averages.values()),
        open_games,
        length=settings["length"],
        num_steps=settings["steps"],
        num_checkpoints=settings["checkpoints"],
        seed=settings["seed"],
        name=settings["search"],
        checkpoint=progress,
        say=say,
    )
    interval = settings["steps"] // settings["checkpoints"]
    table, after, on_the_way = [], {}, {"steps": run.checkpoints}
    for n, (row, trial) in enumerate(zip(rows, group, strict=True)):
        key = f"{row['variant']}/{row['number']}"
        for name, vector in [("start", run.start[n]), *zip(averages, run.averages[n], strict=True)]:
            model = make_model(trial, from_vector(trial, game.vocab_size, vector))
            parts = model.parameters._asdict() | {"gain": np.array(model.gain)}
            after |= {f"{key}/{name}/{part}": matrix for part, matrix in parts.items()}
        iterates = from_vector(trial, game.vocab_size, run.trajectory[n])._asdict()
        on_the_way |= {f"{key}/{part}": matrices for part, matrices in iterates.items()}
        on_the_way[f"{key}/loss"] = run.losses[n]
        losses = run.losses[n].astype(np.float64)
        # A loss is that before its step: after the last step there is none.
        is_finite = np.append(np.isfinite(losses), np.isfinite(run.trajectory[n, -1]).all())
        about = {"diverged_at": np.nan if is_finite.all() else float(np.argmin(is_finite))}
        about["final_loss"] = losses[-interval:].mean()
        table.append({"search": settings["search"], **row, **about})
    others = {weights: _to_bytes(after), trajectory: _to_bytes(on_the_way)}
    write_results(job, pd.DataFrame(table), output, others=others)
    progress.remove()


def _to_bytes(tensors: dict[str, np.ndarray]) -> bytes:
    return save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()})


def main(argv=None) -> int:
    outputs = ("output", "weights", "trajectory")
    inputs = {"games": read_job}
    return run_stage(train_trials, argv, inputs=inputs, outputs=outputs, options=["checkpoint"])


if __name__ == "__main__":
    sys.exit(main())
