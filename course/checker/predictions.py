"""Problems 1, 2, 7, 8: softmax, one-hot, target, illegal rate."""

import numpy as np

import solutions
from checker.masks import play
from checker.problem import Mistake, compared

PAD = -1

# 1. softmax


def softmax_cases(rng):
    yield (np.log([1.0, 1.0, 2.0]),)
    yield (rng.normal(size=(2, 3)),)
    yield (rng.normal(size=(2, 3, 4)),)
    yield (np.array([[1000.0, 0.0]]),)
    yield (np.array([[1.0, 2.0], [-2000.0, -2001.0]]),)
    yield (np.array([[0.0, -np.inf, 1.0]]),)
    yield (rng.integers(-3, 4, (3, 5)),)


def _powers(x):
    return np.exp(x - np.max(x, axis=-1, keepdims=True))


SOFTMAX = (
    Mistake(
        lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
        "exp(1000) overflows: take the largest logit of the row away first; the quotients stay "
        "the same",
    ),
    Mistake(
        lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(axis=-1, keepdims=True),
        "a row far below the others becomes 0/0: take away the largest of its own row, not of all",
    ),
    Mistake(
        lambda x: _powers(x) / _powers(x).sum(),
        "you summed over the whole array: the sum of each row must be 1, not that of all",
    ),
    Mistake(
        lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
        "you summed over the whole array: the sum of each row must be 1, not that of all",
    ),
    Mistake(
        lambda x: np.exp(x) / np.exp(x).sum(),
        "you summed over the whole array: the sum of each row must be 1, not that of all",
    ),
    Mistake(
        lambda x: np.exp(x - x.max(axis=0)) / np.exp(x - x.max(axis=0)).sum(axis=0),
        "you summed over the first axis (columns): the probabilities of a row must sum to 1",
    ),
    Mistake(
        lambda x: np.exp(x) / np.exp(x).sum(axis=0),
        "you summed over the first axis (columns): the probabilities of a row must sum to 1",
    ),
    Mistake(np.exp, "these are the exponentials; divide each row by its sum"),
    Mistake(_powers, "these are the exponentials; divide each row by its sum"),
    Mistake(
        lambda x: x / x.sum(axis=-1, keepdims=True),
        "the logits themselves were divided: take exp first",
    ),
    Mistake(
        lambda x: 1 / (1 + np.exp(-x)),
        "this is the sigmoid of each number by itself; a softmax compares the numbers of a row",
    ),
    Mistake(
        lambda x: np.log(solutions.softmax(x)), "these are the logarithms of the probabilities"
    ),
    Mistake(
        lambda x: solutions.softmax(x * np.log(2)),
        "the base is 2; it should be e: np.exp",
    ),
    Mistake(
        lambda x: solutions.softmax(-np.asarray(x)),
        "the least likely is the most likely: exp(-x) in place of exp(x)",
    ),
    Mistake(
        lambda x: (solutions.softmax(x) == solutions.softmax(x).max(-1, keepdims=True)) * 1.0,
        "this marks the largest logit; a softmax gives something to the others, too",
    ),
)

# 2. one_hot


def one_hot_cases(rng):
    yield np.array([2, 0]), 4
    yield np.array([0, PAD]), 3
    yield play(rng, 3, 5, 4), 4
    yield play(rng, 3, 5, 7, ended=True), 7
    yield rng.integers(-1, 6, (2, 2, 3)), 6
    yield np.array([1]), 2


ONE_HOT = (
    Mistake(
        lambda t, V: np.eye(V)[t],
        "-1 indexes the last column: PAD must give zeros, and marks the last token",
    ),
    Mistake(
        lambda t, V: (t[..., None] == np.arange(1, V + 1)) * 1.0,
        "token 2 marks column 1: tokens start at 0, as columns do",
    ),
    Mistake(
        lambda t, V: (t[..., None] + 1 == np.arange(V)) * 1.0,
        "token 2 marks column 3: tokens start at 0, as columns do",
    ),
    Mistake(
        lambda t, V: np.swapaxes(solutions.one_hot(t, V), -1, -2),
        "the last two axes are exchanged: the tokens of the vocabulary come last",
    ),
    Mistake(
        lambda t, V: solutions.one_hot(t, V).reshape(-1, V),
        "the axes of `tokens` are lost: the result has one axis more than `tokens`",
    ),
    Mistake(
        lambda t, V: solutions.one_hot(t, V).astype(bool),
        "returns numbers of type bool; expected float",
    ),
    Mistake(
        lambda t, V: solutions.one_hot(t, t.max() + 1),
        "the number of columns follows from the largest token here; it must be vocab_size",
    ),
    Mistake(
        lambda t, V: 1 - solutions.one_hot(t, V), "0 and 1 are exchanged: the token itself is the 1"
    ),
    Mistake(
        lambda t, V: solutions.one_hot(np.where(t == PAD, 0, t), V),
        "PAD marks token 0: it must give zeros",
    ),
    Mistake(
        lambda t, V: np.where(t[..., None] == PAD, PAD, solutions.one_hot(t, V)),
        "PAD gives -1 everywhere: it must give zeros",
    ),
)

