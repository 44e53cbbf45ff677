import numpy as np
import pytest
from twins import random_parameters

from gamecircuits.analysis import symmetry
from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.analysis.symmetry import evaluate_by_symmetry, find_interchangeable_tokens
from gamecircuits.errors import GamecircuitsError
from gamecircuits.theory.basics import count_contexts
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

STATISTICS = ["count", "mean", "std", "min", "q05", "q25", "median", "q75", "q95", "max"]


def make_symmetric(rng, classes, norm="none", sink=0.0):
    """A model of tables that only know the classes of two tokens, and whether they are the same."""
    classes = np.array(classes)

    def table():
        between, same = rng.normal(size=(2, classes.max() + 1, classes.max() + 1))
        equal = np.eye(len(classes))
        return (between + 0)[np.ix_(classes, classes)] + equal * same[classes, classes]

    return OneLayer(from_circuits(table(), table(), table()), norm, 2.0, sink)


@pytest.mark.parametrize("norm", ["none", "attention", "residual"])
@pytest.mark.parametrize("sink", [0.0, 2.0])
@pytest.mark.parametrize("classes", [[0, 0], [0, 1, 0, 0, 1, 0, 2, 0], [0, 1, 2]])
def test_orbits_give_what_all_contexts_give(norm, sink, classes):
    model = make_symmetric(np.random.default_rng(len(classes)), classes, norm, sink)
    found = find_interchangeable_tokens(model.tables())
    assert [tokens.tolist() for tokens in found] == [
        [t for t, c in enumerate(classes) if c == wanted] for wanted in range(max(classes) + 1)
    ]
    every, orbits = evaluate_exhaustively(model), evaluate_by_symmetry(model)
    assert orbits.columns.tolist() == every.columns.tolist()
    assert (orbits.dtypes == every.dtypes).all()
    kept = every["metric"] != "top1_legal"  # rounding decides ties
    np.testing.assert_allclose(
        orbits.loc[kept, STATISTICS], every.loc[kept, STATISTICS], rtol=1e-11, atol=1e-12
    )
    assert (orbits["quantile_count"] == every["quantile_count"]).all()


def test_tokens_that_differ_anywhere_are_told_apart():
    rng = np.random.default_rng(0)
    for norm in ("none", "attention", "residual"):
        model = OneLayer(random_parameters(rng, 6), norm)
        assert len(find_interchangeable_tokens(model.tables())) == 6
    tables = rng.normal(size=(3, 1, 1)) + np.zeros((3, 6, 6))
    for which in range(3):
        nudged = tables.copy()
        nudged[which, 1, 4] += 1e-9
        found = find_interchangeable_tokens(OneLayer(from_circuits(*nudged)).tables())
        assert [tokens.tolist() for tokens in found] == [[0, 2, 3, 5], [1], [4]]


def test_tokens_that_differ_far_below_the_largest_are_told_apart():
    """Attention and lengths that do not count beside those of token 0 count where it is absent."""
    V, apart = 6, [[0], [1, 3, 4, 5], [2]]
    scores, equal = np.full((V, V), -50.0), np.eye(V)
    scores[:, 0], scores[:, 2] = 0.0, -51.0
    models = [OneLayer(from_circuits(scores, -4 * equal, equal))]
    outputs = np.pad(-4 * equal, ((0, 0), (0, 2)))
    outputs[1:] *= 1e-9
    outputs[1:, V], outputs[2, V] = 1e-9, 8e-9  # which the unembedding does not see
    embedding, nothing = np.eye(V, V + 2), np.zeros((V + 2, 0))
    for norm in ("attention", "residual"):
        weights = Parameters(embedding, nothing, nothing, embedding.T, outputs, embedding.T)
        models.append(OneLayer(weights, norm))
    for model in models:
        found = find_interchangeable_tokens(model.tables())
        assert [tokens.tolist() for tokens in found] == apart


@pytest.mark.parametrize("kind", ["balanced", "harmonic", "attention_norm"])
def test_large_constructions_obey_their_laws(kind):
    V = 64
    construction = make_construction(kind, vocab_size=V)
    table = evaluate_by_symmetry(construction.model()).set_index(["metric", "length"])
    for metric, law in construction.closed_form(np.arange(1, V)).items():
        for statistic, wanted in law._asdict().items():
            np.testing.assert_allclose(table.loc[metric][statistic], wanted, rtol=1e-9, atol=1e-10)
    for length, count in table.loc["kl_divergence", "count"].items():
        assert count == pytest.approx(count_contexts(V, length), rel=1e-14)


def test_too_many_orbits_are_refused(monkeypatch):
    monkeypatch.setattr(symmetry, "MAX_ORBITS", 100)
    model = OneLayer(random_parameters(np.random.default_rng(0), 6))
    message = r"6 tokens .* 6 classes .* largest of 1; .* more than 100 kinds .* all or sampled"
    with pytest.raises(GamecircuitsError, match=message):
        evaluate_by_symmetry(model)
