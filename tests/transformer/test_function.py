"""Weights that somebody's function returns: used as they are, or what is wrong with them named."""

from pathlib import Path

import numpy as np
import pytest

from gamecircuits.errors import GamecircuitsError
from gamecircuits.storage.functions import find_function
from gamecircuits.transformer.function import make_own_model

FOUR = str(Path(__file__).parents[2] / "docs/four.py")
WEIGHTS = """\
from collections import namedtuple
import numpy as np

Named = namedtuple("Named", ["W_U", "W_O", "W_V", "W_K", "W_Q", "W_E"])

def changed(V, name=None, value=None):
    sizes = {"W_E": (V, 3), "W_Q": (3, 1), "W_K": (3, 1), "W_V": (3, 2)}
    sizes |= {"W_O": (2, 3), "W_U": (3, V)}
    matrices = {name: np.arange(np.prod(size)).reshape(size) for name, size in sizes.items()}
    return matrices | ({name: eval(value)} if name else {})

def six(V, name=None, value=None):
    return list(changed(V, name, value).values())

def named(V):
    return Named(**changed(V))

def five(V):
    return six(V)[:5]

def mapping(V):
    return changed(V)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.py").write_text(WEIGHTS, encoding="utf-8")
    return lambda function, **arguments: make_own_model(
        "w.py", function, find_function("w.py", function), 4, arguments
    )


def test_the_weights_are_those_of_the_function(make):
    """Names go before the order; whole numbers become float64."""
    six, named = make("six").parameters, make("named").parameters
    for name, one, other in zip(six._fields, six, named, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == np.float64
    assert six.W_E.shape == (4, 3)


@pytest.mark.parametrize("V", [2, 4])
def test_the_example_of_the_documents_is_that_of_the_theory(V):
    """Average of what was seen, times −6."""
    model = make_own_model(FOUR, "get_parameters", find_function(FOUR, "get_parameters"), V, {})
    np.testing.assert_allclose(model.logits(np.array([0]))[-1], [-6] + [0] * (V - 1))
    if V == 4:
        np.testing.assert_allclose(model.logits(np.array([0, 2]))[-1], [-3, 0, -3, 0])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("W_E", "np.ones((5, 3))", "a W_E with 5 rows; wanted vocab_size = 4"),
        ("W_O", "np.ones((2, 3)) * [1, np.nan, 1]", r"a W_O with nan at \(0, 1\); wanted finite"),
        ("W_U", "[[1, 2], [3]]", "a W_U that is no array; wanted a matrix of numbers"),
        ("W_U", "np.ones(4)", r"a W_U that is float64 of shape \(4,\); wanted a matrix"),
        ("W_U", "np.ones((3, 4)) * 1j", "a W_U that is complex128"),
        (
            "W_V",
            "np.ones((2, 3))",
            r"weights that do not fit: W_V has shape \(2, 3\); expected",
        ),
    ],
)
def test_what_is_wrong_with_a_matrix_is_named(make, name, value, message):
    with pytest.raises(GamecircuitsError, match=rf"^w\.py:12: six returned {message}"):
        make("six", name=name, value=value)


def test_what_are_no_six_matrices_is_named(make):
    with pytest.raises(GamecircuitsError, match="18: five returned a list of 5; wanted six matric"):
        make("five")
    with pytest.raises(GamecircuitsError, match="21: mapping returned a dict; wanted six matrices"):
        make("mapping")
