"""Train transformers on short prefixes of random games: many trials at once, in JAX.

A trial's weights are one vector: AdamW and all averages are then a few operations on it. What
differs between trials (rates, dropout, seeds) is data, so that one compiled program trains a whole
group of trials, hundreds of steps a call: under `vmap`, or one after the other where a trial alone
fills the processor.

Everything that is random about a trial comes from its own generators; but the last bits of sums can
depend on how many trials are trained under one `vmap`, so a search fixes its groups. An interrupted
run goes on from its checkpoint and ends with the same bits.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gamecircuits.games.game import Game
from gamecircuits.randomness import get_rng
from gamecircuits.training.averaging import Average, hold
from gamecircuits.training.checkpoint import Checkpoint
from gamecircuits.training.noise import Noise
from gamecircuits.training.operations import (
    choose_num_parts,
    cross_entropy,
    get_mean_and_gradient,
)
from gamecircuits.training.trial import SITES, Trial, Weights

T = TypeVar("T")
MAX_BYTES = 1 << 27  # of games and exact targets that are handed over at once, and made meanwhile


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


def flatten(weights: Weights) -> np.ndarray:
    """The weights as one vector, float32 (P,): one after the other, rows first."""
    return np.concatenate([np.ravel(weight) for weight in weights.values()])


def _add_losses(unflatten, trial: Trial, dropout, vector, data):
    """Sum of the cross-entropies in nats over all prefixes that go on, and their number.

    trial: any of the group, for what they have in common; data: tokens, legal ones (None for
    sampled targets) and one key of the dropout, in an array.
    """
    tokens, legal, key = data
    seen, following = jnp.maximum(tokens[:, :-1], 0), tokens[:, 1:]
    logits = trial.logits(unflatten(vector), seen, Noise(key[0], dropout))
    if legal is None:
        legal = following[..., None] == jnp.arange(logits.shape[-1])  # none at PAD
    return cross_entropy(logits, legal)


def _loss(unflatten, trial: Trial, vector, tokens, legal, dropout, key):
    """Mean cross-entropy in nats over all prefixes that go on; see _add_losses."""
    total, number = _add_losses(unflatten, trial, dropout, vector, (tokens, legal, key[None]))
    return total / jnp.maximum(number, 1)


def _find(unflatten, trial: Trial, vector, tokens, legal, dropout, key):
    """The loss and its gradient; of a large model in parts of the batch that fit the cache."""
    if trial.is_small:
        get = partial(_loss, unflatten, trial)
        return jax.value_and_grad(get)(vector, tokens, legal, dropout, key)
    num_parts = choose_num_parts(len(tokens), tokens.shape[1] - 1)
    data = (tokens, legal, jax.random.split(key, num_parts))
    get_sum = partial(_add_losses, unflatten, trial, dropout)
    return get_mean_and_gradient(get_sum, vector, data, num_parts)


def make_optimizer(trial: Trial, clip_norm=1.0) -> optax.GradientTransformation:
    """What turns gradients into steps, before weight decay and the learning rate."""
    scale = optax.scale_by_adam() if trial.optimizer == "adamw" else optax.identity()
    return optax.chain(optax.clip_by_global_norm(clip_norm), scale)


def _make_program(trials: Sequence[Trial], vocab_size: int, context: int):
    """A function that takes a group of trials some steps further, compiled."""
    first = trials[0]
    unflatten = partial(first.from_vector, vocab_size=vocab_size, context=context)
    shapes = first.get_shapes(vocab_size, context).items()
    decays = flatten({name: np.full(s, first.decays(name), np.float32) for name, s in shapes})
    find = partial(_find, unflatten, first)
    is_used = [getattr(first, f"{site}_dropout") > 0 for site in SITES]

    def advance(state: State, data, knobs: Knobs):
        optimizer = make_optimizer(first, knobs.clip_norm)
        rates = zip(SITES, is_used, knobs.dropout, strict=True)
        dropout = {site: rate if used else None for site, used, rate in rates}

        def step(state: State, now):
            tokens, legal, learning_rate, share_of_newest = now
            key, mine = jax.random.split(state.key)
            found, gradient = find(state.weights, tokens, legal, dropout, mine)
            update, moments = optimizer.update(gradient, state.optimizer)
            update = update + knobs.weight_decay * decays * state.weights
            weights = state.weights - learning_rate * update
            averages = state.averages + share_of_newest[:, None] * (weights - state.averages)
            return State(weights, moments, averages, key), found

        return jax.lax.scan(step, state, data)

    if first.is_small or jax.default_backend() != "cpu":
        together = jax.vmap(advance, in_axes=(0, (0, 0, 0, None), 0))
        return jax.jit(together, donate_argnums=0)
    alone = jax.jit(advance, donate_argnums=0)

    def advance_each(state: State, data, knobs: Knobs):
        *own, shares = data
        found = []
        for n in range(len(trials)):
            mine, its, my_knobs = jax.tree.map(itemgetter(n), (state, own, knobs))
            found.append(jax.block_until_ready(alone(mine, (*its, shares), my_knobs)))
        return jax.tree.map(lambda *parts: jnp.stack(parts), *found)

    return advance_each


def _choose_steps(stride: int, bytes_per_step: int) -> int:
    """Steps of one call: as many as memory allows, a divisor of the steps between checkpoints."""
    most = max(1, MAX_BYTES // bytes_per_step)
    return next(
        stride // k for k in range(1, stride + 1) if stride % k == 0 and stride // k <= most
    )


def _make_ahead(make: Callable[[], T], times: int) -> Generator[T, None, None]:
    """What `make` gives so many times, each made in a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(make)] if times else []
        while coming:
            found = coming.pop().result()
            times -= 1
            if times:
                coming.append(thread.submit(make))
            yield found


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
    V, context, first = game.vocab_size, game.max_length, trials[0]

    def get_rngs(use: str) -> list[np.random.Generator]:
        # One for each use: trials of other shapes see the same games all the same.
        return [get_rng(seed, f"{name} {use}", number) for number in numbers]

    pairs = zip(trials, get_rngs("weights"), strict=True)
    start = jnp.stack([flatten(trial.init_weights(V, context, rng)) for trial, rng in pairs])
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
    program = _make_program(trials, V, context)
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
    begins = range(stride * len(trajectory), num_steps, at_once)
    waited, began = 0.0, time.monotonic()
    with closing(_make_ahead(partial(take, at_once), len(begins))) as coming:
        for begin in begins:
            asked = time.monotonic()
            data = next(coming)
            waited += time.monotonic() - asked
            end, now = begin + at_once, slice(begin, begin + at_once)
            state, found = program(state, (*data, rates[:, now], shares[now]), knobs)
            losses.append(np.asarray(found))
            if end % stride:
                continue
            trajectory.append(np.asarray(state.weights))
            log(f"step {end:,} of {num_steps:,}: mean loss {losses[-1].mean():.4f} nats")
            if checkpoint and checkpoint.is_due():
                so_far = {
                    "trajectory": np.stack(trajectory, 1),
                    "losses": np.concatenate(losses, 1),
                }
                checkpoint.write(_to_tensors(state) | so_far)
    share = waited / max(time.monotonic() - began, 1e-9)
    log(f"waited for games {share:.1%} of the time")
    shown, starts = np.split(np.array(state.averages), [len(averages)], axis=1)
    shown[:, corrected] += corrections[corrected, None] * (trajectory[-1][:, None] - starts)
    return Run(
        start=initial,
        averages=shown,
        checkpoints=np.arange(stride, num_steps + 1, stride),
        trajectory=np.stack(trajectory, axis=1),
        losses=np.concatenate(losses, axis=1),
    )
