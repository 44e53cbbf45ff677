"""Averages of the weights along a training run, all of one and the same trajectory.

Every average here is a running one, A_t = A_{t−1} + w_t (θ_t − A_{t−1}) with A_0 = θ_0, so it is
known by its weights w_1, ..., w_T of the newest iterate; they are worked out beforehand. BEMA adds
α_t (θ_t − θ_0) to what it shows.

Mind the two conventions: `decay` weighs the old average (optax, ema-pytorch), w = 1 − decay the new
iterate (Block and Zhang's β).
"""

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from math import inf

import numpy as np

from gamecircuits.errors import ParameterError


def _check(key: str, value: float, low: float, high: float = inf) -> None:
    if type(value) not in (int, float) or not (low <= value <= high and value < inf):  # nor NaN
        raise ParameterError(key, value, f"{low} to {high}" if high < inf else f"at least {low}")


@dataclass(frozen=True)
class Average(ABC):
    """A running average of the iterates θ_0, θ_1, ..., θ_T."""

    @abstractmethod
    def get_weights(self, num_steps: int) -> np.ndarray:
        """w_t of the newest iterate for t = 1..T, float64 (T,)."""

    def get_correction(self, step: int) -> float:
        """α_t: the share of θ_t − θ_0 that is added to A_t when it is shown."""
        return 0.0


@dataclass(frozen=True)
class Last(Average):
    """No average: the last iterate itself."""

    def get_weights(self, num_steps: int) -> np.ndarray:
        return np.ones(num_steps)


@dataclass(frozen=True)
class Ema(Average):
    """Exponential moving average; `decay` weighs the old one.

    Attributes:
        decay: β of A_t = β A_{t−1} + (1−β) θ_t.
    """

    decay: float

    def __post_init__(self):
        _check("decay", self.decay, 0, 1)

    def get_weights(self, num_steps: int) -> np.ndarray:
        return np.full(num_steps, 1 - self.decay)


@dataclass(frozen=True)
class PowerEma(Average):
    """EMA that warms up: its window grows with the run, so the start is forgotten.

    decay_t = min(max_decay, 1 − (1 + t/inv_gamma)^−power) at step t = 1, 2, ...; the formula of
    ema-pytorch, which counts from its first update.

    Attributes:
        power: 1 averages a fixed share of the run, 0 the newest iterate alone.
        inv_gamma: steps before the window grows.
        max_decay: the window's end.
    """

    power: float = 2 / 3
    inv_gamma: float = 1.0
    max_decay: float = 0.9999

    def __post_init__(self):
        _check("power", self.power, 0, 1)
        _check("max_decay", self.max_decay, 0, 1)
        if type(self.inv_gamma) not in (int, float) or not 0 < self.inv_gamma < inf:
            raise ParameterError("inv_gamma", self.inv_gamma, "above 0")

    def get_weights(self, num_steps: int) -> np.ndarray:
        t = np.arange(1, num_steps + 1)
        return np.maximum((1 + t / self.inv_gamma) ** -self.power, 1 - self.max_decay)


@dataclass(frozen=True)
class Bema(Average):
    """Bias-corrected EMA (Block and Zhang, arXiv 2508.00180); defaults as in TRL, but every step.

    Every `every` steps, at t = every, 2·every, ...: A_t = (1−β_t) A + β_t θ_t with
    β_t = (ρ+γt)^−κ; shown is A_t + α_t (θ_t − θ_0) with α_t = (ρ+γt)^−η, t the last update.

    Attributes:
        kappa: κ; 0 gives the newest iterate alone.
        eta: η; 0 is the largest correction, not none.
        rho: ρ.
        gamma: γ.
        every: steps between updates; should divide their number, as it is shown at the end.
    """

    kappa: float = 0.5
    eta: float = 0.2
    rho: float = 10.0
    gamma: float = 1.0
    every: int = 1

    def __post_init__(self):
        for key in ("kappa", "eta", "gamma"):
            _check(key, getattr(self, key), 0)
        _check("rho", self.rho, 1)
        if type(self.every) is not int or self.every < 1:
            raise ParameterError("every", self.every, "an integer from 1")

    def get_weights(self, num_steps: int) -> np.ndarray:
        t = np.arange(1, num_steps + 1)
        return np.where(t % self.every == 0, (self.rho + self.gamma * t) ** -self.kappa, 0.0)

    def get_correction(self, step: int) -> float:
        updated = step // self.every * self.every
        return (self.rho + self.gamma * updated) ** -self.eta if updated else 0.0


AVERAGES = {"last": Last, "ema": Ema, "power_ema": PowerEma, "bema": Bema}


def make_average(kind: str = "", **parameters: float) -> Average:
    """Make an average; unknown kinds and parameters are answered with those that exist."""
    if kind not in list(AVERAGES):  # what is no text is not in it, either
        raise ParameterError("kind", kind, ", ".join(AVERAGES))
    known = [field.name for field in fields(AVERAGES[kind])]
    if unknown := sorted(set(parameters) - set(known)):
        raise ParameterError(unknown[0], parameters[unknown[0]], f"the keys {known} of {kind}")
    needed = [field.name for field in fields(AVERAGES[kind]) if field.default is MISSING]
    if missing := [name for name in needed if name not in parameters]:
        raise ParameterError(missing[0], "missing", f"{kind} needs the keys {needed}")
    return AVERAGES[kind](**parameters)
