"""Problems 15, 16, 20: a simplex, contexts that fail, reading a model."""

from itertools import permutations

import numpy as np

import solutions
from checker.attention import draw
from checker.child import Other
from checker.problem import Compare, Mistake, Problem, describe, explain_type
from checker.wrong import Wrong
from model import Parameters, forward

# 15. make_simplex


def check_simplex(answer, rng):
    for vocab_size in (4, 2, 3, 5, int(rng.integers(6, 12))):
        H = answer(vocab_size)
        shown = [("vocab_size", vocab_size), ("yours", H)]
        if isinstance(H, np.ndarray) and H.ndim == 2 and H.shape[0] == vocab_size:
            if H.shape[1] > vocab_size - 1:
                raise Wrong(
                    f"has {H.shape[1]} columns; {vocab_size - 1} are enough, as the corners lie in "
                    "V-1 dimensions",
                    shown,
                )
            if H.shape[1] < vocab_size - 1:
                raise Wrong(f"has {H.shape[1]} columns; V-1 = {vocab_size - 1} are needed", shown)
        if message := explain_type(H, np.zeros((vocab_size, vocab_size - 1)), "(V, V-1)"):
            raise Wrong(message, shown)
        _check_corners(H, vocab_size, shown)
    return {}


def _check_corners(H, vocab_size, shown):
    products = H @ H.T
    squares = np.diagonal(products)
    off = products[~np.eye(vocab_size, dtype=bool)]
    wanted = 1 - 1 / vocab_size
    message = ""
    if np.ptp(squares) > 1e-6:
        message = (
            f"the rows are not equally long: their squares are {squares.min():.3g} to "
            f"{squares.max():.3g}"
        )
    elif np.ptp(off) > 1e-6:
        message = (
            f"some pairs of rows are more alike than others: inner products are {off.min():.3g} "
            f"to {off.max():.3g}"
        )
    elif abs(squares[0] - wanted) > 1e-6:
        message = (
            f"the rows have squared length {squares[0]:.3g}; it should be 1 - 1/V = {wanted:.3g}"
        )
    elif np.abs(H.sum(axis=0)).max() > 1e-6:
        message = f"the rows do not sum to 0, but to {np.round(H.sum(axis=0), 3)}"
    if message:
        raise Wrong(message, shown)


def helmert(vocab_size):
    column, row = np.arange(1, vocab_size), np.arange(vocab_size)[:, None]
    entries = np.where(row < column, 1.0, np.where(row == column, -column, 0.0))
    return entries / np.sqrt(column * (column + 1.0))


SIMPLEX = (
    Mistake(np.eye, "columns; "),
    Mistake(lambda V: np.eye(V) - 1 / V, "columns; "),
    Mistake(lambda V: np.eye(V)[:, :-1], "the rows are not equally long"),
    Mistake(lambda V: (np.eye(V) - 1 / V)[:, :-1], "the rows are not equally long"),
    Mistake(
        lambda V: helmert(V) / np.linalg.norm(helmert(V), axis=1, keepdims=True),
        "the rows have squared length 1",
    ),
    Mistake(lambda V: helmert(V).T, "that is (V, V-1)"),
    Mistake(lambda V: helmert(V) - 1, "the rows are not equally long"),
    Mistake(lambda V: np.ones((V, V - 1)) * np.sqrt(1 / V), "the rows do not sum to 0"),
    Mistake(lambda V: -2 * helmert(V), "the rows have squared length"),
    Mistake(lambda V: np.zeros((V, max(V - 2, 0))), "are needed"),
)

# 16. find_failing_context


def get_losses(parameters):
    """KL divergence of every context of length 1 and 2."""
    vocab_size = len(parameters.W_E)
    losses = {}
    for length in (1, 2):
        contexts = np.array(list(permutations(range(vocab_size), length)))
        logits = forward(parameters, contexts)[:, -1]
        mask = solutions.get_valid_next_token_mask(contexts, vocab_size)[:, -1]
        highest = logits.max(axis=-1, keepdims=True)
        log_p = logits - highest - np.log(np.exp(logits - highest).sum(-1, keepdims=True))
        number = mask.sum(axis=-1)
        kl = -np.where(mask, log_p, 0).sum(axis=-1) / number - np.log(number)
        losses |= dict(zip(map(tuple, contexts.tolist()), kl.tolist(), strict=True))
    return losses


