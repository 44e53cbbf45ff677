import itertools

import array_api_strict
import jax
import numpy as np
import pytest
from gpts import gpts, make_gpt, naive_gpt_logits
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import random_parameters

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import (
    GPT,
    Attention,
    Block,
    Design,
    GPTParameters,
    forward,
    map_weights,
)
from gamecircuits.transformer.gpt_weights import check_weights
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.model import attention_pattern
from gamecircuits.transformer.model import forward as forward_one_layer
from gamecircuits.transformer.one_layer import OneLayer


def close(found, wanted, tolerance=1e-12):
    """To `tolerance`, as a share of the largest number."""
    wanted = np.asarray(wanted)
    scale = max(np.abs(wanted).max(initial=0), 1)
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=0, atol=tolerance * scale)


def draw_tokens(model, shape, seed=0):
    return np.random.default_rng(seed).integers(model.vocab_size, size=shape)


@settings(deadline=None, max_examples=40)
@given(gpts(), st.integers(1, 5), st.integers(0, 4))
def test_forward_equals_a_loop_over_everything(model, L, offset):
    check_weights(model.parameters, model.design)
    tokens = draw_tokens(model, (2, L))
    offsets = np.array([offset, 0])
    logits = forward(model.parameters, tokens, model.design, offset=offsets)
    assert logits.shape == (2, L, model.vocab_size)
    for row, own, found in zip(tokens.tolist(), offsets, logits, strict=True):
        for s in range(L):
            close(found[s], naive_gpt_logits(model, row[: s + 1], own))


@settings(deadline=None, max_examples=25)
@given(gpts(sizes={}), st.booleans())
def test_libraries_agree(model, with_offset):
    """numpy, JAX and the array API standard alone, in float64."""
    tokens = draw_tokens(model, (2, 3, 4))
    offset = np.arange(6).reshape(2, 3) % 5 if with_offset else None
    wanted = forward(model.parameters, tokens, model.design, offset=offset)
    with jax.enable_x64(True):
        for asarray in (array_api_strict.asarray, jax.numpy.asarray):
            parameters = map_weights(asarray, model.parameters)
            places = None if offset is None else asarray(offset)
            found = forward(parameters, asarray(tokens), model.design, offset=places)
            close(found, wanted)


def as_gpt(parameters):
    W_E, W_Q, W_K, W_V, W_O, W_U = parameters
    return GPT(GPTParameters(W_E, (Block(Attention(W_Q, W_K, W_V, W_O)),), W_U), Design())


@pytest.mark.parametrize("d_k", [0, 3])
@pytest.mark.parametrize("V", [2, 6])
def test_one_layer_is_the_one_layer_transformer(V, d_k):
    parameters = random_parameters(np.random.default_rng(0), V, d_k=d_k)
    model, tokens, seen = as_gpt(parameters), np.random.default_rng(1).integers(V, size=(3, 7)), {}
    logits = model.logits(tokens, hook=seen.setdefault)
    close(logits, forward_one_layer(parameters, tokens))
    close(logits, OneLayer(parameters).logits(tokens))
    close(seen["blocks.0.attn.pattern"][:, 0], attention_pattern(parameters, tokens))


@settings(deadline=None, max_examples=25)
@given(gpts(), st.integers(1, 5))
def test_later_tokens_and_padding_change_nothing_before_them(model, s):
    assert isinstance(model, Model)
    tokens, changed, padded = (draw_tokens(model, (2, 6)).astype(np.int8) for _ in range(3))
    changed[:, s:] = (changed[:, s:] + 1) % model.vocab_size
    padded[:, s:] = -1
    logits = model.logits(tokens)
    for other in (changed, padded, tokens[:, :s]):
        close(model.logits(other)[:, :s], logits[:, :s])
    assert model.logits(tokens[:0]).shape == (0, 6, model.vocab_size)


