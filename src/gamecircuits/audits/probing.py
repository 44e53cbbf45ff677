"""What a model knows of the position: probes at its sites, beside what they must be compared with.

A probe is fitted on training games and measured on test games; nothing is chosen between. Labels
are what the position is (`Game.get_features`). The controls:

- Base rate: each place holds what it held most often after as many tokens in the training games.
- Random labels: a probe is fitted to, and measured by, the labels of another prefix of the same
  length, by a random permutation at each length. Base rates of whole positions are kept, and
  nothing else is left to find.
- Shuffled weights: the model with the entries of each of its weights in random order.
- Trained lengths: a probe that has seen only the lengths which the model was trained on.
- MLP: a probe with a hidden layer, after each layer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy

from gamecircuits.audits.activations import (
    check_sites,
    list_sites,
    read_activations,
    shuffle_weights,
)
from gamecircuits.audits.clusters import NORMAL, summarise, summarise_overall
from gamecircuits.audits.mlp_probe import STEPS, MLPProbe, fit_mlp_probe
from gamecircuits.audits.probes import Probe, fit_probe, name_probe
from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.games.game import GAMES, PAD, Game
from gamecircuits.games.splits import SplitGames, hash_games
from gamecircuits.kinds import suggest
from gamecircuits.transformer.gpt import GPT

POSITIONS = 1 << 14  # prefixes of training games, and of test games, that are used at most
MAX_BYTES = 1 << 28  # of activations that are read at once
COMPARED = ("accuracy", "whole")  # of two models


class Probed(NamedTuple):
    """What probes found: tidy tables, the probes themselves, and names of values.

    All tables say which probe it is: site, layer (layers passed; .5 is an attention without its
    MLP), feature, probe (linear, mlp), labels (true, random), weights (trained, shuffled),
    fitted_on (all lengths, trained lengths). Measures on test games are accuracy (share of places
    that are read right), whole (share of prefixes of which all places are), loss (nats per place),
    base_accuracy and base_whole (of the base rate), seen (share of prefixes that a training game
    begins with, too); NAME_error is a standard error over games.

    Attributes:
        by_length: measures by length of the prefix (tokens); count of prefixes, games.
        overall: the same by `lengths` (all, trained, beyond), of `prefixes` all or unseen: those
            that no training game begins with.
        by_place: count, accuracy and base_accuracy by place (from 0), over all lengths.
        fits: positions, loss (nats per place), iterations; of linear probes gradient (nats per unit
            of a weight) and excess (nats per place), as of `Probe`.
        by_game: accuracy and whole by test game (from 0) and length, of linear probes of true
            labels on trained weights: to compare models.
        beliefs: of the first test game, by feature, length and place: token (the last one), value
            (what the place holds), read (by a linear probe), and the probability that it gives to
            that. The probe is fitted on all lengths, at the site where its loss in training is
            least.
        probes: linear probes on trained weights, by `name_probe`.
        values: of each feature.
    """

    by_length: pd.DataFrame
    overall: pd.DataFrame
    by_place: pd.DataFrame
    fits: pd.DataFrame
    by_game: pd.DataFrame
    beliefs: pd.DataFrame
    probes: dict[str, Probe]
    values: dict[str, tuple[str, ...]]


class Labelled(NamedTuple):
    """Prefixes of games, as probes are given them.

    tokens: (N, L); keep: bool (N, L), which prefixes these are; game, length: (n,), of each of
    them; labels: (n, places) of each feature.
    """

    tokens: np.ndarray
    keep: np.ndarray
    game: np.ndarray
    length: np.ndarray
    labels: dict[str, np.ndarray]


class Kind(NamedTuple):
    """Which probe it is; the words of the tables' columns."""

    feature: str
    probe: str = "linear"
    labels: str = "true"
    weights: str = "trained"
    fitted_on: str = "all lengths"


