"""Problems 17, 18 and 21: transformers to be built. Whatever does what is asked is right."""

from itertools import combinations

import numpy as np

import solutions
from checker.child import Other
from checker.problem import Mistake, Problem, describe
from checker.theory import helmert
from checker.wrong import Wrong
from model import Parameters, forward

VOCAB_SIZES = range(2, 10)
SLACK = 1e-6
NAMES = Parameters._fields
NARROW = ((6, 2), (8, 3), (9, 5))  # V, width of problem 21


def read_parameters(value, vocab_size, shown):
    """Six matrices that fit together, as Parameters."""
    if value is None:
        raise Wrong("returns None; is there a `return` with the result at the end?", shown)
    if isinstance(value, Other) or not isinstance(value, (tuple, list)) or len(value) != 6:
        found = value.description if isinstance(value, Other) else describe(value)
        raise Wrong(f"returns {found}; expected Parameters(W_E, W_Q, W_K, W_V, W_O, W_U)", shown)
    for name, matrix in zip(NAMES, value, strict=True):
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
            found = matrix.description if isinstance(matrix, Other) else describe(matrix)
            raise Wrong(f"{name} is {found}; expected a matrix, an array with two axes", shown)
        if matrix.dtype.kind not in "fiu":
            raise Wrong(f"{name} has numbers of type {matrix.dtype}; expected float", shown)
        if not np.isfinite(matrix).all():
            raise Wrong(f"{name} has nan or inf in it", shown)
    parameters = Parameters(*(matrix.astype(float) for matrix in value))
    d, d_k, d_v = (parameters.W_E.shape[1], parameters.W_Q.shape[1], parameters.W_V.shape[1])
    expected = ((vocab_size, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, vocab_size))
    meanings = ("(V, d)", "(d, d_k)", "(d, d_k)", "(d, d_v)", "(d_v, d)", "(d, V)")
    for name, matrix, shape, meaning in zip(NAMES, parameters, expected, meanings, strict=True):
        if matrix.shape != shape:
            raise Wrong(
                f"{name} has shape {matrix.shape}; expected {shape}, that is {meaning} with "
                f"V = {vocab_size}, d = {d} (columns of W_E), d_k = {d_k} (of W_Q), d_v = {d_v} "
                "(of W_V)",
                shown,
            )
    return parameters


def all_contexts(vocab_size, length):
    """Every set of tokens with every last one, (N, length)."""
    sets = combinations(range(vocab_size), length)
    turned = [(*(set_[:i]), *set_[i + 1 :], set_[i]) for set_ in sets for i in range(length)]
    return np.array(turned)


def get_last_logits(parameters, contexts, shown):
    """Finite logits after whole contexts, (N, length) to (N, V)."""
    with np.errstate(all="ignore"):
        logits = forward(parameters, contexts)[:, -1]
    if not np.isfinite(logits).all():
        raise Wrong("logits become nan or inf: the numbers in the matrices are too large", shown)
    return logits


def check_solves(parameters, vocab_size, rate, shown):
    """Level on the absent tokens, then positive displacements, then the rate, in all contexts.

    Returns:
        the largest illegal rate.
    """
    runs = []
    for length in range(1, vocab_size):
        contexts = all_contexts(vocab_size, length)
        logits = get_last_logits(parameters, contexts, shown)
        mask = solutions.get_valid_next_token_mask(contexts, vocab_size)[:, -1]
        runs.append((contexts, logits, mask))
    for find in (find_uneven, find_raised):
        for run in runs:
            if text := find(*run):
                raise Wrong(f"{text}\n{explain_circuits(parameters)}".rstrip(), shown)
    largest = 0.0
    for contexts, logits, mask in runs:
        rates = solutions.get_illegal_rate(logits, mask)
        worst = int(np.argmax(rates))
        if rates[worst] > rate * (1 + SLACK):
            reason = (
                explain_circuits(parameters) or "The strength is too small; length V-1 needs most."
            )
            raise Wrong(
                f"{say_context(contexts[worst])}: the illegal token rate is {rates[worst]:.3g}, "
                f"more than {rate:.3g}\n{reason}",
                shown,
            )
        largest = max(largest, float(rates[worst]))
    return largest