def narrow_models(rng):
    """Models with d_v = V-2 at most: random ones, and exact ones whose table D was truncated."""
    for vocab_size in (4, 5, 6, 7):
        yield draw(rng, vocab_size, vocab_size - 1, 2, vocab_size - 2, scale=0.6)
        U = np.linalg.svd(np.eye(vocab_size) - 1 / vocab_size)[0]
        rotation = np.linalg.qr(rng.normal(size=(vocab_size - 1, vocab_size - 1)))[0]
        kept = vocab_size - 2
        U = U[:, :-1] @ rotation
        x = float(rng.uniform(5, 30))
        zeros, none = np.zeros((vocab_size - 1, 2)), np.eye(vocab_size - 1)[:, :kept]
        yield Parameters(U, zeros, zeros, none, x * none.T, -U.T)
    yield draw(rng, 4, 3, 1, 2)


def check_failing_context(answer, rng):
    for parameters in narrow_models(rng):
        vocab_size = len(parameters.W_E)
        context = answer(parameters)
        shown = [("parameters", parameters), ("yours", context)]
        tokens = _read_context(context, vocab_size, shown)
        losses = get_losses(parameters)
        worst = max(losses, key=losses.__getitem__)
        if losses[tokens] < losses[worst] - 1e-6:
            raise Wrong(_explain_context(tokens, losses, worst), shown)
    return {}


def _read_context(context, vocab_size, shown):
    """A context of one or two tokens as a tuple."""
    if context is None:
        raise Wrong("returns None; is there a `return` with the result at the end?", shown)
    if isinstance(context, Other):
        raise Wrong(f"returns {context.description}; expected a list of tokens, as [2, 0]", shown)
    is_row = isinstance(context, (tuple, list)) or np.ndim(context) == 1
    if not is_row or not all(type(t) is int or isinstance(t, np.integer) for t in context):
        found = describe(context)
        raise Wrong(f"returns {found}; expected a list of one or two tokens, as [2, 0]", shown)
    tokens = tuple(map(int, context))
    if not 1 <= len(tokens) <= 2:
        raise Wrong(f"returns {len(tokens)} tokens; lengths 1 and 2 are to be searched", shown)
    if not all(0 <= token < vocab_size for token in tokens):
        raise Wrong(f"returns {list(tokens)}; tokens are 0 to {vocab_size - 1}", shown)
    if len(set(tokens)) < len(tokens):
        raise Wrong(f"returns {list(tokens)}: no token comes twice in set complement", shown)
    return tokens


def _explain_context(tokens, losses, worst):
    text = f"KL is {losses[tokens]:.3g} after {list(tokens)}"
    if losses[tokens] == min(losses.values()):
        return f"{text}: this is the best context; the worst one is wanted"
    if len(tokens) == 2 and tokens[::-1] == worst:
        return (
            f"{text}, but {losses[worst]:.3g} after {list(worst)}: the order matters, as the last "
            "token reaches the logits by the direct path, too"
        )
    of_length = [loss for context, loss in losses.items() if len(context) == len(tokens)]
    if losses[tokens] >= max(of_length) - 1e-9:
        return (
            f"{text}, the worst of length {len(tokens)}; but some context of length {len(worst)} "
            f"has {losses[worst]:.3g}"
        )
    return f"{text}, but some context of length {len(worst)} has {losses[worst]:.3g}"


def _extreme(choose, lengths=(1, 2)):
    def find(parameters):
        losses = get_losses(parameters)
        return list(choose((c for c in losses if len(c) in lengths), key=losses.__getitem__))

    return find


FAILING = (
    Mistake(_extreme(min), "this is the best context"),
    Mistake(_extreme(max, (1,)), "the worst of length 1; but some context of length 2"),
    Mistake(_extreme(max, (2,)), "the worst of length 2; but some context of length 1"),
    Mistake(lambda p: [0], "KL is "),
    Mistake(lambda p: [0, 0], "no token comes twice"),
    Mistake(lambda p: [0, 1, 2], "lengths 1 and 2 are to be searched"),
    Mistake(lambda p: [len(p.W_E)], "tokens are 0 to"),
    Mistake(lambda p: [[0, 1]], "expected a list of one or two tokens"),
    Mistake(lambda p: 3, "expected a list of one or two tokens"),
    Mistake(lambda p: None, "is there a `return`"),
)

# 20. read_model


def standard_models(rng):
    """Models in standard form under random gauge and rotations; then models near one."""
    for vocab_size in (4, 5, 7):
        for noise in (0.0, 0.3):
            yield (make_standard_model(rng, vocab_size, noise),)


