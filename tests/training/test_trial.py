"""Trials: draws that depend on nothing else, schedules by hand, and spaces that make sense."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from gamecircuits.errors import ParameterError
from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.trial import (
    ARCHITECTURES,
    check_space,
    draw_trial,
    get_hyperparameters,
    group_trials,
)

SPACE = {
    "norm": ["none", "residual"],
    "tied": [True, False],
    "d_model": [8, 16, 32],
    "learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"},
    "warmup": {"low": 0.0, "high": 0.5},
    "batch_size": 16,
}


def draw(space=SPACE, seed=0, name="search", size=200):
    return [draw_trial(space, "one_layer", seed, name, number) for number in range(size)]


def test_a_draw_stays_in_its_range():
    """exp(log(1e30)) is larger than 1e30, which no rate may be."""
    space = {"learning_rate": {"low": 1e30, "high": 1e30, "scale": "log"}}
    assert draw_trial(space, "one_layer", 0, "search", 0).learning_rate == 1e30


def test_a_misspelt_choice_is_suggested():
    for space in ({"norm": "attnetion"}, {"norm": ["none", "Attention"]}):
        with pytest.raises(ParameterError, match="none, attention, residual; did you mean 'attent"):
            check_space(space, "one_layer")


def test_draws_depend_on_seed_name_and_number_alone():
    trials = draw()
    assert trials == draw()
    assert trials[7] == draw_trial(SPACE, "one_layer", 0, "search", 7)
    backwards = dict(reversed(SPACE.items()))
    assert draw_trial(backwards, "one_layer", 0, "search", 7) == trials[7]
    assert len(set(trials)) == len(trials)
    assert not set(trials) & {*draw(seed=1), *draw(name="other")}


@pytest.mark.parametrize("key", ["norm", "learning_rate", "batch_size"])
def test_a_change_of_one_hyperparameter_leaves_the_others_alone(key):
    default = getattr(OneLayerTrial(), key)
    without = draw({other: choice for other, choice in SPACE.items() if other != key})
    assert without == [replace(trial, **{key: default}) for trial in draw()]


def test_draws_are_uniform_on_their_scale():
    trials = draw(size=2000)
    rates = np.log10([trial.learning_rate for trial in trials])
    assert kstest(rates, "uniform", args=(-4, 3)).pvalue > 1e-3
    assert kstest([t.warmup for t in trials], "uniform", args=(0, 0.5)).pvalue > 1e-3
    widths, counts = np.unique([trial.d_model for trial in trials], return_counts=True)
    assert widths.tolist() == SPACE["d_model"]
    assert counts.min() > 580
    assert {trial.batch_size for trial in trials} == {16}


def test_groups_share_a_program_and_cover_every_trial_once():
    trials = draw(size=50)
    groups = group_trials({("v", number): trial for number, trial in enumerate(trials)}, 4)
    assert sorted(key for group in groups.values() for key in group) == [
        ("v", n) for n in range(50)
    ]
    assert all(1 <= len(group) <= 4 for group in groups.values())
    programs = [{trials[number].static for _, number in group} for group in groups.values()]
    assert all(len(program) == 1 for program in programs)
    wanted = sum(-(-count // 4) for count in np.unique(  # no more groups than are needed
        [str(trial.static) for trial in trials], return_counts=True)[1])  # fmt: skip
    assert len(groups) == wanted


def test_a_variant_or_later_trials_leave_the_groups_of_others_alone():
    """Two programs in each variant, alike in both; names are unique whatever the variants."""

    def groups(variants, size):
        trials = {(v, n): trial for v in variants for n, trial in enumerate(draw(size=size))}
        return group_trials(trials, 4)

    before, after = groups(["a", "a.0", "b"], 24), groups(["a", "a.0", "mid", "b"], 24)
    assert {name: after[name] for name in before} == before
    assert {name for name in after if name not in before} == {
        name.replace("b-", "mid-") for name in before if name.startswith("b-")
    }
    for name, group in before.items():
        variant, number = group[0]
        assert name == f"{variant}-{number:04d}"
        assert {key[0] for key in group} == {variant}
    more = groups(["a"], 48)
    full = {name: group for name, group in before.items() if len(group) == 4 and name[:2] == "a-"}
    assert full
    assert {name: more[name] for name in full} == full


@pytest.mark.parametrize(("schedule", "warmup", "wanted"), [
    ("constant", 0.0, [1, 1, 1, 1]),
    ("linear", 0.0, [1, 3 / 4, 2 / 4, 1 / 4]),
    ("cosine", 0.0, [1, (1 + 2**-0.5) / 2, 1 / 2, (1 - 2**-0.5) / 2]),
    ("constant", 0.5, [1 / 2, 1, 1, 1]),
    ("linear", 0.5, [1 / 2, 1, 1, 1 / 2]),
    ("cosine", 0.5, [1 / 2, 1, 1, 1 / 2]),
    ("constant", 1.0, [1 / 4, 2 / 4, 3 / 4, 1]),
    ("linear", 1.0, [1 / 4, 2 / 4, 3 / 4, 1]),
    ("cosine", 1.0, [1 / 4, 2 / 4, 3 / 4, 1]),
])  # fmt: skip
def test_learning_rates_by_hand(schedule, warmup, wanted):
    trial = OneLayerTrial(learning_rate=0.3, schedule=schedule, warmup=warmup)
    np.testing.assert_allclose(trial.get_learning_rates(4), 0.3 * np.array(wanted), rtol=1e-12)


@pytest.mark.parametrize(("space", "message"), [
    ({"depth": 2}, r"^space = 'depth' is not possible; allowed: targets, optimizer, "),
    ({"norm": ["none", "rms"]}, "^norm = 'rms' .* none, attention, residual$"),
    ({"tied": 1.5}, "^tied = 1.5 .* true, false$"),
    ({"tied": [1]}, "^tied = 1 .* true, false$"),
    ({"schedule": []}, r"^schedule = \[\] .* a list that is not empty$"),
    ({"d_model": 0}, "^d_model = 0 .* an integer from 1 to 65536$"),
    ({"batch_size": [8, 8.0]}, "^batch_size = 8.0 .* an integer from 1"),
    ({"d_model": {"low": 8, "high": 32}}, "^d_model = {.*} .* only real numbers have ranges$"),
    ({"gain": {"low": 0.0, "high": 1.0, "scale": "log"}}, "^gain = {.*low > 0 on a log scale$"),
    ({"gain": {"low": 2.0, "high": 1.0}}, "^gain = {.*} .* low <= high"),
    ({"gain": {"low": 1.0, "high": float("inf")}}, "^gain = {.*} .* low <= high, and"),
    ({"gain": {"low": 1.0, "hi": 2.0}}, "^gain = {.*} .* {low: ..., high: ..., scale"),
    ({"gain": {"low": 1.0, "high": 2.0, "scale": "ln"}}, "^gain = {.*linear or log}$"),
    ({"gain": {"low": 0.0, "high": 1.0}}, "^gain = 0.0 .* a number above 0, up to 1e30$"),
    ({"learning_rate": "1e-3"}, "^learning_rate = '1e-3' .* a number above 0, up to 1e30$"),
    ({"clip_norm": float("inf")}, "^clip_norm = inf .* a number above 0, up to 1e30$"),
    ({"clip_norm": float("nan")}, "^clip_norm = nan .* a number above 0, up to 1e30$"),
    ({"warmup": 1.1}, "^warmup = 1.1 .* a number from 0 to 1$"),
    ({"weight_decay": -1}, "^weight_decay = -1 .* a number from 0 to 1e30$"),
    ({"residual_dropout": [0, 1]}, "^residual_dropout = 1 .* a number from 0 to below 1$"),
])  # fmt: skip
def test_mistakes_are_named(space, message):
    check_space(SPACE, "one_layer")
    with pytest.raises(ParameterError, match=message):
        check_space(space, "one_layer")


def test_every_hyperparameter_is_explained():
    for architecture in ARCHITECTURES.kinds():
        known = get_hyperparameters(architecture).values()
        assert all(parameter.description for parameter in known)


def test_a_misspelt_hyperparameter_is_guessed():
    with pytest.raises(ParameterError, match="did you mean 'learning_rate'"):
        check_space({"learnign_rate": 1e-3}, "one_layer")
