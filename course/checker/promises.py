"""Problems 14 and 19: the smallest strength and gain that keep a promise."""

import numpy as np

import solutions
from checker.problem import Mistake, Problem, explain_type, is_same
from checker.wrong import Wrong

PRECISION = 1e-3  # relative excess over the smallest strength or gain that is allowed


def log_odds(rate):
    return np.log((1 - rate) / rate)


def promise_cases(rng):
    yield 4, 0.05
    yield 2, 0.1
    for vocab_size in (3, 5, 9, 16, 40):
        yield vocab_size, float(10 ** rng.uniform(-9, -1))


def strength_rates(vocab_size, x):
    """Illegal token rate at every length, for displacements x/s."""
    s = np.arange(1, vocab_size)
    return 1 / (1 + (vocab_size - s) / s * np.exp(x / s))


def gain_rates(vocab_size, gain):
    """Illegal token rate at every length, with the head's output normalised."""
    s = np.arange(1, vocab_size)
    return 1 / (
        1 + (vocab_size - s) / s * np.exp(gain * np.sqrt(vocab_size / (s * (vocab_size - s))))
    )


class CheckPromise:
    """The check of a smallest number: the rates that follow from it, at every length."""

    def __init__(self, reference, rates, what, mistakes):
        self.reference, self.rates, self.what, self.mistakes = reference, rates, what, mistakes

    def __call__(self, answer, rng):
        cases = list(promise_cases(rng))
        found = [answer(*case) for case in cases]
        for case, value in zip(cases, found, strict=True):
            self._check(answer, cases, found, case, value)
        return {}

    def _check(self, answer, cases, found, case, value):
        vocab_size, rate = case
        expected = self.reference(*case)
        shown = [*zip(answer.names, case, strict=True), ("yours", value), ("smallest", expected)]
        if message := explain_type(value, expected, "a number"):
            raise Wrong(message, shown)
        if abs(value - expected) <= PRECISION * max(expected, 1e-9):
            return
        for mistake in self.mistakes:
            if all(
                is_same(np.asarray(v), np.asarray(mistake.function(*c)))
                for c, v in zip(cases, found, strict=True)
            ):
                raise Wrong(mistake.message, shown)
        rates = self.rates(vocab_size, float(value))
        worst = int(np.argmax(rates))
        if value < expected:
            raise Wrong(
                f"too small: after {worst + 1} of {vocab_size} tokens the rate is "
                f"{rates[worst]:.3g}, not {rate:.3g}",
                shown,
            )
        raise Wrong(
            f"not the smallest {self.what}: {100 * (1 - expected / value):.3g} % less is enough",
            shown,
        )


STRENGTH = (
    Mistake(
        lambda V, e: log_odds(e) - np.log(V - 1),
        "right at length 1 only: the worst length is V-1, where V-1 tokens share the strength",
    ),
    Mistake(lambda V, e: log_odds(e), "this is a logit: see what the displacement at length s is"),
    Mistake(
        lambda V, e: np.log(V - 1) + log_odds(e),
        "this is the displacement that is needed at length V-1; the strength is V-1 times as large",
    ),
    Mistake(
        lambda V, e: (V - 1) * log_odds(e),
        "V-1 tokens are illegal at length V-1, and one is not: their number belongs into the odds",
    ),
    Mistake(
        lambda V, e: (V - 1) * np.log((V - 1) / e),
        "rate and odds are mixed up: odds are rate / (1 - rate)",
    ),
    Mistake(
        lambda V, e: (V - 1) * np.log10((V - 1) * (1 - e) / e),
        "a logarithm to base 10: the softmax has base e, so np.log",
    ),
    Mistake(
        lambda V, e: V * np.log(V * (1 - e) / e),
        "V tokens are never seen when there is something left to predict: the longest is V-1",
    ),
    Mistake(
        lambda V, e: (V - 1) * np.log(V * (1 - e) / e),
        "at length V-1 there are V-1 illegal tokens, not V",
    ),
    Mistake(
        lambda V, e: -(V - 1) * (np.log(V - 1) + log_odds(e)),
        "the sign is turned around: a strength is positive",
    ),
    Mistake(
        lambda V, e: 1.03 * (V - 1) * (np.log(V - 1) + log_odds(e)),
        "not the smallest strength",
    ),
    Mistake(
        lambda V, e: 0.9 * (V - 1) * (np.log(V - 1) + log_odds(e)),
        "too small: after",
    ),
)


def _needed(V, e, s):
    return np.sqrt(s * (V - s) / V) * (np.log(s / (V - s)) + log_odds(e))


GAIN = (
    Mistake(
        lambda V, e: _needed(V, e, V - 1),
        "right at length V-1 only: with the norm the worst length is a little beyond the middle",
    ),
    Mistake(lambda V, e: _needed(V, e, 1), "right at length 1 only: look at all lengths"),
    Mistake(
        lambda V, e: _needed(V, e, V / 2),
        "right at length V/2, where the displacement is smallest; but more tokens are illegal a "
        "little beyond",
    ),
    Mistake(
        solutions.get_smallest_strength,
        "this is the strength without a norm: with it the displacement is g sqrt(V / (s (V-s)))",
    ),
    Mistake(
        lambda V, e: max(
            np.sqrt(V / (s * (V - s))) * (np.log(s / (V - s)) + log_odds(e)) for s in range(1, V)
        ),
        "the root is turned around: solve g sqrt(V / (s (V-s))) = needed displacement for g",
    ),
    Mistake(lambda V, e: 1.05 * solutions.get_attention_norm_gain(V, e), "not the smallest gain"),
)


def check_strength(answer, rng):
    check = CheckPromise(solutions.get_smallest_strength, strength_rates, "strength", STRENGTH)
    return check(answer, rng)


def check_gain(answer, rng):
    return CheckPromise(solutions.get_attention_norm_gain, gain_rates, "gain", GAIN)(answer, rng)


PROBLEMS = (
    Problem(
        solutions.get_smallest_strength,
        3,
        20,
        (
            "The worst length is s = V-1. Put the absent logit at 0 there: what are the odds of an "
            "illegal token?",
            "(V-1) exp(-x/(V-1)) = rate / (1-rate). Solve for x.",
        ),
        check_strength,
        STRENGTH,
    ),
    Problem(
        solutions.get_attention_norm_gain,
        4,
        30,
        (
            "Which displacement does each length need? As in get_smallest_strength, with V-s "
            "absent tokens in place of one.",
            "At s, ln(s/(V-s)) + ln((1-rate)/rate) is needed. Divide by sqrt(V/(s(V-s))), and take "
            "the largest over s = 1, ..., V-1.",
        ),
        check_gain,
        GAIN,
    ),
)
