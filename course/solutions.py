"""One solution to every problem, each with an explanation. Try first; there are hints, too.

Any function that does what is asked is as good. In the last problems even the matrices may differ.
"""

import numpy as np

from model import Parameters, forward

PAD = -1
LINES = np.array(
    [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]]
)


def softmax(logits):
    """Logits are relative. Taking the largest of a row away from all of them changes no
    probability, as e^(a-c) / e^(b-c) = e^a / e^b. Then the largest exponential is 1, and none
    overflows. `keepdims` keeps the axis that was summed over, so that every row is divided by its
    own sum.
    """
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def one_hot(tokens, vocab_size):
    """A new last axis holds one column for every token of the vocabulary, and broadcasting compares
    each token with each column. PAD equals no column, so it becomes zeros by itself. A row times a
    matrix W now picks a row of W: one_hot(tokens) @ W_E is W_E[tokens], the embedding.
    """
    return (tokens[..., None] == np.arange(vocab_size)).astype(float)


def get_seen_mask(tokens, vocab_size):
    """A token is seen once it was seen: a running "or" along the positions. No position looks at
    what comes after it. That is causality, and the reason why one game of L tokens is L examples.
    """
    here = tokens[..., None] == np.arange(vocab_size)
    return np.logical_or.accumulate(here, axis=1)


def get_valid_next_token_mask(tokens, vocab_size):
    """The complement of the seen mask is one answer. This one is about four times as fast: write
    down at which position each token comes, L if never; it is legal before. One column more than
    there are tokens takes what PAD = -1 writes, as -1 is the last column. After a full game nothing
    is left, without a rule for it.
    """
    N, L = tokens.shape
    position = np.arange(L)
    comes = np.full((N, vocab_size + 1), L)
    comes[np.arange(N)[:, None], tokens] = position
    legal = comes[:, None, :vocab_size] > position[:, None]
    return legal & (tokens != PAD)[..., None]


def get_windowed_mask(tokens, vocab_size, window):
    """A token is blocked if it stands at one of the last `window` positions: so each of `window`
    shifted copies of the one-hot array blocks what it holds. An average over all positions cannot
    forget like this; models that solve set complement fail at this game.
    """
    here = tokens[..., None] == np.arange(vocab_size)  # (N, L, V)
    length = tokens.shape[1]
    blocked = np.zeros_like(here)
    for ago in range(min(window, length)):
        blocked[:, ago:] |= here[:, : length - ago]
    return ~blocked & (tokens != PAD)[..., None]


def get_tic_tac_toe_mask(tokens):
    """Counting is a matrix product: squares (..., 9) times the indicator of the lines (9, 8) says
    how many squares of each line a player holds. Who holds all three has won, now and at all later
    positions. What may be played is set complement until then.
    """
    here = tokens[..., None] == np.arange(9)  # (N, L, 9)
    is_on_line = np.zeros((9, 8), dtype=int)
    is_on_line[LINES, np.arange(8)[:, None]] = 1
    over = np.zeros(tokens.shape, dtype=bool)
    for first in (0, 1):
        own = here.copy()
        own[:, 1 - first :: 2] = False  # the moves of the other player
        held = np.logical_or.accumulate(own, axis=1)
        over |= (held.astype(int) @ is_on_line == 3).any(axis=-1)
    seen = np.logical_or.accumulate(here, axis=1)
    return ~seen & ~over[..., None] & (tokens != PAD)[..., None]


def get_target(mask):
    """The best prediction for a random move is the distribution it is drawn from: uniform over what
    is legal. Where nothing is legal there is nothing to predict, and dividing by at least 1 leaves
    zeros.
    """
    return mask / np.maximum(mask.sum(axis=-1, keepdims=True), 1)


def get_illegal_rate(logits, mask):
    """The softmax says how likely each token is; the rate is the part of that which lies on illegal
    ones. It is a probability, not a count: a model that is never quite sure pays in every context.
    """
    return np.where(mask, 0, softmax(logits)).sum(axis=-1)


