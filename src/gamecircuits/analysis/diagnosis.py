"""Read a model, constructed or trained, in the terms of the theory: what is it, what will it do?

    python -m gamecircuits.analysis.diagnosis MODEL.safetensors

Three (V, V) tables say all about a model without positions (gamecircuits.transformer.circuits). The
diagnosis fits the standard form to the OV circuit D and the direct path B by least squares,

    D = −diag(x) + c1ᵀ + 1rᵀ + residual,   B = −diag(β) + c'1ᵀ − 1rᵀ + residual,

whose x and β do not depend on the gauge c, c', r, and sets what theory says of (x, β, attention)
beside what the model does: displacements and illegal token rate by length, the conservation law,
the critical length, and what the contexts of lengths 1 and 2 certify for all lengths (Theorem 7).
docs/theory.md has the statements.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from gamecircuits.analysis.contexts import contexts_by_length
from gamecircuits.errors import GamecircuitsError
from gamecircuits.randomness import get_rng
from gamecircuits.theory.basics import centering, count_contexts
from gamecircuits.theory.certificate import certified_displacement, certified_spread
from gamecircuits.theory.displacement import conserved_sum, first_failing_lengths
from gamecircuits.theory.superposition import decompose_off_diagonal
from gamecircuits.transformer.circuits import TokenTables, direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.model import Model, Parameters, check_parameters
from gamecircuits.transformer.weights import read_any_model

MAX_CONTEXTS = 110_000  # of one length, all up to V = 16; beyond, random ones
MAX_LENGTHS = 64  # beyond, the first quarter of that many and evenly spaced ones
COLUMNS = ["quantity", "unit", "length", "token", "measured", "predicted", "certified", "meaning"]


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


def fit_standard_form(ov: np.ndarray, direct: np.ndarray, cancels: bool = True) -> StandardForm:
    """Fit x, β and r to an OV circuit and a direct path, (V, V) each, V >= 2.

    Args:
        cancels: whether the r of the two cancel. They do not if the attention weights sum to less
            than 1 (a sink) or the head's output is normalised: then r = 0 is what exactness needs.
            With two tokens r is not determined either, and only x + β is.
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


@dataclass(frozen=True)
class ShortContexts:
    """What lengths 1 and 2 show: all V² contexts, rows are last tokens ℓ.

    Displacements are measured from the lowest absent logit down, `highest_at_1` from the highest;
    NaN where there is no such context.
    """

    spread: np.ndarray  # (V,) η_ℓ: largest spread of absent logits
    lowest_at_1: np.ndarray  # (V,) δ_ℓ at length 1
    highest_at_1: np.ndarray  # (V,)
    other: np.ndarray  # (V, V) δ_m after m, ℓ
    last: np.ndarray  # (V, V) δ_ℓ after m, ℓ


def measure_short_contexts(tables: TokenTables) -> ShortContexts:
    """All contexts of lengths 1 and 2, one last token at a time."""
    V = len(tables.weights)
    tokens = np.arange(V)
    found = []
    for last in tokens:
        own = tables.weights[last, last]
        weight = np.where(tokens == last, 0.0, tables.weights[last])  # row `last` is length 1
        total = (own + weight + tables.sink[last])[:, None]
        attended = (weight[:, None] * tables.values + own * tables.values[last]) / total
        logits = tables.logits(attended, np.full(V, last))
        seen = np.eye(V, dtype=bool)
        seen[:, last] = True
        low = np.where(seen, np.inf, logits).min(axis=1)
        high = np.where(seen, -np.inf, logits).max(axis=1)
        is_context = np.isfinite(low)  # with two tokens, length 2 has no absent one
        is_pair = is_context & (tokens != last)
        with np.errstate(invalid="ignore"):
            found.append(
                (
                    np.max((high - low)[is_context]),
                    low[last] - logits[last, last],
                    high[last] - logits[last, last],
                    np.where(is_pair, low - logits[tokens, tokens], np.nan),
                    np.where(is_pair, low - logits[:, last], np.nan),
                )
            )
    return ShortContexts(*map(np.array, zip(*found, strict=True)))


@dataclass(frozen=True)
class Certificate:
    """What lengths 1 and 2 promise for every context of a length (Theorem 7)."""

    spread: float  # of the absent logits, at most
    others: float  # displacement of tokens before the last, at least
    last: float  # of the last token, at least
    illegal_token_rate: float  # at most