def probe_model(
    model: GPT,
    game: Game,
    games: SplitGames,
    *,
    trained_length: int | None = None,
    features: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
    positions: int = POSITIONS,
    rng: np.random.Generator,
    say: Callable[[str], None] = lambda message: None,
) -> Probed:
    """Fit probes on training games and measure them on test games.

    Args:
        game: which the games are of.
        trained_length: longest prefix in the model's training (tokens); None: all.
        features: of `Game.get_features`; all unless given.
        sites: of `list_sites`; all unless given.
        positions: at most so many prefixes of either side are used, those of the first games.
            Prefixes longer than a table of learned positions are left out.
        rng: draws random labels, shuffled weights, and starts and batches of MLPs.
        say: takes lines on the progress.

    Raises:
        GamecircuitsError: the game has no features, or not this one; the model has no such site;
            there are no games to fit or to measure on; activations are not finite.
    """
    chosen = check_features(game, features)
    sites = list(sites or list_sites(model))
    check_sites(model, sites)
    of_weights, of_probes = rng.spawn(2)
    table = model.parameters.W_pos
    longest = None if table is None else len(table)
    train, test = (
        take_prefixes(game, side, chosen, positions, longest) for side in (games.train, games.test)
    )
    if trained_length is not None and trained_length < 1:
        raise ParameterError("trained_length", trained_length, "1 or more tokens, or None")
    values = {f: game.get_features(games.train[:1])[f].values for f in chosen}
    hashes = [hash_prefixes(side, game.vocab_size) for side in (train, test)]
    is_seen = np.isin(hashes[1], hashes[0])
    found = _Findings(train, test, is_seen, values, trained_length, of_probes)
    models = {"trained": model, "shuffled": shuffle_weights(model, of_weights)}
    number = 0
    for weights, which in models.items():
        for site, rows, test_rows in _read_sites(which, sites, train, test):
            number += 1
            say(f"probing site {number} of {2 * len(sites)}: {site}, {weights} weights")
            for feature in chosen:
                for kind in found.list_kinds(site, feature, weights):
                    found.fit(site, kind, rows, test_rows)
    return Probed(**found.make_tables(), probes=found.probes, values=values)


