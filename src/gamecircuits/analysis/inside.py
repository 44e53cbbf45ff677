"""What a model does on the way to its predictions: how it attends, and what it holds illegal for.

Attention is dispersed if its entropy keeps up with ln(length), that of uniform attention. Illegal
tokens are of two sorts in games like Othello: those already played, and those not yet possible.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import get_logits
from gamecircuits.analysis.metrics import attention_entropy, probabilities
from gamecircuits.games.game import PAD
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.model import attention_pattern
from gamecircuits.transformer.one_layer import OneLayer


class Inside(NamedTuple):
    """What a model showed on games (N, L)."""

    logits: np.ndarray  # (N, L, V)
    entropies: np.ndarray  # of attention, nats (N, layers, heads, L); no layers if it is not shown


class _Watched:
    """A GPT as a `Model` that keeps the entropies of its attention."""

    def __init__(self, model: GPT):
        self.model = model
        self.entropies: list[np.ndarray] = []

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        of_layers: list[np.ndarray] = []

        def watch(site: str, values: np.ndarray) -> np.ndarray:
            if site.endswith("attn.pattern"):
                of_layers.append(attention_entropy(values))
            return values

        found = self.model.logits(tokens, hook=watch)
        shape = (len(tokens), 0, 1, tokens.shape[1])
        self.entropies.append(np.stack(of_layers, axis=1) if of_layers else np.zeros(shape))
        return found


def look_inside(model: Model, tokens: np.ndarray) -> Inside:
    """Logits and entropies of attention after every prefix of tokens (N, L), in one pass."""
    if isinstance(model, GPT):
        watched = _Watched(model)
        logits = get_logits(watched, tokens)
        return Inside(logits, np.concatenate(watched.entropies))
    entropies = np.zeros((len(tokens), 0, 1, tokens.shape[1]))
    if isinstance(model, OneLayer):
        pattern = attention_pattern(model.parameters, np.maximum(tokens, 0), sink=model.sink)
        entropies = attention_entropy(pattern)[:, None, None]
    return Inside(get_logits(model, tokens), entropies)


def get_share_of_uniform(entropy: np.ndarray, length: np.ndarray | int) -> np.ndarray:
    """Entropy in nats over that of uniform attention to as many tokens; NaN for a single one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(length, 1), np.nan, entropy / np.log(length))


def describe_attention(entropies: np.ndarray, goes_on: np.ndarray) -> pd.DataFrame:
    """Mean entropy of every head by length.

    Args:
        entropies: nats (N, layers, heads, L).
        goes_on: which prefixes count, bool (N, L).

    Returns:
        one row per layer, head (both from 0) and length with prefixes: count, entropy (nats),
        share_of_uniform.
    """
    count = goes_on.sum(axis=0)
    sums = np.where(goes_on[:, None, None], entropies, 0).sum(axis=0, dtype=float)
    layer, head, length = (n.ravel() for n in np.indices(sums.shape))
    table = pd.DataFrame({"layer": layer, "head": head, "length": length + 1})
    table["count"] = count[length]
    table["entropy"] = (sums / np.maximum(count, 1)).ravel()
    table["share_of_uniform"] = get_share_of_uniform(table["entropy"], table["length"])
    return table[table["count"] > 0].reset_index(drop=True)


def split_illegal(logits: np.ndarray, tokens: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """Illegal tokens apart: those that were played (`seen`) and those that were not (`unseen`).

    Args:
        logits: (N, L, V).
        tokens: (N, L).
        mask: legal next tokens, bool (N, L, V).

    Returns:
        one row per length and part: count, displacement (nats: mean logit of the legal tokens less
        that of the part's), mass (probability on the part). Prefixes count that have tokens of both
        parts and go on; lengths without such have no rows.
    """
    is_token = tokens[..., None] == np.arange(mask.shape[2])
    is_seen = np.logical_or.accumulate(is_token, axis=1)
    parts = {"seen": ~mask & is_seen, "unseen": ~mask & ~is_seen}
    counts = mask.any(axis=2) & (tokens != PAD)
    for part in parts.values():
        counts &= part.any(axis=2)
    position = np.nonzero(counts)[1]
    chosen, legal = logits[counts], mask[counts]
    p, count = probabilities(chosen), np.bincount(position, minlength=tokens.shape[1])
    legal_mean = _mean_of(chosen, legal)
    tables = []
    for name, part in parts.items():
        of_part = part[counts]
        values = {
            "displacement": legal_mean - _mean_of(chosen, of_part),
            "mass": np.where(of_part, p, 0).sum(axis=1),
        }
        table = pd.DataFrame({"length": np.arange(len(count)) + 1, "part": name, "count": count})
        for column, of_prefixes in values.items():
            table[column] = np.bincount(position, of_prefixes, len(count)) / np.maximum(count, 1)
        tables.append(table[count > 0])
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values("length", kind="stable", ignore_index=True)


def _mean_of(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the chosen ones of values (n, V), bool (n, V): (n,)."""
    return np.where(chosen, values, 0).sum(axis=1) / chosen.sum(axis=1)
