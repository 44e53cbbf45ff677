"""The path of training, predicted from a trial's weights before the first step: without a game.

The loss is replaced by its closed form for the mean strengths that the weights have. What of the
circuits is not of that form adds half the curvature (Proposition 29). Gradients get normal
noise with the covariance of a batch's gradient (Proposition 30). The trial's own optimiser then
runs on its own weights. No number is fitted; docs/theory.md says what is left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.theory.basics import centering
from gamecircuits.theory.curvature import (
    Blocks,
    Parts,
    apply_form,
    get_noise,
    get_variance,
    split_tables,
)
from gamecircuits.theory.path import Cases, get_cases
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights, to_parameters
from gamecircuits.training.program import make_optimizer
from gamecircuits.transformer.circuits import direct_path, ov_circuit, qk_circuit

JITTER = 1e-6  # of the trace, for the roots of matrices that are singular


class Knobs(NamedTuple):
    """Numbers of a trial that differ within a group."""

    rates: jax.Array  # (checkpoints, steps between them)
    clip_norm: jax.Array
    weight_decay: jax.Array
    dropout: jax.Array
    key: jax.Array


class PredictedPath(NamedTuple):
    """What is predicted for n trials at C checkpoints.

    checkpoints: (C,) in steps; strengths: (n, C, 3), the mean x, β and α; excess: (n, C) in nats,
    what the circuits' deviations from these add to the loss.
    """

    checkpoints: np.ndarray
    strengths: np.ndarray
    excess: np.ndarray


def get_mean_strengths(weights: Weights) -> jax.Array:
    """x̄, β̄ and ᾱ of the circuits, as an array (3,) (Theorem 22)."""
    return _take_apart(weights)[0]


def _take_apart(weights: Weights) -> tuple[jax.Array, Parts]:
    parameters = to_parameters(weights)
    ov, direct, scores = (f(parameters) for f in (ov_circuit, direct_path, qk_circuit))
    P = jnp.asarray(centering(len(ov)), ov.dtype)
    means = jnp.stack([(P * table).sum() for table in (-ov, -direct, scores)]) / (len(ov) - 1)
    return means, split_tables(ov, direct)


def _correlate(blocks: Blocks, cases: Cases, vocab_size: int, trained: int) -> Blocks:
    """The noise off the family, summed over the prefixes of a game, which are not independent.

    Of the shorter prefix, s, and the longer, s', each attends to s tokens of the s' that the
    longer attends to, and V−s' of the V−s absent tokens are absent in both.
    """
    s = np.arange(1, trained + 1)
    low, high = np.minimum(s, s[:, None]), np.maximum(s, s[:, None])
    absent = np.where(low == high, 1.0, np.sqrt((vocab_size - high) / (vocab_size - low)))
    of_length = np.equal(cases.length[:, None], s).astype(np.float32)

    def gain(variances, alike):
        """How much the sum's variance exceeds that of independent ones, at least 1."""
        size = jnp.sqrt(jnp.maximum(of_length.T @ (cases.share * variances), 0))
        return (size @ jnp.asarray(alike * absent, size.dtype) @ size) / ((size**2).sum() + 1e-30)

    tokens, *rest = (jnp.einsum("c,cij->ij", cases.share, block) for block in blocks)
    tokens = tokens * gain(blocks.tokens[:, 3, 3], np.sqrt(low / high))
    for n, each in enumerate(blocks[1:]):
        rest[n] = rest[n].at[0, 0].multiply(gain(each[:, 0, 0], low / high))
    return Blocks(tokens, *rest)


