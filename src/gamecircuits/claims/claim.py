"""What a claim is: a statement of docs/theory.md, put to the test on concrete instances.

A claim *builds* a random instance that fulfils the hypotheses and *checks* it: what the theorem
predicts against what the model does in every context. The two are apart so that tests can spoil an
instance in between and see the claim fail.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from gamecircuits.transformer.circuits import TokenTables, from_circuits


class Outcome(NamedTuple):
    """One check; with many contexts, the one that comes off worst."""

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
    """A claim; build(V, rng) makes an instance with a text `about`, check(instance) an Outcome."""

    name: str
    proved: str
    statement: str
    smallest: int
    build: Callable[[int, np.random.Generator], SimpleNamespace]
    check: Callable[[SimpleNamespace], Outcome]
    is_random: bool = True  # else one instance of each vocabulary size says it all


CLAIMS: dict[str, Claim] = {}


def claim_modules() -> list[str]:
    """Full names of the modules in this folder that hold claims."""
    found = pkgutil.iter_modules(importlib.import_module("gamecircuits.claims").__path__)
    return sorted(
        f"gamecircuits.claims.{module.name}"
        for module in found
        if module.name not in ("claim", "check")
    )


def load_claims() -> dict[str, Claim]:
    """All claims by name; importing a module enters its claims."""
    for module in claim_modules():
        importlib.import_module(module)
    return CLAIMS


def claim(
    proved: str, statement: str, smallest: int = 4, is_random: bool = True
) -> Callable[[type], Claim]:
    """Class decorator that enters a claim in CLAIMS, under the class's name in snake case.

    Args:
        proved: where, in docs/theory.md.
        statement: what, in one line.
        smallest: vocabulary size from which on the claim says something.
        is_random: whether instances differ.
    """

    def register(cls: type) -> Claim:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        CLAIMS[name] = Claim(name, proved, statement, smallest, cls.build, cls.check, is_random)
        return CLAIMS[name]

    return register


def compare(predicted, measured, tolerance: float, contexts: int) -> Outcome:
    """Equality of two arrays: the entry where they differ most."""
    predicted, measured = np.broadcast_arrays(
        np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    )
    difference = np.abs(predicted - measured).ravel()
    worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    return Outcome(predicted.ravel()[worst], measured.ravel()[worst], tolerance, contexts)


def bound(relation: str, limit, measured, tolerance: float, contexts: int) -> Outcome:
    """measured <= or >= limit, for arrays: the entry with the least room."""
    limit, measured = np.broadcast_arrays(
        np.asarray(limit, dtype=float), np.asarray(measured, dtype=float)
    )
    room = (limit - measured if relation == "<=" else measured - limit).ravel()
    worst = int(np.argmin(np.where(np.isnan(room), -np.inf, room)))
    return Outcome(limit.ravel()[worst], measured.ravel()[worst], tolerance, contexts, relation)


def random_standard_form(
    V: int, rng: np.random.Generator, *, beta: float = 1.0, gauge: float = 3.0
) -> SimpleNamespace:
    """Random x > 0, β of both signs, attention and gauge; circuits `scores`, `ov`, `direct`."""
    x = rng.uniform(1, 20, V)
    case = SimpleNamespace(
        x=x,
        beta=beta * rng.uniform(-1, 1, V) * x.min(),
        scores=rng.standard_normal((V, V)),
        norm="none",
        gain=1.0,
        sink=0.0,
        about=f"V = {V}, random x, β, attention and gauge",
    )
    c, c_direct, r = gauge * rng.standard_normal((3, V))
    case.ov = -np.diag(x) + c[:, None] + r
    case.direct = -np.diag(case.beta) + c_direct[:, None] - r
    return case


def tables_of(case: SimpleNamespace) -> TokenTables:
    """The transformer with the circuits of the case, as token tables."""
    parameters = from_circuits(case.scores, case.ov, case.direct)
    return TokenTables(parameters, case.norm, case.gain, case.sink)


def measure(case: SimpleNamespace, members: np.ndarray, last: np.ndarray):
    """Of contexts: logits (N, V), displacements (N, V) from the mean absent logit (NaN at absent
    tokens), and the spread of the absent logits (N,)."""
    logits = tables_of(case).set_logits(members, last)
    absent = ~members
    mean = np.where(absent, logits, 0).sum(axis=1) / absent.sum(axis=1)
    high = np.where(absent, logits, -np.inf).max(axis=1)
    low = np.where(absent, logits, np.inf).min(axis=1)
    return logits, np.where(members, mean[:, None] - logits, np.nan), high - low