def say_context(context):
    tokens = ", ".join(map(str, sorted(context.tolist())))
    return f"seen {{{tokens}}}, last {context[-1]}"


def rounding_of(logits):
    """Differences of logits that are not counted."""
    return min(1e-3, SLACK * max(1.0, np.abs(logits).max()))


def find_uneven(contexts, logits, mask):
    """A context whose absent logits differ, in words."""
    highest = np.where(mask, logits, -np.inf).max(axis=-1)
    spread = highest - np.where(mask, logits, np.inf).min(axis=-1)
    size = rounding_of(logits)
    if not (spread > size).any():
        return ""
    worst = int(np.argmax(spread > size))
    return f"{say_context(contexts[worst])}: absent logits differ by {spread[worst]:.3g}"


def find_raised(contexts, logits, mask):
    """A context with a seen token that is not below the absent ones, in words."""
    displacement = np.where(mask, np.inf, solutions.get_displacements(logits, mask))
    lowest = displacement.min(axis=-1)
    size = rounding_of(logits)
    if not (lowest <= size).any():
        return ""
    worst = int(np.argmax(lowest <= size))
    token = int(np.argmin(displacement[worst]))
    last = ", the last one," if token == contexts[worst][-1] else ""
    return (
        f"{say_context(contexts[worst])}: token {token}{last} is displaced by "
        f"{lowest[worst]:.3g}; it should lie below the absent tokens"
    )


def explain_circuits(parameters):
    """What is wrong with the two tables B and D, where there is something simple to say."""
    B, D = solutions.get_circuits(parameters)
    diagonal = np.eye(len(B), dtype=bool)
    if len(B) > 2:
        row = np.where(diagonal, np.nan, D)
        if np.nanmax(np.nanmax(row, axis=1) - np.nanmin(row, axis=1)) > SLACK * np.abs(D).max():
            return (
                "The table D = W_E W_V W_O W_U treats absent tokens differently: off the diagonal "
                "each row should hold one number."
            )
    if np.abs(D).max() == 0:
        return "The head adds nothing: D = W_E W_V W_O W_U is zero."
    drop = (D.sum(axis=1) - np.diagonal(D)) / (len(D) - 1) - np.diagonal(D)
    if drop.max() < 0:
        return "The head raises what was seen: D = W_E W_V W_O W_U needs a minus."
    own = (B.sum(axis=1) - np.diagonal(B)) / (len(B) - 1) - np.diagonal(B)
    if own.min() < -SLACK * np.abs(B).max():
        return (
            "The last token's own embedding reaches the unembedding and raises its logit: look at "
            "B = W_E W_U."
        )
    if parameters.W_Q.any() and parameters.W_K.any():
        return (
            "Attention is not uniform: a token with a small weight is hardly displaced. Without "
            "columns in W_Q and W_K (d_k = 0) all weights are equal."
        )
    return ""


def rates_for(rng):
    """Each V with a rate; 4 first, as the smallest one where all of this matters."""
    for vocab_size in sorted(VOCAB_SIZES, key=lambda V: (V != 4, V)):
        yield vocab_size, float(10 ** rng.uniform(-6, -1))


def check_any_width(answer, rng):
    width = {}
    for vocab_size, rate in rates_for(rng):
        value = answer(vocab_size, rate)
        shown = [("vocab_size", vocab_size), ("max_illegal_rate", rate)]
        parameters = read_parameters(value, vocab_size, shown)
        largest = check_solves(parameters, vocab_size, rate, shown)
        if largest < rate / 2:
            raise Wrong(
                f"stronger than needed: the illegal rate is {largest:.3g} at most, where "
                f"{rate:.3g} is allowed; use the smallest strength, problem 14",
                shown,
            )
        width[vocab_size] = parameters.W_E.shape[1]
    return {"width": width[8]}


