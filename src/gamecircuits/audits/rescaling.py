"""The strength x of a first layer changed inside a model: to see whether the rest follows.

Theory's D = −diag(x) + … becomes −factor · diag(x) + …: whatever a head says of a token it attends
to is changed along the one direction that moves the score of this token alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gamecircuits.audits.first_layer import Readout, Strengths
from gamecircuits.transformer.gpt import GPT, Array


def find_directions(
    rows: np.ndarray, readout: Readout, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Changes of the residual stream, one for each token (n, d), equally large in standard
    deviations of the activations (P, d).

    Returns:
        probe: the smallest change that raises the score of one token by 1, and no other score.
        random: a random one that changes no score.
    """
    values, vectors = np.linalg.eigh(np.cov(rows.astype(np.float64), rowvar=False))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    scores = root @ readout.W  # (d, n), of activations in standard deviations
    smallest = np.linalg.pinv(scores)
    drawn = rng.standard_normal(smallest.shape)
    drawn -= drawn @ scores @ smallest
    lengths = np.linalg.norm(smallest, axis=1) / np.linalg.norm(drawn, axis=1)
    return {"probe": smallest @ root, "random": (drawn * lengths[:, None]) @ root}


@dataclass(frozen=True, eq=False)
class Rescaled(GPT):
    """A GPT whose first layer adds something for every token that it attends to.

    Attributes:
        changes: what each head adds for a token, fully attended (H, V, d).
    """

    changes: np.ndarray

    def logits(
        self, tokens: np.ndarray, hook: Callable[[str, Array], Array] = lambda site, values: values
    ) -> np.ndarray:
        patterns: list[np.ndarray] = []
        added = self.changes[:, np.maximum(tokens, 0)]  # (H, ..., L, d)

        def edit(site: str, values: np.ndarray) -> np.ndarray:
            if site == "blocks.0.attn.pattern":
                patterns.append(np.moveaxis(values, -3, 0))
            if site == "blocks.0.attn_out":
                values = values + (patterns.pop() @ added).sum(axis=0).astype(values.dtype)
            return hook(site, values)

        return super().logits(tokens, edit)


def rescale(
    model: GPT, strengths: Strengths, known: np.ndarray, directions: np.ndarray, factor: float
) -> GPT:
    """The model with x times a factor: D + (1 − factor) diag(x) in place of every D.

    Args:
        known: tokens of the strengths (n,).
        directions: what raises the score of each by 1 (n, d).
    """
    V, d = model.parameters.W_E.shape
    changes = np.zeros((len(strengths.x), V, d))
    changes[:, known] = (1 - factor) * strengths.x[..., None] * directions
    return Rescaled(model.parameters, model.design, changes)


def shrink(
    logits: np.ndarray, legal: np.ndarray, played: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Logits (P, V) with the share `left` (P,) of what played tokens lie below the legal mean."""
    mean = (logits * legal).sum(axis=1, keepdims=True) / legal.sum(axis=1, keepdims=True)
    return np.where(played, mean - left[:, None] * (mean - logits), logits)
