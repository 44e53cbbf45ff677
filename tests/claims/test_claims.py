"""Every claim holds on instances of its hypotheses, and fails once one of them is spoilt.

Where a law has no hypothesis but its numbers, it is told a wrong one."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from gamecircuits.claims import check as checks
from gamecircuits.claims.claim import Outcome, load_claims
from gamecircuits.claims.depth import resharpened
from gamecircuits.theory.basics import centering
from gamecircuits.transformer.constructions.construction import helmert
from gamecircuits.transformer.gpt import Norm

CLAIMS = load_claims()


def nudge_ov(case):
    case.ov[0, 1] += 0.01 * np.abs(case.ov).max()


def attend_one_percent_off(case):
    case.scores[0, 0] += np.log(1.01)


def nudge_weights(case):
    """D is no longer −P."""
    case.parameters = case.parameters._replace(W_O=1.01 * case.parameters.W_O)


def double_direct_path(case):
    case.parameters = case.parameters._replace(W_U=2 * case.parameters.W_U)


def nudge_unembedding(case):
    W_U = 1.01 * case.model.parameters.W_U
    W_U[:, 0] += 0.01 * np.abs(W_U).max() + 0.01
    case.model = dataclasses.replace(case.model, parameters=case.model.parameters._replace(W_U=W_U))


def normalise(gain):
    """The head's output normalised: logits no longer are weighted means."""

    def spoil(case):
        case.norm, case.gain = "attention", gain

    return spoil


def with_gauge_of_mixed_signs(case):
    """Σ 1/x = 0: the null space has two dimensions."""
    signs = np.where(np.arange(len(case.x)) % 2, 1.0, -1.0)
    case.x, case.c, case.r = signs, signs / len(signs), signs / len(signs)


def full_rank(case):
    case.ov = -centering(len(case.ov))
    case.direct = 0.001 * np.random.default_rng(0).standard_normal(case.ov.shape) - case.ov


def without_a_dimension(case):
    W_E = case.parameters.W_E.copy()
    W_E[:, 0] = 0
    case.parameters = case.parameters._replace(W_E=W_E)


def replace(**values):
    return lambda case: vars(case).update(values)


def scaled(name, factor):
    return lambda case: setattr(case, name, factor * getattr(case, name))


def two_vectors_nearly_parallel(case):
    """The law is told the coherence of other vectors."""
    case.x, case.coherence = 60.0, 0.001
    case.ov = -60 * np.eye(len(case.ov))
    case.ov[0, 1] = case.ov[1, 0] = -59


def one_stronger_token(case):
    """x is not uniform."""
    case.ov[0, 0] -= 5 * case.x[0]


