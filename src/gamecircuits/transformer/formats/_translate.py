"""What the formats share: names by rules, what tensors do not tell, and models as one kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import GPT, Attention, Block, Design, GPTParameters, Positions
from gamecircuits.transformer.gpt_weights import check_weights, from_names
from gamecircuits.transformer.one_layer import OneLayer

Tensors = Mapping[str, np.ndarray]
FLOATS = "float16, bfloat16, float32, float64"


@dataclass(frozen=True)
class Told:
    """What tensors do not tell.

    Attributes:
        num_heads: None if nobody says.
        norm: what is done where there are no weights of a norm; None if nobody says.
        config: the file's own settings, by its software's names.
    """

    num_heads: int | None = None
    norm: Literal["none", "layer", "rms"] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def find_heads(self) -> int:
        said = self.config.get("n_head")
        if None not in (self.num_heads, said) and self.num_heads != said:
            raise GamecircuitsError(f"num_heads is {self.num_heads}, and its settings say {said}")
        heads = self.num_heads or said
        if not isinstance(heads, int) or heads < 1:
            raise GamecircuitsError("the tensors do not tell the number of heads; give num_heads")
        return heads


def require_settings(config: Mapping[str, Any], meant: Mapping[str, tuple[Any, Any]]) -> None:
    """GamecircuitsError if settings say that it is another model.

    Args:
        meant: by key what it must say, and what it says unless given.
    """
    for key, (wanted, default) in meant.items():
        if (found := config.get(key, default)) != wanted:
            raise GamecircuitsError(f"config.json: {key} is {found!r}; only {wanted!r} is read")


class Rule(NamedTuple):
    """Where a tensor goes.

    Attributes:
        theirs: pattern of the whole name.
        ours: names, in which \\1 is the layer; several share the columns equally; none: left out.
        is_turned: it is (out, in), as in torch's Linear.
    """

    theirs: str
    ours: Sequence[str] = ()
    is_turned: bool = False


def translate(rules: Sequence[Rule], tensors: Tensors) -> dict[str, np.ndarray]:
    """Weights by our names, in memory's form; GamecircuitsError if one has no place."""
    named: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        for rule in rules:
            if match := re.fullmatch(rule.theirs, name):
                break
        else:
            raise GamecircuitsError(f"{name} has no place in such a GPT")
        if not rule.ours:
            continue
        require_float(name, tensor)
        columns = tensor.T if rule.is_turned else tensor
        if not columns.ndim or columns.shape[-1] % len(rule.ours):
            raise GamecircuitsError(f"{name} has shape {tensor.shape}, which is no {rule.ours}")
        parts = np.split(columns, len(rule.ours), axis=-1)
        named |= {match.expand(ours): part for ours, part in zip(rule.ours, parts, strict=True)}
    return unify(named)


def require_float(name: str, tensor: np.ndarray) -> None:
    """GamecircuitsError if a weight is of another type than real numbers."""
    if tensor.dtype.kind != "f":
        raise GamecircuitsError(f"{name} is {tensor.dtype}; allowed: {FLOATS}")


def unify(named: Tensors) -> dict[str, np.ndarray]:
    """All of the widest type, and at least float32."""
    dtype = np.result_type(np.float32, *named.values())
    return {name: np.asarray(tensor, dtype) for name, tensor in named.items()}


def assemble(named: Tensors, num_heads: int, norm: Literal["layer", "rms"] = "layer") -> GPT:
    """The model of these weights with norms before sublayers; its shapes are checked."""
    parameters = from_names(named)
    positions: Positions = "none" if parameters.W_pos is None else "learned"
    design = Design(num_heads, norm, "before", positions)
    check_weights(parameters, design)
    return GPT(parameters, design)


def as_gpt(model: OneLayer | GPT) -> GPT:
    """The same model as a GPT; GamecircuitsError if it is none."""
    if isinstance(model, GPT):
        return model
    if model.norm != "none" or model.sink:
        raise GamecircuitsError(
            f"a layer with norm {model.norm!r} and sink {model.sink:g} is no GPT; only those with "
            "norm 'none' and sink 0 are"
        )
    W_E, *attention, W_U = model.parameters
    return GPT(GPTParameters(W_E, (Block(Attention(*attention)),), W_U), Design())
