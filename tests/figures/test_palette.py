"""Colours: each is seen on both grounds, and those that meet can be told apart by everyone."""

from itertools import combinations

import numpy as np
import pytest

from gamecircuits.experiments.remedies import Remedies
from gamecircuits.figures.palette import COLOURS, SAME, colour_of, colours_of, remedy_of
from gamecircuits.figures.style import looks_of

DARK_PAGE = "#16181d"  # --paper of explorer/web/style.css in dark mode
SIGHT = {  # linear RGB as seen (Machado, Oliveira and Fernandes 2009, severity 1)
    "all cones": np.eye(3),
    "deuteranopia": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    ),
    "protanopia": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    ),
}
# Linear RGB to Oklab (Ottosson 2020), in which distances are those that are seen.
CONES = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
MEETINGS = {
    "models": ["plain", "minimal", "attention_norm", "untrained"],
    "searches": ["plain", "attention_norm", "residual_norm", "attention_dropout"],
    "experiment": ["plain", "attention_norm", "residual_norm", "sink", "self_sink"],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def distance(one: str, other: str, sight: str) -> float:
    seen = (np.clip(SIGHT[sight] @ linear(colour), 0, 1) for colour in (one, other))
    first, second = (LAB @ np.cbrt(CONES @ colour) for colour in seen)
    return float(np.linalg.norm(first - second))


def contrast(one: str, other: str) -> float:
    """Ratio of luminances, as in WCAG."""
    dark, light = sorted(0.05 + linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other))
    return light / dark


def test_black_and_white_are_what_they_are_known_to_be():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert distance("#000000", "#ffffff", "all cones") == pytest.approx(1, abs=1e-3)
    assert distance("#ff0000", "#00ff00", "protanopia") < distance(
        "#ff0000", "#00ff00", "all cones"
    )


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_that_meet_can_be_told_apart(sight):
    for names in MEETINGS.values():
        for pair in combinations(names, 2):
            assert distance(*map(colour_of, pair), sight) > 0.08, pair
    for one, other in combinations(COLOURS.values(), 2):  # marker and dash help where these meet
        assert distance(one, other, sight) > 0.04, (one, other)


@pytest.mark.parametrize("ground", ["#ffffff", DARK_PAGE])
def test_every_colour_is_seen_on_both_grounds(ground):
    for colour in COLOURS.values():
        assert contrast(colour, ground) > 2, colour


def test_a_remedy_has_one_colour_as_kind_as_variant_and_in_the_experiment():
    assert colour_of("balanced") == colour_of("plain") == colour_of("no norm")
    assert colour_of("attention_norm") == colour_of("attention norm")
    assert set(SAME.values()) <= set(COLOURS)
    assert remedy_of("mine") is None
    for model in Remedies().models():
        assert remedy_of(model), model


def test_other_names_take_what_is_free_in_this_figure():
    names = ["mine", "balanced", "theirs", "untrained", "attention_norm"]
    found = colours_of(names)
    assert list(found) == names
    assert len(set(found.values())) == 5
    assert found == colours_of(names)
    assert found["balanced"] == colour_of("plain")
    many = colours_of([f"m{n}" for n in range(40)])
    assert len(set(many.values())) == len(COLOURS) - 1


def test_two_of_a_kind_differ_in_marker_and_dash():
    looks = looks_of({"one": "balanced", "other": "balanced", "third": "attention_norm"})
    assert looks["one"]["color"] == looks["other"]["color"] != looks["third"]["color"]
    for channel in ("marker", "linestyle"):
        assert looks["one"][channel] != looks["other"][channel]
