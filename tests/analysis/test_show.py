"""One prefix as a table: the numbers are those of the model."""

import subprocess
import sys

import numpy as np
import pytest
from bigram import Bigram
from twins import random_parameters

import gamecircuits
from gamecircuits.errors import ParameterError
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.model import attention_pattern
from gamecircuits.transformer.one_layer import OneLayer


def test_the_table_is_what_the_model_says_after_the_last_token():
    parameters = random_parameters(np.random.default_rng(0), 5)
    model, prefix = OneLayer(parameters), [1, 3, 1]  # token 1 twice
    table = gamecircuits.show(model, prefix, names="abcde")
    weights = attention_pattern(parameters, np.array(prefix))[-1]
    np.testing.assert_allclose(table.loc["b", "attention"], weights[0] + weights[2])
    assert table["seen"].tolist() == [0, 2, 0, 1, 0]
    logits = model.logits(np.array(prefix))[-1]
    np.testing.assert_allclose(table["logit"], logits)
    np.testing.assert_allclose(table["probability"], np.exp(logits) / np.exp(logits).sum())


@pytest.mark.parametrize("V", [2, 6])
def test_sums_are_one_but_for_a_sink(V):
    for kind, attention in (("balanced", 1), ("sink", 1 / (1 + 4))):
        model = make_construction(kind, vocab_size=V).model()
        if kind == "sink":
            model = OneLayer(model.parameters, sink=4.0)
        sums = gamecircuits.show(model, [V - 1]).sum()
        np.testing.assert_allclose(sums[["seen", "attention", "probability"]], [1, attention, 1])


def test_a_model_of_another_kind_has_no_attention():
    table = gamecircuits.show(Bigram(np.eye(3)), [0, 2])
    assert table["logit"].tolist() == [0, 0, 1]
    assert "attention" not in table


@pytest.mark.parametrize("tokens", [[], [-1], [0, 3], [[0]], [0.5], "ab", 1])
def test_tokens_that_the_model_lacks_are_refused(tokens):
    with pytest.raises(ParameterError, match="allowed: integers from 0 to 2 in a list"):
        gamecircuits.show(Bigram(np.eye(3)), tokens)
    with pytest.raises(ParameterError, match=r"names = 'ab' .*allowed: 3 names"):
        gamecircuits.show(Bigram(np.eye(3)), [0], names="ab")


def test_the_package_itself_imports_nothing():
    code = "import gamecircuits, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'shwo'"):
        _ = gamecircuits.shwo
