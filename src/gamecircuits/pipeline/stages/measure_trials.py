"""Stage: measure one group of trained trials."""

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.datasets import GameDataset
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.progress import log
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_frame
from gamecircuits.training.choices import AS_TRAINED, KEYS
from gamecircuits.training.eval_lengths import name_lengths
from gamecircuits.training.measure import (
    GAMES_OF_NOISE,
    LATE,
    get_factors,
    is_usable,
    measure_average,
    measure_checkpoint,
    measure_circuits,
    measure_noise,
    measure_scaled,
)
from gamecircuits.training.streams import iter_split
from gamecircuits.training.trial import ARCHITECTURES, get_hyperparameters
from gamecircuits.transformer.weights import read_trained_weights


def measure_trials(
    games: list[str],
    weights: str,
    trajectory: str,
    references: list[str],
    metrics: str,
    scaled: str,
    dynamics: str,
    noise: str,
    circuits: str,
    *,
    job: str,
    search: str,
    seed: int,
    game: dict,
    architecture: str,
    group: list[dict],
    length: int,
    test_games: int,
    averages: list[str],
    reference: dict,
    splits: dict[str, float] | None,
    num_games: int | None,
) -> None:
    """Measure every average of every trial at every length, and the iterates on the way.

    Args: see train_trials.
        references: weights of the trials that others are compared with.
        test_games: how many to measure on; fewer if a dataset has no more.
        averages: names.
        reference: the variant of these trials, and of each trial of the group the place in
            `references` and the hyperparameters of that of the same number.
    """
    rules = make_game(**game)
    dataset = GameDataset(games, num_games) if games else None

    def take(split: str) -> tuple[np.ndarray, np.ndarray]:
        rng = get_rng(seed, f"{search} {split}")
        if dataset:
            batch = next(dataset.batches(test_games, split=split, rng=rng), None)
            if batch is None:
                raise GamecircuitsError(f"none of {dataset.num_games:,} games is of split {split}")
            tokens = batch["tokens"]
        else:
            assert splits is not None  # the games are played anew
            tokens = next(iter_split(rules, split, test_games, splits, rng))
        return tokens, rules.get_valid_next_token_mask(tokens)

    (tokens, mask), validation = take("test"), take("validation")
    lengths = np.flatnonzero(mask.any(axis=(0, 2))) + 1  # after which some game goes on
    named = name_lengths(length, lengths[-1])
    on_the_way = load_file(trajectory)
    steps = on_the_way["steps"]
    tables: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("metrics", "scaled", "dynamics", "noise", "circuits")
    }
    for n, row in enumerate(group):
        log(f"measuring trial {n + 1} of {len(group)}")
        known = get_hyperparameters(architecture)
        trial = ARCHITECTURES.make(architecture, **{name: row[name] for name in known})
        key = {"search": search, "variant": row["variant"], "number": row["number"]}
        prefix = f"{row['variant']}/{row['number']}/"
        other_trial = ARCHITECTURES.make(architecture, **reference["trials"][n])
        name_of_other = f"{reference['variant']}/{row['number']}/{averages[0]}"
        compared = other_trial.from_tensors(
            read_trained_weights(references[reference["files"][n]], name_of_other)
        )
        other = compared if is_usable(compared) else None
        for average in averages:
            model = trial.from_tensors(read_trained_weights(weights, f"{prefix}{average}"))
            if not is_usable(model):
                continue
            # Some strengths are the same factor: each is measured once.
            variations: dict[float, float] = {}
            at_named: dict[float, pd.DataFrame] = {}
            for strength, factor in get_factors(trial, model, other).items():
                if factor not in variations:
                    seen = measure_scaled(model, factor, *validation, [named["trained"]])
                    seen = seen.set_index("metric")["mean"]
                    variations[factor] = seen.get("total_variation", np.nan)
                names = {**key, "average": average, "validation": variations[factor]}
                if strength == AS_TRAINED:
                    table = measure_average(model, tokens, mask, lengths)
                    tables["metrics"].append(table.assign(**names))
                    continue
                if factor not in at_named:
                    eval_lengths = set(named.values())
                    at_named[factor] = measure_scaled(model, factor, tokens, mask, eval_lengths)
                table = at_named[factor].assign(**names, strength=strength, factor=factor)
                tables["scaled"].append(table)
        if row["number"] == 0:  # of one trial, so that the table stays small
            for state, average in {"start": "start", "learned": averages[0]}.items():
                model = trial.from_tensors(read_trained_weights(weights, f"{prefix}{average}"))
                if is_usable(model):
                    table = measure_circuits(model)
                    tables["circuits"].append(table.assign(**key, state=state))
        losses = on_the_way[f"{prefix}loss"].astype(np.float64).reshape(len(steps), -1)
        late = []
        for index, step in enumerate(steps):
            shapes = trial.get_shapes(rules.vocab_size, rules.max_length - 1)
            iterate = {name: on_the_way[f"{prefix}{name}"][index] for name in shapes}
            model = trial.make_model(iterate)
            if not is_usable(model):
                break
            measured = measure_checkpoint(model, tokens, mask, named)
            measured = {**key, "step": step, "loss": losses[index].mean()} | measured
            tables["dynamics"].append(pd.DataFrame([measured]))
            if step > steps[-1] * (1 - 1 / LATE):
                late.append(model)
        else:
            some = slice(GAMES_OF_NOISE)
            table = measure_noise(late, tokens[some], mask[some], lengths)
            tables["noise"].append(table.assign(**key))
    paths = {"metrics": metrics, "scaled": scaled}
    paths |= {"dynamics": dynamics, "noise": noise, "circuits": circuits}
    for name, path in paths.items():
        parts = tables[name]
        table = _order(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame())
        write_frame(table, job, path)


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns that name its rows in front."""
    names = ("search", *KEYS, "average", "strength", "state", "step")
    front = [column for column in names if column in table]
    return table[front + [column for column in table if column not in front]]