def same_signs_for_half(case):
    """Signs that are not independent: half of the tokens have one vector."""
    count, V, d = 50, case.frames.shape[1], 200
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(count, V, d))
    signs[:, : V // 2] = 1
    case.frames, case.x = signs / np.sqrt(d), 10.0


def resharpen(case):
    """Fewer nats of loss than averaging with the same x̄ can have."""
    case.ov, case.direct = -5 * centering(len(case.ov)), np.zeros_like(case.ov)
    case.norm, case.gain = "attention", 50.0


def more_dimensions_than_told(case):
    case.logits = -50.0 * case.members


def perfect_logits(case):
    case.logits = -50.0 * np.eye(len(case.logits))


def all_dimensions(case):
    case.ov = -300 * centering(len(case.ov))
    case.direct = np.zeros_like(case.ov)
    case.scores = np.zeros_like(case.ov)


def direct_path_that_does_not_cancel(case):
    """D → D + 1rᵀ, B → B − 1rᵀ cancels only while the weights sum to one."""
    r = np.linspace(0, 3, len(case.ov))
    case.ov, case.direct = case.ov + r, case.direct - r


def without_beta(case):
    case.beta = np.zeros_like(case.beta)


def without_any_beta(case):
    case.direct += np.diag(case.beta)
    case.scores = -np.log(case.x) * np.ones((len(case.x), 1))


def with_beta(case):
    """Uniform x, and β for all tokens: then V−1 dimensions do."""
    P = centering(len(case.ov))
    case.ov, case.direct = -5 * P, -2 * P


def lose_a_context(case):
    case.members, case.last = case.members[1:], case.last[1:]


def other_beta(case):
    """The law is told less β than the model has."""
    case.direct -= np.diag(0.3 * case.beta)


def one_odd_factor(case):
    """Weights that tell a token apart."""
    case.weights[5][:, 0] *= 1.5


def attend_sharply(case):
    case.scores = 2 * np.random.default_rng(0).standard_normal(case.scores.shape)


def with_parameters(**parts):
    """A GPT with other weights; each part is a function of its parameters."""

    def spoil(case):
        old = case.model.parameters
        new = old._replace(**{name: part(old) for name, part in parts.items()})
        case.model = dataclasses.replace(case.model, parameters=new)

    return spoil


def attend_by_token(parameters):
    """Queries and keys of their own in every layer."""
    rng = np.random.default_rng(0)
    return tuple(
        block._replace(
            attn=block.attn._replace(
                W_Q=10 * rng.standard_normal(block.attn.W_Q.shape),
                W_K=10 * rng.standard_normal(block.attn.W_K.shape),
            )
        )
        for block in parameters.blocks
    )


def attend_more_sharply(parameters):
    return tuple(
        block._replace(attn=block.attn._replace(W_Q=30 * block.attn.W_Q, W_K=30 * block.attn.W_K))
        for block in parameters.blocks
    )


def attend_to_the_first(case):
    case.patterns = np.zeros_like(case.patterns)
    case.patterns[..., 0] = 1


def sharper_than_the_norm_told(case):
    case.model = resharpened(8, 5.0)
    case.size = 0.5 * 5 * np.sqrt(14 * 7)  # half of √d ‖UP‖


SPOILS = {
    "context_count": lose_a_context,
    "standard_form_suffices": nudge_ov,
    "conservation_law": nudge_ov,
    "standard_form_necessary": replace(lengths=[1]),
    "standard_form_from_one_length": lambda case: vars(case).update(
        lengths=[len(case.scores) - 2], scores=np.zeros_like(case.scores)
    ),
    "one_length_too_long": attend_sharply,
    "rank_bound": with_gauge_of_mixed_signs,
    "minimal_model": nudge_unembedding,
    "robust_rank_bound": full_rank,
    "capacity_threshold": without_a_dimension,
    "affine_identity": normalise(5.0),
    "certificate": normalise(100.0),  # logits are no weighted means any more
    "balance_at_two": attend_one_percent_off,
    "parallel_resistors": attend_one_percent_off,
    "balanced_model": nudge_unembedding,
    "harmonic_model": nudge_unembedding,
    "last_token_excess": attend_one_percent_off,
    "last_token_sign": other_beta,
    "critical_length": lambda case: setattr(case, "direct", case.direct - 2 * np.diag(case.beta)),
    "tied_beta": double_direct_path,
    "tied_model": nudge_unembedding,
    "attention_rank": without_beta,
    "width": with_beta,
    "border": double_direct_path,
    "imbalance_at_width": nudge_weights,
    "no_balance_with_beta": without_any_beta,
    "two_ways_to_go_wrong": scaled("kappa", 3.0),
    "linear_law_of_any_model": more_dimensions_than_told,
    "metrics": nudge_ov,
    "untrained_model": nudge_unembedding,
    "promised_rate": nudge_unembedding,
    "linear_law": perfect_logits,
    "linear_law_by_length": all_dimensions,
    "total_variation_floor": perfect_logits,
    "block_model": nudge_unembedding,
    "block_limit": lambda case: setattr(case, "num_handled", case.num_handled - 1),
    "coherence": two_vectors_nearly_parallel,
    "frames_on_average": same_signs_for_half,
    "noise_law": attend_sharply,
    "truncation": None,  # an identity without a hypothesis
    "generalized_welch": lambda case: setattr(case, "ov", -centering(len(case.ov))),
    "dispersion": one_stronger_token,
    "illegal_rate_floor": one_stronger_token,
    "sink_model": nudge_unembedding,
    "self_sink_model": nudge_unembedding,
    "symmetrisation": resharpen,
    "norm_optimum": scaled("budget", 1.01),
    "frame_model": nudge_unembedding,
    "gain_bound": lambda case: setattr(case, "gains", [1.02 * gain for gain in case.gains]),
    "attention_norm_model": nudge_unembedding,
    "residual_norm_model": nudge_unembedding,
    "dropout": direct_path_that_does_not_cancel,
    "one_hot_is_exact": lambda case: setattr(
        case, "embedding", helmert(len(case.embedding)).astype(np.float32)
    ),
    "table_path": nudge_ov,
    "factor_path": one_odd_factor,
    "late_path": lambda case: setattr(case, "told", case.told - 1 if case.told > 2 else 3),
    "curvature": attend_sharply,
    "gradient_noise": attend_sharply,
    "decay_plateau": scaled("decay", 1.1),
    "first_layer_sees_sets": with_parameters(blocks=lambda old: 2 * old.blocks),
    "second_layer_sees_order": with_parameters(blocks=attend_by_token),
    "budget_of_paths": with_parameters(ln_final=lambda old: Norm(np.ones(len(old.W_U)))),
    "attention_bound": with_parameters(blocks=attend_more_sharply),
    "path_weights": attend_to_the_first,
    "final_norm_floor": sharper_than_the_norm_told,
    "rounding_spread": lambda case: setattr(
        case, "embedding", case.embedding.astype(np.float16).astype(np.float32)
    ),
}


def test_every_claim_has_a_spoil():
    assert set(SPOILS) == set(CLAIMS)


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_hold(name):
    """On vocabulary sizes and seeds that the pipeline does not use."""
    claim = CLAIMS[name]
    for vocab_size in (claim.smallest, 7, 9):
        for seed in range(3):
            case = claim.build(vocab_size, np.random.default_rng([seed, vocab_size]))
            outcome = claim.check(case)
            assert outcome.holds, (case.description, outcome)


@pytest.mark.parametrize("name", [name for name, spoil in SPOILS.items() if spoil])
def test_claims_fail_without_their_hypothesis(name):
    claim = CLAIMS[name]
    for seed in range(3):
        case = claim.build(8, np.random.default_rng(seed))
        SPOILS[name](case)
        outcome = claim.check(case)
        assert not outcome.holds, (case.description, outcome)


def test_the_theory_says_where_each_claim_is_checked():
    text = (Path(__file__).parents[2] / "docs/theory.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", text.partition("| statement | claims |")[2], re.M)
    table = {name: proved for proved, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert table == {claim.name: claim.proved for claim in CLAIMS.values()}


def test_outcomes():
    assert Outcome(1.0, 1.0 + 1e-12, 1e-10, 1).holds
    assert not Outcome(1.0, 1.1, 1e-10, 1).holds
    assert Outcome(1.0, 0.5, 0, 1, "<=").holds
    assert not Outcome(1.0, 0.5, 0, 1, ">=").holds
    assert not Outcome(1.0, np.nan, 1e9, 1, "<=").holds


def test_the_table_names_failures(monkeypatch):
    one = CLAIMS["dispersion"]
    wrong = one._replace(check=lambda case: one.check(case)._replace(measured=7.0))
    two = {"dispersion": wrong, "metrics": CLAIMS["metrics"]}
    monkeypatch.setattr(checks, "load_claims", lambda: two)
    heard = []
    table = checks.check_all([5], 2, 0, heard.append)
    assert len(table) == 4
    assert table["holds"].tolist() == [True, True, False, False]  # by the number of the statement
    assert sum("CLAIM FAILS: dispersion (Theorem 21)" in line for line in heard) == 2
    assert checks.summarize(table)["failures"].tolist() == [0, 2]
