"""What a model makes of one prefix, token by token: for looking at, in a terminal or a notebook."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.errors import ParameterError
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.model import attention_pattern
from gamecircuits.transformer.one_layer import OneLayer


def show(
    model: Model, tokens: Sequence[int] | np.ndarray, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """What a model attends to after a prefix, and what it then predicts: a row for each token.

    Args:
        model: any, see `gamecircuits.transformer.interface`.
        tokens: the prefix, integers (L,) in 0..V−1, at least one.
        names: of the V tokens, for the rows, such as "abcd"; their numbers by default.

    Returns:
        table of V rows. `seen` is how often a token stands in the prefix, and `attention` what the
        last position pays to these places together: sum 1, less with a sink. Models of another kind
        than OneLayer have no such column. `logit` is in nats. `probability` is that of the token
        being next, sum 1.

    Raises:
        ParameterError: tokens or names that the model cannot have.
    """
    V = model.vocab_size
    prefix = np.asarray(tokens)
    is_usable = prefix.ndim == 1 and prefix.size and np.issubdtype(prefix.dtype, np.integer)
    if not (is_usable and prefix.min() >= 0 and prefix.max() < V):
        allowed = f"integers from 0 to {V - 1} in a list that is not empty"
        raise ParameterError("tokens", tokens, allowed)
    if names is not None and len(names) != V:
        raise ParameterError("names", names, f"{V} names, one for each token")
    logits = np.asarray(model.logits(prefix))[-1]  # (V,)
    columns = {"seen": np.bincount(prefix, minlength=V)}
    if isinstance(model, OneLayer):
        pattern = np.asarray(attention_pattern(model.parameters, prefix, sink=model.sink))  # (L, L)
        columns["attention"] = np.bincount(prefix, weights=pattern[-1], minlength=V)
    columns |= {"logit": logits + 0.0, "probability": probabilities(logits)}  # + 0.0: no −0
    return pd.DataFrame(columns, index=pd.Index(list(names or range(V)), name="token"))