def check_minimal_width(answer, rng):
    for vocab_size, rate in rates_for(rng):
        value = answer(vocab_size, rate)
        shown = [("vocab_size", vocab_size), ("max_illegal_rate", rate)]
        parameters = read_parameters(value, vocab_size, shown)
        widths = {"d": parameters.W_E.shape[1], "d_v": parameters.W_V.shape[1]}
        for name, width in widths.items():
            if width > vocab_size - 1:
                raise Wrong(
                    f"{name} = {width} for V = {vocab_size}; {vocab_size - 1} are enough", shown
                )
        check_solves(parameters, vocab_size, rate, shown)
    return {"minimal width": 7}


def check_narrow(answer, rng):
    scores = []
    for vocab_size, width in NARROW:
        value = answer(vocab_size, width)
        shown = [("vocab_size", vocab_size), ("width", width)]
        parameters = read_parameters(value, vocab_size, shown)
        if parameters.W_E.shape[1] > width:
            raise Wrong(f"the width is {parameters.W_E.shape[1]}; {width} are allowed", shown)
        contexts = np.arange(vocab_size)[:, None]
        logits = get_last_logits(parameters, contexts, shown)
        others = ~np.eye(vocab_size, dtype=bool)
        highest = logits.max(axis=-1, keepdims=True)
        log_p = logits - highest - np.log(np.exp(logits - highest).sum(axis=-1, keepdims=True))
        kl = -np.where(others, log_p, 0).sum(axis=-1) / (vocab_size - 1) - np.log(vocab_size - 1)
        left = kl.mean() / np.log(vocab_size / (vocab_size - 1))
        block, floor = 1 - width / vocab_size, 1 - width / (vocab_size - 1)
        if left > block + 1e-3:
            raise Wrong(
                f"{left:.3f} of the loss is left; serving {width} of {vocab_size} tokens perfectly "
                f"and ignoring the others leaves {block:.3f}",
                shown,
            )
        scores.append((left - floor) / (block - floor))
    return {"open": float(np.mean(scores))}


# Wrong answers, with what their authors are told


def build(V, rate, *, copy=True, read=None, sign=-1.0, factor=1.0, tied=False, H=None):
    """The balanced construction with something wrong about it."""
    H = helmert(V) if H is None else H
    n = H.shape[1]
    identity, zeros = np.eye(n), np.zeros((n, n))
    x = factor * solutions.get_smallest_strength(V, rate)
    if not copy:
        nothing = np.zeros((n, 0))
        return Parameters(H, nothing, nothing, identity, sign * x * identity, read or H.T)
    second = H if tied else np.zeros_like(H)
    return Parameters(
        np.hstack([H, second]),
        np.zeros((2 * n, 0)),
        np.zeros((2 * n, 0)),
        np.vstack([identity, zeros]),
        np.hstack([zeros, sign * x * identity]),
        np.vstack([np.zeros_like(H.T), H.T]),
    )


def scale(parameters, factor):
    return parameters._replace(W_V=factor * parameters.W_V, W_U=factor * parameters.W_U)


def _attend_to_last(V, rate):
    """A sharp attention to the last token: the earlier ones are forgotten."""
    plain = build(V, rate)
    d = plain.W_E.shape[1]
    sharp = np.eye(d)[:, : V - 1] * 40
    return plain._replace(W_Q=sharp, W_K=sharp)


COMMON = (
    Mistake(lambda V, e: build(V, e)[:5], "expected Parameters"),
    Mistake(lambda V, e: build(V, e)._replace(W_U=build(V, e).W_U.T), "W_U has shape"),
    Mistake(lambda V, e: build(V, e)._replace(W_Q=np.zeros(0)), "W_Q is an array of shape (0,)"),
    Mistake(lambda V, e: build(V, e, factor=np.nan), "W_O has nan"),
    Mistake(lambda V, e: None, "is there a `return`"),
)
ANY_WIDTH = (
    *COMMON,
    Mistake(lambda V, e: scale(build(V, e), 1e200), "logits become nan or inf"),
    Mistake(lambda V, e: build(V, e, sign=1.0), "The head raises what was seen"),
    Mistake(lambda V, e: build(V, e, factor=0.0), "The head adds nothing"),
    Mistake(lambda V, e: build(V, e, factor=0.5), "The strength is too small"),
    Mistake(lambda V, e: build(V, e, factor=2), "stronger than needed"),
    Mistake(
        lambda V, e: build(V, e, tied=True),
        "The last token's own embedding reaches the unembedding",
    ),
    Mistake(
        lambda V, e: build(V, e, copy=False),
        "The last token's own embedding reaches the unembedding",
    ),
    Mistake(lambda V, e: build(V, e, H=np.eye(V)[:, :-1]), "it should lie below the absent"),
    Mistake(
        lambda V, e: build(V, e, H=helmert(V) * np.linspace(1, 2, V - 1)),
        "treats absent tokens differently",
    ),
    Mistake(_attend_to_last, "Attention is not uniform"),
)