def make_standard_model(rng, vocab_size, noise=0.0):
    """D = -diag(x) + c 1' + 1 r', B = -diag(beta) + c' 1' - 1 r', at width 2V, rotated."""
    V = vocab_size
    x, beta = rng.uniform(5, 20, V), rng.uniform(-3, 3, V)
    c, c_direct, r = rng.normal(size=(3, V))
    one = np.ones(V)
    D = -np.diag(x) + np.outer(c, one) + np.outer(one, r) + noise * rng.normal(size=(V, V))
    B = (
        -np.diag(beta)
        + np.outer(c_direct, one)
        - np.outer(one, r)
        + noise * rng.normal(size=(V, V))
    )
    W_E, W_U = np.hstack([np.eye(V), B]), np.vstack([np.zeros((V, V)), np.eye(V)])
    turn = np.linalg.qr(rng.normal(size=(2 * V, 2 * V)))[0]
    half, none = np.eye(2 * V)[:, :V], np.zeros((2 * V, 0))
    write = np.hstack([np.zeros((V, V)), D])
    return Parameters(W_E @ turn, none, none, turn.T @ half, write @ turn, turn.T @ W_U)


def _read(use_r=True, use_c=True):
    def read(p):
        _, _, misfit = solutions.read_model(p)
        strengths = []
        for table in solutions.get_circuits(p)[::-1]:
            off = np.where(np.eye(len(table), dtype=bool), np.nan, table)
            rows = np.nanmean(off, axis=1) if use_c else np.zeros(len(table))
            strengths.append(rows - np.diagonal(table))
        return (*strengths, misfit)

    return read


READING = (
    Mistake(
        _read(),
        "r is not taken into account: it favours some tokens in every row of D, and B takes it "
        "back; fit c + r off the diagonal",
    ),
    Mistake(
        _read(use_c=False),
        "c and r were counted as x: only what the diagonal has less than c + r is strength",
    ),
    Mistake(
        lambda p: (
            -solutions.read_model(p)[0],
            -solutions.read_model(p)[1],
            solutions.read_model(p)[2],
        ),
        "the signs are turned around: D = -diag(x) + ..., so x > 0 where attention suppresses",
    ),
    Mistake(
        lambda p: (
            solutions.read_model(p)[1],
            solutions.read_model(p)[0],
            solutions.read_model(p)[2],
        ),
        "x and beta are exchanged: x belongs to D, beta to B",
    ),
    Mistake(
        lambda p: (*solutions.read_model(p)[:2], solutions.read_model(p)[2] ** 2),
        "the misfit is the mean square: take its root",
    ),
    Mistake(
        lambda p: (*solutions.read_model(p)[:2], 0.0),
        "value 2 (misfit)",
    ),
    Mistake(lambda p: solutions.read_model(p)[:2], "returns 2 values; expected a tuple of 3"),
    Mistake(
        lambda p: (solutions.read_model(p)[0].mean(), solutions.read_model(p)[1].mean(), 0.0),
        "there is one strength for each token",
    ),
)


def check_reading(answer, rng):
    labels = ("x", "beta", "misfit")
    compare = Compare(solutions.read_model, standard_models, "(V,)", READING, labels)
    return compare(answer, rng)


PROBLEMS = (
    Problem(
        solutions.make_simplex,
        3,
        30,
        (
            "The rows of the V x V matrix I - 1/V are what you want, in V dimensions of which one "
            "is empty: (1, ..., 1). Find coordinates in the others.",
            "U, _, _ = np.linalg.svd(np.eye(V) - 1 / V); the last column of U is the empty "
            "direction.",
        ),
        check_simplex,
        SIMPLEX,
    ),
    Problem(
        solutions.find_failing_context,
        3,
        25,
        (
            "V contexts of length 1 and V(V-1) of length 2: put each length into an array (N, 1) "
            "or (N, 2), and call forward. The last position is the one to look at.",
            "KL = sum over legal tokens of q ln(q/p), with q from your get_target and p from "
            "softmax; np.argmax finds the largest.",
        ),
        check_failing_context,
        FAILING,
    ),
    Problem(
        solutions.read_model,
        5,
        60,
        (
            "Off the diagonal, D[i, k] = c[i] + r[k] and B[i, k] = c'[i] - r[k]: linear equations "
            "for 3V unknowns. np.linalg.lstsq solves them.",
            "One row of the matrix for each off-diagonal entry, with a 1 at c[i] and at r[k] (-1 "
            "in B's rows). Then x = c + r - diag(D), and beta = c' - r - diag(B).",
        ),
        check_reading,
        READING,
    ),
)
