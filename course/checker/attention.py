"""Problems 9 to 13: attention, the whole model, its circuits, displacements."""

import numpy as np

import solutions
from checker.masks import play
from checker.problem import Compare, Mistake, Problem, compared
from model import Parameters, attention_pattern, forward


def draw(rng, vocab_size, d, d_k, d_v, scale=1.0):
    """Random weights."""
    shapes = ((vocab_size, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, vocab_size))
    return Parameters(*(scale * rng.normal(size=shape) for shape in shapes))


# 9. get_causal_attention


def score_cases(rng):
    yield (np.zeros((2, 2)),)
    yield (rng.normal(size=(3, 3)),)
    yield (rng.normal(size=(2, 4, 4)),)
    yield (np.array([[0.0, 5.0], [1.0, 0.0]]),)
    yield (np.array([[1000.0, 0, 0], [0, 1000, 0], [-1000, 0, 1000]]),)
    yield (np.array([[3.0]]),)


def _past(scores):
    return np.tri(scores.shape[-1], dtype=bool)


def _strict(scores):
    past = _past(scores) & ~np.eye(scores.shape[-1], dtype=bool)
    return solutions.softmax(np.where(past, scores, -np.inf))


ATTENTION = (
    Mistake(
        lambda a: np.where(_past(a), solutions.softmax(a), 0),
        "masked after the softmax: rows no longer sum to 1; mask the scores",
    ),
    Mistake(
        lambda a: solutions.softmax(np.where(_past(a), a, 0)),
        "masked with 0: e^0 = 1 is a weight like others; mask with -np.inf",
    ),
    Mistake(solutions.softmax, "not masked: position 0 attends to position 1, which comes later"),
    Mistake(
        lambda a: solutions.softmax(np.where(_past(a).T, a, -np.inf)),
        "the mask is upside down: row s may attend to positions 0 to s",
    ),
    Mistake(
        _strict, "a position must attend to itself, too: row 0 has nothing else, and becomes nan"
    ),
    Mistake(
        lambda a: np.nan_to_num(_strict(a)),
        "a position must attend to itself, too: keep the diagonal",
    ),
    Mistake(
        lambda a: solutions.get_causal_attention(a.swapaxes(-1, -2)).swapaxes(-1, -2),
        "the columns sum to 1: the weights of a row must",
    ),
    Mistake(
        lambda a: np.tril(solutions.softmax(a)) / np.tril(solutions.softmax(a)).sum(axis=-1),
        "the sums of the rows divided the columns: keepdims=True",
    ),
    Mistake(
        lambda a: np.where(_past(a), a, -np.inf),
        "these are the masked scores: the softmax is missing",
    ),
    Mistake(
        lambda a: np.exp(np.where(_past(a), a, -np.inf)),
        "these are exponentials: divide each row by its sum",
    ),
    Mistake(
        lambda a: (
            np.where(_past(a), np.exp(a), 0)
            / np.where(_past(a), np.exp(a), 0).sum(-1, keepdims=True)
        ),
        "exp overflows for large scores: use your softmax",
    ),
    Mistake(
        lambda a: _past(a) / _past(a).sum(-1, keepdims=True) + 0 * a,
        "these weights are uniform, whatever the scores",
    ),
)

# 10. get_attention_pattern


def model_cases(rng):
    yield draw(rng, 4, 3, 2, 2), np.array([[2, 0]])
    yield draw(rng, 4, 3, 2, 2), play(rng, 2, 3, 4)
    yield draw(rng, 5, 4, 3, 1), play(rng, 3, 5, 5)
    yield draw(rng, 6, 4, 4, 4), play(rng, 3, 4, 6)
    yield draw(rng, 4, 3, 0, 2), play(rng, 2, 4, 4)
    yield draw(rng, 7, 9, 5, 6), play(rng, 3, 6, 7)


def _pattern(p, t, scale=lambda p: np.sqrt(max(p.W_Q.shape[1], 1)), swap=False, mask=True):
    x = p.W_E[t]
    queries, keys = x @ p.W_Q, x @ p.W_K
    if swap:
        queries, keys = keys, queries
    scores = queries @ keys.swapaxes(-1, -2) / scale(p)
    return solutions.get_causal_attention(scores) if mask else solutions.softmax(scores)


