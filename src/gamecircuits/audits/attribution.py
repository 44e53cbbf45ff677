"""Which heads, MLPs and neurons predict the legal tokens: by what they add, and without them.

The *displacement* is the mean logit of the legal tokens less that of the illegal ones, as in
`metrics`. It is linear in the residual stream if norms keep the scale that they have, so it is a
sum over components (direct logit attribution; Elhage et al. 2021).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.audits.ablation import ablate, patch_paths
from gamecircuits.audits.components import (
    BIASES,
    POSITIONS,
    TOKENS,
    Component,
    Say,
    Trace,
    list_components,
    trace,
)
from gamecircuits.audits.neurons import describe_neurons
from gamecircuits.audits.prefixes import Prefixes, average, prepare_prefixes
from gamecircuits.audits.scales import Chains
from gamecircuits.games.game import Game
from gamecircuits.transformer.gpt import GPT

STATES = ("legal", "seen", "unseen")  # of a token: seen and unseen ones are illegal


class Attribution(NamedTuple):
    """Tables of one model on some games.

    Their columns `component`, `sender` and `receiver` are names as in `Component`. What a head adds
    has its share of b_V. All other biases of sublayers, of norms and of the logits are in `biases`.
    Lengths are first_length to last_length, of prefixes, tokens: each one by itself, all in
    training together, and all beyond. Columns named error are standard errors over games.

    Attributes:
        attributed: component, layer and head (from 1, 0 for none), lengths, count, displacement
            (nats that it adds), error. Components of the same lengths sum to the model's
            displacement.
        squares: component, layer, head, lengths, token, state (legal; seen: illegal and played;
            unseen: illegal and not played), count, addition (nats: to the token's logit, less the
            mean over the legal tokens). Lengths in training together, and beyond.
        ablated: component, layer, head, replaced_by (mean, resampled), metric, lengths, count,
            change (of the metric, in its unit), error.
        neurons: those that add most to the displacement; see `describe_neurons`.
        paths: sender, receiver ("logits" for the end), lengths, count, change (of the displacement,
            nats, where the receiver reads another game's output of the sender), error.
    """

    attributed: pd.DataFrame
    squares: pd.DataFrame
    ablated: pd.DataFrame
    neurons: pd.DataFrame
    paths: pd.DataFrame


def attribute_model(
    model: GPT,
    game: Game,
    tokens: np.ndarray,
    *,
    trained_length: int | None,
    rng: np.random.Generator,
    path_games: int | None = None,
    say: Say = lambda text: None,
) -> Attribution:
    """All tables of a model, on the game's exact masks.

    Memory is some 4 · N · L · (6d + d_mlp) bytes for every layer, in single precision. Paths take
    one run of the rest of the model for each pair of a sender and a receiver.

    Args:
        tokens: legal games (N, L), padded at their ends, at least two.
        trained_length: longest prefix in training (tokens); None: all count as such.
        rng: draws, for each game, the other one from which outputs are resampled.
        path_games: how many games paths are measured on, the first ones; None: all.
        say: takes what is being done.
    """
    prefixes = prepare_prefixes(model, game, tokens, trained_length, rng)
    say("attributing")
    run = trace(model, tokens)
    chains = Chains(run)
    weights = weigh_displacement(prefixes.legal)
    attributed, squares = attribute(run, chains, prefixes, weights)
    ablated = ablate(run, prefixes, say)
    neurons = describe_neurons(run, chains, prefixes, weights, game, say)
    if path_games is not None and path_games < len(tokens):
        prefixes = prepare_prefixes(model, game, tokens[:path_games], trained_length, rng)
        run, weights = trace(model, prefixes.tokens), weights[:path_games]
    paths = patch_paths(run, prefixes, weights, say)
    return Attribution(attributed, squares, ablated, neurons, paths)


def weigh_displacement(legal: np.ndarray) -> np.ndarray:
    """Weights (N, L, V) whose product with the logits is the displacement, of masks (N, L, V)."""
    shares = [part / np.maximum(part.sum(axis=2, keepdims=True), 1) for part in (legal, ~legal)]
    return shares[0] - shares[1]


def list_addends(run: Trace) -> list[Component]:
    """All components, whose additions sum to the logits."""
    first = [Component(TOKENS)] + [Component(POSITIONS)] * (run.positions is not None)
    return [*first, *list_components(run.model), Component(BIASES)]


def attribute(
    run: Trace, chains: Chains, prefixes: Prefixes, weights: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `attributed` and `squares` of `Attribution`.

    Args:
        weights: of the logits in the displacement, (N, L, V).
    """
    components = list_addends(run)
    rows = name_rows(components)
    W_U, b_U = chains.unembedding
    trained, legal = prefixes.trained_length, prefixes.legal
    legal_share = legal / np.maximum(legal.sum(axis=2, keepdims=True), 1)
    there = split_states(prefixes)  # (parts, N, L, V)
    count = there.sum(axis=(1, 2))
    added = np.zeros((len(components), *prefixes.counts.shape))  # to the displacement
    additions = np.zeros((len(components), *count.shape))
    for index, component in enumerate(components):
        if component.name == BIASES:
            logits = chains.add_biases() @ W_U + b_U
        else:
            logits = chains.push(run.get_output(component), component.point) @ W_U
        added[index] = np.einsum("nlv,nlv->nl", logits, weights)
        logits = logits - np.einsum("nlv,nlv->nl", logits, legal_share)[..., None]
        for number, mask in enumerate(there):
            additions[index, number] = np.where(mask, logits, 0).sum(axis=(0, 1), dtype=float)
    which, part, token = (n.ravel() for n in np.indices(additions.shape))
    first, last = (np.repeat(ends, len(STATES)) for ends in zip(*list_ends(prefixes), strict=True))
    columns = {"first_length": first[part], "last_length": last[part]}
    columns |= {"token": token, "state": np.array(STATES * 2)[part], "count": count[part, token]}
    squares = rows.iloc[which].reset_index(drop=True).assign(**columns)
    squares["addition"] = additions.ravel() / np.maximum(squares["count"], 1)
    squares = squares[squares["count"] > 0].reset_index(drop=True)
    attributed = average(rows, added, prefixes.counts, trained)
    return attributed.rename(columns={"mean": "displacement"}), squares


def list_ends(prefixes: Prefixes) -> list[tuple[int, int]]:
    """First and last length in training, and beyond."""
    trained = prefixes.trained_length
    return [(1, trained), (trained + 1, prefixes.counts.shape[1])]


def split_states(prefixes: Prefixes) -> np.ndarray:
    """Whether each token is in each of STATES after prefixes that count, bool (parts, N, L, V).

    Parts are STATES at lengths in training, then at those beyond.
    """
    is_token = prefixes.tokens[..., None] == np.arange(prefixes.legal.shape[2])
    is_seen = np.logical_or.accumulate(is_token, axis=1)
    legal = prefixes.legal
    states = np.stack([legal, ~legal & is_seen, ~legal & ~is_seen]) & prefixes.counts[..., None]
    in_training = np.arange(legal.shape[1])[:, None] < prefixes.trained_length
    return np.concatenate([states & in_training, states & ~in_training])


def name_rows(components: list[Component]) -> pd.DataFrame:
    """One row per component: component, layer, head."""
    return pd.DataFrame(
        [(one.name, one.layer, one.head) for one in components],
        columns=["component", "layer", "head"],
    )
