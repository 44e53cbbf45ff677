import array_api_strict
import numpy as np
import pytest
from twins import naive_logits, random_parameters

from gamecircuits.analysis.metrics import attention_entropy
from gamecircuits.transformer.circuits import (
    TokenTables,
    direct_path,
    forward_by_products,
    forward_by_tokens,
    from_circuits,
    ov_circuit,
    qk_circuit,
    token_logits,
)
from gamecircuits.transformer.model import (
    Parameters,
    attention_pattern,
    check_parameters,
    forward,
)
from gamecircuits.transformer.one_layer import OneLayer

OPTIONS = [
    {"norm": "none"},
    {"norm": "attention", "gain": 2.5},
    {"norm": "residual", "gain": 0.7},
    {"norm": "none", "sink": 3.0},
    {"norm": "residual", "gain": 0.7, "sink": 1e-9},
]
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


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_forward_equals_a_loop_over_tokens(parameters, tokens, options):
    logits = forward(parameters, tokens, **options)
    pattern = attention_pattern(parameters, tokens, sink=options.get("sink", 0.0))
    assert logits.shape == (3, 7, V)
    for n, row in enumerate(tokens.tolist()):
        for s in range(7):
            wanted, weights = naive_logits(parameters, row[: s + 1], **options)
            np.testing.assert_allclose(logits[n, s], wanted, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(pattern[n, s], [*weights, *[0] * (6 - s)], atol=1e-14)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_token_logits_equals_forward(parameters, tokens, options):
    for function in (token_logits, forward_by_tokens, forward_by_products):
        np.testing.assert_allclose(
            function(parameters, tokens, **options),
            forward(parameters, tokens, **options),
            rtol=1e-12,
            atol=1e-12,
        )
    logits = OneLayer(parameters, **options).logits(tokens.astype(np.int8))
    np.testing.assert_array_equal(logits, token_logits(parameters, tokens, **options))
    counts = np.cumsum(tokens[..., None] == np.arange(V), axis=1, dtype=float)
    tables = TokenTables(parameters, **options)
    logits, entropy = tables.count_logits_and_entropy(counts.reshape(-1, V), tokens.ravel())
    np.testing.assert_allclose(
        logits.reshape(counts.shape), forward(parameters, tokens, **options), atol=1e-12
    )
    pattern = attention_pattern(parameters, tokens, sink=options.get("sink", 0.0))
    with_sink = np.concatenate([pattern, 1 - pattern.sum(axis=-1, keepdims=True)], axis=-1)
    wanted = attention_entropy(np.maximum(with_sink, 0))
    np.testing.assert_allclose(entropy.reshape(tokens.shape), wanted, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_float32_stays_float32_and_close(parameters, tokens, options):
    single = Parameters(*(matrix.astype(np.float32) for matrix in parameters))
    for function in (forward, token_logits, forward_by_tokens, forward_by_products):
        logits = function(single, tokens, **options)
        assert logits.dtype == np.float32
        wanted = function(parameters, tokens, **options)
        np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "function", [forward, token_logits, forward_by_tokens, forward_by_products]
)
def test_causality(parameters, tokens, function):
    changed = tokens.copy()
    changed[:, 4:] = (changed[:, 4:] + 1) % V
    before, after = function(parameters, tokens), function(parameters, changed)
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-13, atol=1e-13)
    assert not np.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize(
    "function", [forward, token_logits, forward_by_tokens, forward_by_products]
)
def test_padding_changes_nothing_before_it(parameters, tokens, function):
    padded = tokens.copy()
    padded[:, 5:] = -1
    before, after = function(parameters, tokens), function(parameters, padded)
    np.testing.assert_allclose(before[:, :5], after[:, :5], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "function", [forward, token_logits, forward_by_tokens, forward_by_products]
)
def test_order_before_the_last_token_does_not_matter(parameters, tokens, rng, function):
    shuffled = np.concatenate([rng.permuted(tokens[:, :-1], axis=1), tokens[:, -1:]], axis=1)
    np.testing.assert_allclose(
        function(parameters, tokens)[:, -1], function(parameters, shuffled)[:, -1], atol=1e-12
    )


