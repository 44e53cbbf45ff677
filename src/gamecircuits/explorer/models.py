"""Models as the page takes them: tables over the vocabulary, from which it computes by itself."""

import numpy as np

from gamecircuits.analysis.standard_form import fit_model
from gamecircuits.transformer.circuits import direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.one_layer import OneLayer

MAX_TOKENS = 64  # tables of larger vocabularies would be most of the page
MAX_BYTES = 2_000_000  # of the tables of all models; those that come after are left out
LARGE = 32  # tokens from which on seven digits suffice


def make_tables(model: OneLayer, dtype: str = "float64") -> dict[str, np.ndarray]:
    """Tables (V, V) that give the logits of any context; web/transformer.js has the formulas.

    Returns:
        `scores` [last token, attended token]; `values` [attended token, next token] and `direct`
        [last token, next token] in nats. Under a norm also `gram`, the products of what two tokens
        write to the residual stream; under one of the residual stream `cross` [last token, attended
        token], their products with the embedding of the last token, and `length2` (V,), its squared
        length.
    """
    parameters = model.parameters
    written = parameters.W_E @ parameters.W_V @ parameters.W_O  # (V, d)
    tables = {
        "scores": qk_circuit(parameters),
        "values": ov_circuit(parameters),
        "direct": direct_path(parameters),
    }
    if model.norm != "none":
        tables["gram"] = written @ written.T
    if model.norm == "residual":
        tables["cross"] = parameters.W_E @ written.T
        tables["length2"] = (parameters.W_E**2).sum(axis=1)
    return {name: table.astype(dtype) for name, table in tables.items()}


def scale_at_length_1(model: OneLayer) -> tuple[np.ndarray, np.ndarray]:
    """What a norm multiplies the rows of the OV circuit and of the direct path by, (V,) each.

    After a single token the head's output is that of this token; without a norm both are 1.
    """
    parameters, ones = model.parameters, np.ones(model.vocab_size)
    if model.norm == "none":
        return ones, ones
    written = parameters.W_E @ parameters.W_V @ parameters.W_O
    divided = written if model.norm == "attention" else parameters.W_E + written
    length = np.linalg.norm(divided, axis=1)
    factor = np.divide(model.gain, length, out=np.zeros_like(length), where=length > 0)
    return factor, ones if model.norm == "attention" else factor


def describe_model(model: OneLayer) -> dict:
    """What the page needs to run a model and to draw its circuits without gauge.

    Returns:
        its size, norm and tables; the r of docs/theory.md (V,), and `factors` of
        `scale_at_length_1`.
    """
    values, direct = scale_at_length_1(model)
    dtype = "float32" if model.vocab_size > LARGE else "float64"
    return {
        "vocab": model.vocab_size,
        "norm": model.norm,
        "gain": model.gain,
        "sink": model.sink,
        "d": model.parameters.W_Q.shape[0],
        "tables": make_tables(model, dtype),
        "r": fit_model(model).r,
        "factors": {"values": values, "direct": direct},
    }


def keep_few(models: list[dict]) -> list[dict]:
    """The first models whose tables are not too large together."""
    sizes = [sum(table.nbytes for table in model["tables"].values()) for model in models]
    is_kept = np.cumsum(sizes, dtype=int) <= MAX_BYTES
    return [model for model, kept in zip(models, is_kept, strict=True) if kept]