def get_causal_attention(scores):
    """What must not be seen gets the score -inf *before* the softmax, so that e^(-inf) = 0 and the
    rest still sums to 1. The diagonal stays: a position attends to itself, and position 0 to
    nothing else.
    """
    length = scores.shape[-1]
    is_past = np.tri(length, dtype=bool)  # row s: positions 0 to s
    return softmax(np.where(is_past, scores, -np.inf))


def get_attention_pattern(parameters, tokens):
    """Query s times key t for all pairs is one product, Q @ K.T. A sum of d_k products of unlike
    numbers grows like sqrt(d_k), which is divided out. Without columns all sums are 0, the scores
    are equal, and row s is 1/(s+1): uniform attention.
    """
    x = parameters.W_E[tokens]
    queries, keys = x @ parameters.W_Q, x @ parameters.W_K
    d_k = parameters.W_Q.shape[1]
    return get_causal_attention(queries @ keys.swapaxes(-1, -2) / np.sqrt(max(d_k, 1)))


def get_logits(parameters, tokens):
    """Four steps: embed, attend, add, unembed. The head's output is *added* to the embedding of the
    last token, so there are two paths from tokens to logits: through the head, and past it.
    """
    x = parameters.W_E[tokens]
    pattern = get_attention_pattern(parameters, tokens)
    head = pattern @ (x @ parameters.W_V) @ parameters.W_O
    return (x + head) @ parameters.W_U


def get_circuits(parameters):
    """All steps but the softmax of attention are linear, so the matrices can be multiplied before
    any token is seen. The logits are then B[last] + sum of weight times D[token]. The widths d and
    d_v do not appear any more: they only bound the ranks of the two tables.
    """
    W_E, _, _, W_V, W_O, W_U = parameters
    return W_E @ W_U, W_E @ W_V @ W_O @ W_U


def get_displacements(logits, mask):
    """The lowest of the absent logits is the one a seen token must not come near. Subtracting keeps
    what a softmax sees: a token displaced by 3 is e^3, about 20 times less likely than that one.
    """
    lowest = np.where(mask, logits, np.inf).min(axis=-1, keepdims=True)
    return np.where(mask, 0, lowest - logits)


def get_smallest_strength(vocab_size, max_illegal_rate):
    """With displacement x/s the odds of an illegal token are s e^(-x/s) / (V-s). Both factors grow
    with s, so s = V-1 is the worst: odds (V-1) e^(-x/(V-1)), which may be rate/(1-rate). Solve for
    x. Dispersion has a price: x grows like V ln V.
    """
    longest = vocab_size - 1
    odds = max_illegal_rate / (1 - max_illegal_rate)
    return max(0.0, longest * np.log(longest / odds))


def make_simplex(vocab_size):
    """Start from V directions at right angles and take away their mean: the rows of I - 1/V are all
    alike and sum to 0, so they lie in V-1 dimensions. A singular value decomposition finds
    coordinates there: I - 1/V = U @ diag(1, ..., 1, 0) @ U.T, and the first V-1 columns of U are H.
    """
    centred = np.eye(vocab_size) - 1 / vocab_size
    U, _, _ = np.linalg.svd(centred)
    return U[:, :-1]


def find_failing_context(parameters):
    """There are only V contexts of length 1 and V(V-1) of length 2; look at them all. With d_v
    below V-1 the table D has too small a rank, and then one of them must fail, however the numbers
    are chosen (Theorem 5). Which one fails differs from model to model.
    """
    vocab_size = len(parameters.W_E)
    single = np.arange(vocab_size)[:, None]
    pairs = np.array([(i, j) for i in range(vocab_size) for j in range(vocab_size) if i != j])
    losses = []
    for contexts in (single, pairs):
        logits = forward(parameters, contexts)[:, -1]
        target = get_target(get_valid_next_token_mask(contexts, vocab_size)[:, -1])
        ratio = np.where(target > 0, target, 1) / softmax(logits)
        losses.extend((target * np.log(ratio)).sum(axis=-1))
    return [*single.tolist(), *pairs.tolist()][int(np.argmax(losses))]


