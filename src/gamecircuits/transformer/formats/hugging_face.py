"""Hugging Face's GPT-2: transformer.h.0.attn.c_attn.weight (d, 3d), and config.json beside it."""

from typing import Any

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.formats._bare import bake_positions, fill_biases, require_norms
from gamecircuits.transformer.formats._translate import (
    Tensors,
    Told,
    as_gpt,
    assemble,
    require_settings,
    translate,
)
from gamecircuits.transformer.formats.nanogpt import make_rules, shape_of_c_attn
from gamecircuits.transformer.gpt import EPS, GPT
from gamecircuits.transformer.gpt_weights import name_weights
from gamecircuits.transformer.one_layer import OneLayer

RULES = make_rules(is_turned=False)
MEANT = {  # as for require_settings
    "activation_function": ("gelu", "gelu_new"),
    "layer_norm_epsilon": (EPS, EPS),
    "scale_attn_weights": (True, True),
    "scale_attn_by_inverse_layer_idx": (False, False),
    "add_cross_attention": (False, False),
}
ROUNDING = 100  # of b_U, in units of the last place
VECTORS = {"w": "weight", "b": "bias"}


def recognise(tensors: Tensors) -> bool:
    shape = shape_of_c_attn(tensors)
    return len(shape) == 2 and shape[1] == 3 * shape[0]


def read(tensors: Tensors, told: Told) -> GPT:
    """A GPT-2 with the exact GELU; its own, by tanh, is another function and refused."""
    if not told.config:
        raise GamecircuitsError("there is no config.json beside it, which says what GELU is meant")
    require_settings(told.config, MEANT)
    named = translate(RULES, tensors)
    return assemble(named, told.find_heads())


def write(model: OneLayer | GPT) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and config.json of GPT2LMHeadModel; GamecircuitsError if that is another model."""
    gpt = bake_positions(as_gpt(model))
    if require_norms(gpt) != "layer":
        raise GamecircuitsError("GPT-2 has a LayerNorm before each sublayer and at the end")
    named = fill_biases(name_weights(gpt.parameters))
    V, d = named["embed.W_E"].shape
    layers = len(gpt.parameters.blocks)
    named["ln_final.b"] = _take_bias(named)
    if any(block.mlp is None for block in gpt.parameters.blocks):
        raise GamecircuitsError("a layer has no MLP, and all of GPT-2's have one")
    widths = {named[f"blocks.{i}.attn.W_{n}"].shape[1] for i in range(layers) for n in "QV"}
    if others := widths - {d}:
        raise GamecircuitsError(f"heads are {max(others)} wide in all; in GPT-2 as the stream, {d}")
    inner = {block.mlp.W_in.shape[1] for block in gpt.parameters.blocks if block.mlp}
    if len(inner) > 1:
        raise GamecircuitsError("MLPs differ in width; in GPT-2 all are alike")
    tensors = {
        "transformer.wte.weight": named["embed.W_E"],
        "transformer.wpe.weight": named["pos_embed.W_pos"],
    }
    for i in range(layers):
        for part, theirs in (("ln1", "ln_1"), ("ln2", "ln_2")):
            for ours, kind in VECTORS.items():
                tensors[f"transformer.h.{i}.{theirs}.{kind}"] = named[f"blocks.{i}.{part}.{ours}"]
        for part, theirs, names in (
            ("attn", "attn.c_attn", "QKV"),
            ("attn", "attn.c_proj", "O"),
            ("mlp", "mlp.c_fc", ["in"]),
            ("mlp", "mlp.c_proj", ["out"]),
        ):
            for letter, kind in (("W", "weight"), ("b", "bias")):
                tensors[f"transformer.h.{i}.{theirs}.{kind}"] = np.concatenate(
                    [named[f"blocks.{i}.{part}.{letter}_{name}"] for name in names], axis=-1
                )
    tensors["transformer.ln_f.weight"] = named["ln_final.w"]
    tensors["transformer.ln_f.bias"] = named["ln_final.b"]
    is_tied = gpt.parameters.W_U is None
    if not is_tied:
        tensors["lm_head.weight"] = named["unembed.W_U"].T
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": V,
        "n_positions": len(named["pos_embed.W_pos"]),
        "n_embd": d,
        "n_layer": layers,
        "n_head": gpt.design.num_heads,
        "n_inner": next(iter(inner), None),
        "activation_function": "gelu",
        "layer_norm_epsilon": EPS,
        "tie_word_embeddings": is_tied,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    return tensors, config


def _take_bias(named: dict[str, np.ndarray]) -> np.ndarray:
    """A bias of the final norm that also does what b_U does, as GPT-2 has none.

    Raises:
        GamecircuitsError: b_U is no combination of the rows of W_U, to rounding.
    """
    b, W_U, b_U = (named[name] for name in ("ln_final.b", "unembed.W_U", "unembed.b_U"))
    if not np.any(b_U):
        return b
    share = np.linalg.lstsq(W_U.T.astype(np.float64), b_U.astype(np.float64))[0].astype(b.dtype)
    error = np.abs(share.astype(np.float64) @ W_U - b_U).max()
    if error > ROUNDING * np.finfo(b.dtype).eps * np.abs(b_U).max():
        raise GamecircuitsError(
            "unembed.b_U is not zero, GPT-2 has none, and no bias of the final norm does the same"
        )
    return b + share
