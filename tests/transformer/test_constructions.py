"""Every construction against its closed form, and the closed forms against their derivations."""

import numpy as np
import pytest

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.evaluation import evaluate_by_length, evaluate_exhaustively
from gamecircuits.analysis.metrics import METRICS
from gamecircuits.errors import ParameterError
from gamecircuits.games.game import make_game
from gamecircuits.games.masks import get_valid_next_token_mask
from gamecircuits.transformer.circuits import direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import (
    CONSTRUCTIONS,
    helmert,
    make_construction,
)
from gamecircuits.transformer.constructions.frame import get_frame, has_equiangular
from gamecircuits.transformer.constructions.harmonic import get_harmonic_parameters
from gamecircuits.transformer.model import attention_pattern, forward
from gamecircuits.transformer.one_layer import OneLayer

KINDS = CONSTRUCTIONS.kinds()
HAVE_LAWS = {  # of every construction but frames
    *("illegal_token_rate", "total_variation", "kl_divergence", "top1_legal", "logit_gap"),
    *("displacement", "imbalance", "absent_spread", "attention_entropy"),
}


def worst_deviation(table, closed_form) -> float:
    """Largest distance of mean, minimum or maximum over contexts from the closed form."""
    worst = 0.0
    for metric, law in closed_form.items():
        rows = table[table["metric"] == metric]
        for statistic, wanted in law._asdict().items():
            known = ~np.isnan(wanted)
            found = rows[statistic].to_numpy()[known]
            worst = max(worst, np.abs(found - wanted[known]).max(initial=0))
    return worst


def tolerance(construction) -> float:
    """Rounding relative to the largest logit that a token can cause."""
    return 1e-14 * max(100, np.abs(ov_circuit(construction.parameters())).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vocab_size", [2, 3, 4, 5, 8, 11])
def test_closed_form_over_all_contexts(kind, vocab_size):
    construction = make_construction(kind, vocab_size=vocab_size)
    table = evaluate_exhaustively(construction.model())
    closed_form = construction.closed_form(np.arange(1, vocab_size))
    assert worst_deviation(table, closed_form) < tolerance(construction)
    assert not any(np.isnan(law.mean).any() for law in closed_form.values())
    promised = {"displacement", "attention_entropy"} if kind == "frame" else HAVE_LAWS
    assert promised <= set(closed_form) <= set(METRICS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_closed_form_over_all_contexts_of_16_tokens(kind):
    construction = make_construction(kind, vocab_size=16)
    table = evaluate_exhaustively(construction.model(), threads=2)
    deviation = worst_deviation(table, construction.closed_form(np.arange(1, 16)))
    assert deviation < tolerance(construction)


@pytest.mark.parametrize("kind", KINDS)
def test_closed_form_at_large_vocabulary(kind):
    vocab_size = 100
    construction = make_construction(kind, vocab_size=vocab_size)
    game = make_game("set_complement", vocab_size=vocab_size)
    tokens = game.play(30, np.random.default_rng(0))
    batches = [(tokens, game.get_valid_next_token_mask(tokens))]
    lengths = np.array([1, 2, 50, 98, 99])
    table = evaluate_by_length(construction.model(), batches, lengths, 30)
    room = 10 * tolerance(construction)
    for metric, law in construction.closed_form(lengths).items():
        rows = table[table["metric"] == metric]
        is_known = ~np.isnan(law.min)  # where contexts differ, a sample lies between the extremes
        assert (rows["min"] >= law.min - room)[is_known].all()
        assert (rows["max"] <= law.max + room)[is_known].all()


@pytest.mark.parametrize("vocab_size", [2, 3, 4, 5, 7, 10, 16, 33, 64, 128])
@pytest.mark.parametrize("max_illegal_rate", [0.2, 1e-3, 1e-9])
def test_get_set_complement_parameters(vocab_size, max_illegal_rate):
    """Uniform on the absent tokens at every length; the illegal rate promised is met, and reached.

    All contexts of small vocabularies (as sorted prefixes, each last token), random ones of large.
    """
    parameters = get_set_complement_parameters(vocab_size, max_illegal_rate)
    if vocab_size <= 10:
        orders = np.array(list(_all_orders(vocab_size)))
    else:
        rng = np.random.default_rng(0)
        orders = rng.permuted(np.tile(np.arange(vocab_size), (20, 1)), axis=1)
    tokens = orders[:, :-1]
    legal = get_valid_next_token_mask(tokens, vocab_size)
    logits = forward(parameters, tokens)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)

    illegal_rate = np.where(legal, 0, p).sum(axis=-1)  # (N, V-1)
    assert illegal_rate.max() == pytest.approx(max_illegal_rate, rel=1e-9)
    np.testing.assert_allclose(illegal_rate[:, -1], max_illegal_rate, rtol=1e-9)
    assert (np.diff(illegal_rate, axis=1) >= 0).all(), "the worst length is the longest"
    uniform = (1 - illegal_rate) / legal.sum(axis=-1)
    np.testing.assert_allclose(
        p[legal], np.broadcast_to(uniform[..., None], p.shape)[legal], rtol=1e-9
    )


def _all_orders(vocab_size):
    """Orders whose prefixes contain every (set, last token): each pair appears in one of them."""
    for subset in range(1, 2**vocab_size - 1):
        members = [t for t in range(vocab_size) if subset >> t & 1]
        others = [t for t in range(vocab_size) if not subset >> t & 1]
        for last in members:
            yield [t for t in members if t != last] + [last] + others


def test_attention_norm_reaches_its_rate_at_some_length():
    for vocab_size in (2, 3, 8, 16, 64):
        construction = make_construction("attention_norm", vocab_size=vocab_size)
        rates = construction.closed_form(np.arange(1, vocab_size))["illegal_token_rate"]
        assert rates.max.max() == pytest.approx(1e-3, rel=1e-9)


def test_minimal_reaches_its_rate_for_any_beta():
    for beta in (0.1, 1.0, 5.0):
        construction = make_construction("minimal", vocab_size=9, beta=beta)
        rates = evaluate_exhaustively(construction.model()).query("metric == 'illegal_token_rate'")
        assert rates["max"].max() == pytest.approx(1e-3, rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "width"),
    [
        *(("balanced", 14), ("attention_norm", 14), ("residual_norm", 14), ("harmonic", 14)),
        *(("sink", 14), ("minimal", 7), ("tied", 7), ("self_sink", 7)),
    ],
)
def test_width(kind, width):
    """The least width, and a wider model that computes the same."""
    narrow = make_construction(kind, vocab_size=8).parameters()
    assert narrow.W_E.shape == (8, width)
    wide = make_construction(kind, vocab_size=8, d_model=width + 3).parameters()
    assert wide.W_E.shape == (8, width + 3)
    np.testing.assert_array_equal(ov_circuit(narrow), ov_circuit(wide))
    np.testing.assert_array_equal(direct_path(narrow), direct_path(wide))
    np.testing.assert_array_equal(qk_circuit(narrow), qk_circuit(wide))
    with pytest.raises(ParameterError, match=f"{width} to 16384"):
        make_construction(kind, vocab_size=8, d_model=width - 1)


