"""A GPT's weights by name, as TransformerLens calls them: what optimizers and files work on.

In memory heads lie beside each other, (d, H·d_head); on disk they have an axis of their own, as in
TransformerLens.
"""

from collections.abc import Mapping
from typing import Any

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import MLP, Attention, Block, Design, GPTParameters, Norm

Array = Any  # any array of the array API standard
PARTS = {"ln1": Norm, "attn": Attention, "ln2": Norm, "mlp": MLP}  # of a block, as they act
# Axis of a weight, from the end, along which heads lie; (H·d_head) becomes H, d_head.
_READ = {"W_Q", "W_K", "W_V"}  # (d, H·d_head), on disk (H, d, d_head)
_BIASES = {"b_Q", "b_K", "b_V"}  # (H·d_head), on disk (H, d_head)
_WRITE = {"W_O"}  # (H·d_head, d), on disk (H, d_head, d)
SHAPES = {
    "W_E": ("V", "d"),
    "W_pos": ("n", "d"),
    "W_U": ("d", "V"),
    "b_U": ("V",),
    "w": ("d",),
    "b": ("d",),
    "W_Q": ("d", "d_k"),
    "W_K": ("d", "d_k"),
    "W_V": ("d", "d_v"),
    "W_O": ("d_v", "d"),
    "b_Q": ("d_k",),
    "b_K": ("d_k",),
    "b_V": ("d_v",),
    "b_O": ("d",),
    "W_in": ("d", "d_mlp"),
    "W_out": ("d_mlp", "d"),
    "b_in": ("d_mlp",),
    "b_out": ("d",),
}  # d_k, d_v: of all heads; n: longest context
WIDTHS = {"W_Q": "d_k", "W_V": "d_v", "W_in": "d_mlp"}  # which each layer chooses anew


def name_weights(parameters: GPTParameters) -> dict[str, Array]:
    """All weights that are there, from embedding to unembedding, as they are in memory."""
    named = {"embed.W_E": parameters.W_E, "pos_embed.W_pos": parameters.W_pos}
    for i, block in enumerate(parameters.blocks):
        for part in PARTS:
            named |= _name_part(f"blocks.{i}.{part}", getattr(block, part))
    named |= _name_part("ln_final", parameters.ln_final)
    named |= {"unembed.W_U": parameters.W_U, "unembed.b_U": parameters.b_U}
    return {name: weight for name, weight in named.items() if weight is not None}


def from_names(named: Mapping[str, Array]) -> GPTParameters:
    """The inverse of `name_weights`; values are kept as they are, whatever their shape.

    Raises:
        GamecircuitsError: a name that no GPT has, or a matrix is missing beside others of its part.
    """
    blocks: list[Block] = []
    while any(name.startswith(f"blocks.{len(blocks)}.") for name in named):
        i = len(blocks)
        parts = {
            part: _find_part(f"blocks.{i}.{part}", kind, named) for part, kind in PARTS.items()
        }
        if parts["attn"] is None:
            raise GamecircuitsError(f"no weight blocks.{i}.attn.W_Q; there are {_show(named)}")
        blocks.append(Block(**parts))
    if "embed.W_E" not in named:
        raise GamecircuitsError(f"no weight embed.W_E; there are {_show(named)}")
    parameters = GPTParameters(
        named["embed.W_E"],
        tuple(blocks),
        named.get("unembed.W_U"),
        named.get("unembed.b_U"),
        named.get("pos_embed.W_pos"),
        _find_part("ln_final", Norm, named),
    )
    if unknown := named.keys() - name_weights(parameters).keys():
        raise GamecircuitsError(f"a GPT of {len(blocks)} layers has no weight {_show(unknown)}")
    return parameters


def _name_part(place: str, part) -> dict[str, Array]:
    return {} if part is None else {f"{place}.{n}": w for n, w in part._asdict().items()}


def _find_part(place: str, kind, named: Mapping[str, Array]):
    """A part of a GPT; None if none of its weights are there."""
    found = {n: named[f"{place}.{n}"] for n in kind._fields if f"{place}.{n}" in named}
    if not found:
        return None
    missing = [n for n in kind._fields if n not in (*found, *kind._field_defaults)]
    if missing:
        raise GamecircuitsError(f"no weight {place}.{missing[0]}; there are {_show(named)}")
    return kind(**found)


def _show(names) -> str:
    return ", ".join(sorted(names)) or "none"


def check_weights(parameters: GPTParameters, design: Design) -> None:
    """GamecircuitsError naming the first weight whose shape does not fit the others."""
    named, H = name_weights(parameters), design.num_heads
    for name, weight in named.items():
        if weight.ndim != len(SHAPES[name.rpartition(".")[2]]):
            kind = "matrix" if ".W_" in name else "vector"
            raise GamecircuitsError(f"{name} has shape {tuple(weight.shape)}, and is no {kind}")
    (V, d), n = parameters.W_E.shape, len(named.get("pos_embed.W_pos", ()))
    sizes = {"V": V, "d": d, "n": n}
    for name, weight in named.items():
        matrix = name.rpartition(".")[2]
        if matrix in WIDTHS:
            sizes[WIDTHS[matrix]] = weight.shape[1]
        wanted = tuple(sizes[axis] for axis in SHAPES[matrix])
        if tuple(weight.shape) != wanted:
            raise GamecircuitsError(f"{name} has shape {tuple(weight.shape)}; expected {wanted}")
        if matrix in _READ and weight.shape[1] % H:
            raise GamecircuitsError(
                f"{name} has {weight.shape[1]} columns, which {H} heads cannot share equally"
            )
        if matrix == "W_Q" and design.positions == "rotary" and weight.shape[1] // H % 2:
            raise GamecircuitsError(
                f"{name}: rotary positions turn pairs, and {weight.shape[1] // H} entries of a "
                "head are an odd number"
            )
    if (design.positions == "learned") != (parameters.W_pos is not None):
        raise GamecircuitsError(
            f"positions are {design.positions!r}, and there is "
            f"{'a' if parameters.W_pos is not None else 'no'} table pos_embed.W_pos"
        )


def split_heads(named: Mapping[str, Array], num_heads: int) -> dict[str, Array]:
    """Weights as on disk: heads have an axis of their own, before the two of a matrix."""
    return {name: _split(name, weight, num_heads) for name, weight in named.items()}


def _split(name: str, weight: Array, H: int) -> Array:
    xp, kind = weight.__array_namespace__(), name.rpartition(".")[2]
    *lead, last = weight.shape
    if kind in _BIASES:
        return xp.reshape(weight, (*lead, H, last // H))
    if kind in _WRITE:
        *lead, rows = lead
        return xp.reshape(weight, (*lead, H, rows // H, last))
    if kind in _READ:
        return xp.moveaxis(xp.reshape(weight, (*lead, H, last // H)), -2, -3)
    return weight


def join_heads(split: Mapping[str, Array]) -> dict[str, Array]:
    """The inverse of `split_heads`."""
    return {name: _join(name, weight) for name, weight in split.items()}


def _join(name: str, weight: Array) -> Array:
    xp, kind = weight.__array_namespace__(), name.rpartition(".")[2]
    if kind in _READ:
        weight = xp.moveaxis(weight, -3, -2)
    if kind in _READ | _BIASES:
        return xp.reshape(weight, (*weight.shape[:-2], weight.shape[-2] * weight.shape[-1]))
    if kind in _WRITE:
        *lead, H, rows, columns = weight.shape
        return xp.reshape(weight, (*lead, H * rows, columns))
    return weight