class _Findings:
    """Tables in the making; prefixes to fit on and to measure on, by the word of their labels."""

    def __init__(
        self,
        train: Labelled,
        test: Labelled,
        is_seen: np.ndarray,
        values: dict[str, tuple[str, ...]],
        trained_length: int | None,
        rng: np.random.Generator,
    ):
        of_labels, self.of_mlps = rng.spawn(2)
        self.is_seen, self.values, self.trained_length = is_seen, values, trained_length
        self.train = {"true": train, "random": shuffle_labels(train, of_labels)}
        self.test = {"true": test, "random": shuffle_labels(test, of_labels)}
        self.is_trained = train.length <= (trained_length or np.inf)
        longest = max(train.length.max(), test.length.max())
        self.base = {f: get_base(train, f, len(values[f]), longest) for f in values}
        names = ("by_length", "overall", "by_place", "fits", "by_game")
        self.parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
        self.probes: dict[str, Probe] = {}
        self.beliefs: dict[str, tuple[float, pd.DataFrame]] = {}  # with the probe's loss

    def list_kinds(self, site: str, feature: str, weights: str) -> list[Kind]:
        """Probes that are fitted at a site."""
        plain = Kind(feature, weights=weights)
        kinds = [plain]
        if not self.is_trained.all():
            kinds.append(plain._replace(fitted_on="trained lengths"))
        if weights == "trained":
            kinds.append(plain._replace(labels="random"))
        if weights == "trained" and site.endswith("resid_post"):
            kinds.append(plain._replace(probe="mlp"))
        return kinds

    def fit(self, site: str, kind: Kind, rows: np.ndarray, test_rows: np.ndarray) -> None:
        """Fit one probe on activations (n, d) of the training games, and measure it."""
        feature, size = kind.feature, len(self.values[kind.feature])
        chosen = self.is_trained if kind.fitted_on == "trained lengths" else slice(None)
        rows, labels = rows[chosen], self.train[kind.labels].labels[feature][chosen]
        places = labels.shape[1]
        fitted: dict[str, float] = {"positions": len(labels)}
        probe: Probe | MLPProbe
        if kind.probe == "mlp":
            probe = fit_mlp_probe(rows, labels, size, self.of_mlps)
            fitted |= {"loss": probe.loss / places, "iterations": STEPS}
        else:
            probe = fit_probe(rows, labels, size)
            fitted |= {"loss": probe.loss / places, "iterations": probe.iterations}
            fitted |= {"gradient": probe.gradient, "excess": probe.excess}
            if kind.weights == "trained":
                self.probes[name_probe(site, feature, kind.labels, kind.fitted_on)] = probe
        scores = probe.score(test_rows)
        tables = self.measure(scores, kind) | {"fits": pd.DataFrame([fitted])}
        keys = {"site": site, "layer": count_layers(site), **kind._asdict()}
        if kind == Kind(feature) and probe.loss < self.beliefs.get(feature, (np.inf, None))[0]:
            self.beliefs[feature] = probe.loss, self.describe_game(scores, kind).assign(**keys)
        for name, table in tables.items():
            self.parts[name].append(pd.DataFrame(keys, index=table.index).join(table))

    def measure(self, scores: np.ndarray, kind: Kind) -> dict[str, pd.DataFrame]:
        """Tables of scores (n, places, values) of the test games' prefixes."""
        test = self.test[kind.labels]
        labels, game, length = test.labels[kind.feature], test.game, test.length
        right = scores.argmax(axis=2) == labels
        logs = np.take_along_axis(scipy.special.log_softmax(scores, axis=2), labels[..., None], 2)
        of_base = self.base[kind.feature][length] == labels
        measured = {
            "accuracy": right.mean(axis=1),
            "whole": right.all(axis=1),
            "loss": -logs.mean(axis=(1, 2)),
            "base_accuracy": of_base.mean(axis=1),
            "base_whole": of_base.all(axis=1),
            "seen": self.is_seen,
        }
        by_place = {"place": np.arange(labels.shape[1]), "count": len(right)}
        by_place |= {"accuracy": right.mean(axis=0), "base_accuracy": of_base.mean(axis=0)}
        tables = {
            "by_length": summarise(measured, game, length).rename(columns={"group": "length"}),
            "overall": self.summarise_overall(measured, game, length),
            "by_place": pd.DataFrame(by_place),
        }
        if kind == Kind(kind.feature, fitted_on=kind.fitted_on):
            of_games = {name: measured[name] for name in COMPARED}
            tables["by_game"] = pd.DataFrame({"game": game, "length": length} | of_games)
        return tables

    def describe_game(self, scores: np.ndarray, kind: Kind) -> pd.DataFrame:
        """What is read of the first test game, from scores (n, places, values)."""
        test, values = self.test[kind.labels], np.array(self.values[kind.feature])
        first = test.game == test.game[0]
        length, labels = test.length[first], test.labels[kind.feature][first]
        p = scipy.special.softmax(scores[first], axis=2)
        columns = {
            "length": length[:, None],
            "token": test.tokens[test.game[0], length - 1][:, None],
            "place": np.arange(labels.shape[1]),
            "value": values[labels],
            "read": values[p.argmax(axis=2)],
            "probability": p.max(axis=2),
        }
        flat = {name: np.broadcast_to(of_all, labels.shape) for name, of_all in columns.items()}
        return pd.DataFrame({name: of_all.ravel() for name, of_all in flat.items()})

    def summarise_overall(self, measured, game, length) -> pd.DataFrame:
        """Of all prefixes, and of those apart that no training game begins with."""
        tables = []
        for prefixes, chosen in {"all": np.full(len(game), True), "unseen": ~self.is_seen}.items():
            if chosen.any():
                values = {name: of_all[chosen] for name, of_all in measured.items()}
                table = summarise_overall(values, game[chosen], length[chosen], self.trained_length)
                tables.append(table.assign(prefixes=prefixes))
        return pd.concat(tables, ignore_index=True)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        parts = self.parts | {"beliefs": [table for _, table in self.beliefs.values()]}
        return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def check_features(game: Game, features: Sequence[str] | None = None) -> list[str]:
    """Names of a game's features, or those asked for; GamecircuitsError if it has them not."""
    known = list(game.get_features(np.zeros((0, game.max_length), dtype=np.int16)))
    if not known:
        types: dict[str, Any] = {kind: GAMES.type(kind) for kind in GAMES.kinds()}
        others = [kind for kind in types if types[kind].get_features is not Game.get_features]
        raise GamecircuitsError(
            f"a game of kind {type(game).__name__} has no features to probe; "
            f"these have: {', '.join(others)}"
        )
    for feature in features or ():
        if feature not in known:
            raise GamecircuitsError(
                f"there is no feature {feature!r}; allowed: {', '.join(known)}"
                f"{suggest(feature, known)}"
            )
    return list(features or known)


def count_layers(site: str) -> float:
    """Layers that a site of the residual stream is behind; .5 is an attention without its MLP."""
    if site == "embed":
        return 0
    _, layer, place = site.split(".")
    return int(layer) + {"resid_pre": 0, "resid_mid": 0.5, "resid_post": 1}[place]


