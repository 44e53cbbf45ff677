"""Train transformers on short prefixes of random games: many trials at once, in JAX.

Trials with dropout run `forward`. Trials without it run `forward_by_tokens`, which attends over the
vocabulary: equal to rounding, a fifth of the arithmetic, and no small product for every game.

A trial's weights are one vector: AdamW and all averages are then a few operations on it. What
differs between trials (rates, dropout, seeds) is data, so that one compiled program trains a whole
group of trials under `vmap`, hundreds of steps a call.

Everything that is random about a trial comes from its own generators; but the last bits of sums can
depend on how many trials are trained together, so a search fixes its groups. An interrupted run
goes on from its checkpoint and ends with the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from gamecircuits.games.game import Game
from gamecircuits.randomness import get_rng
from gamecircuits.training.averaging import Average, hold
from gamecircuits.training.checkpoint import Checkpoint
from gamecircuits.training.trial import SITES, Trial
from gamecircuits.training.weights import Weights, get_gain, init_weights, to_parameters
from gamecircuits.transformer.circuits import forward_by_tokens
from gamecircuits.transformer.model import forward

MAX_BYTES = 1 << 28  # of games and exact targets that are handed over at once


class Knobs(NamedTuple):
    """Numbers of a trial that its program takes as data."""

    clip_norm: Any
    weight_decay: Any
    dropout: Any  # at each of SITES


class State(NamedTuple):
    """A trial between two steps. P is the number of weights, K that of averages."""

    weights: Any  # (P,)
    optimizer: Any
    averages: Any  # (K, P), and the iterates that corrections start from
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


def _loss(unravel, trial: Trial, vector, tokens, legal, dropout, key):
    """Mean cross-entropy in nats over all prefixes that go on; legal: None for sampled targets.

    trial: any of the group, for what they have in common.
    """
    weights = unravel(vector)
    keys = dict(zip(SITES, jax.random.split(key, len(SITES)), strict=True))

    def drop(site, values):
        rate = dropout[site]
        if rate is None:  # no trial of the group drops anything here
            return values
        kept = jax.random.bernoulli(keys[site], 1 - rate, values.shape)
        return jnp.where(kept, values / (1 - rate), 0.0)

    seen, following = jnp.maximum(tokens[:, :-1], 0), tokens[:, 1:]
    parameters = to_parameters(weights)
    how = {"norm": trial.norm, "gain": get_gain(trial, weights)}
    if all(rate is None for rate in dropout.values()):
        logits = forward_by_tokens(parameters, seen, **how)
    else:
        logits = forward(parameters, seen, drop=drop, **how)
    if legal is None:
        legal = following[..., None] == jnp.arange(logits.shape[-1])  # none at PAD
    num_legal = legal.sum(axis=-1)
    total = jnp.where(legal, jax.nn.log_softmax(logits), 0.0).sum(axis=-1)
    losses = -total / jnp.maximum(num_legal, 1)
    return losses.sum() / jnp.maximum((num_legal > 0).sum(), 1)


def make_optimizer(trial: Trial, clip_norm=1.0) -> optax.GradientTransformation:
    """What turns gradients into steps, before weight decay and the learning rate."""
    scale = optax.scale_by_adam() if trial.optimizer == "adamw" else optax.identity()
    return optax.chain(optax.clip_by_global_norm(clip_norm), scale)


def _make_program(trials: Sequence[Trial], vocab_size: int):
    """A compiled function that takes a group of trials some steps further."""
    like = init_weights(trials[0], vocab_size, np.random.default_rng(0))
    _, unravel = ravel_pytree(like)
    decays, _ = ravel_pytree(Weights._make([*map(np.ones_like, like[:-1]), np.float32(0)]))
    is_used = [getattr(trials[0], f"{site}_dropout") > 0 for site in SITES]
    loss = jax.value_and_grad(partial(_loss, unravel, trials[0]))

    def advance(state: State, data, knobs: Knobs):
        optimizer = make_optimizer(trials[0], knobs.clip_norm)
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


def _choose_steps(stride: int, bytes_per_step: int) -> int:
    """Steps of one call: as many as memory allows, a divisor of the steps between checkpoints."""
    most = max(1, MAX_BYTES // bytes_per_step)
    return next(
        stride // k for k in range(1, stride + 1) if stride % k == 0 and stride // k <= most
    )


def _to_tensors(state: State) -> dict[str, np.ndarray]:
    leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
    return {f"state/{n}": np.asarray(leaf) for n, leaf in enumerate(leaves)}


def _from_tensors(like: State, tensors: dict[str, np.ndarray]) -> State:
    leaves = [jnp.asarray(tensors[f"state/{n}"]) for n in range(len(jax.tree.leaves(like)))]
    state = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return state._replace(key=jax.random.wrap_key_data(state.key))


def train(
    game: Game,
    trials: Sequence[Trial],
    numbers: Sequence[int],
    averages: Sequence[Average],
    open_games: Callable[[int, np.random.Generator], Iterator[np.ndarray]],
    *,
    length: int,
    num_steps: int,
    num_checkpoints: int,
    seed: int,
    name: str,
    checkpoint: Checkpoint | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> Run:
    """Train a group of trials that share one program.

    Args:
        game: says which tokens are legal, for exact targets.
        trials: of one `static`; numbers: theirs in the search, which seed them.
        open_games: gives endless batches of games, tokens (batch size, longer than `length`), from
            a batch size and a generator.
        length: longest prefix that the model is trained to continue.
        num_steps: a multiple of num_checkpoints.
        checkpoint: where an interrupted run of the same arguments goes on.
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
    corrections = np.array([a.get_correction(num_steps) for a in averages], np.float32)
    corrected = [k for k, correction in enumerate(corrections) if correction]
    anchors = [hold(num_steps, averages[k].get_anchor(num_steps)) for k in corrected]
    running = [*(a.get_weights(num_steps) for a in averages), *anchors]
    state = State(
        weights=start,
        optimizer=jax.vmap(make_optimizer(first).init)(start),
        averages=jnp.repeat(start[:, None], len(running), axis=1),
        key=jnp.stack(keys),
    )
    knobs = Knobs(
        clip_norm=jnp.array([t.clip_norm for t in trials]),
        weight_decay=jnp.array([t.weight_decay for t in trials]),
        dropout=tuple(jnp.array([getattr(t, f"{s}_dropout") for t in trials]) for s in SITES),
    )
    rates = np.array([t.get_learning_rates(num_steps) for t in trials], np.float32)
    shares = np.array(running, np.float32).T  # (steps, K)
    games = [open_games(first.batch_size, rng) for rng in get_rngs("games")]
    program = _make_program(trials, V)
    is_exact = first.targets == "exact"

    def take(steps: int) -> tuple[np.ndarray, np.ndarray | None]:
        tokens = np.stack([[next(g)[:, : length + 1] for _ in range(steps)] for g in games])
        if not is_exact:
            return tokens, None
        mask = game.get_valid_next_token_mask(tokens[..., :-1].reshape(-1, length))
        return tokens, mask.reshape(*tokens.shape[:3], length, V)

    stride = num_steps // num_checkpoints
    bytes_per_step = len(trials) * first.batch_size * (length + 1) * (2 + is_exact * V)
    at_once = _choose_steps(stride, bytes_per_step)
    initial, trajectory, losses = np.asarray(start), [], []
    if checkpoint and (saved := checkpoint.load()):
        state = _from_tensors(state, saved)
        trajectory, losses = [*np.moveaxis(saved["trajectory"], 1, 0)], [saved["losses"]]
        for g in games:  # those of the steps that are done
            for _ in range(stride * len(trajectory)):
                next(g)
        log(f"goes on after step {stride * len(trajectory):,} of {num_steps:,}")
    while len(trajectory) < num_checkpoints:
        end = stride * (len(trajectory) + 1)
        for begin in range(end - stride, end, at_once):
            now = slice(begin, begin + at_once)
            state, found = program(state, (*take(at_once), rates[:, now], shares[now]), knobs)
            losses.append(np.asarray(found))
        trajectory.append(np.asarray(state.weights))
        log(f"step {end:,} of {num_steps:,}: mean loss {losses[-1].mean():.4f} nats")
        if checkpoint and checkpoint.is_due():
            so_far = {"trajectory": np.stack(trajectory, 1), "losses": np.concatenate(losses, 1)}
            checkpoint.write(_to_tensors(state) | so_far)
    shown, starts = np.split(np.array(state.averages), [len(averages)], axis=1)
    shown[:, corrected] += corrections[corrected, None] * (trajectory[-1][:, None] - starts)
    return Run(
        start=initial,
        averages=shown,
        checkpoints=np.arange(stride, num_steps + 1, stride),
        trajectory=np.stack(trajectory, axis=1),
        losses=np.concatenate(losses, axis=1),
    )
