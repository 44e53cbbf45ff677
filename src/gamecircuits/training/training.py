"""Train transformers on short prefixes of random games: many trials at once, in JAX.

The model is the very `forward` that everything else uses; without dropout, its equal by way of the
vocabulary, which takes a fifth of the arithmetic and no small product for every game. A trial's
weights are one vector: AdamW and all averages are then a few operations on it, and what differs
between trials (rates, dropout, seeds) is data, so that one compiled program trains a whole group of
trials under `vmap`, hundreds of steps a call. Games are played as they are needed, and only those
of the training split, so what is evaluated was never seen.

Everything that is random about a trial comes from its own generator; but the last bits of sums can
depend on how many trials are trained together, so a search fixes its groups.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from gamecircuits.errors import GameError
from gamecircuits.games.game import Game, token_dtype
from gamecircuits.randomness import get_rng
from gamecircuits.splits import SPLITS, assign_splits
from gamecircuits.training.averaging import Average
from gamecircuits.training.trial import SITES, Trial
from gamecircuits.transformer.circuits import direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.model import Model, Parameters, forward, normalize

GAMES_AT_ONCE = 4096
MAX_TRIES = 100


class Weights(NamedTuple):
    """What is trained; W_U is empty if it is the transpose of W_E."""

    W_E: Any
    W_Q: Any
    W_K: Any
    W_V: Any
    W_O: Any
    W_U: Any
    gain: Any


class Knobs(NamedTuple):
    """Of a trial, what its program takes as data."""

    clip_norm: Any
    weight_decay: Any
    dropout: Any  # at each of SITES


class State(NamedTuple):
    """Of a trial, between two steps. P is the number of weights, K that of averages."""

    weights: Any  # (P,)
    optimizer: Any
    averages: Any  # (K, P)
    key: Any  # of the dropout


class Run(NamedTuple):
    """What training leaves, for n trials with P weights each.

    start: (n, P) before the first step; averages: (n, K, P) after the last, corrections included;
    trajectory: (n, C, P), the iterates at `checkpoints` (C,), in steps; losses: (n, steps) in nats,
    of each step's games before it.
    """

    start: np.ndarray
    averages: np.ndarray
    checkpoints: np.ndarray
    trajectory: np.ndarray
    losses: np.ndarray


def init_weights(trial: Trial, vocab_size: int, rng: np.random.Generator) -> Weights:
    """Independent normal weights of variance init_scale² / rows; embeddings init_scale² / d."""
    V, d, d_k, d_v = vocab_size, trial.d_model, trial.d_k, trial.d_v
    shapes = [(V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, 0 if trial.tied else V)]
    scales = [d, d, d, d, d_v, d]
    matrices = [
        (rng.standard_normal(shape) * trial.init_scale / scale**0.5).astype(np.float32)
        for shape, scale in zip(shapes, scales, strict=True)
    ]
    return Weights(*matrices, gain=np.float32(trial.gain))


def _to_parameters(weights: Weights) -> Parameters:
    is_tied = weights.W_U.shape[1] == 0
    return Parameters(*weights[:5], weights.W_E.T if is_tied else weights.W_U)


def make_model(trial: Trial, vocab_size: int, vector: np.ndarray) -> Model:
    """The model of a vector of weights (P,), in float64 on numpy."""
    weights = _unravel(trial, vocab_size)(vector)
    parameters = Parameters(*(np.asarray(m, np.float64) for m in _to_parameters(weights)))
    gain = 1.0 if trial.norm == "none" else float(weights.gain)
    return Model(parameters, trial.norm, gain)


def _unravel(trial: Trial, vocab_size: int) -> Callable[[Any], Weights]:
    return ravel_pytree(init_weights(trial, vocab_size, np.random.default_rng(0)))[1]


def iter_split(
    game: Game, split: str, batch_size: int, fractions: dict[str, float], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Endless batches of random games of one split, tokens (batch_size, max_length)."""
    held = np.empty((0, game.max_length), token_dtype(game.vocab_size))
    while True:
        tries = 0
        while len(held) < batch_size:
            tokens = game.play(max(GAMES_AT_ONCE, batch_size), rng)
            belongs = assign_splits(tokens, game.symmetries, fractions) == SPLITS.index(split)
            held = np.concatenate([held, tokens[belongs]])
            if not len(held) and (tries := tries + 1) == MAX_TRIES:
                raise GameError(f"none of {tries * len(tokens):,} random games is of split {split}")
        yield held[:batch_size]
        held = held[batch_size:]


