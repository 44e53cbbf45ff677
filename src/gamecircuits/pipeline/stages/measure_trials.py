"""Stage: measure one group of trained trials."""

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from gamecircuits.analysis.inside import describe_attention, look_inside, split_illegal
from gamecircuits.analysis.matching import LegalCounts
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.datasets import GameDataset
from gamecircuits.games.game import PAD, make_game
from gamecircuits.pipeline.run.progress import log
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_frame
from gamecircuits.training.baselines import measure_games, select_untrained
from gamecircuits.training.choices import AS_TRAINED, JUDGED, KEYS, choose_middle
from gamecircuits.training.eval_lengths import name_lengths
from gamecircuits.training.measure import (
    GAMES_OF_NOISE,
    GAMES_ON_THE_WAY,
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
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer
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
    matched: str,
    baselines: str,
    attention: str,
    illegal: str,
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
    paths = {"metrics": metrics, "scaled": scaled, "dynamics": dynamics, "noise": noise}
    paths |= {"circuits": circuits, "matched": matched, "baselines": baselines}
    paths |= {"attention": attention, "illegal": illegal}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in paths}
    is_first = group[0]["variant"] == reference["variant"]
    if is_first:  # its trials stand for all untrained ones
        tables["baselines"].append(measure_games(tokens, mask, lengths).assign(search=search))
    looked_into = {averages[0], choose_middle(averages)}
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
        other = compared if is_usable(compared, tokens) else None
        for average in averages:
            model = trial.from_tensors(read_trained_weights(weights, f"{prefix}{average}"))
            if not is_usable(model, tokens):
                continue
            of_average = {**key, "average": average}
            if average in looked_into:
                for name, table in _look_at(model, tokens, mask).items():
                    tables[name].append(table.assign(**of_average))
            # Some strengths are the same factor: each is measured once.
            variations: dict[float, float] = {}
            at_named: dict[float, pd.DataFrame] = {}
            for strength, factor in get_factors(trial, model, other).items():
                if factor not in variations:
                    seen = measure_scaled(model, factor, *validation, [named["trained"]])
                    seen = seen.set_index("metric")["mean"]
                    variations[factor] = seen.get("total_variation", np.nan)
                names = {**of_average, "validation": variations[factor]}
                if strength == AS_TRAINED:
                    counts = LegalCounts(JUDGED, lengths[-1], rules.vocab_size)
                    table = measure_average(model, tokens, mask, lengths, counts.add)
                    tables["metrics"].append(table.assign(**names))
                    if not counts.is_settled():
                        tables["matched"].append(counts.match(length).assign(**of_average))
                    continue
                if factor not in at_named:
                    eval_lengths = set(named.values())
                    at_named[factor] = measure_scaled(model, factor, tokens, mask, eval_lengths)
                table = at_named[factor].assign(**names, strength=strength, factor=factor)
                tables["scaled"].append(table)
        start = trial.from_tensors(read_trained_weights(weights, f"{prefix}start"))
        if is_first and is_usable(start, tokens):
            table = select_untrained(measure_average(start, tokens, mask, lengths))
            tables["baselines"].append(table.assign(**key))
        if row["number"] == 0:  # of one trial, so that the table stays small
            learned = trial.from_tensors(read_trained_weights(weights, f"{prefix}{averages[0]}"))
            for state, model in {"start": start, "learned": learned}.items():
                if isinstance(model, OneLayer) and is_usable(model, tokens):
                    table = measure_circuits(model)
                    tables["circuits"].append(table.assign(**key, state=state))
        losses = on_the_way[f"{prefix}loss"].astype(np.float64).reshape(len(steps), -1)
        late = []
        for index, step in enumerate(steps):
            shapes = trial.get_shapes(rules.vocab_size, rules.max_length)
            iterate = {name: on_the_way[f"{prefix}{name}"][index] for name in shapes}
            model = trial.make_model(iterate)
            if not is_usable(model, tokens):
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
    for name, path in paths.items():
        parts = tables[name]
        table = _order(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame())
        write_frame(table, job, path)


def _look_at(model: Model, tokens: np.ndarray, mask: np.ndarray) -> dict[str, pd.DataFrame]:
    """How a model attends, and what it holds illegal for, on the first games."""
    games, legal = tokens[:GAMES_ON_THE_WAY], mask[:GAMES_ON_THE_WAY]
    inside = look_inside(model, games)
    goes_on = legal.any(axis=2) & (games != PAD)
    return {
        "attention": describe_attention(inside.entropies, goes_on),
        "illegal": split_illegal(inside.logits, games, legal),
    }


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns that name its rows in front."""
    names = ("search", "baseline", *KEYS, "average", "strength", "state", "step")
    front = [column for column in names if column in table]
    return table[front + [column for column in table if column not in front]]
