"""The standard form of a model's OV circuit D and direct path B, fitted by least squares:

    D = −diag(x) + c1ᵀ + 1rᵀ + residual,   B = −diag(β) + c'1ᵀ − 1rᵀ + residual.

x and β do not depend on the gauge c, c', r. docs/theory.md has the statements.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.theory.basics import decompose_off_diagonal
from gamecircuits.transformer.circuits import direct_path, ov_circuit
from gamecircuits.transformer.one_layer import OneLayer


@dataclass(frozen=True)
class StandardForm:
    """Least-squares fit of the standard form.

    Attributes:
        x, beta: strengths (V,) of the OV circuit and of the direct path, independent of the gauge.
        r: (V,), what D favours and B takes back; 0 where the two could not cancel.
        ov_residual, direct_residual: (V, V), what does not fit; 0 on the diagonal.
    """

    x: np.ndarray
    beta: np.ndarray
    r: np.ndarray
    ov_residual: np.ndarray
    direct_residual: np.ndarray

    def residual(self) -> float:
        """Root mean square of what does not fit, relative to the mean |x|; 0 iff standard form."""
        V = len(self.x)
        square = (self.ov_residual**2).sum() + (self.direct_residual**2).sum()
        scale = np.abs(self.x).mean()
        root = np.sqrt(square / (2 * V * (V - 1)))
        return float(root / scale) if scale > 0 else (0.0 if root == 0 else np.inf)


def has_gauge_r(model: OneLayer) -> bool:
    """Whether the r of the OV circuit and the direct path cancel in a model's predictions.

    They do not if the attention weights sum to less than 1 (a sink), or if the head's output is
    normalised. A norm of the residual stream acts on the sum of the two.
    """
    return model.norm != "attention" and model.sink == 0


def fit_model(model: OneLayer) -> StandardForm:
    """The standard form of a model's circuits; under a norm, of what the norm is given."""
    circuits = ov_circuit(model.parameters), direct_path(model.parameters)
    return fit_standard_form(*circuits, has_gauge_r(model))


def fit_standard_form(ov: np.ndarray, direct: np.ndarray, cancels: bool = True) -> StandardForm:
    """Fit x, β and r to an OV circuit and a direct path, (V, V) each, V >= 2.

    Args:
        cancels: whether the r of the two cancel; see has_gauge_r. Where they do not, r = 0 is
            what exactness needs. With two tokens r is not determined, and only x + β is.
    """
    V = len(ov)
    # Σ(D−c−r)² + Σ(B−c'+r)² is least where r fits the columns of (D−B)/2.
    r = decompose_off_diagonal((ov - direct) / 2).column if cancels else np.zeros(V)

    def remainder(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        off = np.where(np.eye(V, dtype=bool), 0.0, table)
        shared = off.sum(axis=1) / (V - 1)  # the logit that a row gives to all other tokens
        rest = np.where(np.eye(V, dtype=bool), 0.0, table - shared[:, None])
        return shared - np.diagonal(table), rest

    x, ov_residual = remainder(ov - r)
    beta, direct_residual = remainder(direct + r)
    return StandardForm(x, beta, r, ov_residual, direct_residual)