def _forward_by_tokens(parameters: Parameters, tokens, norm: str, gain):
    """`forward` by way of the token tables (see `circuits`), with fast gradients.

    Unlike TokenTables, scores are relative to the largest in the context, so none underflows.
    """
    is_token = jax.nn.one_hot(tokens, len(parameters.W_E))  # products with it, not gathers
    counts = jnp.cumsum(is_token, axis=-2)
    scores = jnp.where(counts > 0, is_token @ qk_circuit(parameters), -jnp.inf)
    weights = counts * jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    attention = weights / weights.sum(axis=-1, keepdims=True)
    if norm == "none":
        return attention @ ov_circuit(parameters) + is_token @ direct_path(parameters)
    attended = attention @ (parameters.W_E @ parameters.W_V @ parameters.W_O)
    if norm == "attention":
        attended = normalize(jnp, attended, gain)
    residual = is_token @ parameters.W_E + attended
    if norm == "residual":
        residual = normalize(jnp, residual, gain)
    return residual @ parameters.W_U


def _loss(unravel, norm: str, vector, tokens, legal, dropout, key):
    """Mean cross-entropy in nats over all prefixes that go on; legal: None for sampled targets."""
    weights = unravel(vector)
    keys = dict(zip(SITES, jax.random.split(key, len(SITES)), strict=True))

    def drop(site, values):
        rate = dropout[site]
        if rate is None:  # no trial of the group drops anything here
            return values
        kept = jax.random.bernoulli(keys[site], 1 - rate, values.shape)
        return jnp.where(kept, values / (1 - rate), 0.0)

    seen, following = jnp.maximum(tokens[:, :-1], 0), tokens[:, 1:]
    parameters, gain = _to_parameters(weights), weights.gain
    if all(rate is None for rate in dropout.values()):
        logits = _forward_by_tokens(parameters, seen, norm, gain)
    else:
        logits = forward(parameters, seen, norm=norm, gain=gain, drop=drop)
    if legal is None:
        legal = following[..., None] == jnp.arange(logits.shape[-1])  # none at PAD
    num_legal = legal.sum(axis=-1)
    total = jnp.where(legal, jax.nn.log_softmax(logits), 0.0).sum(axis=-1)
    losses = -total / jnp.maximum(num_legal, 1)
    return losses.sum() / jnp.maximum((num_legal > 0).sum(), 1)


def _optimizer(clip_norm=1.0) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.scale_by_adam())


def _make_program(trials: Sequence[Trial], vocab_size: int):
    """A compiled function that takes a group of trials some steps further."""
    like = init_weights(trials[0], vocab_size, np.random.default_rng(0))
    _, unravel = ravel_pytree(like)
    decays, _ = ravel_pytree(Weights(*map(np.ones_like, like[:-1]), gain=np.float32(0)))
    is_used = [getattr(trials[0], f"{site}_dropout") > 0 for site in SITES]
    loss = jax.value_and_grad(partial(_loss, unravel, trials[0].norm))

    def advance(state: State, data, knobs: Knobs):
        optimizer = _optimizer(knobs.clip_norm)
        rates = zip(SITES, is_used, knobs.dropout, strict=True)
        dropout = {site: rate if used else None for site, used, rate in rates}

        def step(state: State, now):
            tokens, legal, learning_rate, share_of_newest = now
            key, mine = jax.random.split(state.key)
            found, gradient = loss(state.weights, tokens, legal, dropout, mine)
            update, moments = optimizer.update(gradient, state.optimizer)
            update = update + knobs.weight_decay * decays * state.weights
            weights = state.weights - learning_rate * update
            averages = state.averages + share_of_newest[:, None] * (weights - state.averages)
            return State(weights, moments, averages, key), found

        return jax.lax.scan(step, state, data)

    return jax.jit(jax.vmap(advance, in_axes=(0, (0, 0, 0, None), 0)), donate_argnums=0)


