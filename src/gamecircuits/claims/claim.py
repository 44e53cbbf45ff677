"""A claim is a statement of docs/theory.md, tested on random instances.

A claim *builds* a random instance that fulfils the hypotheses. It then *checks* it: it compares
what the theorem predicts with what the model does in every context. The two steps are separate, so
that tests can spoil an instance in between and see the claim fail.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple, Protocol

import numpy as np

from gamecircuits.transformer.circuits import TokenTables, from_circuits


class Outcome(NamedTuple):
    """Result of one check; with many contexts, of the worst one."""

    predicted: float
    measured: float
    tolerance: float
    contexts: int
    relation: str = "="  # measured = predicted, or <= or >=, up to the tolerance

    @property
    def holds(self) -> bool:
        excess = self.measured - self.predicted
        worst = {"=": abs(excess), "<=": excess, ">=": -excess}[self.relation]
        return bool(worst <= self.tolerance)  # False if anything is NaN


class Claim(NamedTuple):
    """A statement with two functions: build(V, rng) makes an instance, check(instance) an Outcome.

    An instance has a text `description`.
    """

    name: str
    proved: str
    statement: str
    smallest: int
    build: Callable[[int, np.random.Generator], SimpleNamespace]
    check: Callable[[SimpleNamespace], Outcome]
    is_random: bool = True  # else one instance of each vocabulary size is enough


class _HasBoth(Protocol):
    """A class that `claim` may decorate; it serves as a namespace and has no instances."""

    @staticmethod
    def build(V: int, rng: np.random.Generator, /) -> SimpleNamespace: ...
    @staticmethod
    def check(case: SimpleNamespace, /) -> Outcome: ...


CLAIMS: dict[str, Claim] = {}


def claim_modules() -> list[str]:
    """List the full names of the modules in this folder that hold claims."""
    found = pkgutil.iter_modules(importlib.import_module("gamecircuits.claims").__path__)
    return sorted(
        f"gamecircuits.claims.{module.name}"
        for module in found
        if module.name not in ("claim", "check")
    )


def load_claims() -> dict[str, Claim]:
    """Import all modules of claims, which registers their claims; return the claims by name."""
    for module in claim_modules():
        importlib.import_module(module)
    return CLAIMS


def claim(
    proved: str, statement: str, smallest: int = 4, is_random: bool = True
) -> Callable[[type[_HasBoth]], Claim]:
    """Register the decorated class in CLAIMS, under its name in snake case.

    Args:
        proved: the statement of docs/theory.md that proves the claim.
        statement: the claim in one line.
        smallest: least vocabulary size for which the claim is defined.
        is_random: whether instances differ.
    """

    def register(cls: type[_HasBoth]) -> Claim:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        CLAIMS[name] = Claim(name, proved, statement, smallest, cls.build, cls.check, is_random)
        return CLAIMS[name]

    return register


def compare(predicted, measured, tolerance: float, contexts: int) -> Outcome:
    """Compare two arrays that should be equal; report the entry where they differ most."""
    predicted, measured = np.broadcast_arrays(
        np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    )
    difference = np.abs(predicted - measured).ravel()
    worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    return Outcome(predicted.ravel()[worst], measured.ravel()[worst], tolerance, contexts)


def bound(relation: str, limit, measured, tolerance: float, contexts: int) -> Outcome:
    """Compare two arrays, measured <= or >= limit; report the entry closest to failing."""
    limit, measured = np.broadcast_arrays(
        np.asarray(limit, dtype=float), np.asarray(measured, dtype=float)
    )
    room = (limit - measured if relation == "<=" else measured - limit).ravel()
    worst = int(np.argmin(np.where(np.isnan(room), -np.inf, room)))
    return Outcome(limit.ravel()[worst], measured.ravel()[worst], tolerance, contexts, relation)


def random_standard_form(
    V: int, rng: np.random.Generator, *, beta: float = 1.0, gauge: float = 3.0
) -> SimpleNamespace:
    """Draw x > 0, β of both signs, attention and gauge; make the circuits from them.

    The circuits are `scores`, `ov` and `direct`, each (V, V).
    """
    x = rng.uniform(1, 20, V)
    case = SimpleNamespace(
        x=x,
        beta=beta * rng.uniform(-1, 1, V) * x.min(),
        scores=rng.standard_normal((V, V)),
        norm="none",
        gain=1.0,
        sink=0.0,
        description=f"V = {V}, random x, β, attention and gauge",
    )
    c, c_direct, r = gauge * rng.standard_normal((3, V))
    case.ov = -np.diag(x) + c[:, None] + r
    case.direct = -np.diag(case.beta) + c_direct[:, None] - r
    return case


def tables_of(case: SimpleNamespace) -> TokenTables:
    """Make token tables of the transformer that has the circuits of the case."""
    parameters = from_circuits(case.scores, case.ov, case.direct)
    return TokenTables(parameters, case.norm, case.gain, case.sink)


def measure(case: SimpleNamespace, members: np.ndarray, last: np.ndarray):
    """Measure logits (N, V), displacements (N, V) and spread of the absent logits (N,) in contexts.

    Displacements are from the mean absent logit; they are NaN at absent tokens.
    """
    logits = tables_of(case).set_logits(members, last)
    absent = ~members
    mean = np.where(absent, logits, 0).sum(axis=1) / absent.sum(axis=1)
    high = np.where(absent, logits, -np.inf).max(axis=1)
    low = np.where(absent, logits, np.inf).min(axis=1)
    return logits, np.where(members, mean[:, None] - logits, np.nan), high - low