@pytest.mark.parametrize("vocab_size", [2, 3, 8, 50])
def test_helmert_is_a_simplex(vocab_size):
    H = helmert(vocab_size)
    np.testing.assert_allclose(H.T @ H, np.eye(vocab_size - 1), atol=1e-14)
    np.testing.assert_allclose(H @ H.T, np.eye(vocab_size) - 1 / vocab_size, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "parameters", "key"),
    [
        ("balanced", {"vocab_size": 1}, "vocab_size"),
        ("balanced", {"vocab_size": 8, "max_illegal_rate": 0.0}, "max_illegal_rate"),
        ("balanced", {"vocab_size": 8, "max_illegal_rate": 1.0}, "max_illegal_rate"),
        ("minimal", {"vocab_size": 8, "beta": 0.0}, "beta"),
        ("minimal", {"vocab_size": 2, "beta": 1000.0}, "beta"),
        ("minimal", {"vocab_size": 8, "max_illegal_rate": 0.99}, "max_illegal_rate"),
        ("balanced", {"vocab_size": 8, "max_illegal_rate": 1e-310}, "max_illegal_rate"),
        ("minimal", {"vocab_size": 2, "max_illegal_rate": 0.4, "beta": 3.0}, "beta"),
        ("untrained", {"vocab_size": 0}, "vocab_size"),
        ("harmonic", {"vocab_size": 8, "spread": 1.0}, "spread"),
        ("harmonic", {"vocab_size": 8, "max_illegal_rate": 0.9}, "max_illegal_rate"),
        ("tied", {"vocab_size": 8, "critical_length": 1.0}, "critical_length"),
        (
            "tied",
            {"vocab_size": 8, "critical_length": 3.0, "attention": "balanced"},
            "critical_length",
        ),
        ("tied", {"vocab_size": 8, "attention": "sharp"}, "attention"),
        ("sink", {"vocab_size": 8, "weight": 0.0}, "weight"),
        ("self_sink", {"vocab_size": 8, "weight": 1.0}, "weight"),
        ("residual_norm", {"vocab_size": 8, "embedding_ratio": -1.0}, "embedding_ratio"),
        ("block", {"vocab_size": 8, "d_model": 9}, "d_model"),
        ("frame", {"vocab_size": 8, "frame": "equiangular"}, "d_v"),
        ("frame", {"vocab_size": 8, "d_v": 0}, "d_v"),
    ],
)
def test_parameters_outside_the_theorems(kind, parameters, key):
    with pytest.raises(ParameterError) as raised:
        make_construction(kind, **parameters)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("kind", "least"), [("minimal", (8, 8, 0)), ("balanced", (16, 8, 0)), ("harmonic", (16, 8, 1))]
)
def test_constructions_have_the_least_widths(kind, least):
    """V−1 for values and for displacements above 0, twice that for balance (Cor. 4, Thm. 13)."""
    parameters = make_construction(kind, vocab_size=9).parameters()
    widths = (parameters.W_E.shape[1], parameters.W_V.shape[1], parameters.W_Q.shape[1])
    assert widths == least


