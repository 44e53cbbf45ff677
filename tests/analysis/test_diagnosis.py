"""The diagnosis against models whose x, β, gauge and failures are known."""

import numpy as np
import pytest
from bigram import Bigram
from hypothesis import given
from hypothesis import strategies as st

from gamecircuits.analysis import contexts, diagnosis
from gamecircuits.analysis.diagnosis import diagnose
from gamecircuits.analysis.standard_form import fit_standard_form
from gamecircuits.errors import GamecircuitsError
from gamecircuits.theory.basics import centering
from gamecircuits.transformer.circuits import direct_path, from_circuits, ov_circuit
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS, make_construction
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

BOUNDS = {  # quantity: on which side of the measured value the certificate must lie
    "illegal_token_rate": 1,
    "highest_illegal_token_rate": 1,
    "absent_spread": 1,
    "other_displacement": -1,
    "last_displacement": -1,
}


def in_another_basis(parameters: Parameters, rng) -> Parameters:
    """The same model with its residual stream, values and scores written in random bases."""
    d = parameters.W_E.shape[1]
    bases = [rng.standard_normal((n, n)) + 3 * np.eye(n) for n in (d, d, d)]
    R, A, K = bases[0], np.eye(parameters.W_V.shape[1]), np.eye(parameters.W_Q.shape[1])
    A, K = A + rng.standard_normal(A.shape), K + rng.standard_normal(K.shape)
    inverse = np.linalg.inv
    return Parameters(
        parameters.W_E @ R,
        inverse(R) @ parameters.W_Q @ K,
        inverse(R) @ parameters.W_K @ inverse(K).T,
        inverse(R) @ parameters.W_V @ A,
        inverse(A) @ parameters.W_O @ R,
        inverse(R) @ parameters.W_U,
    )


def random_exact(V, rng, beta=1.0):
    """Standard form in a random gauge; x, β, model."""
    x, beta = rng.uniform(1, 20, V), beta * rng.uniform(-1, 1, V)
    c, c_direct, r = 5 * rng.standard_normal((3, V))
    ov = -np.diag(x) + c[:, None] + r
    direct = -np.diag(beta) + c_direct[:, None] - r
    return x, beta, from_circuits(rng.standard_normal((V, V)), ov, direct)


@given(V=st.integers(3, 9), seed=st.integers(0, 10**6))
def test_x_and_beta_are_found_in_any_gauge_and_basis(V, seed):
    rng = np.random.default_rng(seed)
    x, beta, parameters = random_exact(V, rng)
    moved = in_another_basis(parameters, rng)
    form = fit_standard_form(ov_circuit(moved), direct_path(moved))
    np.testing.assert_allclose(form.x, x, atol=1e-6)
    np.testing.assert_allclose(form.beta, beta, atol=1e-6)
    assert form.residual() < 1e-7


def test_the_fit_is_least_squares():
    """Against a solver that knows nothing of the closed form."""
    V, rng = 5, np.random.default_rng(0)
    D, B = rng.standard_normal((2, V, V))
    form = fit_standard_form(D, B)
    rows, values = [], []
    for i in range(V):
        for k in set(range(V)) - {i}:
            for table, (matrix, sign) in enumerate(((D, 1), (B, -1))):
                row = np.zeros((3, V))  # c, c', r
                row[table, i], row[2, k] = 1, sign
                rows.append(row.ravel())
                values.append(matrix[i, k])
    solution = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)
    c, c_direct, r = solution[0].reshape(3, V)
    np.testing.assert_allclose(form.x, c + r - np.diagonal(D), atol=1e-12)
    np.testing.assert_allclose(form.beta, c_direct - r - np.diagonal(B), atol=1e-12)
    square = ((np.array(values) - np.array(rows) @ solution[0]) ** 2).sum()
    assert (form.ov_residual**2).sum() + (form.direct_residual**2).sum() == pytest.approx(square)


@pytest.mark.parametrize("kind", [kind for kind in CONSTRUCTIONS.kinds() if kind != "frame"])
@pytest.mark.parametrize("vocab_size", [2, 3, 8])
def test_predictions_of_exact_models_are_right(kind, vocab_size):
    found = diagnose(make_construction(kind, vocab_size=vocab_size).model())
    assert found.value("standard_form_residual") < 1e-12
    for quantity in BOUNDS:
        rows = found.by_length(quantity)
        np.testing.assert_allclose(rows.measured, rows.predicted, rtol=1e-9, atol=1e-9)
    if vocab_size > 2:
        conserved = found.value("conservation_residual")
        assert np.isnan(conserved) or conserved < 1e-10


