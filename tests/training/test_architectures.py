"""The contract of architectures, over every one of them, and what each says of its weights."""

from dataclasses import replace
from math import prod
from typing import Literal, get_args, get_origin

import jax
import numpy as np
import pytest

from gamecircuits.errors import ParameterError
from gamecircuits.parameters import get_parameters
from gamecircuits.training.architectures.gpt import GptTrial
from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.noise import Noise
from gamecircuits.training.program import flatten
from gamecircuits.training.trial import ARCHITECTURES, SITES, STATIC

V, CONTEXT = 5, 4
SMALL = {"d_model": 8, "d_k": 3, "d_v": 2}
TRIALS = [
    *(ARCHITECTURES.make(kind) for kind in ARCHITECTURES.kinds()),
    OneLayerTrial(**SMALL, norm="residual", normalizer="rms", gain=3.0, tied=True),
    OneLayerTrial(**SMALL, norm="attention", gain=3.0),
    GptTrial(d_model=8, d_mlp=0, norm="none", positions="none", biases=False, num_layers=1),
    GptTrial(d_model=8, d_mlp=6, norm="rms", positions="rotary", tied=True, biases=False),
    GptTrial(d_model=8, d_mlp=6, placement="after", positions="random_offset", num_heads=4),
    GptTrial(d_model=7, d_mlp=6, positions="sinusoidal", num_heads=7),
]


@pytest.fixture(params=TRIALS, ids=lambda trial: f"{type(trial).__name__}-{TRIALS.index(trial)}")
def trial(request):
    return request.param


def init(trial, seed=0):
    return trial.init_weights(V, CONTEXT, np.random.default_rng(seed))


def silence():
    """Noise of a step in which nothing is dropped."""
    return Noise(jax.random.key(0), dict.fromkeys(SITES))


def test_weights_have_the_shapes_in_their_order(trial):
    shapes, weights = trial.get_shapes(V, CONTEXT), init(trial)
    assert {name: np.shape(weight) for name, weight in weights.items()} == shapes
    assert list(weights) == list(shapes)
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    for name, again in init(trial).items():
        np.testing.assert_array_equal(again, weights[name])


def test_vectors_are_the_weights_one_after_the_other(trial):
    both = [init(trial, seed) for seed in (0, 1)]
    vectors = np.stack([flatten(weights) for weights in both])
    assert vectors.shape == (2, sum(map(prod, trial.get_shapes(V, CONTEXT).values())))
    found = trial.from_vector(vectors, V, CONTEXT)
    for n, weights in enumerate(both):
        assert list(found) == list(weights)
        for name, weight in weights.items():
            np.testing.assert_array_equal(found[name][n], weight)


def test_logits_of_training_are_those_of_the_model(trial):
    """On games as long as the context, for which there is one offset of the positions."""
    weights = init(trial)
    rng = np.random.default_rng(1)
    weights = {n: w + rng.normal(0, 0.2, np.shape(w)).astype("float32") for n, w in weights.items()}
    tokens = rng.integers(0, V, (3, CONTEXT))
    found = np.asarray(trial.logits(weights, tokens, silence()))
    assert found.shape == (3, CONTEXT, V)
    assert found.dtype == np.float32
    model = trial.make_model(weights)
    assert model.vocab_size == V
    np.testing.assert_allclose(model.logits(tokens), found, rtol=0, atol=1e-5)
    assert np.ptp(found, axis=-1).min() > 1e-3
    kept = trial.from_tensors(trial.to_tensors(weights))
    np.testing.assert_array_equal(kept.logits(tokens), model.logits(tokens))
    keys = jax.random.key(0), jax.random.key(1)
    dropping = [trial.logits(weights, tokens, Noise(k, dict.fromkeys(SITES, 0.5))) for k in keys]
    assert np.abs(dropping[0] - dropping[1]).max() > 1e-3


def change(trial, parameter):
    """The trial with another value of one hyperparameter."""
    value, annotation = getattr(trial, parameter.name), parameter.annotation.__origin__
    if get_origin(annotation) is Literal:
        other = next(choice for choice in get_args(annotation) if choice != value)
    elif isinstance(value, bool):
        other = not value
    else:
        other = 2 * value + (0 if isinstance(value, int) and value else 0.25)
    return replace(trial, **{parameter.name: other})


def write_program(trial):
    """What is computed, as text: the same for two trials that one program trains."""
    tokens = np.zeros((2, CONTEXT), int)
    return str(jax.make_jaxpr(lambda w: trial.logits(w, tokens, silence()))(init(trial)))


