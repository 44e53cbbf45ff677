import array_api_strict
import numpy as np
import pytest
from twins import naive_logits, random_parameters

from gamecircuits.metrics import attention_entropy
from gamecircuits.transformer.circuits import (
    TokenTables,
    direct_path,
    ov_circuit,
    qk_circuit,
    token_logits,
)
from gamecircuits.transformer.model import (
    Model,
    Parameters,
    attention_pattern,
    check_parameters,
    forward,
)

NORMS = [("none", 1.0), ("attention", 2.5), ("residual", 0.7)]
V = 6


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[0, 3], ids=["d_k=0", "d_k=3"])
def parameters(rng, request):
    return random_parameters(rng, V, d_k=request.param)


@pytest.fixture
def tokens(rng):
    return rng.integers(V, size=(3, 7))  # repeated tokens are allowed


@pytest.mark.parametrize(("norm", "gain"), NORMS)
def test_forward_equals_a_loop_over_tokens(parameters, tokens, norm, gain):
    logits = forward(parameters, tokens, norm=norm, gain=gain)
    pattern = attention_pattern(parameters, tokens)
    assert logits.shape == (3, 7, V)
    for n, row in enumerate(tokens.tolist()):
        for s in range(7):
            wanted, weights = naive_logits(parameters, row[: s + 1], norm, gain)
            np.testing.assert_allclose(logits[n, s], wanted, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(pattern[n, s], [*weights, *[0] * (6 - s)], atol=1e-14)


@pytest.mark.parametrize(("norm", "gain"), NORMS)
def test_token_logits_equals_forward(parameters, tokens, norm, gain):
    options = {"norm": norm, "gain": gain}
    np.testing.assert_allclose(
        token_logits(parameters, tokens, **options),
        forward(parameters, tokens, **options),
        rtol=1e-12,
        atol=1e-12,
    )
    _, entropy = TokenTables(Model(parameters, norm, gain)).logits_and_entropy(tokens)
    wanted = attention_entropy(attention_pattern(parameters, tokens))
    np.testing.assert_allclose(entropy, wanted, atol=1e-12)


@pytest.mark.parametrize(("norm", "gain"), NORMS)
def test_float32_stays_float32_and_close(parameters, tokens, norm, gain):
    single = Parameters(*(matrix.astype(np.float32) for matrix in parameters))
    for function in (forward, token_logits):
        logits = function(single, tokens, norm=norm, gain=gain)
        assert logits.dtype == np.float32
        wanted = function(parameters, tokens, norm=norm, gain=gain)
        np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("function", [forward, token_logits])
def test_causality(parameters, tokens, function):
    changed = tokens.copy()
    changed[:, 4:] = (changed[:, 4:] + 1) % V
    before, after = function(parameters, tokens), function(parameters, changed)
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-13, atol=1e-13)
    assert not np.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("function", [forward, token_logits])
def test_padding_changes_nothing_before_it(parameters, tokens, function):
    padded = tokens.copy()
    padded[:, 5:] = -1
    before, after = function(parameters, tokens), function(parameters, padded)
    np.testing.assert_allclose(before[:, :5], after[:, :5], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("function", [forward, token_logits])
def test_order_before_the_last_token_does_not_matter(parameters, tokens, rng, function):
    shuffled = np.concatenate([rng.permuted(tokens[:, :-1], axis=1), tokens[:, -1:]], axis=1)
    np.testing.assert_allclose(
        function(parameters, tokens)[:, -1], function(parameters, shuffled)[:, -1], atol=1e-12
    )


def test_forward_uses_the_array_api_standard_alone(parameters, tokens):
    xp = array_api_strict
    strict = Parameters(*(xp.asarray(matrix) for matrix in parameters))
    for norm, gain in NORMS:
        logits = forward(strict, xp.asarray(tokens), norm=norm, gain=gain)
        wanted = forward(parameters, tokens, norm=norm, gain=gain)
        np.testing.assert_allclose(np.asarray(logits), wanted, rtol=1e-13, atol=1e-13)


def test_circuits_are_the_products_of_their_matrices(parameters):
    E, Q, K, W_V, W_O, U = parameters
    scale = max(Q.shape[1], 1) ** 0.5
    for query, key in [(0, 1), (4, 2)]:
        assert qk_circuit(parameters)[query, key] == pytest.approx(
            (E[query] @ Q) @ (E[key] @ K) / scale
        )
        assert ov_circuit(parameters)[query, key] == pytest.approx(E[query] @ W_V @ W_O @ U[:, key])
        assert direct_path(parameters)[query, key] == pytest.approx(E[query] @ U[:, key])


def test_zero_attention_output_stays_zero(parameters, tokens):
    silent = parameters._replace(W_O=np.zeros_like(parameters.W_O))
    logits = forward(silent, tokens, norm="attention")
    np.testing.assert_allclose(logits, direct_path(parameters)[tokens], atol=1e-12)


def test_mistakes_are_named(parameters, tokens):
    with pytest.raises(
        ValueError, match="norm must be 'none', 'attention' or 'residual', not 'rms'"
    ):
        forward(parameters, tokens, norm="rms")
    with pytest.raises(ValueError, match=r"W_O has shape \(3, 5\); expected \(4, 5\)"):
        check_parameters(parameters._replace(W_O=parameters.W_O[:3]))
    steep = parameters._replace(W_Q=np.ones((5, 1)) * 1e3, W_K=np.ones((5, 1)) * 1e3)
    with pytest.raises(ValueError, match="lose precision in float64: use forward"):
        token_logits(steep, tokens)