SITES = {  # (N, L, ...) where V = 5, d = 6, two heads of 4 and 3, MLP of 7
    "embed": (2, 4, 6),
    "pos_embed": (4, 6),
    **{
        f"blocks.{i}.{site}": shape
        for i in range(2)
        for site, shape in {
            "resid_pre": (2, 4, 6),
            "attn.pattern": (2, 2, 4, 4),
            "attn.z": (2, 4, 6),
            "attn_out": (2, 4, 6),
            "resid_mid": (2, 4, 6),
            "mlp.post": (2, 4, 7),
            "mlp_out": (2, 4, 6),
            "resid_post": (2, 4, 6),
        }.items()
    },
    "ln_final": (2, 4, 6),
}


def record(model, tokens, edits=()):
    """Logits, and the values at all sites in their order, with edits {site: function}."""
    seen = {}

    def hook(site, values):
        values = dict(edits).get(site, lambda same: same)(values)
        return seen.setdefault(site, values)

    return model.logits(tokens, hook=hook), seen


@pytest.mark.parametrize("placement", ["before", "after"])
def test_hooks_see_what_they_say(placement):
    model = make_gpt(np.random.default_rng(0), placement=placement)
    tokens = draw_tokens(model, (2, 4))
    logits, seen = record(model, tokens)
    assert {site: values.shape for site, values in seen.items()} == SITES
    assert list(seen) == list(SITES), "in the order in which they act"
    p = model.parameters
    close(seen["embed"], p.W_E[tokens])
    close(seen["blocks.0.resid_pre"], p.W_E[tokens] + p.W_pos[:4])
    close(seen["blocks.1.resid_pre"], seen["blocks.0.resid_post"])
    close(logits, seen["ln_final"] @ p.W_U + p.b_U)
    for i, block in enumerate(p.blocks):
        at = {site: seen[f"blocks.{i}.{site}"] for site in ("attn.pattern", "attn.z", "attn_out")}
        close(at["attn.pattern"].sum(axis=-1), np.ones((2, 2, 4)))
        assert (at["attn.pattern"][..., ~np.tri(4, dtype=bool)] == 0).all()
        close(at["attn_out"], at["attn.z"] @ block.attn.W_O + block.attn.b_O)
        close(seen[f"blocks.{i}.mlp_out"],
              seen[f"blocks.{i}.mlp.post"] @ block.mlp.W_out + block.mlp.b_out)  # fmt: skip
        for start, out, end in (
            ("resid_pre", "attn_out", "resid_mid"),
            ("resid_mid", "mlp_out", "resid_post"),
        ):
            total = seen[f"blocks.{i}.{start}"] + seen[f"blocks.{i}.{out}"]
            if placement == "before":
                close(seen[f"blocks.{i}.{end}"], total)
            else:
                assert not np.allclose(seen[f"blocks.{i}.{end}"], total), "normed"


def test_edits_act_on_all_that_comes_after():
    model = make_gpt(np.random.default_rng(0))
    tokens, p = draw_tokens(model, (2, 4)), model.parameters
    wanted, before = record(model, tokens)
    for site in SITES:
        logits, after = record(model, tokens, {site: lambda values: values * values})
        assert not np.allclose(logits, wanted)
        for earlier in [*SITES][: [*SITES].index(site)]:
            np.testing.assert_array_equal(before[earlier], after[earlier])
    silent = p.blocks[1]._replace(mlp=None)
    without, _ = record(model, tokens, {"blocks.1.mlp_out": np.zeros_like})
    close(without, forward(p._replace(blocks=(p.blocks[0], silent)), tokens, model.design))
    a, b = (draw_tokens(model, (2, 4), seed) for seed in (1, 2))
    stream = record(model, a)[1]["blocks.0.resid_post"]
    patched, _ = record(model, b, {"blocks.0.resid_post": lambda values: stream})
    close(patched, model.logits(a), 1e-15)
    blind = p.blocks[0].attn._replace(W_Q=0 * p.blocks[0].attn.W_Q, b_Q=0 * p.blocks[0].attn.b_Q)
    blocks = (p.blocks[0]._replace(attn=blind), p.blocks[1])
    uniform = np.tri(4) / np.tri(4).sum(axis=1, keepdims=True)
    evenly, _ = record(model, tokens, {"blocks.0.attn.pattern": lambda x: 0 * x + uniform})
    close(evenly, forward(p._replace(blocks=blocks), tokens, model.design))