PATTERN = (
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: np.sqrt(p.W_Q.shape[1])),
        "0/0 without columns (d_k = 0): all scores are 0 then, and row s is 1/(s+1)",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: 1),
        "the scores are not scaled: divide them by sqrt(d_k)",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: np.sqrt(p.W_E.shape[1])),
        "divided by sqrt(d), the width of the residual stream: d_k is the number of columns of W_Q",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: np.sqrt(len(p.W_E))),
        "divided by sqrt(V): d_k is the number of columns of W_Q",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: max(p.W_Q.shape[1], 1)),
        "divided by d_k: it should be its square root",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, scale=lambda p: np.sqrt(t.shape[1])),
        "divided by the root of the number of positions: d_k is the number of columns of W_Q",
    ),
    Mistake(
        lambda p, t: _pattern(p, t, swap=True),
        "queries and keys are exchanged: row s has the query of position s",
    ),
    Mistake(lambda p, t: _pattern(p, t, mask=False), "a position attends to later ones"),
    Mistake(
        lambda p, t: solutions.get_causal_attention(
            p.W_E[t] @ p.W_E[t].swapaxes(-1, -2) / np.sqrt(max(p.W_Q.shape[1], 1))
        ),
        "W_Q and W_K are not used: queries are x @ W_Q, keys are x @ W_K",
    ),
    Mistake(
        lambda p, t: (
            p.W_E[t] @ p.W_Q @ (p.W_E[t] @ p.W_K).swapaxes(-1, -2) / np.sqrt(max(p.W_Q.shape[1], 1))
        ),
        "these are the scores: your get_causal_attention makes weights of them",
    ),
)

# 11. get_logits


def _parts(p, t):
    x = p.W_E[t]
    return x, attention_pattern(p, t), x @ p.W_V @ p.W_O


def _logits(p, t, add=1.0, pattern=lambda w: w):
    x, weights, values = _parts(p, t)
    return (add * x + pattern(weights) @ values) @ p.W_U


LOGITS = (
    Mistake(
        lambda p, t: _logits(p, t, add=0),
        "what is missing equals W_E W_U: add the head's output to the embedding (the residual "
        "stream) before you unembed",
    ),
    Mistake(
        lambda p, t: p.W_E[t] @ p.W_U,
        "the head is missing: attention times values, x @ W_V @ W_O, is to be added",
    ),
    Mistake(
        lambda p, t: _logits(p, t, pattern=lambda w: np.eye(w.shape[-1])),
        "every position reads only itself: multiply the values by the attention pattern",
    ),
    Mistake(
        lambda p, t: _logits(p, t, pattern=lambda w: w.swapaxes(-1, -2)),
        "the pattern is transposed: row s holds the weights of position s",
    ),
    Mistake(
        lambda p, t: _logits(p, t, pattern=lambda w: np.tri(w.shape[-1]) + 0 * w),
        "values are summed, not averaged with the weights of attention",
    ),
    Mistake(
        lambda p, t: _logits(p, t, pattern=_uniform),
        "attention is uniform whatever the scores: use your get_attention_pattern",
    ),
    Mistake(lambda p, t: _logits(p, t, add=2), "the embedding is added twice"),
    Mistake(
        lambda p, t: solutions.softmax(forward(p, t)),
        "these are probabilities: logits are what goes into the softmax",
    ),
    Mistake(
        lambda p, t: forward(p, t)[:, -1],
        "logits of the last position only: there is a row for every position",
    ),
    Mistake(
        lambda p, t: p.W_E[t] + attention_pattern(p, t) @ p.W_E[t] @ p.W_V @ p.W_O,
        "this is the residual stream: W_U makes logits of it",
    ),
    Mistake(
        lambda p, t: (p.W_E[t] + _pattern(p, t, scale=lambda p: 1) @ _parts(p, t)[2]) @ p.W_U,
        "the attention differs: the scores are not divided by sqrt(d_k)",
    ),
    Mistake(
        lambda p, t: (p.W_E[t] + attention_pattern(p, t) @ p.W_E[t]) @ p.W_U,
        "embeddings are averaged: the values x @ W_V, times W_O, should be",
    ),
)


def _uniform(weights):
    past = np.tri(weights.shape[-1])
    return past / past.sum(axis=-1, keepdims=True) + 0 * weights


# 12. get_circuits


def circuit_cases(rng):
    yield (draw(rng, 4, 3, 2, 2),)
    yield (draw(rng, 4, 4, 2, 4),)
    yield (draw(rng, 5, 3, 0, 2),)
    yield (draw(rng, 6, 8, 2, 3),)


def _B(p):
    return p.W_E @ p.W_U


def _D(p):
    return p.W_E @ p.W_V @ p.W_O @ p.W_U


CIRCUITS = (
    Mistake(lambda p: (_D(p), _B(p)), "the two are exchanged: B comes first"),
    Mistake(
        lambda p: (_B(p), p.W_V @ p.W_O),
        "D has shape (d, d): start from tokens (W_E) and end at tokens (W_U)",
    ),
    Mistake(
        lambda p: (_B(p), p.W_E @ p.W_V @ p.W_O),
        "D has shape (V, d): end at tokens, with W_U",
    ),
    Mistake(
        lambda p: (_B(p), p.W_V @ p.W_O @ p.W_U),
        "D has shape (d, V): start from tokens, with W_E",
    ),
    Mistake(
        lambda p: (_B(p), _B(p) + _D(p)),
        "D contains B: it should be the path through the head alone",
    ),
    Mistake(lambda p: (_B(p).T, _D(p).T), "both are transposed: rows are the tokens that are seen"),
    Mistake(_D, "returns an array of shape"),
    Mistake(lambda p: np.array([_B(p), _D(p)]), "expected a tuple of 2, as in `return a, b`"),
    Mistake(
        lambda p: (p.W_E @ p.W_Q @ (p.W_E @ p.W_K).T, _D(p)),
        "B is the table of scores (W_Q and W_K): the direct path goes from W_E to W_U at once",
    ),
)

