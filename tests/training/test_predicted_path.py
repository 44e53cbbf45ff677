"""The predicted path against the small system, against batches of games, and against training."""

from dataclasses import replace
from functools import partial
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from gamecircuits.errors import ParameterError
from gamecircuits.games.set_complement import SetComplement
from gamecircuits.theory.path import Descent, Factors, descend_factors
from gamecircuits.training import predicted_path, program
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights
from gamecircuits.training.averaging import Last
from gamecircuits.transformer.constructions.construction import helmert

V, TRAINED = 6, 3
QUIET = OneLayerTrial(
    optimizer="sgd", targets="exact", batch_size=65536, warmup=0.0, clip_norm=1e30
)


def make_equivariant(seed):
    """Factors, and the weights that they stand for."""
    rng = np.random.default_rng(seed)
    shapes = [(1, 2), (2, 1), (2, 1), (2, 2), (2, 2), (2, 1)]
    factors = Factors._make(rng.standard_normal(shape) for shape in shapes)
    H, identity = helmert(V), np.eye(V - 1)
    inner = [np.kron(identity, factor) for factor in factors[1:5]]
    weights = [np.kron(H, factors.e), *inner, np.kron(H.T, factors.u)]
    return factors, Weights(*(w.astype(np.float32) for w in weights), np.float32(1))


def test_equivariant_weights_follow_the_small_system():
    factors, weights = make_equivariant(0)
    trial = replace(QUIET, d_model=2 * V - 2, d_k=V - 1, d_v=2 * V - 2, learning_rate=0.3)
    trial = replace(trial, weight_decay=0.01, schedule="constant")
    start = np.asarray(ravel_pytree(weights)[0])
    found = predicted_path.predict_path([trial], start[None], V, TRAINED, 60, 3)
    wanted = descend_factors(factors, V, TRAINED, Descent(0.3, 0.01), 60)[[20, 40, 60]]
    assert found.checkpoints.tolist() == [20, 40, 60]
    np.testing.assert_allclose(found.strengths[0], wanted, rtol=0.01, atol=0.01)
    assert np.abs(wanted[-1] - wanted[0]).max() > 1
    assert 0 <= found.excess.max() < 1e-3


@pytest.mark.parametrize(
    "changes",
    [{}, pytest.param({"targets": "exact", "attention_dropout": 0.3}, marks=pytest.mark.slow)],
    ids=str,
)
def test_noise_has_the_covariance_of_batches(changes):
    """At a point of the family, by the variance of the gradient of each matrix.

    Trained to one length, 2, the prefixes of a game have nothing in common but their first token.
    """
    _, weights = make_equivariant(1)
    trial = OneLayerTrial(d_model=2 * V - 2, d_k=V - 1, d_v=2 * V - 2, batch_size=4, **changes)
    vector, unravel = ravel_pytree(weights)
    rate = trial.attention_dropout
    number = 4000

    def of_games(key):
        mine, mask = jax.random.split(key)
        order = jax.vmap(partial(jax.random.permutation, x=V))(jax.random.split(mine, 4))
        seen = jnp.cumsum(jax.nn.one_hot(order[:, :1], V), axis=1) > 0
        legal = None if trial.targets == "sampled" else ~seen
        drops = {s: rate or None if s == "attention" else None for s in program.SITES}
        loss = partial(program._loss, lambda vector: unravel(vector)._asdict(), trial)
        return jax.grad(loss)(vector, order[:, :2], legal, drops, mask)

    def predicted(key):
        loss = partial(predicted_path._surrogate, dropout=jnp.float32(rate) if rate else 0.0)
        slope = jax.grad(lambda w: loss(w, trial, V, 1, key=key)[0])(unravel(vector))
        return ravel_pytree(slope)[0]

    keys = jax.random.split(jax.random.key(0), number)
    parts = []
    for gradient in (of_games, predicted):
        values = np.asarray(jax.jit(jax.vmap(gradient))(keys))
        parts.append(unravel(jnp.asarray(values.var(axis=0))))
    for name in ("W_E", "W_V", "W_O", "W_U"):
        real, told = (float(getattr(part, name).sum()) for part in parts)
        assert told == pytest.approx(real, rel=0.1), name


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"learning_rate": 0.01}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "sgd", "learning_rate": 1.0}, marks=pytest.mark.slow),
        pytest.param({"targets": "exact", "learning_rate": 0.01}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_training_goes_where_it_is_predicted(changes):
    trial = OneLayerTrial(d_model=12, d_v=12, d_k=0, **changes)
    game = SetComplement(V)
    run = program.train(
        game, [trial], [0], [Last()], lambda size, rng: (game.play(size, rng) for _ in count()),
        length=TRAINED, num_steps=600, num_checkpoints=2, seed=0, name="test",
    )  # fmt: skip
    found = predicted_path.predict_path([trial], run.start, V, TRAINED, 600, 2)
    weights = Weights(**trial.from_vector(run.trajectory[0], V, V - 1))
    measured = np.asarray(jax.vmap(predicted_path.get_mean_strengths)(weights))
    np.testing.assert_allclose(found.strengths[0, :, :2], measured[:, :2], rtol=0.1)
    assert measured[-1, 0] > 3


@pytest.mark.parametrize(
    "changes", [{"norm": "attention"}, {"embedding_dropout": 0.1}, {"residual_dropout": 0.1}]
)
def test_what_is_not_covered_is_refused(changes):
    trial = OneLayerTrial(d_model=4, d_k=4, d_v=4, **changes)
    start = program.flatten(trial.init_weights(V, V - 1, np.random.default_rng(0)))
    with pytest.raises(ParameterError, match="where the path is predicted") as raised:
        predicted_path.predict_path([trial], start[None], V, TRAINED, 2, 1)
    assert raised.value.key in changes
    other = OneLayerTrial(d_model=4, d_k=4, d_v=4)
    with pytest.raises(ValueError, match="several programs"):
        predicted_path.predict_path(
            [other, replace(other, tied=True)], np.zeros((2, 9)), V, TRAINED, 2, 1
        )
