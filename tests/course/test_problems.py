"""Every problem: its solution passes, and each known mistake is told its own reason."""

import numpy as np
import pytest

from checker.course import PROBLEMS
from checker.wrong import Wrong

NUMBERS = range(1, len(PROBLEMS) + 1)
MISTAKES = [(n, i) for n in NUMBERS for i in range(len(PROBLEMS[n - 1].mistakes))]


class Local:
    """An answer that is called here, without a process of its own."""

    def __init__(self, problem, function):
        self.function, self.names = function, problem.arguments

    def __call__(self, *arguments):
        with np.errstate(all="ignore"):
            return self.function(*(np.copy(a) if type(a) is np.ndarray else a for a in arguments))


@pytest.mark.parametrize("number", NUMBERS)
def test_solutions_pass(number):
    problem = PROBLEMS[number - 1]
    for seed in range(10):
        problem.check(Local(problem, problem.reference), np.random.default_rng(seed))


@pytest.mark.parametrize(("number", "index"), MISTAKES)
def test_mistakes_are_named(number, index):
    problem = PROBLEMS[number - 1]
    mistake = problem.mistakes[index]
    for seed in range(5):
        with pytest.raises(Wrong) as caught:
            problem.check(Local(problem, mistake.function), np.random.default_rng(seed))
        assert mistake.message in caught.value.message
