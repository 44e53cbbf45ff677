import jax
import numpy as np
import pytest
from gpts import gpts, make_gpt
from hypothesis import given, settings

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import Design, map_weights
from gamecircuits.transformer.gpt_weights import (
    check_weights,
    from_names,
    join_heads,
    name_weights,
    split_heads,
)


@settings(deadline=None, max_examples=30)
@given(gpts())
def test_names_and_heads_there_and_back(model):
    named, H = name_weights(model.parameters), model.design.num_heads
    assert from_names(named) == model.parameters, "the same arrays, and no others"
    back = join_heads(split_heads(named, H))
    assert list(back) == list(named)
    for name, weight in named.items():
        np.testing.assert_array_equal(back[name], weight)
    stacked = {name: np.stack([weight, -weight]) for name, weight in named.items()}
    for name, weight in join_heads(split_heads(stacked, H)).items():
        np.testing.assert_array_equal(weight, stacked[name])
    jax_parameters = map_weights(jax.numpy.asarray, model.parameters)
    traced = jax.eval_shape(lambda p: from_names(name_weights(p)), jax_parameters)
    assert jax.tree.structure(traced) == jax.tree.structure(model.parameters)


def test_names_are_transformer_lens_ones_in_the_order_of_the_computation():
    model = make_gpt(np.random.default_rng(0), num_layers=1)
    shapes = {n: w.shape for n, w in split_heads(name_weights(model.parameters), 2).items()}
    assert list(shapes.items()) == [
        ("embed.W_E", (5, 6)),
        ("pos_embed.W_pos", (9, 6)),
        ("blocks.0.ln1.w", (6,)),
        ("blocks.0.ln1.b", (6,)),
        ("blocks.0.attn.W_Q", (2, 6, 4)),
        ("blocks.0.attn.W_K", (2, 6, 4)),
        ("blocks.0.attn.W_V", (2, 6, 3)),
        ("blocks.0.attn.W_O", (2, 3, 6)),
        ("blocks.0.attn.b_Q", (2, 4)),
        ("blocks.0.attn.b_K", (2, 4)),
        ("blocks.0.attn.b_V", (2, 3)),
        ("blocks.0.attn.b_O", (6,)),
        ("blocks.0.ln2.w", (6,)),
        ("blocks.0.ln2.b", (6,)),
        ("blocks.0.mlp.W_in", (6, 7)),
        ("blocks.0.mlp.W_out", (7, 6)),
        ("blocks.0.mlp.b_in", (7,)),
        ("blocks.0.mlp.b_out", (6,)),
        ("ln_final.w", (6,)),
        ("ln_final.b", (6,)),
        ("unembed.W_U", (6, 5)),
        ("unembed.b_U", (5,)),
    ]


def test_a_head_is_a_block_of_columns():
    model = make_gpt(np.random.default_rng(0))
    attn = model.parameters.blocks[1].attn
    split = split_heads(name_weights(model.parameters), 2)
    for h in range(2):
        np.testing.assert_array_equal(
            split["blocks.1.attn.W_K"][h], attn.W_K[:, 4 * h : 4 * (h + 1)]
        )
        np.testing.assert_array_equal(split["blocks.1.attn.W_O"][h], attn.W_O[3 * h : 3 * (h + 1)])
        np.testing.assert_array_equal(split["blocks.1.attn.b_V"][h], attn.b_V[3 * h : 3 * (h + 1)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda named: named.pop("embed.W_E"), r"no weight embed\.W_E; there are blocks\.0\.attn"),
        (lambda named: named.pop("blocks.1.attn.W_K"), r"no weight blocks\.1\.attn\.W_K; there"),
        (lambda named: named.pop("ln_final.w"), r"no weight ln_final\.w"),
        (
            lambda named: [named.pop(n) for n in list(named) if n.startswith("blocks.0.attn")],
            r"no weight blocks\.0\.attn\.W_Q",
        ),
        (
            lambda named: [named.pop(n) for n in list(named) if n.startswith("blocks.0")],
            r"a GPT of 0 layers has no weight blocks\.1\.attn\.W_K, ",
        ),
        (lambda named: named.update({"blocks.0.ln3.w": 0}), r"2 layers has no .* blocks.0.ln3.w$"),
    ],
)
def test_names_that_make_no_gpt_are_refused(change, message):
    named = name_weights(make_gpt(np.random.default_rng(0)).parameters)
    change(named)
    with pytest.raises(GamecircuitsError, match=message):
        from_names(named)


@pytest.mark.parametrize("name", name_weights(make_gpt(np.random.default_rng(0)).parameters))
def test_a_shape_that_does_not_fit_is_named(name):
    model = make_gpt(np.random.default_rng(0))
    named = name_weights(model.parameters)
    if name not in ("embed.W_E", "pos_embed.W_pos"):  # whose rows say V and the longest context
        narrow = from_names(named | {name: named[name][:-1]})
        with pytest.raises(GamecircuitsError, match=r"has shape .*; expected \("):
            check_weights(narrow, model.design)
    deep = from_names(named | {name: named[name][None]})
    with pytest.raises(GamecircuitsError, match=rf"{name} has shape \(1, "):
        check_weights(deep, model.design)


@pytest.mark.parametrize(
    ("settings_", "design", "message"),
    [
        ({"num_heads": 2}, Design(3, positions="learned"), "W_Q has 8 columns, which 3 heads"),
        ({"d_v": 3}, Design(4, positions="learned"), "W_V has 6 columns, which 4 heads cannot"),
        ({}, Design(2, positions="none"), "positions are 'none', and there is a table"),
        ({"positions": "none"}, Design(2, positions="learned"), "'learned', and there is no table"),
        ({"positions": "rotary", "d_k": 3}, Design(2, positions="rotary"), "3 entries of a head"),
    ],
)
def test_a_design_that_does_not_fit_is_refused(settings_, design, message):
    model = make_gpt(np.random.default_rng(0), **settings_)
    with pytest.raises(GamecircuitsError, match=message):
        check_weights(model.parameters, design)
