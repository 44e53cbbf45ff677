"""A problem, and how an answer is compared with the reference and with known mistakes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from checker.child import Other
from checker.wrong import Wrong, show

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Mistake:
    """A wrong function that students write, and what they are told."""

    function: Callable
    message: str


@dataclass(frozen=True)
class Problem:
    """A function to be written.

    Attributes:
        reference: the function of solutions.py, from which name and arguments are taken.
        difficulty: 1 to 5.
        minutes: an estimate.
        hints: two, the second one nearly the answer.
        check: gets an answer and a generator of random numbers; raises `Wrong`, or returns facts
            about the answer for the teacher's table.
        mistakes: wrong answers, each with (a part of) what its author is told.
        hidden: functions of model.py that are the answer.
        speed: for the hot function, a second check like the first, of its time. Loops in Python
            are refused then.
    """

    reference: Callable
    difficulty: int
    minutes: int
    hints: tuple[str, str]
    check: Callable
    mistakes: tuple[Mistake, ...]
    hidden: tuple[str, ...] = ()
    speed: Callable | None = None

    @property
    def name(self):
        return self.reference.__name__

    @cached_property
    def arguments(self):
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def explanation(self):
        return inspect.getdoc(self.reference)


@dataclass(frozen=True)
class Compare:
    """The check of a function that has one right value.

    Attributes:
        reference: the right function.
        cases: makes tuples of arguments from a generator of random numbers, small ones first.
        shape: what the axes of the value are, in words.
        mistakes: wrong functions; one that does what the answer does names its misconception.
        labels: names of the values, where there are several.
    """

    reference: Callable
    cases: Callable
    shape: str
    mistakes: tuple[Mistake, ...]
    labels: tuple[str, ...] = ()

    def __call__(self, answer, rng):
        cases = list(self.cases(rng))
        values = []
        for arguments in cases:
            values.append(answer(*arguments))
            with np.errstate(all="ignore"):
                expected = self.reference(*arguments)
            if not is_same(values[-1], expected) or explain_type(values[-1], expected, self.shape):
                self._explain(answer, cases, values, expected)
        if not is_same(answer(*cases[0]), values[0]):
            raise Wrong(
                "the same input gives another value later: a global variable, a default argument "
                "or a random number is left over from one call to the next",
                zip(answer.names, cases[0], strict=True),
            )
        return {}

    def _explain(self, answer, cases, values, expected):
        """Raise `Wrong`: the last of the values is not what was expected."""
        arguments, value = cases[len(values) - 1], values[-1]
        shown = [
            *zip(answer.names, arguments, strict=True),
            ("yours", value),
            ("expected", expected),
        ]
        like_it = [m for m in self.mistakes if is_same(apply(m.function, arguments), value)]
        if like_it:
            for others in cases[len(values) :]:
                try:
                    values.append(answer(*others))
                except Wrong:
                    break
            tried = list(zip(cases, values, strict=False))
            for mistake in like_it:
                if all(is_same(apply(mistake.function, case), value) for case, value in tried):
                    raise Wrong(mistake.message, shown)
        message = explain_type(value, expected, self.shape) or explain_value(
            value, expected, self.labels
        )
        raise Wrong(message, shown)


def compared(reference, cases, shape, mistakes, *, difficulty, minutes, hints):
    """A problem with one right value."""
    check = Compare(reference, cases, shape, mistakes)
    return Problem(reference, difficulty, minutes, hints, check, mistakes)


def apply(function, arguments):
    """The value of a function that may fail, and then has none."""
    with np.errstate(all="ignore"):
        try:
            return function(*arguments)
        except Exception:
            return Other("an exception")


def is_same(value, expected):
    """Whether two values agree in structure, in shape and up to rounding."""
    if isinstance(expected, Other) or isinstance(value, Other):
        return False
    if isinstance(expected, (tuple, list)):
        same_length = isinstance(value, (tuple, list)) and len(value) == len(expected)
        return same_length and all(map(is_same, value, expected))
    if value is None or isinstance(value, (str, tuple, list)) or expected is None:
        return value is expected
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape:
        return False
    tolerance = {"rtol": TOLERANCE, "atol": TOLERANCE}
    return bool(np.allclose(value.astype(complex), expected, equal_nan=True, **tolerance))


KINDS = {"b": "bool", "i": "int", "f": "float"}


def explain_type(value, expected, shape):
    """What is wrong with a value before its numbers are looked at, or an empty text."""
    if value is None:
        return "returns None; is there a `return` with the result at the end?"
    if isinstance(value, Other):
        wanted = f"an array of shape {shape}" if np.ndim(expected) else shape
        return f"returns {value.description}; expected {wanted}"
    if isinstance(expected, tuple):
        if not isinstance(value, tuple) or len(value) != len(expected):
            what = f"{len(value)} values" if isinstance(value, tuple) else describe(value)
            return f"returns {what}; expected a tuple of {len(expected)}, as in `return a, b`"
        texts = [explain_type(v, e, shape) for v, e in zip(value, expected, strict=True)]
        return next(filter(None, texts), "")
    if np.ndim(expected) and not isinstance(value, np.ndarray):
        return f"returns {describe(value)}; expected a numpy array of shape {shape}"
    if not np.ndim(expected) and isinstance(value, (str, tuple, list)):
        return f"returns {describe(value)}; expected {shape}"
    found, wanted = np.asarray(value), np.asarray(expected)
    if found.shape != wanted.shape:
        if not wanted.shape:
            return f"returns an array of shape {found.shape}; expected {shape}"
        return f"returns shape {found.shape}; expected {wanted.shape}, that is {shape}"
    allowed = {"b": "b", "i": "iu", "f": "f"}[wanted.dtype.kind]
    if found.dtype.kind not in allowed and wanted.ndim:
        kind = KINDS[wanted.dtype.kind]
        return f"returns numbers of type {found.dtype}; expected {kind}, as from `.astype({kind})`"
    if found.dtype.kind == "c" or (wanted.dtype.kind == "f" and found.dtype.kind == "b"):
        return f"returns numbers of type {found.dtype}; expected float"
    if not np.isfinite(found).all() and np.isfinite(wanted).all():
        return "returns nan or inf (0/0, or an overflow) where there should be numbers"
    return ""


def describe(value):
    """The type of a value in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (bool, int, float, np.generic)):
        return "one number"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"a {type(value).__name__}"


def explain_value(value, expected, labels=()):
    """Where two values of the same type first differ."""
    if isinstance(expected, tuple):
        triples = zip(labels, value, expected, strict=True)
        return next(
            f"{label}: {explain_value(*pair)}" for label, *pair in triples if not is_same(*pair)
        )
    value, expected = np.asarray(value), np.asarray(expected)
    if not value.ndim:
        return f"{value:.6g} is not {expected:.6g}"
    wrong = ~np.isclose(value, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    index = tuple(np.argwhere(wrong)[0].tolist())
    return (
        f"{wrong.sum()} of {wrong.size} entries are wrong; the first is {list(index)}: "
        f"{show(value[index])}, expected {show(expected[index])}"
    )
