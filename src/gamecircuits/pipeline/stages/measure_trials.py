"""Stage: measure one group of trained trials."""

from collections import defaultdict

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
from gamecircuits.training.choices import JUDGED, KEYS, choose_middle
from gamecircuits.training.eval_lengths import name_lengths
from gamecircuits.training.measure import (
    GAMES_OF_NOISE,
    GAMES_ON_THE_WAY,
    LATE,
    is_usable,
    measure_average,
    measure_checkpoint,
    measure_circuits,
    measure_noise,
)
from gamecircuits.training.streams import iter_split
from gamecircuits.training.strengths import measure_strengths
from gamecircuits.training.trial import ARCHITECTURES, Trial, Weights, get_hyperparameters
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import read_trained_weights

Played = tuple[np.ndarray, np.ndarray]  # tokens (N, L) and masks (N, L, V)


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
    rules, known = make_game(**game), get_hyperparameters(architecture)
    dataset = GameDataset(games, num_games) if games else None

    def take(split: str) -> Played:
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

    found = _Found(take("test"), take("validation"), length)
    on_the_way = load_file(trajectory)
    is_first = group[0]["variant"] == reference["variant"]
    if is_first:  # its trials stand for all untrained ones
        found.add("baselines", measure_games(*found.games, found.lengths), search=search)
    for n, row in enumerate(group):
        log(f"measuring trial {n + 1} of {len(group)}")
        trial = ARCHITECTURES.make(architecture, **{name: row[name] for name in known})
        key = {"search": search, "variant": row["variant"], "number": row["number"]}
        prefix = f"{row['variant']}/{row['number']}"
        other = ARCHITECTURES.make(architecture, **reference["trials"][n]).from_tensors(
            read_trained_weights(
                references[reference["files"][n]],
                f"{reference['variant']}/{row['number']}/{averages[0]}",
            )
        )
        models = {
            average: trial.from_tensors(read_trained_weights(weights, f"{prefix}/{average}"))
            for average in ("start", *averages)
        }
        usable = {name: m for name, m in models.items() if is_usable(m, found.games[0])}
        of_averages = {average: usable[average] for average in averages if average in usable}
        compared = other if is_usable(other, found.games[0]) else None
        looked_into = {averages[0], choose_middle(averages)}
        _measure_averages(found, trial, of_averages, compared, looked_into, key)
        if is_first and "start" in usable:
            table = measure_average(usable["start"], *found.games, found.lengths)
            found.add("baselines", select_untrained(table), **key)
        if row["number"] == 0:  # of one trial, so that the table stays small
            for state, average in {"start": "start", "learned": averages[0]}.items():
                if isinstance(model := usable.get(average), OneLayer):
                    found.add("circuits", measure_circuits(model), **key, state=state)
        names = trial.get_shapes(rules.vocab_size, rules.max_length)
        iterates = {name: on_the_way[f"{prefix}/{name}"] for name in names}
        steps, losses = on_the_way["steps"], on_the_way[f"{prefix}/loss"]
        _measure_course(found, trial, iterates, steps, losses, key)
    paths = {"metrics": metrics, "scaled": scaled, "dynamics": dynamics, "noise": noise}
    paths |= {"circuits": circuits, "matched": matched, "baselines": baselines}
    paths |= {"attention": attention, "illegal": illegal}
    for name, path in paths.items():
        write_frame(found.join(name), job, path)


class _Found:
    """The games that models are measured on, and the tables of what was found.

    Attributes:
        games, validation: tokens (N, L) and masks (N, L, V).
        trained: longest length in training; lengths: all after which some game goes on; named: the
            lengths with a name.
    """

    def __init__(self, games: Played, validation: Played, trained: int):
        self.games, self.validation, self.trained = games, validation, trained
        self.lengths = np.flatnonzero(games[1].any(axis=(0, 2))) + 1
        self.named = name_lengths(trained, self.lengths[-1])
        self._parts: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def add(self, name: str, table: pd.DataFrame, **columns: object) -> None:
        """Take in rows of a table, with further columns that are the same in all of them."""
        self._parts[name].append(table.assign(**columns))

    def join(self, name: str) -> pd.DataFrame:
        """The table, with the columns that name its rows in front."""
        if name not in self._parts:
            return pd.DataFrame()
        table = pd.concat(self._parts[name], ignore_index=True)
        names = ("search", "baseline", *KEYS, "average", "strength", "state", "step")
        front = [column for column in names if column in table]
        return table[front + [column for column in table if column not in front]]


def _measure_averages(
    found: _Found,
    trial: Trial,
    models: dict[str, Model],
    compared: Model | None,
    looked_into: set[str | None],
    key: dict,
) -> None:
    """Metrics of a trial's averages at all lengths, and what some of them do inside."""
    for average, model in models.items():
        of_average = {**key, "average": average}
        if average in looked_into:
            for name, table in _look_at(model, *found.games).items():
                found.add(name, table, **of_average)
        at_strengths = measure_strengths(
            trial, model, compared, found.games, found.validation, found.named
        )
        for strength, factor, variation, at_named in at_strengths:
            names = {**of_average, "validation": variation}
            if at_named is not None:
                found.add("scaled", at_named, **names, strength=strength, factor=factor)
                continue
            counts = LegalCounts(JUDGED, found.lengths[-1], model.vocab_size)
            table = measure_average(model, *found.games, found.lengths, counts.add)
            found.add("metrics", table, **names)
            if not counts.is_settled():
                found.add("matched", counts.match(found.trained), **of_average)


def _measure_course(
    found: _Found,
    trial: Trial,
    iterates: Weights,
    steps: np.ndarray,
    losses: np.ndarray,
    key: dict,
) -> None:
    """A trial's iterates on the way, up to the first unusable one, and the noise of late ones.

    Args:
        iterates: weights by name, each with an axis of the checkpoints `steps` (C,) in front.
        losses: of every step, nats.
    """
    of_checkpoints = losses.astype(np.float64).reshape(len(steps), -1).mean(axis=1)
    late = []
    for index, step in enumerate(steps):
        model = trial.make_model({name: weights[index] for name, weights in iterates.items()})
        if not is_usable(model, found.games[0]):
            return
        measured = measure_checkpoint(model, *found.games, found.named)
        row = {"step": step, "loss": of_checkpoints[index]} | measured
        found.add("dynamics", pd.DataFrame([row]), **key)
        if step > steps[-1] * (1 - 1 / LATE):
            late.append(model)
    some = slice(GAMES_OF_NOISE)
    tokens, mask = found.games
    found.add("noise", measure_noise(late, tokens[some], mask[some], found.lengths), **key)


def _look_at(model: Model, tokens: np.ndarray, mask: np.ndarray) -> dict[str, pd.DataFrame]:
    """How a model attends, and what it holds illegal for, on the first games."""
    games, legal = tokens[:GAMES_ON_THE_WAY], mask[:GAMES_ON_THE_WAY]
    inside = look_inside(model, games)
    goes_on = legal.any(axis=2) & (games != PAD)
    return {
        "attention": describe_attention(inside.entropies, goes_on),
        "illegal": split_illegal(inside.logits, games, legal),
    }
