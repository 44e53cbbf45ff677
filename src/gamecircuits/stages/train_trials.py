"""Stage: train one group of a search's trials and measure them."""

import os
import sys

import numpy as np
import pandas as pd

# One thread: a job is one core, and sums are the same whatever the number of cores.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"

from safetensors.numpy import save

from gamecircuits.games.game import make_game
from gamecircuits.randomness import get_rng
from gamecircuits.results import to_parquet, write_results
from gamecircuits.stages.command import run_stage, say
from gamecircuits.training.averaging import make_average
from gamecircuits.training.effects import name_lengths
from gamecircuits.training.measure import (
    GAMES_ON_THE_WAY,
    LATE,
    is_usable,
    measure_average,
    measure_checkpoint,
    measure_noise,
)
from gamecircuits.training.training import iter_split, make_model, train
from gamecircuits.training.trial import HYPERPARAMETERS, Trial

KEYS = ("variant", "number")


def train_trials(
    job: str, settings: dict, output: str, trials: str, dynamics: str, noise: str, weights: str
) -> None:
    """Train, then measure every average of every trial at every length."""
    game, length = make_game(**settings["game"]), settings["length"]
    search = settings["search"]
    keys = [{"search": search, **{k: row[k] for k in KEYS}} for row in settings["trials"]]
    group = [Trial(**{key: row[key] for key in HYPERPARAMETERS}) for row in settings["trials"]]
    averages = {name: make_average(**about) for name, about in settings["averages"]}
    run = train(
        game,
        group,
        [key["number"] for key in keys],
        list(averages.values()),
        length=length,
        num_steps=settings["steps"],
        num_checkpoints=settings["checkpoints"],
        fractions=settings["splits"],
        seed=settings["seed"],
        name=search,
        say=say,
    )
    rng = get_rng(settings["seed"], f"{search} test")
    tokens = next(iter_split(game, "test", settings["test_games"], settings["splits"], rng))
    mask = game.get_valid_next_token_mask(tokens)
    lengths = np.flatnonzero(mask.any(axis=(0, 2))) + 1  # after which some game goes on
    named = name_lengths(length, lengths[-1])

    tables = {name: [] for name in ("metrics", "trials", "dynamics", "noise")}
    tensors = {}
    interval = settings["steps"] // settings["checkpoints"]
    for n, (key, trial) in enumerate(zip(keys, group, strict=True)):
        say(f"measuring trial {n + 1} of {len(group)}")
        losses = run.losses[n].astype(np.float64)
        diverged = np.flatnonzero(~np.isfinite(losses))
        row = {**key, **settings["trials"][n]}
        row["diverged_at"] = float(diverged[0]) if len(diverged) else np.nan
        row["final_loss"] = losses[-interval:].mean()
        tables["trials"].append(pd.DataFrame([row]))
        for average, vector in zip(averages, run.averages[n], strict=True):
            model = make_model(trial, game.vocab_size, vector)
            tensors |= {
                f"{key['variant']}/{key['number']}/{average}/{name}": np.ascontiguousarray(matrix)
                for name, matrix in model.parameters._asdict().items()
            }
            tensors[f"{key['variant']}/{key['number']}/{average}/gain"] = np.array(model.gain)
            if is_usable(model):
                table = measure_average(model, tokens, mask, lengths)
                tables["metrics"].append(table.assign(**key, average=average))
        late = []
        for step, vector in zip(run.checkpoints, run.trajectory[n], strict=True):
            model = make_model(trial, game.vocab_size, vector)
            if not is_usable(model):
                break
            about = {**key, "step": step, "loss": losses[step - interval : step].mean()}
            found = measure_checkpoint(model, tokens, mask, named)
            tables["dynamics"].append(pd.DataFrame([about | found]))
            if step > run.checkpoints[-1] * (1 - 1 / LATE):
                late.append(model)
        else:
            some = slice(GAMES_ON_THE_WAY)
            table = measure_noise(late, tokens[some], mask[some], lengths)
            tables["noise"].append(table.assign(**key))
    paths = {"trials": trials, "dynamics": dynamics, "noise": noise}
    frames = {
        name: _order(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame())
        for name, parts in tables.items()
    }
    others = {path: to_parquet(frames[name]) for name, path in paths.items()}
    others[weights] = save(tensors)
    write_results(job, frames["metrics"], output, others=others)


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns that name its rows in front."""
    front = [column for column in ("search", *KEYS, "average", "step") if column in table]
    return table[front + [column for column in table if column not in front]]


def main(argv=None) -> int:
    outputs = ("output", "trials", "dynamics", "noise", "weights")
    return run_stage(train_trials, argv, outputs=outputs)


if __name__ == "__main__":
    sys.exit(main())