@pytest.mark.parametrize("gauge", [0.0, 1.0, 1e5])
def test_a_model_that_is_zero_up_to_rounding_has_no_structure(gauge):
    V, rng = 6, np.random.default_rng(0)
    c, c_direct, r = gauge * rng.standard_normal((3, V))
    zero = np.zeros((V, V))
    exact = from_circuits(zero, c[:, None] + r + zero, c_direct[:, None] - r + zero)
    parameters = in_another_basis(exact, rng)
    assert gauge == 0 or np.any(centering(V) @ ov_circuit(parameters) @ centering(V))
    found = diagnose(parameters)
    for quantity in ("mean_x", "mean_beta", "standard_form_residual", "largest_residual", "ov_rank",
                     "certified_length"):  # fmt: skip
        column = "certified" if quantity == "certified_length" else "measured"
        assert found.value(quantity, column) == 0, quantity
    assert np.isnan(found.value("conservation_residual"))
    assert found.value("critical_length") == found.value("critical_length", "predicted") == 1


@pytest.mark.parametrize("norm", ["attention", "residual"])
def test_a_token_that_the_head_ignores_is_no_structure_under_a_norm(norm):
    """Its value is a rounding error, which the norm would make as long as any other."""
    V, rng = 6, np.random.default_rng(1)
    ov, direct = -20 * np.eye(V), -np.diag(np.full(V, 2.0))
    ov[0, 0] = 0
    if norm == "residual":
        direct[0, 0] = 0
    model = OneLayer(from_circuits(np.zeros((V, V)), ov, direct), norm, 5.0)
    clean = diagnose(model)
    W_V = np.hstack([model.parameters.W_V, np.zeros((2 * V, 3))])
    W_V[0] = [*np.zeros(V), 0.1, 0.2, -0.3]  # times one row of W_O, hence 0
    W_O = np.vstack([model.parameters.W_O, np.tile(rng.standard_normal(2 * V), (3, 1))])
    noisy = model.parameters._replace(W_V=W_V, W_O=W_O)
    assert np.any((noisy.W_E @ noisy.W_V @ noisy.W_O)[0])
    found = diagnose(OneLayer(noisy, norm, 5.0))
    assert found.form.x[0] == clean.form.x[0] == 0
    np.testing.assert_allclose(found.form.x, clean.form.x, atol=1e-9)
    for quantity in BOUNDS:
        rows, wanted = found.by_length(quantity), clean.by_length(quantity)
        np.testing.assert_allclose(rows.measured, wanted.measured, atol=1e-9)
    np.testing.assert_allclose(found.short.lowest_at_1, clean.short.lowest_at_1, atol=1e-9)


@pytest.mark.parametrize("kind", ["attention_norm", "residual_norm", "tied"])
def test_strengths_under_a_norm_are_displacements_in_nats(kind):
    """At length 1 they add up to what is measured, and the scale of the values does not count."""
    model = make_construction(kind, vocab_size=7).model()
    if kind == "tied":  # β is not 0
        model = OneLayer(model.parameters, "residual", 5.0)
    found = diagnose(model)
    np.testing.assert_allclose(found.form.x + found.form.beta, found.short.lowest_at_1)
    if kind == "attention_norm":
        weights = model.parameters._replace(W_O=1e3 * model.parameters.W_O)
        scaled = diagnose(OneLayer(weights, model.norm, model.gain))
        np.testing.assert_allclose(scaled.form.x, found.form.x)
        rows = scaled.table["quantity"] == "x"
        np.testing.assert_allclose(scaled.table.loc[rows, "measured"], found.form.x)
        noise = 0.1 * np.random.default_rng(0).standard_normal(weights.W_U.shape)
        residuals = [
            diagnose(OneLayer(w._replace(W_U=w.W_U + noise), model.norm, model.gain)).value(
                "standard_form_residual"
            )
            for w in (model.parameters, weights)
        ]
        assert residuals[0] == pytest.approx(residuals[1])


def test_what_it_says_of_a_tied_model():
    tied = make_construction("tied", vocab_size=10, critical_length=4.5)
    found = diagnose(tied.model())
    assert found.value("mean_x") == pytest.approx(tied.x)
    assert found.value("mean_beta") == pytest.approx(-tied.b)
    assert found.value("critical_length") == found.value("critical_length", "predicted") == 5
    assert found.value("certified_length", "certified") == 4
    assert (found.value("d"), found.value("d_v"), found.value("ov_rank")) == (9, 9, 9)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3, 3.0])