@pytest.mark.parametrize("kind", ARCHITECTURES.kinds())
def test_static_tells_programs_apart(kind):
    cls = ARCHITECTURES.type(kind)
    first = cls()
    program, dropped = write_program(first), [f"{site}_dropout" for site in SITES]
    for name, parameter in get_parameters(cls).items():
        other = change(first, parameter)
        is_static = STATIC in parameter.annotation.__metadata__ or name in dropped
        assert (other.static != first.static) == is_static, name
        assert is_static or write_program(other) == program, name
    for name in dropped:  # how much is dropped is data
        assert replace(first, **{name: 0.1}).static == replace(first, **{name: 0.2}).static


# --- a GPT ---

WIDE = GptTrial(num_layers=3, init_scale=0.8)
STARTS = {  # standard deviation × √(what stands under the root)
    "embed.W_E": 64,
    "pos_embed.W_pos": 64,
    "attn.W_Q": 64,
    "attn.W_K": 64,
    "attn.W_V": 64,
    "attn.W_O": 64 * 6,
    "mlp.W_in": 64,
    "mlp.W_out": 256 * 6,
    "unembed.W_U": 64,
}
CONSTANT = {"w": 1.0, "b": 0.0, "b_Q": 0, "b_K": 0, "b_V": 0, "b_O": 0, "b_in": 0, "b_out": 0}


def test_a_gpt_starts_as_its_scale_says():
    weights = WIDE.init_weights(50, 40, np.random.default_rng(0))
    for name, weight in weights.items():
        end = name if name in STARTS else name.split(".", 2)[-1]
        if end in STARTS:
            wanted = 0.8 / STARTS[end] ** 0.5
            assert weight.std() == pytest.approx(wanted, rel=0.05), name
            assert abs(weight.mean()) < 5 * wanted / weight.size**0.5, name
        else:
            assert (weight == CONSTANT.get(name.rpartition(".")[2], 0)).all(), name
    assert np.unique([w.flat[0] for n, w in weights.items() if ".W_" in n]).size == 3 * 6 + 3


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "rotary", "random_offset"])
def test_gpts_that_differ_in_positions_have_all_other_weights_in_common(positions):
    learned, other = init(GptTrial(d_model=8)), init(GptTrial(d_model=8, positions=positions))
    assert {*learned} - {*other} <= {"pos_embed.W_pos"}
    for name, weight in other.items():
        np.testing.assert_array_equal(weight, learned[name])


def test_a_gpt_has_the_weights_that_it_says():
    bare = GptTrial(d_model=8, d_mlp=0, norm="none", positions="rotary", biases=False, tied=True)
    of_layer = [f"attn.W_{name}" for name in "QKVO"]
    layers = [f"blocks.{i}.{name}" for i in range(2) for name in of_layer]
    assert list(bare.get_shapes(V, CONTEXT)) == ["embed.W_E", *layers]
    before = set(GptTrial(d_model=8).get_shapes(V, CONTEXT))
    after = set(GptTrial(d_model=8, placement="after").get_shapes(V, CONTEXT))
    assert before - after == {"ln_final.w", "ln_final.b"}
    assert len(before) == 3 + 1 + 2 + 2 * (8 + 4 + 4)


def test_matrices_decay_alone():
    decaying = {n for n in WIDE.get_shapes(V, CONTEXT) if WIDE.decays(n)}
    of_layer = ["attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O", "mlp.W_in", "mlp.W_out"]
    layers = {f"blocks.{i}.{name}" for i in range(3) for name in of_layer}
    assert decaying == layers | {"unembed.W_U"}
    one = OneLayerTrial()
    assert [n for n in one.get_shapes(V, CONTEXT) if not one.decays(n)] == ["gain"]


def test_a_gpt_drops_after_the_embedding_in_the_attention_and_before_it_adds():
    seen = []

    class Recorder:
        def drop(self, site, values, place):
            seen.append((place, site, values.shape))
            return values

    weights, tokens = init(WIDE), np.zeros((2, 3), int)
    WIDE.logits(weights, tokens, Recorder())
    residual = ("residual", (2, 3, 64))
    layer = [("attention", (2, 2, 3, 3)), residual, residual]
    assert [what for _, *what in seen] == list(map(list, [("embedding", (2, 3, 64)), *3 * layer]))
    assert len({place for place, *_ in seen}) == len(seen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, "^num_heads = 3 .* a divisor of d_model = 64$"),
        ({"d_model": 6, "positions": "rotary"}, "^num_heads = 2 .* an even width of the heads"),
        ({"d_mlp": -1}, "^d_mlp = -1 .* an integer from 0 to 65536$"),
        ({"positions": "rotray"}, "random_offset; did you mean 'rotary'"),
    ],
)
def test_a_gpt_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        GptTrial(**changes)
