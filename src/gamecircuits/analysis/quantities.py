"""The quantities of a diagnosis: their units and meanings, and the rows that hold them."""

import numpy as np
import pandas as pd

from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer

COLUMNS = ["quantity", "unit", "length", "token", "measured", "predicted", "certified", "meaning"]
OF_THEORY = ["predicted", "certified"]  # columns that only set complement has
UNITS = {  # of the quantities of a length
    "illegal_token_rate": "probability",
    "highest_illegal_token_rate": "probability",
    "absent_spread": "nats",
    "lowest_displacement": "nats",
    "other_displacement": "nats",
    "last_displacement": "nats",
    "contexts": "",
}
MEANINGS = {
    "vocab_size": "V",
    "d": "width of the residual stream",
    "d_v": "width of the values",
    "d_k": "width of queries and keys; 0 is uniform attention",
    "ov_rank": "rank of the OV circuit without gauge, up to 1e-6; predicted: of exact models",
    "mean_x": "mean strength of the OV circuit",
    "mean_beta": "mean strength of the direct path on the last token",
    "standard_form_residual": "root mean square outside the standard form, relative to mean |x|",
    "largest_residual": "largest entry outside the standard form, under a norm as at length 1",
    "spread_at_1_and_2": "η: largest spread of absent logits at lengths 1 and 2",
    "lowest_displacement_at_1": "lowest absent logit − logit of the token",
    "lowest_other_displacement_at_2": "Δ₂: lowest absent logit − logit of the first token",
    "lowest_last_displacement_at_2": "lowest absent logit − logit of the last token",
    "imbalance_at_2": "largest difference of the two displacements of a context",
    "conservation_residual": "largest |Σ δ/x − (1 + β/x)| of a context",
    "critical_length": "first length with a context whose last token is not displaced; empty: none "
    "is, or not known, as not all shorter contexts were measured",
    "first_failure_found": "first measured length at which a measured context is like that",
    "first_failure_in_plays": "first measured length with a context in which an illegal token is "
    "at least as likely as a legal one",
    "certified_length": "lengths 1 and 2 certify positive displacements at all lengths up to this",
    "illegal_token_rate": "softmax mass on illegal tokens, mean over contexts",
    "highest_illegal_token_rate": "in the worst context",
    "absent_spread": "highest − lowest legal logit in the worst context",
    "lowest_displacement": "lowest legal logit − highest illegal logit, lowest of all",
    "other_displacement": "lowest absent logit − logit of a token before the last, lowest of all",
    "last_displacement": "lowest absent logit − logit of the last token, lowest of all",
    "contexts": "number of contexts measured; predicted: how many there are",
    "x": "strength of the OV circuit on this token, under a norm as at length 1",
    "beta": "strength of the direct path on this token, under a norm as at length 1",
}


def row(
    quantity: str,
    unit: str,
    measured: float,
    predicted: float = np.nan,
    certified: float = np.nan,
    length: int | None = None,
    token: int | None = None,
) -> list:
    """A row of a diagnosis, in the order of COLUMNS."""
    numbers = [float(measured), float(predicted), float(certified)]
    return [quantity, unit, length, token, *numbers, MEANINGS[quantity]]


def rows_of_sizes(model: Model) -> list[list]:
    """V, and the widths of a OneLayer."""
    rows = [row("vocab_size", "tokens", model.vocab_size)]
    if isinstance(model, OneLayer):
        d, d_v = model.parameters.W_V.shape
        widths = {"d": d, "d_v": d_v, "d_k": model.parameters.W_Q.shape[1]}
        rows += [row(name, "dimensions", width) for name, width in widths.items()]
    return rows


def to_frame(rows: list[list]) -> pd.DataFrame:
    """The table of a diagnosis, from its rows."""
    return pd.DataFrame(rows, columns=COLUMNS).astype({"length": "Int32", "token": "Int32"})