# 7. get_target


def target_cases(rng):
    yield (np.array([[False, True, False, True]]),)
    yield (np.array([[True, True, True], [False, True, False]]),)
    yield (np.array([[True, False], [False, False]]),)
    yield (solutions.get_valid_next_token_mask(play(rng, 3, 5, 5, ended=True), 5),)


TARGET = (
    Mistake(
        lambda m: m / m.sum(axis=-1, keepdims=True),
        "0/0 where nothing is legal: zeros are wanted there",
    ),
    Mistake(lambda m: m / m.shape[-1], "divided by all tokens: divide by the number of legal ones"),
    Mistake(lambda m: m / m.sum(), "divided by the sum over everything: each row must sum to 1"),
    Mistake(
        lambda m: solutions.softmax(m * 1.0),
        "a softmax of the mask gives illegal tokens something, too: divide the mask by its sum",
    ),
    Mistake(lambda m: m * 1.0, "these are ones: divide them by their number"),
    Mistake(
        lambda m: ~m / np.maximum((~m).sum(axis=-1, keepdims=True), 1),
        "uniform over the illegal tokens: it should be the legal ones",
    ),
    Mistake(
        lambda m: m / np.maximum(m.sum(axis=0), 1),
        "divided along the first axis: each row (last axis) must sum to 1",
    ),
    Mistake(
        lambda m: np.where(m.any(-1, keepdims=True), solutions.get_target(m), 1 / m.shape[-1]),
        "uniform over all tokens where nothing is legal: zeros are wanted there",
    ),
)

# 8. get_illegal_rate


def rate_cases(rng):
    yield np.array([-3.0, 0, -3, 0]), np.array([False, True, False, True])
    yield np.array([[2.0, 0, 1], [0, 1, 0]]), np.array([[False, True, True], [True, False, True]])
    mask = solutions.get_valid_next_token_mask(play(rng, 3, 4, 6), 6)
    yield rng.normal(size=mask.shape), mask
    yield 1000.0 * mask, mask
    yield 1000.0 * ~mask, mask
    yield rng.normal(size=mask.shape), np.ones_like(mask)


def _rate(x, m):
    return solutions.get_illegal_rate(x, m)


RATE = (
    Mistake(lambda x, m: 1 - _rate(x, m), "this is the probability of the legal tokens"),
    Mistake(
        lambda x, m: 1.0 * ~np.take_along_axis(m, x.argmax(-1)[..., None], -1)[..., 0],
        "this asks whether the most likely token is illegal: sum the probabilities of all that are",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, solutions.softmax(x)).mean(axis=-1),
        "a mean over the tokens: the probabilities of the illegal ones should be summed",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, solutions.softmax(x)).sum(),
        "summed over everything: there is one rate for each row",
    ),
    Mistake(
        lambda x, m: _rate(x, m).mean(), "a mean over all rows: there is one rate for each row"
    ),
    Mistake(lambda x, m: np.where(m, 0, x).sum(-1), "logits were summed: take the softmax first"),
    Mistake(
        lambda x, m: np.where(m, 0, np.exp(x)).sum(-1),
        "exponentials were summed, but not divided by the sum of all",
    ),
    Mistake(
        lambda x, m: solutions.softmax(np.where(m, 0, x)).sum(-1),
        "the mask was used before the softmax: all probabilities are summed, which gives 1",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, solutions.softmax(x)).max(-1),
        "the largest illegal probability: they should be summed",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, np.exp(x)).sum(-1) / np.exp(x).sum(-1),
        "exp overflows for large logits: use your softmax",
    ),
)


PROBLEMS = (
    compared(
        solutions.softmax,
        softmax_cases,
        "(..., V)",
        SOFTMAX,
        difficulty=1,
        minutes=10,
        hints=(
            "np.exp works on whole arrays; axis=-1 is the last axis, and keepdims=True keeps it.",
            "Take np.max(logits, axis=-1, keepdims=True) away, then np.exp, then divide by the "
            "sum with the same axis and keepdims.",
        ),
    ),
    compared(
        solutions.one_hot,
        one_hot_cases,
        "(..., vocab_size)",
        ONE_HOT,
        difficulty=1,
        minutes=10,
        hints=(
            "np.arange(V) holds all tokens. Which of them equals the token at hand?",
            "tokens[..., None] has a new last axis of length 1; comparing it with np.arange(V) "
            "gives (..., V). `.astype(float)` makes numbers of it.",
        ),
    ),
    compared(
        solutions.get_target,
        target_cases,
        "(..., V)",
        TARGET,
        difficulty=1,
        minutes=10,
        hints=(
            "How many tokens are legal in each row? mask.sum(axis=-1, keepdims=True).",
            "np.maximum(count, 1) avoids 0/0.",
        ),
    ),
    compared(
        solutions.get_illegal_rate,
        rate_cases,
        "(...), one number for each row",
        RATE,
        difficulty=2,
        minutes=10,
        hints=(
            "Probabilities first: your softmax.",
            "np.where(mask, 0, p) keeps what lies on illegal tokens; sum it over the last axis.",
        ),
    ),
)
