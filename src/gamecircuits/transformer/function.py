"""The weights that a function in somebody's own Python file returns."""

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from gamecircuits.storage.functions import blame, call_function, name_type
from gamecircuits.transformer.model import Parameters, check_parameters
from gamecircuits.transformer.one_layer import OneLayer

NAMES = Parameters._fields
WANTED = f"six matrices {', '.join(NAMES)}"


def make_own_model(
    path: str, function: str, sha256: str, vocab_size: int, arguments: Mapping[str, Any]
) -> OneLayer:
    """The model of the weights that `function(vocab_size, **arguments)` returns, in float64.

    The function returns the six matrices in the order of `Parameters`, or something that has them
    as attributes.

    Raises:
        GamecircuitsError: names file, line and function, and the matrix that cannot be used.
    """
    source = path, function, sha256
    found = call_function(*source, vocab_size, **arguments)
    if all(hasattr(found, name) for name in NAMES):
        found = [getattr(found, name) for name in NAMES]
    if not isinstance(found, (tuple, list)) or len(found) != len(NAMES):
        count = f" of {len(found)}" if isinstance(found, (tuple, list)) else ""
        raise blame(*source, f"returned {name_type(found)}{count}; wanted {WANTED}")
    matrices = {}
    for name, value in zip(NAMES, found, strict=True):
        matrix = None
        with contextlib.suppress(ValueError):  # rows of different lengths
            matrix = np.asarray(value)
        if matrix is None or matrix.ndim != 2 or matrix.dtype.kind not in "iuf":
            shown = "no array" if matrix is None else f"{matrix.dtype} of shape {matrix.shape}"
            raise blame(*source, f"returned a {name} that is {shown}; wanted a matrix of numbers")
        if len(bad := np.argwhere(~np.isfinite(matrix))):
            row, column = bad[0].tolist()
            problem = f"returned a {name} with {matrix[row, column]} at ({row}, {column})"
            raise blame(*source, f"{problem}; wanted finite numbers")
        matrices[name] = matrix.astype(np.float64)
    if (rows := len(matrices["W_E"])) != vocab_size:
        raise blame(*source, f"returned a W_E with {rows} rows; wanted vocab_size = {vocab_size}")
    try:
        check_parameters(Parameters(**matrices))
    except ValueError as error:
        raise blame(*source, f"returned weights that do not fit: {error}") from None
    return OneLayer(Parameters(**matrices))
