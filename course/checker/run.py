"""Checking the problems of one file."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import solutions
from checker.answer import Answer, Limits
from checker.course import PROBLEMS
from checker.source import Source
from checker.wrong import NotLoaded, NotWritten, Wrong

NAMES = [problem.name for problem in PROBLEMS]


@dataclass(frozen=True)
class Outcome:
    """What became of one problem.

    Attributes:
        wrong: what is wrong, or None if it is solved.
        facts: numbers about the answer.
        printed: what it printed.
        replaced: earlier functions in whose place the reference was used.
    """

    wrong: Wrong | None = None
    facts: dict = field(default_factory=dict)
    printed: str = ""
    replaced: tuple[str, ...] = ()

    @property
    def solved(self):
        return self.wrong is None


class Run:
    """Checks of one file, each problem once."""

    def __init__(self, file, seed, limits=Limits()):  # noqa: B008
        self.file, self.seed, self.limits = Path(file).resolve(), seed, limits
        self.source = Source(file)
        self._outcomes = {}
        self._broken = None  # why the file cannot be loaded

    def outcome(self, number):
        """The outcome of a problem; others whose functions it calls are checked first."""
        if self._broken:
            return Outcome(self._broken)
        if number not in self._outcomes:
            self._outcomes[number] = self._check(number)
        return self._outcomes[number]

    def _check(self, number):
        problem = PROBLEMS[number - 1]
        used = [NAMES.index(name) + 1 for name in self.source.uses(problem.name) if name in NAMES]
        replaced = [
            NAMES[earlier - 1]
            for earlier in used
            if earlier < number and not self.outcome(earlier).solved
        ]
        printed = []
        try:
            with Answer(
                self.file,
                problem.name,
                problem.arguments,
                earlier=text_before(number) if replaced else "",
                replaced=replaced,
                hidden=problem.hidden,
                limits=self.limits,
            ) as answer:
                printed = answer.printed
                rng = np.random.default_rng([self.seed, number])
                with np.errstate(all="ignore"):  # answers may overflow
                    facts = problem.check(answer, rng)
                if problem.speed:
                    self.source.refuse_loops(problem.name, replaced)
                    facts |= problem.speed(answer, rng)
            return Outcome(None, facts, "".join(printed), tuple(replaced))
        except Wrong as wrong:
            if isinstance(wrong, NotLoaded):
                self._broken = wrong
            return Outcome(wrong, {}, "".join(printed), tuple(replaced))


def text_before(number):
    """The text of solutions.py before the function of a problem: nothing that gives it away."""
    text = Path(solutions.__file__).read_text(encoding="utf-8").splitlines(keepends=True)
    _, begin = inspect.getsourcelines(PROBLEMS[number - 1].reference)
    return "".join(text[: begin - 1])


def is_unwritten(outcome):
    return isinstance(outcome.wrong, NotWritten)
