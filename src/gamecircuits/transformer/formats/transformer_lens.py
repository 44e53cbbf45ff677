"""TransformerLens, raw or folded: blocks.0.attn.W_Q (H, d, d_head), which are our names on disk."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.formats import one_layer
from gamecircuits.transformer.formats._bare import (
    LONGEST,
    bake_positions,
    fill_biases,
    require_norms,
)
from gamecircuits.transformer.formats._translate import (
    Tensors,
    Told,
    as_gpt,
    assemble,
    require_float,
    require_settings,
    unify,
)
from gamecircuits.transformer.gpt import EPS, GPT, LONGEST_WAVE
from gamecircuits.transformer.gpt_weights import join_heads, name_weights, split_heads
from gamecircuits.transformer.one_layer import OneLayer

MASKS = (".mask", ".IGNORE")  # what TransformerLens saved beside the weights before version 4
NORMS = {"none": None, "layer": "LN", "rms": "RMS"}
MEANT = {"eps": (EPS, EPS), "positional_embedding_type": ("standard", "standard")}
NO_EPS = 1e-30  # under the root of a norm that is one of length
CENTRED = 1e-4  # mean of a row, as a share of its root mean square, up to which it counts as 0


def recognise(tensors: Tensors) -> bool:
    return {"embed.W_E", "unembed.W_U", "blocks.0.attn.W_Q"} <= tensors.keys()


def read(tensors: Tensors, told: Told) -> OneLayer | GPT:
    """A GPT with norms before sublayers: by their weights, or without weights if it is folded.

    One layer with a norm of the residual stream alone is a OneLayer, if settings say so.
    """
    if told.config.get("final_rms"):
        return _read_one_layer(tensors, told)
    require_settings(told.config, MEANT)
    if any(".mlp." in name for name in tensors):
        require_settings(told.config, {"act_fn": ("gelu", "gelu")})
    split = {name: tensor for name, tensor in tensors.items() if not name.endswith(MASKS)}
    for name, tensor in split.items():
        require_float(name, tensor)
        if "rotary_" in name:
            raise GamecircuitsError(f"{name}: rotary positions are not read")
    for name, shape in ((n, t.shape) for n, t in split.items() if ".attn.W_" in n):
        if len(shape) != 3:
            raise GamecircuitsError(f"{name} has shape {shape}; expected (heads, rows, columns)")
    named = join_heads(unify(split))
    num_heads = len(split["blocks.0.attn.W_Q"])
    norm, weights = _find_norm(named, told)
    return assemble(named | weights, num_heads, norm)


def _read_one_layer(tensors: Tensors, told: Told) -> OneLayer:
    """The inverse of `write` for a layer whose residual stream is normed."""
    require_settings(told.config, {"eps": (NO_EPS, EPS)})
    others = dict(tensors)
    w = others.pop("ln_final.w", None)
    if w is None or w.ndim != 1 or not (w == w[0]).all():
        raise GamecircuitsError("config.json: final_rms is read with one gain in ln_final.w alone")
    return replace(one_layer.read(others, told), norm="residual", gain=float(w[0]) * len(w) ** 0.5)


def _find_norm(named: Tensors, told: Told) -> tuple[Literal["layer", "rms"], dict[str, np.ndarray]]:
    """The norm, and its weights where they were folded into the next matrices: ones."""
    gains = [name for name in named if name.endswith(".w")]
    if gains:
        centred = all(name.removesuffix("w") + "b" in named for name in gains)
        return ("layer" if centred else "rms"), {}
    norm = told.norm or ("layer" if _is_centred(named) else None)
    if norm is None:
        raise GamecircuitsError(
            "there are no weights of norms: say which norm was folded, norm: layer or rms, or "
            "norm: none if there is none"
        )
    if norm == "none":
        return "layer", {}
    ones = np.ones_like(named["embed.W_E"][0])
    layers = sorted({".".join(name.split(".")[:2]) for name in named if name.startswith("blocks.")})
    places = [f"{layer}.ln1" for layer in layers]
    places += [f"{layer}.ln2" for layer in layers if f"{layer}.mlp.W_in" in named]
    return norm, {f"{place}.w": ones for place in (*places, "ln_final")}


def _is_centred(named: Tensors) -> bool:
    """All that writes to the residual stream has mean 0, as after TransformerLens's centring."""
    writes = [
        w for n, w in named.items() if n.endswith(("W_E", "W_pos", "W_O", "W_out", "b_O", "b_out"))
    ]
    means = max(float(np.abs(np.mean(w, axis=-1)).max(initial=0)) for w in writes)
    size = max(float(np.sqrt(np.mean(w * w))) for w in writes if w.size)
    return means <= CENTRED * size


