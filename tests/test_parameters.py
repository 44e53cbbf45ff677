"""Parameters: one statement at the field, from which checks, texts and meanings follow."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pytest
from annotated_types import Interval, MinLen, MultipleOf

from gamecircuits.errors import ParameterError
from gamecircuits.games.game import Game
from gamecircuits.parameters import check_fields, describe_allowed, fits, get_parameters

Size = Annotated[int, Interval(ge=1, le=64), "a size"]


@dataclass(frozen=True)
class Example:
    """An example.

    Attributes:
        old: as a user's own kind
            says it.
        a, b: two of them.
    """

    size: Size
    larger: Annotated[Size, Interval(ge=2), "but not one"] = 3
    width: Annotated[int | None, Interval(ge=1), "a width"] = None
    names: Annotated[list[str], MinLen(1), "names"] = field(default_factory=lambda: ["x"])
    old: int = 0
    a: float = 0.0
    b: float = 0.0

    def __post_init__(self):
        check_fields(self)


def test_what_a_field_says():
    found = get_parameters(Example)
    texts = {name: parameter.description for name, parameter in found.items()}
    assert texts == {
        "size": "a size", "larger": "a size; but not one", "width": "a width", "names": "names",
        "old": "as a user's own kind says it.", "a": "two of them.", "b": "two of them.",
    }  # fmt: skip
    assert found["larger"].allowed == "an integer from 2 to 64"
    assert found["names"].default == ["x"]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"size": 0}, "size"),
        ({"size": 65}, "size"),
        ({"size": "8"}, "size"),
        ({"size": True}, "size"),
        ({"size": 8.0}, "size"),
        ({"larger": 1}, "larger"),
        ({"width": 0}, "width"),
        ({"names": []}, "names"),
        ({"names": [1]}, "names"),
        ({"names": "x"}, "names"),
    ],
)
def test_what_is_not_allowed_is_refused_in_python_too(values, key):
    Example(size=np.int64(8), width=4, old="whatever")  # fields without Annotated are not checked
    with pytest.raises(ParameterError) as raised:
        Example(**{"size": 8} | values)
    assert (raised.value.key, raised.value.value) == (key, values[key])
    assert raised.value.allowed == get_parameters(Example)[key].allowed


@pytest.mark.parametrize(
    ("annotation", "text", "good", "bad"),
    [
        (Annotated[float, Interval(gt=0, le=1e30)], "a number above 0, up to 1e30", 1, 0),
        (Annotated[float, Interval(gt=0, lt=1)], "a number above 0 and below 1", 0.5, 1.0),
        (Annotated[float, Interval(ge=0, lt=1)], "a number from 0 to below 1", 0, float("nan")),
        (Annotated[float, Interval(ge=1e-6)], "a number from 1e-6", 1e300, float("inf")),
        (Annotated[int, Interval(ge=2), MultipleOf(2)], "an even integer from 2", 4, 3),
        (Literal["a", "b"], "a, b", "a", "c"),
        (Literal[4, 6], "4, 6", 4, 4.0),
        (bool, "true, false", True, 1),
        (Annotated[list[Size], MinLen(1)],
         "a list that is not empty, each an integer from 1 to 64", [1], [0]),
        (dict[str, dict[str, str]], "a mapping", {"a": {"b": "c"}}, {"a": {"b": 1}}),
        (Literal["all"] | list[int], "all or a list, each an integer", "all", "al"),
    ],
)  # fmt: skip
def test_ranges_in_words(annotation, text, good, bad):
    assert describe_allowed(annotation) == text
    assert fits(annotation, good)
    assert not fits(annotation, bad)


def test_a_plain_dataclass_of_a_user_works_as_before():
    @dataclass(frozen=True)
    class Own(Game):
        vocab_size: int
        max_length: "int" = 4
        start: float = None  # not what the annotation says

        def get_valid_next_token_mask(self, tokens):
            return np.ones((*tokens.shape, self.vocab_size), bool)

    assert Own(3).play(2, np.random.default_rng(0)).shape == (2, 4)
