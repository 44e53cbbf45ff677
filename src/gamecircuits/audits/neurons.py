"""The neurons of a model that add most to the displacement of illegal tokens."""

import numpy as np
import pandas as pd

from gamecircuits.audits.ablation import METRICS, average_games, change_output, measure
from gamecircuits.audits.components import Component, Say, Trace, list_components
from gamecircuits.audits.prefixes import Prefixes, pool
from gamecircuits.audits.scales import Chains
from gamecircuits.games.game import Feature, Game

TOP = 20  # neurons that are described
FEWEST = 30  # prefixes that a place must hold a value in, and not hold it in
ABLATED = {"illegal_token_rate": "illegal_change", "displacement": "displacement_change"}
COLUMNS = [
    *("component", "layer", "neuron", "count", "displacement", "error"),
    *("illegal_change", "illegal_change_error"),
    *("displacement_change", "displacement_change_error"),
    *("token", "addition", "feature", "place", "value", "separation", "chance"),
]


def describe_neurons(
    run: Trace, chains: Chains, prefixes: Prefixes, weights: np.ndarray, game: Game, say: Say
) -> pd.DataFrame:
    """The TOP neurons of all MLPs by the size of what they add to the displacement.

    All is of prefixes of lengths in training. The best of many features is chosen for each neuron,
    so `separation` is to be compared with `chance`: what the same choice finds where the labels are
    those of another game at the same length.

    Args:
        weights: of the logits in the displacement, (N, L, V).

    Returns:
        one row per neuron, largest first: component, layer and neuron (from 1), count (prefixes),
        displacement (nats that it adds; mean) and error, illegal_change and displacement_change
        (of illegal_token_rate and displacement, when its activation is replaced by the mean over
        games at the same length) and their errors; token and addition (nats: the token whose logit
        it changes most on average, less the mean over all tokens); feature, place, value and
        separation (the value of a place that its activation goes with best: difference of means
        over the standard deviation), chance. No feature, if no value is frequent enough.
    """
    inside = prefixes.counts & (np.arange(prefixes.counts.shape[1]) < prefixes.trained_length)
    chosen = _choose(run, chains, inside, weights)
    if not chosen:
        return pd.DataFrame(columns=COLUMNS)
    before = measure(run.logits, prefixes.legal, inside)
    rows, activations = [], []
    for number, (mlp, neuron) in enumerate(chosen, start=1):
        say(f"ablating neuron {number} of {len(chosen)}")
        activation = run.inner[mlp.point][..., neuron]
        written = run.sublayers[mlp.point].output[0][neuron]
        activations.append(activation)
        pushed = chains.push(activation[..., None] * written, mlp.point) @ chains.unembedding[0]
        mean = average_games(activation[..., None], inside)[:, 0]
        logits = change_output(run, mlp.point, (mean - activation)[..., None] * written)
        ablated = measure(logits, prefixes.legal, inside) - before
        added = np.einsum("nlv,nlv->nl", pushed, weights)
        row = {"component": mlp.name, "layer": mlp.layer, "neuron": neuron + 1}
        row |= _describe_means(added, ablated, inside)
        rows.append(row | _name_token(pushed[inside]))
    table = pd.DataFrame(rows)
    features = _match_features(np.stack(activations, axis=2), prefixes, inside, game)
    return pd.concat([table, features], axis=1)[COLUMNS]


def _choose(
    run: Trace, chains: Chains, inside: np.ndarray, weights: np.ndarray
) -> list[tuple[Component, int]]:
    """MLP and neuron (from 0) of those that add most to the displacement, in size, on average."""
    directions = weights.astype(run.logits.dtype) @ chains.unembedding[0].T
    sizes, owners = [], []
    for mlp in list_components(run.model):
        if not mlp.head:
            of_stream = chains.pull(directions, mlp.point)[inside]
            of_neurons = of_stream @ run.sublayers[mlp.point].output[0].T
            means = np.einsum("nm,nm->m", run.inner[mlp.point][inside], of_neurons)
            sizes.append(np.abs(means))
            owners += [(mlp, neuron) for neuron in range(len(means))]
    order = np.argsort(-np.concatenate(sizes), kind="stable") if sizes else np.zeros(0, int)
    return [owners[place] for place in order[:TOP]]


def _describe_means(added: np.ndarray, ablated: np.ndarray, inside: np.ndarray) -> dict:
    """Means and errors of what a neuron adds (N, L), and of changes of METRICS (metrics, N, L)."""
    means, errors = pool(np.concatenate([added[None], ablated]), inside)
    found = {"count": int(inside.sum()), "displacement": means[0], "error": errors[0]}
    for metric, name in ABLATED.items():
        place = 1 + METRICS.index(metric)
        found |= {name: means[place], f"{name}_error": errors[place]}
    return found


def _name_token(pushed: np.ndarray) -> dict:
    """Token and addition of a neuron that adds logits (n, V)."""
    mean = pushed.mean(axis=0)
    mean -= mean.mean()
    token = int(np.abs(mean).argmax())
    return {"token": token, "addition": float(mean[token])}


def _match_features(
    activations: np.ndarray, prefixes: Prefixes, inside: np.ndarray, game: Game
) -> pd.DataFrame:
    """Columns feature, place, value, separation and chance of neurons (N, L, neurons)."""
    features = game.get_features(prefixes.tokens)
    keys = [
        (name, place, value)
        for name, feature in features.items()
        for place in range(feature.labels.shape[2])
        for value in feature.values
    ]
    nothing = {"feature": "", "place": -1, "value": "", "separation": np.nan, "chance": np.nan}
    best = pd.DataFrame(nothing, index=range(activations.shape[2]))
    if not keys:
        return best
    holds = np.concatenate([_spread(feature) for feature in features.values()], axis=2)
    true = _separate(activations[inside], holds[inside])
    both = inside & prefixes.both
    chance = _separate(activations[both], holds[prefixes.donors][both])
    for neuron, column in enumerate(true.T):
        if np.isfinite(column).any():
            place = int(np.nanargmax(np.abs(column)))
            best.loc[neuron, [*nothing][:4]] = [*keys[place], column[place]]
            if np.isfinite(chance[:, neuron]).any():
                best.loc[neuron, "chance"] = np.nanmax(np.abs(chance[:, neuron]))
    return best


def _spread(feature: Feature) -> np.ndarray:
    """Whether each place holds each value, bool (N, L, places · values)."""
    holds = feature.labels[..., None] == np.arange(len(feature.values))
    return holds.reshape(*feature.labels.shape[:2], -1)


def _separate(activations: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Difference of means over the deviation, (values, neurons): where a value is held, and not.

    Args:
        activations: (n, neurons).
        holds: bool (n, values); those that are held or missed in fewer than FEWEST have NaN.
    """
    deviation = activations.std(axis=0)
    centred = (activations - activations.mean(axis=0)) / np.where(deviation > 0, deviation, np.nan)
    count = holds.sum(axis=0)[:, None]
    is_rare = (count < FEWEST) | (len(holds) - count < FEWEST)
    sums = holds.T.astype(centred.dtype) @ centred
    means = [sums / np.maximum(n, 1) for n in (count, len(holds) - count)]  # all sums are 0
    return np.where(is_rare, np.nan, means[0] + means[1])