def write(model: OneLayer | GPT) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors, and a configuration for boot_native and for HookedTransformer before version 4.

    A norm of the residual stream alone is TransformerLens's final RMS, which only boot_native has.
    """
    if isinstance(model, OneLayer) and model.norm == "residual":
        tensors, config = write(replace(model, norm="none"))
        d = config["d_model"]
        gains = {"ln_final.w": np.full(d, model.gain / d**0.5, tensors["embed.W_E"].dtype)}
        return tensors | gains, config | {"final_rms": True, "eps": NO_EPS}
    gpt = as_gpt(model)
    is_rotary = gpt.design.positions == "rotary"
    gpt = gpt if is_rotary else bake_positions(gpt)
    norm, blocks = require_norms(gpt), gpt.parameters.blocks
    split = split_heads(fill_biases(name_weights(gpt.parameters)), gpt.design.num_heads)
    if norm == "rms":
        for name in [name for name in split if name.endswith(".b")]:
            if np.any(split.pop(name)):
                raise GamecircuitsError(f"{name} is not zero, and TransformerLens's RMS has none")
    inner = {None if block.mlp is None else block.mlp.W_in.shape[1] for block in blocks}
    if len(inner) > 1:
        raise GamecircuitsError("layers differ in their MLPs; in TransformerLens all are alike")
    d_k = {split[f"blocks.{i}.attn.W_Q"].shape[-1] for i in range(len(blocks))}
    d_v = {split[f"blocks.{i}.attn.W_V"].shape[-1] for i in range(len(blocks))}
    if is_rotary and len(d_k) > 1:
        raise GamecircuitsError("layers differ in the width of heads, which positions turn")
    d_head = max([*d_k, *d_v, 1])  # which has to be one number
    d_mlp = next(iter(inner), None)
    V, d = split["embed.W_E"].shape
    config = {
        "n_layers": len(blocks),
        "d_model": d,
        "n_ctx": LONGEST if is_rotary else len(split["pos_embed.W_pos"]),
        "d_head": d_head,
        "n_heads": gpt.design.num_heads,
        "d_mlp": d_mlp,
        "d_vocab": V,
        "act_fn": "gelu",
        "attn_only": d_mlp is None,
        "normalization_type": NORMS[norm],
        "eps": EPS,
        "positional_embedding_type": "rotary" if is_rotary else "standard",
    }
    if is_rotary:
        config |= {"rotary_dim": max(d_k), "rotary_base": LONGEST_WAVE}
    return {name: _fit(name, w, d_head, is_rotary) for name, w in split.items()}, config


def _fit(name: str, weight: np.ndarray, d_head: int, is_rotary: bool) -> np.ndarray:
    """Heads of width d_head, filled with zeros, and the entries that turn together side by side."""
    kind = name.rpartition(".")[2]
    if kind not in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
        return weight
    axis = weight.ndim - (2 if kind == "W_O" else 1)
    width = weight.shape[axis]
    if is_rotary and kind[-1] in "QK":
        weight = np.take(weight, np.arange(width).reshape(2, -1).T.ravel(), axis=axis)
    if kind[-1] == "Q" and width:
        weight = weight * (d_head / width) ** 0.5  # scores are divided by √d_head
    padding = [(0, 0)] * weight.ndim
    padding[axis] = (0, d_head - width)
    return np.pad(weight, padding)