@pytest.mark.parametrize("function", [forward, forward_by_tokens, forward_by_products])
def test_the_array_api_standard_alone_is_used(parameters, tokens, function):
    xp = array_api_strict
    strict = Parameters(*(xp.asarray(matrix) for matrix in parameters))
    for options in OPTIONS:
        logits = function(strict, xp.asarray(tokens), **options)
        wanted = forward(parameters, tokens, **options)
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


def test_any_three_tables_are_a_transformer(rng):
    tables = rng.standard_normal((3, V, V))
    built = from_circuits(*tables)
    check_parameters(built)
    for table, circuit in zip(tables, (qk_circuit, ov_circuit, direct_path), strict=True):
        np.testing.assert_allclose(circuit(built), table, atol=1e-14)


def test_logits_of_sets_equal_forward(parameters, rng):
    order = rng.permuted(np.tile(np.arange(V), (20, 1)), axis=1)[:, :4]
    members = np.zeros((20, V), dtype=bool)
    np.put_along_axis(members, order, True, axis=1)
    for options in OPTIONS:
        found = TokenTables(parameters, **options).set_logits(members, order[:, -1])
        wanted = forward(parameters, order, **options)[:, -1]
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_huge_sink_takes_all_attention_without_overflow(parameters, tokens):
    for sink in (1e300, 1e-300):
        logits = forward(parameters, tokens, sink=sink)
        wanted = direct_path(parameters)[tokens] if sink > 1 else forward(parameters, tokens)
        np.testing.assert_allclose(logits, wanted, atol=1e-9)


@pytest.mark.parametrize("offset", [-1e4, 1e4])
@pytest.mark.parametrize(
    "function", [forward, token_logits, forward_by_tokens, forward_by_products]
)
def test_what_all_scores_have_in_common_does_not_matter(rng, tokens, function, offset):
    """However far below 0: without a sink nothing is compared with 0."""
    scores, *circuits = rng.normal(size=(3, V, V))
    wanted = function(from_circuits(scores, *circuits), tokens)
    found = function(from_circuits(scores + offset, *circuits), tokens)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    logits, _ = naive_logits(from_circuits(scores + offset, *circuits), tokens[0, :3].tolist())
    np.testing.assert_allclose(found[0, 2], logits, atol=1e-9)


def test_zero_attention_output_stays_zero(parameters, tokens):
    silent = parameters._replace(W_O=np.zeros_like(parameters.W_O))
    logits = forward(silent, tokens, norm="attention")
    np.testing.assert_allclose(logits, direct_path(parameters)[tokens], atol=1e-12)


def test_mistakes_are_named(parameters, tokens):
    with pytest.raises(
        ValueError, match="norm must be 'none', 'attention' or 'residual', not 'rms'"
    ):
        forward(parameters, tokens, norm="rms")
    with pytest.raises(ValueError, match="not 'rms'"):
        forward_by_tokens(parameters, tokens, norm="rms")
    with pytest.raises(ValueError, match=r"W_O has shape \(3, 5\); expected \(4, 5\)"):
        check_parameters(parameters._replace(W_O=parameters.W_O[:3]))
    steep = parameters._replace(W_Q=np.ones((5, 1)) * 1e3, W_K=np.ones((5, 1)) * 1e3)
    with pytest.raises(ValueError, match="lose precision in float64: use forward"):
        token_logits(steep, tokens)
    np.testing.assert_array_equal(OneLayer(steep).logits(tokens), forward(steep, tokens))
    with np.errstate(all="raise", under="ignore"):
        found = forward_by_tokens(steep, tokens)
    np.testing.assert_allclose(found, forward(steep, tokens), rtol=1e-9)