class Certifier:
    """Bounds over all contexts of a length, from the contexts of lengths 1 and 2.

    The theorem's bounds hold for given attention weights; here the worst company is chosen for each
    last token and each token before it. A sink counts as attention of the last token to itself: the
    identity behind the theorem holds with a[ℓ,ℓ] + a0 in place of a[ℓ,ℓ].

    Attributes:
        own: a[ℓ,ℓ] + a0 (V, 1); others: a (V, V), 0 on the diagonal.
        rank: (V, V), place of a token among the others, least attended first.
        sums: (V, V), of the 0, 1, ..., V−1 least attended others.
    """

    def __init__(self, tables: TokenTables, short: ShortContexts):
        V = len(tables.weights)
        self.short = short
        self.own = (np.diagonal(tables.weights) + tables.sink)[:, None]
        self.is_own = np.eye(V, dtype=bool)
        self.others = np.where(self.is_own, 0.0, tables.weights)
        order = np.argsort(np.where(self.is_own, np.inf, self.others), axis=1)
        self.rank = np.argsort(order, axis=1)
        ascending = np.take_along_axis(self.others, order, axis=1)[:, : V - 1]
        self.sums = np.concatenate([np.zeros((V, 1)), np.cumsum(ascending, axis=1)], axis=1)

    def at(self, length: int) -> Certificate:
        """The certificate for one length."""
        short, own, others, rank, sums = self.short, self.own, self.others, self.rank, self.sums
        V, s = len(own), length
        if s == 1:
            lowest = short.lowest_at_1.min()
            rate = expit(-lowest - np.log(V - 1))
            return Certificate(float(short.spread.max()), np.inf, float(lowest), float(rate))
        eta, least, most = short.spread[:, None], sums[:, s - 1], sums[:, [-1]] - sums[:, [V - s]]
        spread = certified_spread(s, short.spread, own[:, 0] / (own[:, 0] + least))
        # Company of token i, s−2 others: the least and the most attended ones, without i itself.
        company = (
            np.where(rank < s - 2, sums[:, [s - 1]] - others, sums[:, [s - 2]]),
            np.where(rank >= V - s + 1, most - others, sums[:, [-1]] - sums[:, [V - s + 1]]),
        )
        displaced = np.full((V, V), np.inf)
        for attended in company:  # the bound is monotone in how much attention the company gets
            total = own + others + attended
            bound = certified_displacement(s, eta, short.other, own / total, others / total)
            displaced = np.fmin(displaced, bound)
        lowest = np.where(self.is_own, np.inf, displaced).min(axis=1)
        last = self._least_last_displacement(s)
        rate = expit(np.logaddexp(np.log(s - 1) - lowest, -last) - np.log(V - s))
        return Certificate(
            float(spread.max()), float(lowest.min()), float(last.min()), float(rate.max())
        )

    def _least_last_displacement(self, s: int) -> np.ndarray:
        """Least [Σ_m (a_m+a_ℓ) δ_ℓ(m,ℓ) − (s−2) a_ℓ δ_ℓ(ℓ)] / (a_ℓ + Σ_m a_m), (V,).

        m runs over s−1 tokens other than the last, ℓ.
        A ratio of sums; Dinkelbach's iteration finds its minimum over sets by sorting.
        """
        V, own, off = len(self.own), self.own, ~self.is_own
        a = self.others[off].reshape(V, V - 1)
        gain = (a + own) * self.short.last[off].reshape(V, V - 1)
        constant = (s - 2) * own[:, 0] * self.short.highest_at_1
        ratio = np.full(V, np.inf)
        chosen = np.argsort(gain, axis=1)[:, : s - 1]
        while True:
            top = np.take_along_axis(gain, chosen, 1).sum(axis=1) - constant
            new = top / (own[:, 0] + np.take_along_axis(a, chosen, 1).sum(axis=1))
            if not (new < ratio).any():
                return ratio
            ratio = np.minimum(new, ratio)
            chosen = np.argsort(gain - ratio[:, None] * a, axis=1)[:, : s - 1]