def get_set_complement_parameters(vocab_size, max_illegal_rate):
    """Average what was seen, and subtract. The head reads one copy of the simplex and writes into
    dimensions that hold nothing else; the unembedding looks only there. So the token's own
    embedding reaches no logit, B = 0, and D = -x H @ H.T = -x (I - 1/V). All seen tokens are
    displaced by x/s, and the absent ones stay level. To treat all tokens alike, width 2(V-1) is the
    least (Theorem 13).
    """
    n = vocab_size - 1
    H, I, O = make_simplex(vocab_size), np.eye(n), np.zeros((n, n))  # noqa: E741
    x = get_smallest_strength(vocab_size, max_illegal_rate)
    return Parameters(
        W_E=np.hstack([H, np.zeros_like(H)]),
        W_Q=np.zeros((2 * n, 0)),
        W_K=np.zeros((2 * n, 0)),
        W_V=np.vstack([I, O]),
        W_O=np.hstack([O, -x * I]),
        W_U=np.vstack([np.zeros_like(H.T), H.T]),
    )


def get_minimal_set_complement_parameters(vocab_size, max_illegal_rate):
    """With V-1 dimensions there is no second copy: what is read is also what the token's own
    embedding is written in. So B cannot be 0; but it may have the *helpful* sign. W_U = -H.T gives
    B = -(I - 1/V), which displaces the last token by 1 more, and W_O = x I leaves D as it was. With
    W_U = +H.T the last token would be pushed up, and from s = x on it would be more likely than the
    absent ones (Proposition 11).
    """
    n = vocab_size - 1
    H = make_simplex(vocab_size)
    x = get_smallest_strength(vocab_size, max_illegal_rate)
    nothing = np.zeros((n, 0))
    return Parameters(H, nothing, nothing, np.eye(n), x * np.eye(n), -H.T)


def get_attention_norm_gain(vocab_size, max_illegal_rate):
    """The mean of s corners of the simplex has length sqrt((V-s) / (V s)). Dividing x/s by x times
    that leaves g sqrt(V / (s (V-s))), which is as large at V-1 as at 1. The displacement is
    smallest at V/2, but more tokens are illegal at longer lengths, so the worst length lies a
    little beyond. Try them all: there are only V-1. The gain grows like sqrt(V), where the strength
    grows like V ln V.
    """
    s = np.arange(1, vocab_size)
    odds = max_illegal_rate / (1 - max_illegal_rate)
    needed = np.log(s / (vocab_size - s) / odds)  # displacement at each length
    return max(0.0, np.max(needed * np.sqrt(s * (vocab_size - s) / vocab_size)))


def read_model(parameters):
    """Everything but the diagonals is linear in the unknowns c, c', r: a least squares problem with
    2V(V-1) equations. Moving a constant from r to c changes nothing, and lstsq takes one of the
    solutions; x and beta are the same for all of them. Looking at the tables B and D, not at
    weights, makes the answer independent of rotations of the residual stream.
    """
    B, D = get_circuits(parameters)
    vocab_size = len(B)
    row, column = np.nonzero(~np.eye(vocab_size, dtype=bool))
    eye = np.eye(vocab_size)
    zero = np.zeros_like(eye)
    equations = np.vstack(
        [
            np.hstack([eye[row], zero[row], eye[column]]),  # D[row, column] = c + r
            np.hstack([zero[row], eye[row], -eye[column]]),  # B[row, column] = c' - r
        ]
    )
    values = np.concatenate([D[row, column], B[row, column]])
    solution = np.linalg.lstsq(equations, values, rcond=None)[0]
    c, c_direct, r = solution.reshape(3, vocab_size)
    misfit = np.sqrt(np.mean((equations @ solution - values) ** 2))
    return c + r - np.diagonal(D), c_direct - r - np.diagonal(B), misfit


def get_narrow_parameters(vocab_size, width):
    """Serve `width` tokens perfectly and ignore the others. What is left of the loss is the share
    1 - width/V of the tokens that are ignored. No model can go below 1 - width/(V-1) (Theorem 16).
    Better ones than this are found by gradient descent; what the best is, nobody knows.
    """
    W_E = np.eye(vocab_size, width)
    nothing = np.zeros((width, 0))
    return Parameters(W_E, nothing, nothing, nothing, nothing.T, -30 * W_E.T)