def test_narrow_models_token_by_token():
    """In every context: a frame's logits are −(x/s) Σ_i F_i·F_k, a block's those of its rule."""
    members, last = all_contexts(7)
    size = members.sum(axis=1, keepdims=True)
    frame = make_construction("frame", vocab_size=7, d_v=4, x=3.0)
    F = frame.vectors()
    np.testing.assert_allclose((F**2).sum(axis=1), 1)
    found = frame.model().tables().set_logits(members, last)
    np.testing.assert_allclose(found, -3.0 / size * members @ F @ F.T, atol=1e-13)
    found = make_construction("block", vocab_size=7, d_model=3, x=5.0).model().tables()
    handled = np.arange(7) < 3
    wanted = -1.0 * handled * (5.0 / size * members + (np.arange(7) == last[:, None]))
    np.testing.assert_allclose(found.set_logits(members, last), wanted, atol=1e-13)


def test_harmonic_with_any_strengths():
    """Weights for random x: attention is 1/x, width, and displacement 1/Σ(1/x) in a context."""
    x = np.random.default_rng(0).uniform(1, 30, 7)
    parameters = get_harmonic_parameters(x)
    assert [matrix.shape[1] for matrix in parameters] == [12, 1, 1, 6, 12, 7]
    tokens = np.array([[4, 1, 6, 2]])
    pattern = attention_pattern(parameters, tokens)[0, -1]
    np.testing.assert_allclose(pattern, (1 / x[tokens[0]]) / (1 / x[tokens[0]]).sum())
    logits = forward(parameters, tokens)[0, -1]
    np.testing.assert_allclose(logits[[0, 3, 5]], logits[0], atol=1e-12)
    np.testing.assert_allclose(logits[0] - logits[tokens[0]], 1 / (1 / x[tokens[0]]).sum())
    with pytest.raises(ParameterError, match="not all equal"):
        get_harmonic_parameters(np.ones(5))


@pytest.mark.parametrize("attention", ["uniform", "balanced"])
def test_tied_is_tied_and_fails_where_it_says(attention):
    tied = make_construction("tied", vocab_size=12, critical_length=6.5, attention=attention)
    parameters = tied.parameters()
    np.testing.assert_array_equal(parameters.W_U, parameters.W_E.T)
    table = evaluate_exhaustively(tied.model(), [6, 7])
    gap = table[table["metric"] == "logit_gap"]["min"].to_numpy()
    assert gap[0] > 0 > gap[1]
    if attention == "balanced":  # at length 2 the two displacements agree
        law = tied.displacements(np.array([2]))
        assert law.others == pytest.approx(law.last)


@pytest.mark.parametrize("vocab_size", [6, 14, 18, 30])
def test_equiangular_frames_meet_the_welch_bound(vocab_size):
    d = vocab_size // 2
    F = get_frame(vocab_size, d, "equiangular")
    assert F.shape == (vocab_size, d)
    products = np.abs(F @ F.T)[~np.eye(vocab_size, dtype=bool)]
    bound = np.sqrt((vocab_size - d) / (d * (vocab_size - 1)))
    np.testing.assert_allclose(products, bound, atol=1e-12)
    np.testing.assert_allclose((F**2).sum(axis=1), 1, atol=1e-12)
    assert not has_equiangular(vocab_size - 2, d - 1)


def test_the_oracle_has_teeth():
    """A balanced model whose direct path is disturbed by 1 % of x is told from its closed form."""
    construction = make_construction("balanced", vocab_size=8)
    parameters = construction.parameters()
    x = -ov_circuit(parameters)[0, 0]
    nudge = parameters.W_U.copy()
    nudge[0] += 0.01 * x
    table = evaluate_exhaustively(OneLayer(parameters._replace(W_U=nudge)))
    assert worst_deviation(table, construction.closed_form(np.arange(1, 8))) < 1e-12, "gauge"
    nudge[0, 0] += 0.01 * x
    table = evaluate_exhaustively(OneLayer(parameters._replace(W_U=nudge)))
    assert worst_deviation(table, construction.closed_form(np.arange(1, 8))) > 1e-3