# 13. get_displacements


def displacement_cases(rng):
    yield np.array([-3.0, 0, -3, 0]), np.array([False, True, False, True])
    yield np.array([[1.0, 4, 2, 0]]), np.array([[False, True, True, False]])
    mask = solutions.get_valid_next_token_mask(play(rng, 3, 4, 6), 6)
    yield rng.normal(size=mask.shape), mask
    yield 10 + rng.normal(size=mask.shape), mask
    yield rng.normal(size=(1, 5)) - 20, np.arange(5)[None] == 2


def _reach(x, m, function, fill):
    return function(np.where(m, x, fill), axis=-1, keepdims=True)


def _legal_mean(x, m):
    return np.where(m, x, 0).sum(-1, keepdims=True) / m.sum(-1, keepdims=True)


def _displacements(x, m):
    return solutions.get_displacements(x, m)


DISPLACEMENTS = (
    Mistake(
        lambda x, m: -_displacements(x, m),
        "the sign is turned around: how far *below*, so absent minus seen",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, _reach(x, m, np.max, -np.inf) - x),
        "measured from the highest absent logit: the lowest is the one that counts",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, _legal_mean(x, m) - x),
        "measured from the mean of the absent logits: the lowest is the one that counts",
    ),
    Mistake(
        lambda x, m: _reach(x, m, np.min, np.inf) - x,
        "absent tokens have displacements, too: zeros are wanted there",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, x.min(-1, keepdims=True) - x),
        "measured from the lowest logit of all: it should be the lowest *absent* one",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, x.max(-1, keepdims=True) - x),
        "measured from the highest logit of all: it should be the lowest *absent* one",
    ),
    Mistake(
        lambda x, m: _displacements(solutions.softmax(x), m),
        "probabilities were subtracted: displacements are differences of logits",
    ),
    Mistake(
        lambda x, m: np.where(m, 0, np.where(m, x, 0).min(-1, keepdims=True) - x),
        "illegal logits count as 0 in the minimum: use np.inf for them",
    ),
    Mistake(
        lambda x, m: _displacements(x, m).min(axis=-1),
        "there is one number for every token: (..., V), zero at the absent ones",
    ),
    Mistake(
        lambda x, m: np.where(m, x - _reach(x, ~m, np.max, -np.inf), 0),
        "these stand at the absent tokens: displacements belong to the seen ones",
    ),
)


PROBLEMS = (
    compared(
        solutions.get_causal_attention,
        score_cases,
        "(..., L, L)",
        ATTENTION,
        difficulty=2,
        minutes=15,
        hints=(
            "np.tri(L, dtype=bool) is True on and below the diagonal.",
            "np.where(np.tri(L, dtype=bool), scores, -np.inf), then your softmax.",
        ),
    ),
    Problem(
        solutions.get_attention_pattern,
        3,
        20,
        (
            "W_E[tokens] has shape (N, L, d). Queries and keys are two products; the scores are "
            "all inner products of a query with a key.",
            "queries @ keys.swapaxes(-1, -2) is (N, L, L); divide by sqrt(d_k), or by 1 where "
            "d_k = 0, and use your get_causal_attention.",
        ),
        Compare(solutions.get_attention_pattern, model_cases, "(N, L, L)", PATTERN),
        PATTERN,
        hidden=("attention_pattern",),
    ),
    Problem(
        solutions.get_logits,
        3,
        20,
        (
            "x = W_E[tokens]. The head averages x @ W_V with the weights of your pattern, and "
            "W_O brings the mean back to width d.",
            "(x + pattern @ x @ W_V @ W_O) @ W_U.",
        ),
        Compare(solutions.get_logits, model_cases, "(N, L, V)", LOGITS),
        LOGITS,
        hidden=("forward",),
    ),
    Problem(
        solutions.get_circuits,
        2,
        10,
        (
            "Take a token through the model by hand: which matrices does it meet past the head, "
            "which ones through it?",
            "B = W_E W_U; D has W_V and W_O in between.",
        ),
        Compare(solutions.get_circuits, circuit_cases, "(V, V)", CIRCUITS, ("B", "D")),
        CIRCUITS,
    ),
    compared(
        solutions.get_displacements,
        displacement_cases,
        "(..., V)",
        DISPLACEMENTS,
        difficulty=2,
        minutes=15,
        hints=(
            "Find the lowest absent logit of each row first; np.where(mask, logits, np.inf) hides "
            "the others from the minimum.",
            "lowest - logits, and np.where(mask, 0, ...) at the end.",
        ),
    ),
)
