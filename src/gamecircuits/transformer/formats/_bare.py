"""What makes a GPT plainer for software that knows less, without a change of its logits."""

from dataclasses import replace
from typing import Literal

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import GPT, embed_sinusoids

LONGEST = 1024  # positions in a table that stands for positions without one


def bake_positions(model: GPT) -> GPT:
    """The same with a table of learned positions, up to LONGEST; rotary ones cannot be in one."""
    parameters, positions = model.parameters, model.design.positions
    if positions == "rotary":
        raise GamecircuitsError("rotary positions are no table that is added to the embedding")
    if positions == "learned":
        return model
    W_E = parameters.W_E
    table = np.zeros((LONGEST, W_E.shape[1]), W_E.dtype)
    if positions == "sinusoidal":
        table = embed_sinusoids(np, LONGEST, W_E.shape[1], W_E.dtype)
    return GPT(parameters._replace(W_pos=table), replace(model.design, positions="learned"))


def fill_biases(named: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with zeros for all biases that are left out, and W_U by itself."""
    W_E = named["embed.W_E"]
    filled = {"unembed.W_U": W_E.T, "unembed.b_U": np.zeros(len(W_E), W_E.dtype)} | named
    for name, weight in named.items():
        place, _, kind = name.rpartition(".")
        if kind == "w":
            filled.setdefault(f"{place}.b", np.zeros_like(weight))
        elif place.startswith("blocks.") and kind.startswith("W_"):
            zeros = np.zeros(weight.shape[-1], weight.dtype)
            filled.setdefault(f"{place}.b_{kind.removeprefix('W_')}", zeros)
    return filled


def require_norms(model: GPT) -> Literal["none", "layer", "rms"]:
    """What is done before all sublayers and at the end; GamecircuitsError if that differs."""
    sublayers = [b.ln1 for b in model.parameters.blocks]
    sublayers += [b.ln2 for b in model.parameters.blocks if b.mlp is not None]
    have = [norm is not None for norm in (*sublayers, model.parameters.ln_final)]
    if any(have[:-1]) and model.design.placement == "after":
        raise GamecircuitsError("norms are after the sublayers; that software has them before")
    if any(have) and not all(have):
        raise GamecircuitsError("some sublayers have a norm and others have none")
    return model.design.norm if any(have) else "none"