def train(
    game: Game,
    trials: Sequence[Trial],
    numbers: Sequence[int],
    averages: Sequence[Average],
    *,
    length: int,
    num_steps: int,
    num_checkpoints: int,
    fractions: dict[str, float],
    seed: int,
    name: str,
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """Train a group of trials that share one program.

    Args:
        trials: of one `static`; numbers: theirs in the search, which seed them.
        length: longest prefix that the model is trained to continue.
        num_steps: a multiple of num_checkpoints.
        fractions: of the splits; only games of the training split are used.
    """
    if len({trial.static for trial in trials}) != 1:
        raise ValueError("trials of several programs cannot be trained together")
    V, first = game.vocab_size, trials[0]

    def get_rngs(use: str) -> list[np.random.Generator]:
        # One for each use: trials of other shapes see the same games all the same.
        return [get_rng(seed, f"{name} {use}", number) for number in numbers]

    pairs = zip(trials, get_rngs("weights"), strict=True)
    start = jnp.stack([ravel_pytree(init_weights(t, V, rng))[0] for t, rng in pairs])
    keys = [jax.random.key(rng.integers(1 << 32, dtype=np.uint32)) for rng in get_rngs("dropout")]
    state = State(
        weights=start,
        optimizer=jax.vmap(_optimizer().init)(start),
        averages=jnp.repeat(start[:, None], len(averages), axis=1),
        key=jnp.stack(keys),
    )
    knobs = Knobs(
        clip_norm=jnp.array([t.clip_norm for t in trials]),
        weight_decay=jnp.array([t.weight_decay for t in trials]),
        dropout=tuple(jnp.array([getattr(t, f"{s}_dropout") for t in trials]) for s in SITES),
    )
    rates = np.array([t.get_learning_rates(num_steps) for t in trials], np.float32)
    shares = np.array([a.get_weights(num_steps) for a in averages], np.float32).T  # (steps, K)
    split = partial(iter_split, game, "train", first.batch_size, fractions)
    games = [split(rng) for rng in get_rngs("games")]
    program = _make_program(trials, V)
    stride = num_steps // num_checkpoints
    initial, trajectory, losses = np.asarray(start), [], []
    for begin in range(0, num_steps, stride):
        now = slice(begin, begin + stride)
        tokens = np.stack([[next(g)[:, : length + 1] for _ in range(stride)] for g in games])
        legal = None
        if first.targets == "exact":
            rows = tokens[..., :-1].reshape(-1, length)
            legal = game.get_valid_next_token_mask(rows).reshape(*tokens.shape[:3], length, V)
        state, found = program(state, (tokens, legal, rates[:, now], shares[now]), knobs)
        trajectory.append(np.asarray(state.weights))
        losses.append(np.asarray(found))
        say(f"step {begin + stride:,} of {num_steps:,}: mean loss {losses[-1].mean():.4f} nats")
    corrections = np.array([a.get_correction(num_steps) for a in averages], np.float32)
    moved = trajectory[-1] - initial
    return Run(
        start=initial,
        averages=np.asarray(state.averages) + corrections[:, None] * moved[:, None],
        checkpoints=np.arange(stride, num_steps + 1, stride),
        trajectory=np.stack(trajectory, axis=1),
        losses=np.concatenate(losses, axis=1),
    )
