"""Read a model, constructed or trained, in the terms of the theory: what is it, what will it do?

Three (V, V) tables say all about a model without positions (gamecircuits.transformer.circuits). The
diagnosis fits the standard form to two of them. Beside what the model does, it sets what theory
says of the fitted x and β and the attention: displacements and illegal token rate by length, the
conservation law, the critical length, and what the contexts of lengths 1 and 2 certify for all
lengths (Theorem 7). docs/theory.md has the statements.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.analysis.certifier import (
    Behaviour,
    Certifier,
    ShortContexts,
    measure_short_contexts,
)
from gamecircuits.analysis.contexts import MAX_CONTEXTS, contexts_by_length, spaced_lengths
from gamecircuits.analysis.plays import check_game, measure_plays
from gamecircuits.analysis.quantities import UNITS, row, rows_of_sizes, to_frame
from gamecircuits.analysis.rounding import RoundingErrors, bound_rounding
from gamecircuits.analysis.standard_form import StandardForm, fit_standard_form, has_gauge_r
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import Game
from gamecircuits.games.set_complement import SetComplement
from gamecircuits.randomness import get_rng
from gamecircuits.theory.basics import centering, count_contexts
from gamecircuits.theory.displacement import conserved_sum, first_failing_lengths
from gamecircuits.transformer.circuits import TokenTables, direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.model import Parameters, check_norm, check_parameters
from gamecircuits.transformer.one_layer import OneLayer, require_one_layer

HUGE = np.finfo(np.float64).max / 4
LARGEST = 1e300  # of a circuit, so that sums over the vocabulary are finite
BY_LENGTH = [field.name for field in fields(Behaviour)]
CHUNK_VALUES = 1 << 15  # tokens times contexts at once, so that the cache holds what is in use


@dataclass(frozen=True)
class LengthReport:
    """One length: what the model does, what theory predicts, and what shorter lengths certify.

    Attributes:
        num_contexts: how many were measured, of num_possible; is_complete: whether these are all.
        certified: None under a norm, of which the theorem says nothing.
        conservation_residual: largest |Σ δ/x − (1 + β/x)| of a context; NaN where no law holds.
    """

    length: int
    num_contexts: int
    num_possible: int
    is_complete: bool
    measured: Behaviour
    predicted: Behaviour
    certified: Behaviour | None
    conservation_residual: float


@dataclass(frozen=True)
class Diagnosis:
    """Everything `diagnose` found.

    Attributes:
        model: the model.
        form: its standard form.
        short: what lengths 1 and 2 show.
        lengths: one report for each length measured.
        table: one row per (quantity, length or token): measured, predicted, certified.
    """

    model: OneLayer
    form: StandardForm
    short: ShortContexts
    lengths: tuple[LengthReport, ...]
    table: pd.DataFrame

    def value(self, quantity: str, column: str = "measured") -> float:
        """A quantity of the whole model."""
        rows = self.table[
            (self.table["quantity"] == quantity)
            & self.table["length"].isna()
            & self.table["token"].isna()
        ]
        return float(rows[column].iloc[0])

    def by_length(self, quantity: str) -> pd.DataFrame:
        """A quantity at each length."""
        rows = self.table[(self.table["quantity"] == quantity) & self.table["length"].notna()]
        return rows.reset_index(drop=True)


def diagnose(
    model: OneLayer | Parameters,
    rng: np.random.Generator | None = None,
    log: Callable[[str], None] = lambda message: None,
) -> Diagnosis:
    """Classify a model of set complement and predict what it does at every length.

    Args:
        model: a one-layer transformer or its weights; others are refused. Computed in float64.
        rng: for lengths with more than MAX_CONTEXTS contexts, of which random ones are measured;
            a fixed one by default.
        log: takes lines on the progress.
    """
    if isinstance(model, Parameters):
        model = OneLayer(model)
    model = require_one_layer(model, "a diagnosis").cast(np.float64)
    contexts = _Contexts(model)
    rng = get_rng(0, "diagnosis") if rng is None else rng
    short = measure_short_contexts(contexts.tables)
    log("lengths 1 and 2: all contexts")
    certifier = Certifier(contexts.tables, short) if model.norm == "none" else None
    reports = []
    for length in spaced_lengths(model.vocab_size - 1):
        reports.append(_measure_length(contexts, certifier, int(length), rng))
        log(f"length {length} of {model.vocab_size - 1}")
    rows = [line for report in reports for line in _rows_of_length(report)]
    form = contexts.form_at_length_1()
    rows += _summarize(model, contexts, form, short, reports, certifier)
    for name, values in (("x", form.x), ("beta", form.beta)):
        rows += [row(name, "nats", value, token=token) for token, value in enumerate(values)]
    return Diagnosis(model, form, short, tuple(reports), to_frame(rows))


def diagnose_on(
    game: Game,
    model: Model,
    rng: np.random.Generator,
    log: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """The table of a diagnosis, on any game: with what theory says, if it speaks of this one.

    It speaks of a OneLayer that plays set complement. Of others there is what they do in random
    plays (`measure_plays`), and no column `predicted`.
    """
    check_game(model, game)
    if isinstance(game, SetComplement) and isinstance(model, OneLayer):
        return diagnose(model, rng, log).table
    return measure_plays(model, game, rng, log)


def fit_at_length_1(model: OneLayer) -> StandardForm:
    """The standard form of a model's circuits in nats, under a norm as it scales them at length 1.

    Rounding errors of the weights' products count as 0.

    Raises:
        GamecircuitsError: the model cannot be diagnosed.
    """
    return _Contexts(model.cast(np.float64)).form_at_length_1()


def _without_noise(form: StandardForm, errors: RoundingErrors, cancels: bool) -> StandardForm:
    """The form with 0 for what may be rounding: strengths and residuals below twice its bound."""
    ov, direct = 2 * errors.ov, 2 * errors.direct
    if cancels:  # r has mixed the two
        ov = direct = np.full_like(ov, ov.max() + direct.max())

    def clean(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return np.where(np.abs(values) > noise, values, 0.0)

    return StandardForm(
        clean(form.x, ov),
        clean(form.beta, direct),
        form.r,
        clean(form.ov_residual, ov[:, None]),
        clean(form.direct_residual, direct[:, None]),
    )


def get_circuits(model: OneLayer) -> tuple[TokenTables, np.ndarray, np.ndarray, RoundingErrors]:
    """Token tables, OV circuit (V, V), direct path (V, V), and what rounding may do to them.

    Raises:
        GamecircuitsError: the model cannot be diagnosed.
    """
    parameters = model.parameters
    try:
        check_norm(model.norm)
        check_parameters(parameters)
    except ValueError as error:
        raise GamecircuitsError(str(error)) from None
    if not (np.isfinite(model.gain) and np.isfinite(model.sink) and model.sink >= 0):
        raise GamecircuitsError(
            f"gain = {model.gain} must be finite, sink = {model.sink} finite and not negative"
        )
    if not all(np.isfinite(matrix).all() for matrix in parameters):
        raise GamecircuitsError("the weights must be finite; the model has infinities or NaN")
    if model.vocab_size < 2:
        raise GamecircuitsError(
            f"the model has {model.vocab_size} tokens; set complement needs at least 2"
        )
    overflow = GamecircuitsError("the products of the weights overflow: the circuits are too large")
    with np.errstate(over="ignore", invalid="ignore"):
        circuits = [circuit(parameters) for circuit in (qk_circuit, ov_circuit, direct_path)]
        if not all((np.abs(circuit) < LARGEST).all() for circuit in circuits):
            raise overflow
        try:
            tables = model.tables()
        except ValueError as error:  # scores whose exponentials underflow
            raise GamecircuitsError(f"cannot be diagnosed: {error}".partition(": use")[0]) from None
        errors = bound_rounding(tables)
        if not all((error < LARGEST).all() for error in errors):
            raise overflow
    return tables, circuits[1], circuits[2], errors


class _Values(NamedTuple):
    """Values of n contexts, each (n,): see `Behaviour`."""

    rate: np.ndarray
    spread: np.ndarray
    other: np.ndarray
    last: np.ndarray


class _Contexts:
    """What a model does in contexts of one length, and what theory predicts of them.

    In all arrays (V, n) the vocabulary varies slowest in memory: reductions over it are then fast.
    """

    def __init__(self, model: OneLayer):
        self.norm, self.gain = model.norm, model.gain
        self.tables, self.ov, direct, self.errors = get_circuits(model)
        cancels = has_gauge_r(model)
        form = fit_standard_form(self.ov, direct, cancels)
        self.form = form = _without_noise(form, self.errors, cancels)
        tables = self.tables
        self.weights = np.ascontiguousarray(tables.weights.T)
        self.direct = np.ascontiguousarray(tables.direct.T)
        has_strengths = np.abs(form.x).min() > 1e-9 * np.abs(form.x).max()
        self.is_conserved = model.norm == "none" and model.sink == 0 and has_strengths

    def measure(self, members: np.ndarray, last: np.ndarray) -> tuple[_Values, _Values, float]:
        """Measured and predicted values, and the residual of the conservation law.

        Args:
            members: bool (n, V); last: (n,).
        """
        seen = members.T.astype(np.float64, order="C")
        attention = np.take(self.weights, last, axis=1)
        attention *= seen
        attention /= attention.sum(axis=0) + self.tables.sink[last]
        attended = self.tables.values.T @ attention  # (w, n)
        noise = self.errors.values @ attention
        factor = self._get_norm_factor(attended, last, noise)
        logits = self._get_logits(attended, last, noise)

        # Adding a huge number takes tokens out of a minimum or maximum; np.where is slower.
        hidden = HUGE * seen
        low, high = (logits + hidden).min(axis=0), (logits - hidden).max(axis=0)
        rate, other, of_last = _describe(low - logits, seen, last)
        measured = _Values(rate, high - low, other, of_last)

        columns = np.arange(len(last))
        predicted = attention * self.form.x[:, None]
        predicted *= factor
        on_direct = factor if self.norm == "residual" else 1.0
        predicted[last, columns] += self.form.beta[last] * on_direct
        rate, other, of_last = _describe(predicted, seen, last)
        expected = _Values(rate, np.zeros_like(rate), other, of_last)
        return measured, expected, self._get_conservation_residual(logits, seen, last)

    def form_at_length_1(self) -> StandardForm:
        """The form as the norm scales it at length 1, where a token sees itself: all in nats.

        Without a norm as it is. Of a token that the head ignores nothing is left.
        """
        tables, form, tokens = self.tables, self.form, np.arange(len(self.form.x))
        share = np.diagonal(tables.weights) / (np.diagonal(tables.weights) + tables.sink)
        factor = self._get_norm_factor(tables.values.T * share, tokens, self.errors.values * share)
        on_direct = factor if self.norm == "residual" else np.ones(len(tokens))
        return StandardForm(
            form.x * factor,
            form.beta * on_direct,
            form.r,
            form.ov_residual * factor[:, None],
            form.direct_residual * on_direct[:, None],
        )

    def _get_logits(self, attended: np.ndarray, last: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Logits (V, n)."""
        if self.norm == "none":
            return attended + np.take(self.direct, last, axis=1)
        return np.ascontiguousarray(self.tables.logits(attended.T, last, noise).T)

    def _get_norm_factor(
        self, attended: np.ndarray, last: np.ndarray, noise: np.ndarray
    ) -> np.ndarray:
        """What the norm multiplies, (n,): the head's output, or the whole residual stream."""
        if self.norm == "none":
            return np.ones(len(last))
        vectors = attended
        if self.norm == "residual":
            vectors = attended + self.tables.parameters.W_E.T[:, last]
        length = np.linalg.norm(vectors, axis=0)
        is_heard = length > noise
        return np.where(is_heard, self.gain / np.where(is_heard, length, 1.0), 0.0)

    def _get_conservation_residual(
        self, logits: np.ndarray, seen: np.ndarray, last: np.ndarray
    ) -> float:
        if not self.is_conserved:
            return np.nan
        absent = 1 - seen
        mean_absent = np.einsum("vn,vn->n", logits, absent) / absent.sum(axis=0)
        ratios = (mean_absent - logits) / self.form.x[:, None]
        found = np.einsum("vn,vn->n", ratios, seen)
        return float(np.abs(found - conserved_sum(self.form.x, self.form.beta, last)).max())


