"""One layer and one head: W_E, W_Q, W_K, W_V, W_O, W_U, or TransformerLens's names for them."""

import contextlib
from itertools import combinations

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.formats._translate import Tensors, Told, require_float
from gamecircuits.transformer.model import Parameters, check_parameters
from gamecircuits.transformer.one_layer import OneLayer

NAMES = {
    "W_E": "embed.W_E",
    "W_Q": "blocks.0.attn.W_Q",
    "W_K": "blocks.0.attn.W_K",
    "W_V": "blocks.0.attn.W_V",
    "W_O": "blocks.0.attn.W_O",
    "W_U": "unembed.W_U",
}


def recognise(tensors: Tensors) -> bool:
    """Whether these are one head, or tensors that nothing else explains; zeros do no harm."""
    if tensors.keys() & NAMES.keys():
        return True
    head = tensors.get(NAMES["W_Q"])
    is_one = head is None or head.ndim < 3 or len(head) == 1
    return is_one and not any(np.any(t) for n, t in tensors.items() if n not in NAMES.values())


def read(tensors: Tensors, told: Told) -> OneLayer:
    """The layer, in float64.

    Anything that is not zero beside the six matrices (biases, positions, more layers) would be
    another model, and is refused.
    """
    left, found = dict(tensors), {}
    keys = {n: name if name in tensors else n for n, name in NAMES.items()}
    missing = [f"{n} or {NAMES[n]}" for n, key in keys.items() if key not in tensors]
    if missing:
        shown = ", ".join(sorted(tensors)) or "nothing"
        raise GamecircuitsError(f"no tensor {', '.join(missing)}; it has: {shown}")
    for plain, key in keys.items():
        tensor = left.pop(key)
        require_float(key, tensor)
        matrix = tensor[0] if tensor.ndim == 3 and len(tensor) == 1 else tensor
        if matrix.ndim != 2:
            raise GamecircuitsError(f"{key} has shape {tensor.shape}, not one matrix")
        found[plain] = matrix.astype(np.float64)
    if others := [key for key, tensor in left.items() if np.any(tensor)]:
        raise GamecircuitsError(
            f"more than one attention head can use: {', '.join(sorted(others))}; "
            "biases, positions, normalisation and further layers must be zero or left out"
        )
    try:
        check_parameters(Parameters(**found))
    except ValueError as error:
        hint = ""
        if turned := _find_transposed(found):
            hint = (
                f"; all fits if {', '.join(turned)} and perhaps square matrices are transposed: "
                "vectors are rows here, x @ W"
            )
        raise GamecircuitsError(f"{error}{hint}") from None
    return OneLayer(Parameters(**found))


def _find_transposed(found: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The fewest matrices that have to be transposed for all shapes to fit; () if none do."""
    for count in range(1, len(found) + 1):
        for names in combinations(found, count):
            turned = {name: found[name].T for name in names}
            with contextlib.suppress(ValueError):
                check_parameters(Parameters(**(found | turned)))
                return names
    return ()
