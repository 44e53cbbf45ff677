"""Norms at the scale that they have: linear maps, through which what was added reaches the logits.

A norm centres (LayerNorm only), divides by the deviation of the stream and multiplies by its gain.
With the deviation of the actual run it is linear, and the parts of the stream sum to the whole. Not
said by this: how the deviation itself depends on the parts.
"""

from typing import NamedTuple

import numpy as np

from gamecircuits.audits.components import Trace
from gamecircuits.transformer.gpt import EPS, Norm


class Scaled(NamedTuple):
    """A norm with its actual deviations (N, L, 1)."""

    norm: Norm
    deviation: np.ndarray


class Chains:
    """The norms between what each sublayer adds and the unembedding.

    Norms before sublayers are in none but the last: only the final norm is on the direct path.
    """

    def __init__(self, run: Trace):
        self._run = run
        self._centres = run.model.design.norm == "layer"
        weights = run.model.parameters
        self.unembedding = (  # (d, V) and (V,)
            weights.W_E.T if weights.W_U is None else weights.W_U,
            0.0 if weights.b_U is None else weights.b_U,
        )
        self._after: list[Scaled | None] = [None] * len(run.outs)  # the norm after each sublayer
        if run.model.design.placement == "after":
            for point, sublayer in enumerate(run.sublayers):
                if sublayer.norm is not None:
                    whole = run.streams[point] + run.outs[point]
                    self._after[point] = self._scale(sublayer.norm, whole)
        final = weights.ln_final
        self._final = None if final is None else self._scale(final, run.streams[-1])

    def _scale(self, norm: Norm, stream: np.ndarray) -> Scaled:
        centred = self._centre(stream)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return Scaled(norm, np.sqrt(variance + EPS))

    def _centre(self, rows: np.ndarray) -> np.ndarray:
        return rows - rows.mean(axis=-1, keepdims=True) if self._centres else rows

    def _list(self, point: int) -> list[Scaled]:
        """Norms that the output of a sublayer passes, in order; point −1: what is embedded."""
        norms = [*self._after[max(point, 0) :], self._final]
        return [scaled for scaled in norms if scaled is not None]

    def push(self, rows: np.ndarray, point: int) -> np.ndarray:
        """What an addition (..., d) at a point is before the unembedding, (N, L, d)."""
        for norm, deviation in self._list(point):
            rows = self._centre(rows) / deviation * norm.w
        return rows

    def pull(self, directions: np.ndarray, point: int) -> np.ndarray:
        """Directions (N, L, d) before the unembedding, as they are for additions at a point."""
        for norm, deviation in reversed(self._list(point)):
            directions = self._centre(directions * norm.w / deviation)
        return directions

    def add_biases(self) -> np.ndarray:
        """What all biases of sublayers and norms are before the unembedding, (N, L, d)."""
        total = np.zeros_like(self._run.streams[0])
        for point, sublayer in enumerate(self._run.sublayers):
            bias = sublayer.output[1]
            total += 0 if bias is None else self.push(bias, point)
            after = self._after[point]
            if after is not None and after.norm.b is not None:
                total += self.push(after.norm.b, point + 1)
        if self._final is not None and self._final.norm.b is not None:
            total += self._final.norm.b
        return total