def take_prefixes(
    game: Game, tokens: np.ndarray, features: Sequence[str], positions: int, longest: int | None
) -> Labelled:
    """Prefixes of the first games (N, L) that go on, at most so many, of at most `longest` tokens.

    A game counts with all its prefixes or not at all; the first one always does.
    """
    found = game.get_features(tokens)
    keep = np.logical_and.reduce([(found[f].labels != PAD).all(axis=2) for f in features])
    keep = keep[:, :longest]
    if not keep.any():
        raise GamecircuitsError(
            f"{len(tokens)} games have no prefix that goes on: no probe can be fitted or measured"
        )
    used = max(1, int(np.searchsorted(keep.sum(axis=1).cumsum(), positions, side="right")))
    keep = keep[:used, : np.flatnonzero(keep[:used].any(axis=0))[-1] + 1]
    where, place = np.nonzero(keep)
    labels = {f: found[f].labels[where, place] for f in features}
    return Labelled(tokens[:used, : keep.shape[1]], keep, where, place + 1, labels)


def hash_prefixes(prefixes: Labelled, vocab_size: int) -> np.ndarray:
    """Hash of the tokens of each prefix, uint64 (n,)."""
    is_past = np.arange(prefixes.tokens.shape[1]) < prefixes.length[:, None]
    return hash_games(np.where(is_past, prefixes.tokens[prefixes.game], PAD), vocab_size)


def shuffle_labels(prefixes: Labelled, rng: np.random.Generator) -> Labelled:
    """Each prefix with the labels of another of its length: a random permutation at each length."""
    by_length = np.argsort(prefixes.length, kind="stable")
    drawn = np.lexsort((rng.random(len(by_length)), prefixes.length))
    source = np.empty_like(drawn)
    source[by_length] = drawn
    return prefixes._replace(labels={f: n[source] for f, n in prefixes.labels.items()})


def get_base(prefixes: Labelled, feature: str, num_values: int, longest: int) -> np.ndarray:
    """What each place holds most often, by length (longest + 1, places); PAD without a prefix.

    Of values that are equally frequent it is the first one.
    """
    labels = prefixes.labels[feature]
    size = (longest + 1, labels.shape[1], num_values)
    cell = np.ravel_multi_index((prefixes.length[:, None], np.arange(size[1]), labels), size)
    counts = np.bincount(cell.ravel(), minlength=np.prod(size)).reshape(size)
    return np.where(counts.any(axis=2), counts.argmax(axis=2), PAD)


def _read_sites(
    model: GPT, sites: Sequence[str], train: Labelled, test: Labelled
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each site with its activations of both sides, (n, d); of at most MAX_BYTES at once."""
    weights = model.parameters.W_E
    per_site = (len(train.game) + len(test.game)) * weights.shape[1] * weights.itemsize
    size = max(1, MAX_BYTES // per_site)
    for start in range(0, len(sites), size):
        group = sites[start : start + size]
        rows, test_rows = (
            read_activations(model, side.tokens, side.keep, group) for side in (train, test)
        )
        for site in group:
            yield site, rows.pop(site), test_rows.pop(site)


def compare_probed(
    first: pd.DataFrame, second: pd.DataFrame, trained_length: int | None = None
) -> pd.DataFrame:
    """Differences of two models, second less first, on the same test games.

    Args:
        first, second: `Probed.by_game` of either, with the same games, sites and features.

    Returns:
        one row per site, feature, fitted_on and `lengths` (all, trained, beyond, or a number as
        text): count, games, and for accuracy and whole the difference, its error, and low and high
        of its 95 % interval, over games.
    """
    keys = ["site", "layer", "feature", "fitted_on"]
    of_both = {"on": [*keys, "game", "length"], "suffixes": ("_first", "_second")}
    both = first.merge(second, **of_both, validate="one_to_one")
    if not len(first) == len(second) == len(both):
        raise GamecircuitsError("models can be compared on the same games, sites and features only")
    tables = []
    for found, rows in both.groupby(keys, sort=False):
        game, length = rows["game"].to_numpy(), rows["length"].to_numpy()
        values = {
            name: rows[f"{name}_second"].to_numpy(float) - rows[f"{name}_first"].to_numpy(float)
            for name in COMPARED
        }
        by_length = summarise(values, game, length).rename(columns={"group": "lengths"})
        by_length["lengths"] = by_length["lengths"].astype(str)
        table = pd.concat([summarise_overall(values, game, length, trained_length), by_length])
        words = pd.DataFrame(dict(zip(keys, found, strict=True)), index=range(len(table)))
        tables.append(words.join(table.reset_index(drop=True)))
    table = pd.concat(tables, ignore_index=True)
    for name in COMPARED:
        half = NORMAL * table[f"{name}_error"]
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - half, table[name] + half
    return table