@dataclass(frozen=True)
class Diagnosis:
    """Everything `diagnose` found.

    Attributes:
        model: the model.
        form: its standard form.
        short: what lengths 1 and 2 show.
        table: one row per (quantity, length or token): measured, predicted, certified.
    """

    model: Model
    form: StandardForm
    short: ShortContexts
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
    model: Model | Parameters,
    rng: np.random.Generator | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Diagnosis:
    """Classify a model of set complement and predict what it does at every length.

    Args:
        model: weights, or weights with norm, gain and sink. Computed in float64.
        rng: for lengths with more than MAX_CONTEXTS contexts, of which random ones are measured;
            a fixed one by default.
        say: is told about the progress.
    """
    if isinstance(model, Parameters):
        model = Model(model)
    check_parameters(model.parameters)
    if model.norm not in ("none", "attention", "residual"):
        raise GamecircuitsError(f"norm = {model.norm!r}: must be 'none', 'attention' or 'residual'")
    if not (np.isfinite(model.gain) and np.isfinite(model.sink) and model.sink >= 0):
        raise GamecircuitsError(
            f"gain = {model.gain} must be finite, sink = {model.sink} finite and not negative"
        )
    model = model._replace(
        parameters=Parameters(*(np.asarray(m, dtype=np.float64) for m in model.parameters))
    )
    if not all(np.isfinite(matrix).all() for matrix in model.parameters):
        raise GamecircuitsError("the weights must be finite; the model has infinities or NaN")
    V = len(model.parameters.W_E)
    if V < 2:
        raise GamecircuitsError(f"the model has {V} tokens; set complement needs at least 2")
    rng = get_rng(0, "diagnosis") if rng is None else rng
    with np.errstate(over="ignore", invalid="ignore"):
        circuits = [circuit(model.parameters) for circuit in (qk_circuit, ov_circuit, direct_path)]
    if not all(np.isfinite(circuit).all() for circuit in circuits):
        raise GamecircuitsError("the products of the weights overflow: the circuits must be finite")
    _, ov, direct = circuits
    try:
        tables = TokenTables(model)
    except ValueError as error:  # scores whose exponentials underflow
        raise GamecircuitsError(f"cannot be diagnosed: {error}".partition(": use")[0]) from None
    form = fit_standard_form(ov, direct, cancels=model.norm != "attention" and model.sink == 0)
    short = measure_short_contexts(tables)
    say("lengths 1 and 2: all contexts")

    certifier = Certifier(tables, short) if model.norm == "none" else None
    table = _Table()
    by_length = []
    for length in _spaced(V):
        by_length.append(_measure_length(model, tables, form, certifier, length, rng, table))
        say(f"length {length} of {V - 1}")
    _summarize(model, tables, form, short, ov, by_length, table)
    for name, values in (("x", form.x), ("beta", form.beta)):
        for token, value in enumerate(values):
            table.add(name, "nats", value, token=token)
    return Diagnosis(model, form, short, table.frame())