@pytest.mark.parametrize("sink", [0.0, 2.0])
def test_the_certificate_holds_for_any_model(noise, sink):
    rng = np.random.default_rng(0)
    for V in (2, 3, 4, 6, 8):
        _, _, parameters = random_exact(V, rng)
        ov, direct = ov_circuit(parameters), direct_path(parameters)
        ov, direct = (m + noise * rng.standard_normal((V, V)) for m in (ov, direct))
        model = OneLayer(from_circuits(rng.standard_normal((V, V)), ov, direct), sink=sink)
        found = diagnose(model)
        for quantity, side in BOUNDS.items():
            rows = found.by_length(quantity)
            assert (side * (rows.certified - rows.measured) >= 0).all(), quantity


def test_the_certificate_is_tight_for_exact_models():
    """No spread: the last token's bound is its worst context, for any attention and β."""
    rng = np.random.default_rng(1)
    for V in (4, 7):
        rows = diagnose(random_exact(V, rng)[2]).by_length("last_displacement")
        np.testing.assert_allclose(rows.certified, rows.measured, atol=1e-10)


def test_first_failing_length_of_random_models():
    rng = np.random.default_rng(2)
    lengths = set()
    for _ in range(20):
        found = diagnose(random_exact(7, rng, beta=2.0)[2])
        pair = found.value("critical_length"), found.value("critical_length", "predicted")
        np.testing.assert_equal(*pair)
        lengths.add(pair[0])
    assert len(lengths) > 3


def test_a_model_that_solves_nothing_is_told_apart():
    rng = np.random.default_rng(3)
    tables = rng.standard_normal((3, 6, 6))
    found = diagnose(from_circuits(*tables))
    assert found.value("standard_form_residual") > 0.1
    assert found.value("conservation_residual") > 0.1


def test_long_lengths_are_sampled(monkeypatch):
    monkeypatch.setattr(contexts, "MAX_LENGTHS", 5)
    found = diagnose(make_construction("balanced", vocab_size=40).model())
    counts = found.by_length("contexts")
    assert counts.length.tolist() == [1, 10, 20, 30, 39]
    assert (counts.measured <= diagnosis.MAX_CONTEXTS).all()
    rates = found.by_length("highest_illegal_token_rate")
    np.testing.assert_allclose(rates.measured, rates.predicted)
    again = diagnose(make_construction("balanced", vocab_size=40).model())
    assert found.table.equals(again.table)


def test_logits_of_any_size():
    """Illegal token rates beyond the range of exp, by hand and without warnings."""
    for own, absent, wanted in ((720, 715, 1 / (1 + np.exp(-5))), (900, 800, 1.0), (-900, 0, 0.0)):
        direct = np.zeros((3, 3))
        direct[0] = [own, absent, 0]
        zero = np.zeros((3, 3))
        found = diagnose(from_circuits(zero, zero, direct)).by_length("highest_illegal_token_rate")
        assert found.measured[0] == pytest.approx(max(wanted, 1 / 3))  # 1/3: the other tokens
    found = diagnose(from_circuits(zero, -10 * np.eye(3), 800 * np.eye(3)))
    rates = found.by_length("highest_illegal_token_rate")
    np.testing.assert_allclose(rates.certified, 1.0)


def test_a_failure_at_short_lengths_is_found_in_large_vocabularies():
    found = diagnose(make_construction("tied", vocab_size=120, critical_length=2.5).model())
    failures = found.value("first_failure_found"), found.value("critical_length", "predicted")
    assert failures == (3, 3)


def test_models_that_make_no_sense():
    good = make_construction("balanced", vocab_size=4).parameters()
    with pytest.raises(GamecircuitsError, match="must be finite"):
        diagnose(good._replace(W_U=np.full_like(good.W_U, np.nan)))
    one = Parameters(
        *(np.zeros(shape) for shape in [(1, 2), (2, 0), (2, 0), (2, 2), (2, 2), (2, 1)])
    )
    with pytest.raises(GamecircuitsError, match="at least 2"):
        diagnose(one)
    with pytest.raises(
        GamecircuitsError, match="norm must be 'none', 'attention' or 'residual', not 'layer'"
    ):
        diagnose(OneLayer(good, "layer"))
    with pytest.raises(GamecircuitsError, match="sink = -1"):
        diagnose(OneLayer(good, sink=-1.0))
    with pytest.raises(
        GamecircuitsError, match=r"a diagnosis needs a OneLayer .* Bigram gives logits"
    ):
        diagnose(Bigram(np.eye(4)))
    with pytest.raises(GamecircuitsError, match="overflow"):
        diagnose(Parameters(*(np.full_like(matrix, 1e200) for matrix in good)))
    steep = from_circuits(np.diag([1e3, 0, 0]), np.eye(3), np.eye(3))
    with pytest.raises(GamecircuitsError, match=r"cannot be diagnosed: attention scores .* span"):
        diagnose(steep)
