"""Averages of the weights along a training run, all of one and the same trajectory.

Every average here is a running one, A_t = A_{t−1} + w_t (θ_t − A_{t−1}) with A_0 = θ_0, so it is
known by its weights w_1, ..., w_T of the newest iterate; they are worked out beforehand. BEMA adds
α_T (θ_T − θ_τ) to what it shows. All but `last` and `earlier` are averages over a window.

A window has two effects: it removes noise, and it shows an older model. `earlier` has the second
without the first. It is the single iterate as old as those in an EMA are on average.

Mind the two conventions: `decay` weighs the old average (optax, ema-pytorch), w = 1 − decay the new
iterate (Block and Zhang's β).
"""

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import suggest
from gamecircuits.parameters import check_fields, get_parameters

AVERAGES: dict[str, type["Average"]] = {}  # by kind
DEFAULT_AVERAGES: dict[str, dict[str, Any]] = {  # of a search
    "last": {"kind": "last"},
    "earlier_0.99": {"kind": "earlier", "decay": 0.99},
    "ema_0.99": {"kind": "ema", "decay": 0.99},
    "earlier_0.999": {"kind": "earlier", "decay": 0.999},
    "ema_0.999": {"kind": "ema", "decay": 0.999},
    "bema": {"kind": "bema", "burn_in": 0.25},
}

Share = Annotated[float, Interval(ge=0, le=1)]
NotNegative = Annotated[float, Interval(ge=0, le=1e30)]


@dataclass(frozen=True)
class Average(ABC):
    """A running average of the iterates θ_0, θ_1, ..., θ_T; a subclass names its kind."""

    def __init_subclass__(cls, kind: str):
        AVERAGES[kind] = cls

    def __post_init__(self):
        check_fields(self)

    @abstractmethod
    def get_weights(self, num_steps: int) -> np.ndarray:
        """w_t of the newest iterate for t = 1..T, float64 (T,)."""

    def get_age(self, num_steps: int) -> float:
        """Mean age at step T of the iterates in A_T, each by its share, in steps."""
        weights = self.get_weights(num_steps)
        kept = np.append(np.cumprod((1 - weights)[:0:-1])[::-1], 1.0)  # of θ_t until the end
        return float(num_steps - weights * kept @ np.arange(1, num_steps + 1))

    def get_correction(self, num_steps: int) -> float:
        """α_T: the share of θ_T − θ_τ that is added to A_T when it is shown."""
        return 0.0

    def get_anchor(self, num_steps: int) -> int:
        """τ, the step whose iterate the correction starts from."""
        return 0


def hold(num_steps: int, step: int) -> np.ndarray:
    """Weights w_t of the "average" that is the iterate of one step from then on, float64 (T,)."""
    return (np.arange(1, num_steps + 1) <= step).astype(float)


@dataclass(frozen=True)
class Last(Average, kind="last"):
    """No average: the last iterate itself."""

    def get_weights(self, num_steps: int) -> np.ndarray:
        return np.ones(num_steps)


@dataclass(frozen=True)
class Ema(Average, kind="ema"):
    """Exponential moving average, bias-corrected: the random weights before training have no share.

    The iterate of age k has a share proportional to decay^k. A decay of 1 is the plain mean.
    """

    decay: Annotated[Share, "share of an iterate relative to the next one; 0: the newest alone"]

    def get_weights(self, num_steps: int) -> np.ndarray:
        t = np.arange(1, num_steps + 1)
        return 1 / t if self.decay == 1 else (1 - self.decay) / (1 - self.decay**t)


@dataclass(frozen=True)
class Earlier(Average, kind="earlier"):
    """No average: the iterate that is as old as those in an EMA of this decay are on average.

    What an EMA gains beyond it is less noise; what it has in common with it is less training.
    """

    decay: Annotated[Share, "decay of the EMA"]

    def get_weights(self, num_steps: int) -> np.ndarray:
        return hold(num_steps, num_steps - round(Ema(self.decay).get_age(num_steps)))


@dataclass(frozen=True)
class PowerEma(Average, kind="power_ema"):
    """EMA that warms up: its window grows with the run, so the start is forgotten.

    decay_t = min(max_decay, 1 − (1 + t/inv_gamma)^−power) at step t = 1, 2, ...; the formula of
    ema-pytorch, which counts from its first update.
    """

    power: Annotated[Share, "1 averages a fixed share of the run, 0 the newest iterate alone"] = (
        2 / 3
    )
    inv_gamma: Annotated[float, Interval(gt=0, le=1e30), "steps before the window grows"] = 1.0
    max_decay: Annotated[Share, "decay at which the window stops growing"] = 0.9999

    def get_weights(self, num_steps: int) -> np.ndarray:
        t = np.arange(1, num_steps + 1)
        return np.maximum((1 + t / self.inv_gamma) ** -self.power, 1 - self.max_decay)


@dataclass(frozen=True)
class Bema(Average, kind="bema"):
    """Bias-corrected EMA (Block and Zhang, arXiv 2508.00180); defaults as in TRL, but every step.

    It starts at the iterate of step τ, the end of the burn-in. From then on, every `every` steps:
    A_t = (1−β_t) A + β_t θ_t with β_t = (ρ+γt)^−κ. Shown is A + α_t (θ_T − θ_τ) with
    α_t = (ρ+γt)^−η, t the last update.
    """

    kappa: Annotated[NotNegative, "exponent κ; 0 gives the newest iterate alone"] = 0.5
    eta: Annotated[NotNegative, "exponent η; 0 is the largest correction, not none"] = 0.2
    rho: Annotated[float, Interval(ge=1, le=1e30), "offset ρ"] = 10.0
    gamma: Annotated[NotNegative, "slope γ"] = 1.0
    every: Annotated[int, Interval(ge=1), "steps between updates; divides the steps of the run"] = 1
    burn_in: Annotated[Share, "share of the run before it starts"] = 0.0

    def get_weights(self, num_steps: int) -> np.ndarray:
        start, t = self.get_anchor(num_steps), np.arange(1, num_steps + 1)
        is_update = (t > start) & ((t - start) % self.every == 0)
        weights = np.where(is_update, (self.rho + self.gamma * t) ** -self.kappa, 0.0)
        return np.where(t <= start, 1.0, weights)

    def get_correction(self, num_steps: int) -> float:
        start = self.get_anchor(num_steps)
        updated = start + (num_steps - start) // self.every * self.every
        return (self.rho + self.gamma * updated) ** -self.eta if updated > start else 0.0

    def get_anchor(self, num_steps: int) -> int:
        return int(self.burn_in * num_steps)


def describe_average(kind: str) -> str:
    """First line of the docstring of an average."""
    return (AVERAGES[kind].__doc__ or "").split("\n")[0]


def make_average(kind: str = "", **parameters: float) -> Average:
    """Make an average; unknown kinds and parameters are answered with those that exist."""
    if kind not in list(AVERAGES):  # what is no text is not in it, either
        raise ParameterError("kind", kind, ", ".join(AVERAGES) + suggest(kind, AVERAGES))
    known = get_parameters(AVERAGES[kind])
    for name in [name for name in parameters if name not in known]:
        allowed = f"the keys of {kind}: {', '.join(known) or 'none'}" + suggest(name, known)
        raise ParameterError(name, parameters[name], allowed)
    for name, parameter in known.items():
        if parameter.default is MISSING and name not in parameters:
            raise ParameterError(name, "missing", f"{parameter.allowed} ({kind} needs it)")
    return AVERAGES[kind](**parameters)