def _spaced(vocab_size: int) -> np.ndarray:
    """Lengths to measure: all, or MAX_LENGTHS of them, the short ones and the longest included."""
    longest = vocab_size - 1
    if longest <= MAX_LENGTHS:
        return np.arange(1, longest + 1)
    first = np.arange(1, MAX_LENGTHS // 4 + 1)
    spaced = np.linspace(MAX_LENGTHS // 4, longest, MAX_LENGTHS - MAX_LENGTHS // 4 + 1)
    return np.union1d(first, spaced.round().astype(int))


MEANINGS = {
    "vocab_size": "V",
    "d": "width of the residual stream",
    "d_v": "width of the values",
    "d_k": "width of queries and keys; 0 is uniform attention",
    "ov_rank": "rank of the OV circuit without gauge, up to 1e-6; predicted: of exact models",
    "mean_x": "mean strength of the OV circuit",
    "mean_beta": "mean strength of the direct path on the last token",
    "standard_form_residual": "root mean square outside the standard form, relative to mean |x|",
    "largest_residual": "largest entry outside the standard form",
    "spread_at_1_and_2": "η: largest spread of absent logits at lengths 1 and 2",
    "lowest_displacement_at_1": "lowest absent logit − logit of the token",
    "lowest_other_displacement_at_2": "Δ₂: lowest absent logit − logit of the first token",
    "lowest_last_displacement_at_2": "lowest absent logit − logit of the last token",
    "imbalance_at_2": "largest difference of the two displacements of a context",
    "conservation_residual": "largest |Σ δ/x − (1 + β/x)| of a context",
    "critical_length": "first length with a context whose last token is not displaced; empty: none "
    "is, or not known, as not all shorter contexts were measured",
    "first_failure_found": "first measured length at which a measured context is like that",
    "certified_length": "lengths 1 and 2 certify positive displacements up to this length",
    "illegal_token_rate": "softmax mass on seen tokens, mean over contexts",
    "highest_illegal_token_rate": "in the worst context",
    "absent_spread": "highest − lowest absent logit in the worst context",
    "other_displacement": "lowest absent logit − logit of a token before the last, lowest of all",
    "last_displacement": "lowest absent logit − logit of the last token, lowest of all",
    "contexts": "number of contexts measured; predicted: how many there are",
    "x": "strength of the OV circuit on this token",
    "beta": "strength of the direct path on this token",
}


class _Table:
    """Rows of the diagnosis."""

    def __init__(self):
        self.rows = []

    def add(self, quantity, unit, measured, predicted=np.nan, certified=np.nan, **place):
        self.rows.append(
            {
                "quantity": quantity,
                "unit": unit,
                "length": place.get("length"),
                "token": place.get("token"),
                "measured": float(measured),
                "predicted": float(predicted),
                "certified": float(certified),
                "meaning": MEANINGS[quantity],
            }
        )

    def frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows, columns=COLUMNS)
        return frame.astype({"length": "Int32", "token": "Int32"})


def _log_sum(logits: np.ndarray, which: np.ndarray) -> np.ndarray:
    """ln Σ e^logit over some tokens of each context, whatever the size of the logits."""
    chosen = np.where(which, logits, -np.inf)
    top = chosen.max(axis=1)
    return top + np.log(np.exp(chosen - top[:, None]).sum(axis=1))


def _norm_factor(model: Model, tables: TokenTables, attended: np.ndarray, last: np.ndarray):
    """What the norm multiplies (N, 1): the head's output, or the whole residual stream."""
    if model.norm == "none":
        return np.ones((len(last), 1))
    vectors = attended + tables.embedding[last] if model.norm == "residual" else attended
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return model.gain / np.where(length == 0, 1.0, length)


def _measure_length(model, tables, form, certifier, length, rng, table) -> dict:
    """Measure, predict and certify one length; returns what the summary needs."""
    V = len(form.x)
    limit = min(MAX_CONTEXTS, max(1000, 40_000_000 // V**2))
    members, last, are_all = contexts_by_length(V, int(length), limit, rng)
    rows = np.arange(len(last))
    attention = tables.attend_sets(members, last)
    attended = attention @ tables.values
    logits = tables.logits(attended, last)
    absent = ~members
    low = np.where(absent, logits, np.inf).min(axis=1)
    spread = np.where(absent, logits, -np.inf).max(axis=1) - low
    factor = _norm_factor(model, tables, attended, last)
    predicted = factor * attention * form.x
    is_last = np.arange(V) == last[:, None]
    direct_factor = factor if model.norm == "residual" else np.ones_like(factor)
    predicted = predicted + is_last * form.beta * direct_factor

    def rate(values: np.ndarray) -> np.ndarray:
        return np.exp(_log_sum(values, members) - _log_sum(values, np.ones_like(members)))

    measured = low[:, None] - logits
    measured_rate, predicted_rate = rate(logits), rate(-predicted)
    is_other = members & ~is_last
    promised = certifier.at(int(length)) if certifier else None

    def add(quantity, unit, found, expected, certified=np.nan):
        table.add(quantity, unit, found, expected, certified, length=int(length))

    from_certificate = (lambda name: getattr(promised, name)) if promised else lambda name: np.nan
    add("illegal_token_rate", "probability", measured_rate.mean(), predicted_rate.mean(),
        from_certificate("illegal_token_rate"))  # fmt: skip
    add("highest_illegal_token_rate", "probability", measured_rate.max(), predicted_rate.max(),
        from_certificate("illegal_token_rate"))  # fmt: skip
    add("absent_spread", "nats", spread.max(), 0.0, from_certificate("spread"))
    if length > 1:
        add("other_displacement", "nats", measured[is_other].min(), predicted[is_other].min(),
            from_certificate("others"))  # fmt: skip
    lowest_last = measured[rows, last].min()
    add("last_displacement", "nats", lowest_last, predicted[rows, last].min(),
        from_certificate("last"))  # fmt: skip
    count = count_contexts(V, int(length))
    add("contexts", "", len(last), float(count) if count.bit_length() < 1000 else np.inf)
    conserved = np.nan
    has_strengths = np.abs(form.x).min() > 1e-9 * np.abs(form.x).max()
    if model.norm == "none" and model.sink == 0 and has_strengths:
        mean_absent = np.where(absent, logits, 0).sum(axis=1) / absent.sum(axis=1)
        ratios = np.where(members, (mean_absent[:, None] - logits) / form.x, 0).sum(axis=1)
        conserved = np.abs(ratios - conserved_sum(form.x, form.beta, last)).max()
    return {
        "length": int(length),
        "are_all": are_all,
        "conserved": conserved,
        "last": lowest_last,
        "promised": promised,
    }


def _summarize(model, tables, form, short, ov, by_length, table) -> None:
    V = len(form.x)
    parameters = model.parameters
    d, d_v = parameters.W_V.shape
    table.add("vocab_size", "tokens", V)
    table.add("d", "dimensions", d)
    table.add("d_v", "dimensions", d_v)
    table.add("d_k", "dimensions", parameters.W_Q.shape[1])
    P = centering(V)
    table.add("ov_rank", "dimensions", np.linalg.matrix_rank(P @ ov @ P, rtol=1e-6), V - 1)
    table.add("mean_x", "nats", form.x.mean())
    table.add("mean_beta", "nats", form.beta.mean())
    table.add("standard_form_residual", "of mean |x|", form.residual(), 0.0)
    largest = max(np.abs(form.ov_residual).max(), np.abs(form.direct_residual).max())
    table.add("largest_residual", "nats", largest, 0.0)
    table.add("spread_at_1_and_2", "nats", short.spread.max(), 0.0)
    table.add("lowest_displacement_at_1", "nats", short.lowest_at_1.min())
    if V > 2:
        table.add("lowest_other_displacement_at_2", "nats", np.nanmin(short.other))
        table.add("lowest_last_displacement_at_2", "nats", np.nanmin(short.last))
        table.add("imbalance_at_2", "nats", np.nanmax(np.abs(short.last - short.other)), 0.0)
    conserved = [found["conserved"] for found in by_length]
    table.add("conservation_residual", "", np.max(conserved), 0.0)
    if model.norm == "none":
        failure = next((found["length"] for found in by_length if found["last"] <= 0), np.nan)
        longest = V - 1 if np.isnan(failure) else failure
        so_far = [found for found in by_length if found["length"] <= longest]
        # Without the lengths or contexts in between, an earlier failure may have been missed.
        is_known = len(so_far) == longest and all(found["are_all"] for found in so_far[:-1])
        if np.isnan(failure):
            is_known = is_known and by_length[-1]["are_all"]
        expected = first_failing_lengths(form.x, form.beta, tables.weights, tables.sink).min()
        expected = expected if np.isfinite(expected) else np.nan
        table.add("critical_length", "tokens", failure if is_known else np.nan, expected)
        table.add("first_failure_found", "tokens", failure)
        reached = 0
        for found in by_length:
            if min(found["promised"].others, found["promised"].last) <= 0:
                break
            reached = found["length"]
        table.add("certified_length", "tokens", np.nan, certified=reached)


def report(diagnosis: Diagnosis) -> str:
    """The diagnosis as text."""
    table, model = diagnosis.table, diagnosis.model
    whole = table[table["length"].isna() & table["token"].isna()]
    lines = [f"norm {model.norm}, gain {model.gain:g}, sink {model.sink:g}", ""]
    for row in whole.itertuples():
        numbers = [
            f"{name} {value:.6g}"
            for name, value in (
                ("", row.measured),
                ("predicted", row.predicted),
                ("certified", row.certified),
            )
            if np.isfinite(value)
        ]
        shown = ", ".join(numbers).strip() or "none"
        lines.append(f"{row.quantity:32} {shown:40} {row.unit:12} {row.meaning}")
    for name in ("x", "beta"):
        values = table.loc[table["quantity"] == name, "measured"]
        low, high = values.min(), values.max()
        lines.append(f"{name + ' by token':32} {low:.6g} to {high:.6g}")
    lines += ["", "length   illegal token rate                     last token's displacement"]
    lines += ["         measured    predicted   certified      measured    predicted   certified"]
    rates, lasts = (
        diagnosis.by_length("highest_illegal_token_rate"),
        diagnosis.by_length("last_displacement"),
    )
    for rate, last in zip(rates.itertuples(), lasts.itertuples(), strict=True):
        lines.append(
            f"{rate.length:6}   {rate.measured:<11.4g} {rate.predicted:<11.4g} "
            f"{rate.certified:<14.4g} {last.measured:<11.4g} {last.predicted:<11.4g} "
            f"{last.certified:<11.4g}"
        )
    lines.append("(in the worst context measured)")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gamecircuits.analysis.diagnosis",
        description="Diagnose a model of set complement: a safetensors file with the weights "
        "W_E, W_Q, W_K, W_V, W_O, W_U, or TransformerLens's names for them.",
    )
    parser.add_argument("file")
    parser.add_argument("--norm", choices=["none", "attention", "residual"])
    parser.add_argument("--gain", type=float)
    parser.add_argument("--sink", type=float)
    parser.add_argument("--csv", help="write the table there")
    arguments = parser.parse_args(argv)
    try:
        model = read_any_model(arguments.file)
        given = {name: getattr(arguments, name) for name in ("norm", "gain", "sink")}
        model = model._replace(**{name: v for name, v in given.items() if v is not None})
        found = diagnose(model, say=lambda message: print(message, file=sys.stderr, flush=True))
        if arguments.csv:
            found.table.to_csv(arguments.csv, index=False)
    except (GamecircuitsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