def _minimal(V, e, **changes):
    return solutions.get_minimal_set_complement_parameters(V, e)._replace(**changes)


MINIMAL = (
    *(mistake for mistake in COMMON if mistake.message != "W_U has shape"),
    Mistake(lambda V, e: scale(_minimal(V, e), 1e200), "logits become nan or inf"),
    Mistake(solutions.get_set_complement_parameters, "are enough"),
    Mistake(
        lambda V, e: _minimal(V, e, W_V=np.eye(V - 1, V), W_O=np.eye(V, V - 1)),
        "d_v = 4 for V = 4; 3 are enough",
    ),
    Mistake(
        lambda V, e: build(V, e, copy=False),
        "The last token's own embedding reaches the unembedding",
    ),
    Mistake(
        lambda V, e: _minimal(V, e, W_U=helmert(V).T, W_E=helmert(V)),
        "The head raises what was seen",
    ),
    Mistake(lambda V, e: _minimal(V, e, W_O=np.eye(V - 1)), "The strength is too small"),
    Mistake(
        lambda V, e: _minimal(V, e, W_E=np.eye(V)[:, :-1], W_U=-np.eye(V)[:-1]),
        "it should lie below the absent",
    ),
)
NARROW_MISTAKES = (
    Mistake(lambda V, d: build(V, 0.1), "are allowed"),
    Mistake(
        lambda V, d: Parameters(
            np.zeros((V, d)), *(np.zeros((d, 0)),) * 3, np.zeros((0, d)), np.zeros((d, V))
        ),
        "1.000 of the loss is left",
    ),
    Mistake(lambda V, d: solutions.get_narrow_parameters(V, d - 1), "of the loss is left"),
    Mistake(
        lambda V, d: solutions.get_narrow_parameters(V, d)._replace(W_E=np.full((V, d), 1e308)),
        "logits become nan or inf",
    ),
    Mistake(lambda V, d: None, "is there a `return`"),
)

PROBLEMS = (
    Problem(
        solutions.get_set_complement_parameters,
        4,
        60,
        (
            "You want D = -x (I - 1/V) = -x H @ H.T, and B = 0. With d_k = 0 attention is uniform: "
            "np.zeros((d, 0)). Keep the embedding out of the dimensions that W_U reads.",
            "d = 2(V-1). W_E = [H 0], W_V takes the first half, W_O writes -x times it into the "
            "second half, W_U reads H.T from the second half. x is your get_smallest_strength.",
        ),
        check_any_width,
        ANY_WIDTH,
    ),
    Problem(
        solutions.get_minimal_set_complement_parameters,
        5,
        60,
        (
            "With d = V-1 the embedding H fills all dimensions, so B = W_E W_U cannot be 0. Which "
            "sign may it have? Write down the displacement of the last token.",
            "W_E = H and W_U = -H.T: B = -(I - 1/V) pushes the last token down. Now W_V W_O must "
            "have the sign that gives D = -x (I - 1/V).",
        ),
        check_minimal_width,
        MINIMAL,
    ),
    Problem(
        solutions.get_narrow_parameters,
        5,
        120,
        (
            "At length 1 the logits are B + D, and any table of rank `width` can be made. Begin "
            "with the direct path alone: which tokens can it serve?",
            "W_E = np.eye(V, width) and W_U = -30 W_E.T serve `width` tokens and ignore the "
            "others. To do better, let gradient descent choose W_E and W_U.",
        ),
        check_narrow,
        NARROW_MISTAKES,
    ),
)