def _describe(
    displaced: np.ndarray, seen: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Illegal token rate, and lowest displacement before and at the last token, each (n,).

    Args:
        displaced: of all tokens, (V, n); any zero will do, since only differences count for rates.
        seen: 0 or 1, (V, n); last: (n,).
    """
    columns = np.arange(len(last))
    of_last = displaced[last, columns]
    weights = np.exp(displaced.min(axis=0) - displaced)
    total = weights.sum(axis=0)
    rate = np.minimum(np.einsum("vn,vn->n", weights, seen) / total, 1.0)
    others = HUGE * (1 - seen)
    others += displaced
    others[last, columns] = np.inf
    lowest = others.min(axis=0)
    return rate, np.where(lowest < HUGE / 2, lowest, np.inf), of_last


def _measure_length(
    contexts: _Contexts, certifier: Certifier | None, length: int, rng: np.random.Generator
) -> LengthReport:
    """Measure, predict and certify one length."""
    V = len(contexts.form.x)
    limit = min(MAX_CONTEXTS, max(1000, 40_000_000 // V**2))
    members, last, is_complete = contexts_by_length(V, length, limit, rng)
    size = max(1, CHUNK_VALUES // V)
    chunks = (slice(start, start + size) for start in range(0, len(last), size))
    parts = [contexts.measure(members[chunk], last[chunk]) for chunk in chunks]
    measured, predicted, conserved = zip(*parts, strict=True)
    return LengthReport(
        length=length,
        num_contexts=len(last),
        num_possible=count_contexts(V, length),
        is_complete=is_complete,
        measured=_join(measured),
        predicted=_join(predicted),
        certified=certifier.at(length) if certifier else None,
        conservation_residual=float(np.max(conserved)),
    )


def _join(parts: Sequence[_Values]) -> Behaviour:
    rate, spread, other, last = map(np.concatenate, zip(*parts, strict=True))
    return Behaviour(
        illegal_token_rate=float(rate.mean()),
        highest_illegal_token_rate=float(rate.max()),
        absent_spread=float(spread.max()),
        other_displacement=float(other.min()),
        last_displacement=float(last.min()),
    )


def _rows_of_length(report: LengthReport) -> list[list]:
    rows = []
    for quantity in BY_LENGTH:
        if quantity == "other_displacement" and report.length == 1:
            continue
        measured, predicted, certified = (
            getattr(behaviour, quantity) if behaviour else np.nan
            for behaviour in (report.measured, report.predicted, report.certified)
        )
        unit = UNITS[quantity]
        rows.append(row(quantity, unit, measured, predicted, certified, report.length))
    possible = report.num_possible
    shown = float(possible) if possible.bit_length() < 1000 else np.inf
    rows.append(row("contexts", "", report.num_contexts, shown, length=report.length))
    return rows


def _summarize(
    model: OneLayer,
    contexts: _Contexts,
    form: StandardForm,
    short: ShortContexts,
    reports: list[LengthReport],
    certifier: Certifier | None,
) -> list[list]:
    """Rows about the model as a whole."""
    V, tables, errors = model.vocab_size, contexts.tables, contexts.errors
    P = centering(V)
    largest = max(np.abs(form.ov_residual).max(), np.abs(form.direct_residual).max())
    sigma = np.linalg.svd(P @ contexts.ov @ P, compute_uv=False)
    ov_rank = (sigma > max(1e-6 * sigma[0], V * errors.ov.max())).sum()
    rows = [
        *rows_of_sizes(model),
        row("ov_rank", "dimensions", ov_rank, V - 1),
        row("mean_x", "nats", form.x.mean()),
        row("mean_beta", "nats", form.beta.mean()),
        row("standard_form_residual", "of mean |x|", form.residual(), 0.0),
        row("largest_residual", "nats", largest, 0.0),
        row("spread_at_1_and_2", "nats", short.spread.max(), 0.0),
        row("lowest_displacement_at_1", "nats", short.lowest_at_1.min()),
    ]
    if V > 2:
        imbalance = np.nanmax(np.abs(short.last - short.other))
        rows += [
            row("lowest_other_displacement_at_2", "nats", np.nanmin(short.other)),
            row("lowest_last_displacement_at_2", "nats", np.nanmin(short.last)),
            row("imbalance_at_2", "nats", imbalance, 0.0),
        ]
    conserved = np.max([report.conservation_residual for report in reports])
    rows.append(row("conservation_residual", "", conserved, 0.0))
    if certifier:  # without a norm
        noise = 2 * errors.logits
        failure = _find_failure(reports, noise.max())
        fails = first_failing_lengths(form.x, form.beta - noise, tables.weights, tables.sink)
        expected = fails.min() if np.isfinite(fails).any() else np.nan
        known = failure if _is_first(failure, reports, V) else np.nan
        rows += [
            row("critical_length", "tokens", known, expected),
            row("first_failure_found", "tokens", failure),
            row("certified_length", "tokens", np.nan, certified=certifier.reach()),
        ]
    return rows


def _find_failure(reports: list[LengthReport], noise: float) -> float:
    """First measured length with a measured context that loses its last token; NaN if none has.

    Displacements up to `noise` are none.
    """
    failing = (report.length for report in reports if report.measured.last_displacement <= noise)
    return next(failing, np.nan)


def _is_first(failure: float, reports: list[LengthReport], vocab_size: int) -> bool:
    """Whether no earlier failure can have been missed: all shorter contexts were measured."""
    shorter = range(1, vocab_size if np.isnan(failure) else int(failure))
    return {report.length for report in reports if report.is_complete}.issuperset(shorter)