def _surrogate(weights: Weights, trial: OneLayerTrial, vocab_size: int, trained: int, dropout, key):
    """A loss whose gradient is that of a batch in mean and covariance; beside it, what is told."""
    strengths, parts = _take_apart(weights)
    cases = get_cases(strengths, vocab_size, trained, dropout)
    energy = apply_form(get_variance(vocab_size, cases, cases.p), parts)
    excess = (cases.share * energy).sum() / 2
    loss = excess - (cases.share * jnp.log(cases.p[:, 0])).sum()

    fixed = get_cases(jax.lax.stop_gradient(strengths), vocab_size, trained, dropout)
    energy = jnp.maximum(jax.lax.stop_gradient(energy), 0)  # rounding may lead below
    family, off = get_noise(vocab_size, fixed, trial.targets == "sampled", energy)
    family = Blocks._make(jnp.einsum("c,cij->ij", fixed.share, block) for block in family)
    noise = _correlate(off, fixed, vocab_size, trained)
    *ends, size = np.cumsum([part.size for part in parts]).tolist()
    normal = jnp.split(jax.random.normal(key, (size,)), ends)
    for one, two, part, own in zip(family, noise, parts, normal, strict=True):
        covariance = one + two
        ridge = (JITTER * jnp.trace(covariance) + 1e-30) * jnp.eye(len(covariance))
        root = jnp.linalg.cholesky(covariance + ridge)
        drawn = root @ own.reshape(part.shape)
        loss += (drawn * part).sum() / (trial.batch_size * trained) ** 0.5
    return loss, (strengths, excess)


def predict_path(
    trials: Sequence[OneLayerTrial],
    starts: np.ndarray,
    vocab_size: int,
    trained: int,
    num_steps: int,
    num_checkpoints: int,
    seed: int = 0,
) -> PredictedPath:
    """Predict the training of a group of trials that share one program, on set complement.

    Args:
        starts: weights before the first step, (n, P) as in `Run.start`.
        trained: longest prefix that the model is trained to continue.
        num_steps: a multiple of num_checkpoints.
        seed: of the noise; it stands for the games.

    Raises:
        ParameterError: for a norm, and for dropout of the embedding or of the head's output.
    """
    first = trials[0]
    for key, covered in (("norm", "none"), ("embedding_dropout", 0.0), ("residual_dropout", 0.0)):
        for trial in trials:
            if (value := getattr(trial, key)) != covered:
                raise ParameterError(key, value, f"{covered}, where the path is predicted")
    if len({trial.static for trial in trials}) != 1:
        raise ValueError("trials of several programs cannot be predicted together")
    is_dropping = first.attention_dropout > 0

    def advance(weights: Weights, knobs: Knobs):
        optimizer = make_optimizer(first, knobs.clip_norm)
        dropout = knobs.dropout if is_dropping else 0.0

        def step(state, now):
            weights, moments = state
            rate, key = now
            gradient, _ = jax.grad(_surrogate, has_aux=True)(
                weights, first, vocab_size, trained, dropout, key
            )
            update, moments = optimizer.update(gradient, moments)
            weights = jax.tree.map(
                lambda w, u: w - rate * (u + knobs.weight_decay * w), weights, update
            )
            return (weights, moments), None

        def stride(state, rates_and_key):
            rates, key = rates_and_key
            state, _ = jax.lax.scan(step, state, (rates, jax.random.split(key, len(rates))))
            return state, _surrogate(state[0], first, vocab_size, trained, dropout, key)[1]

        keys = jax.random.split(knobs.key, num_checkpoints)
        start = (weights, optimizer.init(weights))
        return jax.lax.scan(stride, start, (knobs.rates, keys))[1]

    rates = np.array([t.get_learning_rates(num_steps) for t in trials], np.float32)
    knobs = Knobs(
        rates=jnp.asarray(rates.reshape(len(trials), num_checkpoints, -1)),
        clip_norm=jnp.array([t.clip_norm for t in trials]),
        weight_decay=jnp.array([t.weight_decay for t in trials]),
        dropout=jnp.array([t.attention_dropout for t in trials]),
        key=jax.random.split(jax.random.key(seed, impl="rbg"), len(trials)),
    )
    weights = Weights(**first.from_vector(jnp.asarray(starts), vocab_size, vocab_size - 1))
    strengths, excess = jax.jit(jax.vmap(advance))(weights, knobs)
    checkpoints = np.arange(1, num_checkpoints + 1) * (num_steps // num_checkpoints)
    return PredictedPath(checkpoints, np.asarray(strengths), np.asarray(excess))