@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal", "rotary"])
def test_rotary_positions_are_relative(positions):
    """A first token that nobody reads moves all others by one place, and changes no logits."""
    model = make_gpt(np.random.default_rng(0), positions=positions)
    tokens = draw_tokens(model, (2, 5))

    def ignore_first(pattern):
        pattern = pattern * (np.arange(5) > 0)
        return pattern / np.maximum(pattern.sum(axis=-1, keepdims=True), 1e-300)

    edits = {f"blocks.{i}.attn.pattern": ignore_first for i in range(2)}
    moved = record(model, tokens, edits)[0][:, 1:]
    alone = model.logits(tokens[:, 1:])
    if positions in ("none", "rotary"):
        close(moved, alone)
    else:
        assert not np.allclose(moved, alone, atol=1e-3)
    swapped = tokens[:, [1, 0, 2, 3, 4]]
    if positions == "none":  # with two layers, order matters all the same
        model = make_gpt(np.random.default_rng(0), positions=positions, num_layers=1)
        close(model.logits(tokens)[:, 2:], model.logits(swapped)[:, 2:])
    else:
        assert not np.allclose(model.logits(tokens)[:, 2:], model.logits(swapped)[:, 2:])


@pytest.mark.parametrize("d", [6, 7])
def test_sinusoids_are_those_of_the_paper(d):
    model = make_gpt(np.random.default_rng(0), d=d, positions="sinusoidal")
    _, seen = record(model, draw_tokens(model, (1, 20)))
    for s, i in itertools.product(range(20), range(d)):
        wave = np.cos if i % 2 else np.sin
        wanted = wave(s / 10000 ** (2 * (i // 2) / d)) / np.sqrt(d)
        assert seen["pos_embed"][s, i] == pytest.approx(wanted, abs=1e-14)


@settings(deadline=None, max_examples=20)
@given(gpts())
def test_float32_stays_float32_and_close(model):
    tokens = draw_tokens(model, (2, 4))
    logits = model.cast("float32").logits(tokens)
    assert logits.dtype == np.float32
    close(logits, model.logits(tokens), 1e-3)


def test_too_long_a_sequence_is_refused():
    model = make_gpt(np.random.default_rng(0), num_positions=4)
    assert model.logits(np.zeros((2, 4), int)).shape == (2, 4, 5)
    with pytest.raises(GamecircuitsError, match=r"5 tokens has more positions .* positions, 4$"):
        model.logits(np.zeros((2, 5), int))


@pytest.mark.parametrize(
    "design",
    [
        {"positions": "learned", "norm": "layer", "placement": "before"},
        {"positions": "rotary", "norm": "rms", "placement": "after", "biases": False},
        {"positions": "sinusoidal", "sublayer_norms": False, "tied": True, "d_mlp": None},
    ],
    ids=str,
)
def test_gradient_is_the_slope(design):
    """Of the mean loss, along random directions, by central differences of numpy's forward."""
    rng = np.random.default_rng(0)
    model = make_gpt(rng, scale=0.5, **design)
    tokens = draw_tokens(model, (3, 5))
    targets = np.eye(model.vocab_size)[draw_tokens(model, (3, 5), 1)]

    def loss(parameters, xp=np):
        logits = forward(parameters, xp.asarray(tokens), model.design)
        highest = xp.max(logits, axis=-1)
        total = xp.log(xp.sum(xp.exp(logits - highest[..., None]), axis=-1)) + highest
        return xp.mean(total - xp.sum(targets * logits, axis=-1))

    with jax.enable_x64(True):
        slopes = jax.grad(loss)(map_weights(jax.numpy.asarray, model.parameters), jax.numpy)
    slopes = map_weights(np.asarray, slopes)
    weights, tree = jax.tree.flatten(model.parameters)
    for _ in range(3):
        direction, step = [rng.normal(size=w.shape) for w in weights], 1e-6
        up, down = (
            loss(tree.unflatten([w + sign * v for w, v in zip(weights, direction, strict=True)]))
            for sign in (step, -step)
        )
        slope = sum(np.sum(g * v) for g, v in zip(jax.tree.leaves(slopes), direction, strict=True))
        assert (up - down) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-6)
