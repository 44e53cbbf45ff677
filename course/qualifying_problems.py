"""Twenty-one problems, from softmax to transformers that you build by hand.

    python3 qualifying_problems.py             what is solved, and what is next
    python3 qualifying_problems.py 4           problem 4 alone
    python3 qualifying_problems.py --hint 4    the first hint; --hint 4 4 shows both
    python3 qualifying_problems.py --watch     again each time you save

Replace each `raise NotImplementedError` by your answer. All you need is numpy, and what is said
here. Below the last function there are tests: read them, and add your own.

The task. There are V tokens, 0 to V-1. A game shows some of them, all different; which ones may
come next? Those that were not shown: this game is called *set complement*. One example goes through
the whole course: V = 4 tokens a, b, c, d, of which a and c were seen. So b and d are legal. As
numbers, tokens = [0, 2]. Games of different lengths are put into one array (N, L) of N games and L
positions, filled up with PAD = -1.
"""

import numpy as np

from model import Parameters, forward

PAD = -1
LINES = np.array(
    [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]]
)  # of tic-tac-toe, whose squares are 0 1 2 / 3 4 5 / 6 7 8


# Part 1: games and predictions


def softmax(logits):
    """Probabilities from logits, row by row.

    A logit is a number that says how likely something is, compared with the other numbers of its
    row. To get probabilities, exponentiate, and divide by the sum of the row.

    Args:
        logits: floats (..., V), a row is the last axis. Any size: 1000 must not overflow, and -inf
            stands for probability 0. A row has at least one finite number.

    Returns:
        floats (..., V); every row sums to 1.

    By hand: logits (0, ln 2, 0) have the exponentials 1, 2, 1 of sum 4: (1/4, 1/2, 1/4).
    Logits (7, 7 + ln 2, 7) give the same, since all three exponentials are e^7 times as large.

    Why: it is the last step of every language model, and the heart of attention.
    """
    raise NotImplementedError("not written yet: problem 1")


def one_hot(tokens, vocab_size):
    """A vector for each token, with a 1 at its place and zeros elsewhere.

    Args:
        tokens: integers (...), each 0 to vocab_size - 1, or PAD.
        vocab_size: V.

    Returns:
        floats (..., V); PAD becomes zeros.

    By hand: tokens [0, 2] of V = 4 become (1, 0, 0, 0) and (0, 0, 1, 0).

    Why: directions at right angles do not interfere, so a sum of them still tells who was there.
    """
    raise NotImplementedError("not written yet: problem 2")


def get_seen_mask(tokens, vocab_size):
    """Which tokens were seen, after every position of every game.

    Args:
        tokens: integers (N, L), with PAD after the end of a game.
        vocab_size: V.

    Returns:
        bool (N, L, V): mask[n, s, t] says whether t is among tokens[n, :s+1]. PAD adds nothing.

    By hand: after [0] of the game [0, 2] the row is (yes, no, no, no), after [0, 2] it is
    (yes, no, yes, no).

    Why: a game of L tokens is L questions, one after every prefix. No question may use what comes
    later. This is called *causality*.
    """
    raise NotImplementedError("not written yet: problem 3")


def get_valid_next_token_mask(tokens, vocab_size):
    """Which tokens may come next in set complement, after every position of every game.

    Args:
        tokens: integers (N, L), distinct in each game, with PAD after the end.
        vocab_size: V.

    Returns:
        bool (N, L, V): mask[n, s, t] says whether t may come after tokens[n, :s+1]. At PAD the game
        is over and nothing may come.

    By hand: after [0, 2] the row is (no, yes, no, yes).

    This is the hot function: it runs over millions of games. No loops in Python; time is measured.

    Why: it is the rule of the game, and so the target of every model that is trained on it.
    """
    raise NotImplementedError("not written yet: problem 4")


def get_windowed_mask(tokens, vocab_size, window):
    """Which tokens may come next if only the last `window` tokens are illegal.

    Args:
        tokens: integers (N, L), with PAD after the end; a token may come again.
        vocab_size: V.
        window: an integer from 1 to V-1. After position s, the tokens at s, s-1, ..., s-window+1
            are illegal (fewer at the beginning).

    Returns:
        bool (N, L, V); nothing is legal at PAD.

    By hand: after [0, 2] with window 1 only token 2 is illegal: (yes, yes, no, yes).
    With window 2 both are: (no, yes, no, yes).

    Why: this game asks for forgetting. An average over all that was seen cannot forget, so it will
    show where our transformer ends. A loop over the window is fine.
    """
    raise NotImplementedError("not written yet: problem 5")


def get_tic_tac_toe_mask(tokens):
    """Which squares may be played next in tic-tac-toe.

    The first player has the positions 0, 2, 4, ..., the second one 1, 3, .... Who holds three
    squares of a line (see LINES above) has won, and the game is over.

    Args:
        tokens: squares 0 to 8 as integers (N, L), with PAD after the end.

    Returns:
        bool (N, L, 9): free squares, but none once somebody has won, and none at PAD.

    By hand: [0, 3, 1, 4, 2] puts the first player on 0, 1, 2, a line: after it nothing is legal.
    One move before, 2, 5, 6, 7, 8 are.

    Why: until somebody wins, this is set complement with nine tokens. Any set of rules can become
    a mask, and what is said about masks holds for all games.
    """
    raise NotImplementedError("not written yet: problem 6")


def get_target(mask):
    """The best prediction: the same probability for every legal token.

    Args:
        mask: bool (..., V), as in problem 4.

    Returns:
        floats (..., V); rows sum to 1, but are zero where nothing is legal.

    By hand: the mask (no, yes, no, yes) gives (0, 1/2, 0, 1/2).

    Why: the next move is drawn from the legal ones at random. No prediction can do better on
    average than the distribution that moves are drawn from.
    """
    raise NotImplementedError("not written yet: problem 7")


def get_illegal_rate(logits, mask):
    """The probability that a model gives to illegal tokens.

    Args:
        logits: floats (..., V).
        mask: bool (..., V), True for legal tokens, at least one in each row.

    Returns:
        floats (...), from 0 to 1.

    By hand: with logits (-3, 0, -3, 0), where a and c were seen, the exponentials are 0.05, 1,
    0.05, 1, of sum 2.10. On a and c lies 0.10 / 2.10 = 4.7 %.

    Why: this number says how good a model is. Proposition 14 of docs/theory.md has its formula.
    """
    raise NotImplementedError("not written yet: problem 8")


# Part 2: the transformer
#
# A transformer turns tokens into logits. Every token has a vector, its *embedding*: row t of the
# matrix W_E. *Attention* takes a weighted mean of such vectors; its weights come from a softmax.
# The result is added to the embedding of the last token, and W_U turns the sum into logits. All of
# this happens at every position at once, and position s sees positions 0 to s only.
#
# The six matrices come as `parameters`, with parameters.W_E and so on. model.py says their shapes.
# It also holds the answers to problems 10 and 11: read the code after you have solved them.


def get_causal_attention(scores):
    """Weights of attention from scores: each position attends to itself and the earlier ones.

    Args:
        scores: floats (..., L, L); scores[s, t] says how much position s would like to attend to
            position t.

    Returns:
        floats (..., L, L): in row s a softmax over the positions 0 to s, and exact zeros after.

    By hand: if all scores of two positions are 0, the weights are (1, 0) and (1/2, 1/2).

    Why: the weights of a row are positive and sum to 1. So more attention to one token is less for
    another. This is what Theorem 21 (dispersion) is about.
    """
    raise NotImplementedError("not written yet: problem 9")


def get_attention_pattern(parameters, tokens):
    """Weights of attention from tokens.

    With x the embeddings of the tokens, position s has the *query* x[s] @ W_Q and the *key*
    x[s] @ W_K, each a vector of d_k numbers. The score of s and t is the inner product of query s
    and key t, divided by sqrt(d_k). Weights come from scores as in problem 9.

    Args:
        parameters: W_E (V, d), W_Q (d, d_k), W_K (d, d_k), and others. If d_k = 0, there are no
            columns, and all scores are 0.
        tokens: integers (N, L), without PAD.

    Returns:
        floats (N, L, L).

    By hand: d = d_k = 1, W_E = (1, 0, 2, 0) as a column, W_Q = W_K = (1). For tokens [0, 2], x is 1
    and 2. Position 1 has scores 2*1 and 2*2; its weights are e^2 and e^4, divided by their sum:
    (0.12, 0.88). Position 0 has (1, 0).

    Why: here a model decides what to look at. With d_k = 0 it looks at everything alike, which will
    turn out to be the best (Theorem 21).
    """
    raise NotImplementedError("not written yet: problem 10")


def get_logits(parameters, tokens):
    """The whole model: next-token logits after every prefix.

    1. Embed: x[s] is row tokens[s] of W_E.
    2. Attend: the *value* of position s is x[s] @ W_V. The head's output at s is the mean of the
       values of 0 to s, weighted with row s of the pattern, times W_O.
    3. Add the head's output to x[s]. The sum is called the *residual stream*.
    4. Unembed: times W_U.

    Args:
        parameters: W_E (V, d), W_Q (d, d_k), W_K (d, d_k), W_V (d, d_v), W_O (d_v, d), W_U (d, V).
        tokens: integers (N, L), without PAD.

    Returns:
        floats (N, L, V).

    By hand: let W_E be 4 x 4 with rows (1,0,0,0), ..., let d_k = 0 (uniform attention), and
    W_V W_O = -6 times the identity, W_U the identity. After [0, 2] the mean of the embeddings is
    (1/2, 0, 1/2, 0), the head's output (-3, 0, -3, 0). The embedding of the last token, (0, 0, 1,
    0), is added: logits (-3, 0, -2, 0).

    Why: that addition is a nuisance here: token 2 would be at -3 without it. Problems 17 and 18
    are about what to do with it.
    """
    raise NotImplementedError("not written yet: problem 11")


def get_circuits(parameters):
    """The two tables that the model is made of.

    A token reaches the logits on two paths. The last token does so directly, past the head: its row
    of B = W_E W_U is added to the logits. Each token that is attended to does so through the head:
    its row of D = W_E W_V W_O W_U, times its weight.

        logits = B[last] + sum over seen tokens t of weight[t] * D[t]

    Args:
        parameters: as in problem 11.

    Returns:
        the tuple B, D, each (V, V): row is the token that was seen, column the logit it changes.

    By hand: in the example of problem 11 B is the identity, and D is -6 times the identity.

    Why: six matrices of any widths have become two tables of numbers that mean something. B is
    called the *direct path*, D the *OV circuit*. All theorems are about B, D and the weights.
    """
    raise NotImplementedError("not written yet: problem 12")


def get_displacements(logits, mask):
    """How far each seen token lies below the absent ones.

    Args:
        logits: floats (..., V).
        mask: bool (..., V), True for absent (legal) tokens, at least one in each row.

    Returns:
        floats (..., V): at a seen token, the *lowest* absent logit minus its own logit. At absent
        tokens 0.

    By hand: logits (-3, 0, -2, 0) with a and c seen give (3, 0, 2, 0).

    Why: a token displaced by 3 is e^3 = 20 times less likely than any absent one. If seen tokens
    have equal displacements x/s and the absent logits agree, everything is known (Proposition 14).
    """
    raise NotImplementedError("not written yet: problem 13")


# Part 3: theory, and transformers built by hand
#
# Let attention be uniform, B = 0, and D = -x times the identity. After s tokens each seen one has
# the weight 1/s. So its logit is -x/s, and absent logits are 0: the displacement is x/s. The number
# x is called the *strength*. As s grows, x/s falls: this is *dispersion*. More tokens share the
# same strength, and more tokens are illegal.


def get_smallest_strength(vocab_size, max_illegal_rate):
    """The smallest strength x that keeps a promise at every length.

    All seen tokens have the displacement x/s, and absent logits are 0. Lengths s are 1 to V-1. At
    each of them the illegal rate must be at most `max_illegal_rate`.

    Args:
        vocab_size: V, at least 2.
        max_illegal_rate: a number between 0 and 1/2.

    Returns:
        x, a number >= 0.

    By hand: V = 2 has the length 1 only. One token is seen, with e^(-x), and one is absent, with 1.
    The rate e^(-x) / (1 + e^(-x)) = 0.1 says e^(-x) = 1/9, so x = ln 9 = 2.197.
    For V = 4 and rate 0.05, x = 12.13. With x = 6 it is 0.047 at length 2, but 0.29 at length 3.

    Why: it is Proposition 15, and the price of dispersion. (Exercise 5 of docs/theory.md.)
    """
    raise NotImplementedError("not written yet: problem 14")


def make_simplex(vocab_size):
    """V vectors of V-1 numbers, all equally long and all equally unlike.

    Args:
        vocab_size: V, at least 2.

    Returns:
        H, floats (V, V-1): the inner product of two different rows is -1/V, that of a row with
        itself 1 - 1/V. In short, H @ H.T = I - 1/V. So the rows sum to 0, and H.T @ H = I.

    Turned or mirrored, the answer is still one; any will do.

    By hand: V = 2 gives 1/sqrt(2) and -1/sqrt(2). V = 3 gives the corners of a triangle, sqrt(2/3)
    times (1, 0), (-1/2, sqrt(3)/2), (-1/2, -sqrt(3)/2). (Exercise 3 of docs/theory.md.)

    Why: V directions at right angles need V dimensions, but to be equally unlike needs one less.
    With H as W_E and H.T as W_U, all logits of a context are lowered by the same number: no
    prediction changes. One-hot vectors would do as well, with one dimension more.
    """
    raise NotImplementedError("not written yet: problem 15")


def find_failing_context(parameters):
    """The context of one or two tokens in which a model is worst.

    The loss is the KL divergence: the sum over legal tokens t of q[t] * ln(q[t] / p[t]), where q is
    the target of problem 7 and p the model's prediction. It is 0 if p = q, and positive otherwise.

    Args:
        parameters: as in problem 11; d_v is at most V-2, and V at least 4.

    Returns:
        a list of one token, or of two different ones in their order, whose loss is the largest.

    `forward(parameters, tokens)` of model.py gives the logits, (N, L) to (N, L, V). The last
    position is the one that has seen the whole context.

    By hand: a model whose logits are all 0, for V = 4, has p = 1/4. After one token q is 1/3 for
    three tokens: the loss is ln(4/3) = 0.29. After two, ln(4/2) = 0.69. So [0, 1] is a worst one.

    Why: with d_v <= V-2 no choice of numbers helps: at length 1 or 2 something must go wrong.
    This is Theorem 5; Corollary 6 says that V-1 are enough.
    """
    raise NotImplementedError("not written yet: problem 16")


def get_set_complement_parameters(vocab_size, max_illegal_rate):
    """A transformer that solves set complement: your first one.

    In every context, that is for every set of seen tokens, fewer than V, and every last one:

    - all absent tokens have the same logit;
    - every seen token has a lower one;
    - the illegal rate is at most `max_illegal_rate`; the largest of all is at least half of it, so
      the model is no stronger than it needs to be.

    Args:
        vocab_size: V, at least 2.
        max_illegal_rate: as in problem 14.

    Returns:
        Parameters(W_E, W_Q, W_K, W_V, W_O, W_U), of any width d. It is tried in all contexts for V
        = 2 to 9.

    By hand: see problem 11 for what goes wrong in the first attempt: the embedding of the last
    token reaches the logits. You may use more dimensions than you have tokens, and leave some of
    them empty at first.

    Why: it is the construction `balanced` of Theorem 13. All seen tokens are treated alike.
    (The package has a function of this name. Do not look yet.)
    """
    raise NotImplementedError("not written yet: problem 17")


def get_minimal_set_complement_parameters(vocab_size, max_illegal_rate):
    """The narrowest transformer that solves set complement.

    As in problem 17, but d and d_v must be V-1 at most, and it may be stronger than it needs to be.

    Args:
        vocab_size: V, at least 2.
        max_illegal_rate: as in problem 14.

    Returns:
        Parameters(W_E, W_Q, W_K, W_V, W_O, W_U).

    By hand: write the displacement of the last token as (its share of D) + (its share of B). If
    B = b (I - 1/V), the second is -b. With D = -x (I - 1/V) the sum is x/s - b: it turns negative
    at s = x/b. Which b would be welcome?

    Why: it is Corollary 4: width V-1 is enough to be right, if the last token may be treated apart.
    """
    raise NotImplementedError("not written yet: problem 18")


# Part 4: beyond


def get_attention_norm_gain(vocab_size, max_illegal_rate):
    """The smallest gain that keeps the promise of problem 14 when attention is normalised.

    Dispersion comes from averaging. So divide the head's output by its length (the square root of
    the sum of its squares), and multiply it by a fixed number g, the *gain*:
    `forward(parameters, tokens, gain)` does so. For the model of problem 17, whatever its strength,
    the displacement is then

        g sqrt(V / (s (V-s)))        at length s, for every seen token.

    Args:
        vocab_size: V, at least 2.
        max_illegal_rate: as in problem 14.

    Returns:
        g, a number >= 0: at every length the illegal rate is at most `max_illegal_rate`.

    By hand: V = 2 has the length 1 only, where the displacement is g sqrt(2). With rate 0.1 it must
    be ln 9, as in problem 14, so g = ln 9 / sqrt(2) = 1.554.

    Why: the displacement at V-1 is now that of length 1. It is Proposition 23, and what normalised
    models learn. Compare your gain with the strength of problem 14 for V = 10, 100, 1000.
    """
    raise NotImplementedError("not written yet: problem 19")


def read_model(parameters):
    """The strengths of somebody's model: what training has found, say.

    A model solves set complement exactly if its two tables (problem 12) have this form:

        D[i, k] = c[i] + r[k] - (x[i] if i == k else 0)
        B[i, k] = c'[i] - r[k] - (beta[i] if i == k else 0)

    The c and c' shift all logits of a context alike, and the two r cancel, so predictions depend on
    x and beta only. Find them, and say how well the form fits.

    Args:
        parameters: as in problem 11, V at least 4; near that form, or far from it.

    Returns:
        the tuple x, beta, misfit. Choose c, c', r so that the sum of squares of what does not fit,
        over all entries off the diagonals of D and B, is least. The misfit is the root of the mean
        of these 2V(V-1) squares. Then x (V,) and beta (V,) follow from the diagonals.

    By hand: if D = -6 I and B = I, then c = c' = r = 0, x = (6, 6, 6, 6), beta = (-1, -1, -1, -1),
    and the misfit is 0.

    Why: Theorem 2 says that every exact model has this form, whatever its weights look like. That
    is why we can say what a trained model does by reading 2V numbers.
    """
    raise NotImplementedError("not written yet: problem 20")


def get_narrow_parameters(vocab_size, width):
    """An open problem: the best model that is too narrow, after one token.

    With d = width < V-1 no model is right (Theorem 16). How good can it be? Look at contexts of one
    token only, and take the mean of their losses (KL, problem 16). A model that knows nothing has
    the loss ln(V / (V-1)). Which fraction of it is left?

        1 - width / (V-1)     no model can go below this
        1 - width / V         a simple one reaches this: solved

    What the best is, nobody knows. You are told where you are between the two. A call may take ten
    seconds, which is enough for some thousand steps of gradient descent.

    Args:
        vocab_size: V.
        width: d, 1 to V-2.

    Returns:
        Parameters(W_E, W_Q, W_K, W_V, W_O, W_U) with d = width.

    By hand: V = 4, width 2. Serve tokens 0 and 1 perfectly, and say nothing after 2 and 3: half of
    the loss is left. Not less than a third can be.

    Why: this is research. README.md says how to make an experiment of it.
    """
    raise NotImplementedError("not written yet: problem 21")


if __name__ == "__main__":
    # What is asked, as code. `python3 qualifying_problems.py` first tries each function on many
    # inputs, in a process of its own, and says what is wrong in words; then it runs these tests.

    rng = np.random.default_rng()
    GAMES = np.array([[0, 2, PAD], [3, 1, 0], [2, PAD, PAD]])  # three games, V = 4

    def test_softmax():
        logits = rng.normal(size=(5, 4))
        p = softmax(logits)
        assert np.allclose(p.sum(axis=-1), 1)
        ratios = p[:, 1] / p[:, 0]
        assert np.allclose(ratios, np.exp(logits[:, 1] - logits[:, 0]))
        assert np.allclose(softmax(logits + 1000), p)
        assert np.allclose(softmax(np.array([0.0, -np.inf])), [1, 0])

    def test_one_hot():
        expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
        assert np.array_equal(one_hot(np.array([0, 2, PAD]), 4), expected)

    def test_get_seen_mask():
        mask = get_seen_mask(GAMES, 4)
        for n in range(3):
            for s in range(3):
                for t in range(4):
                    assert mask[n, s, t] == (t in GAMES[n, : s + 1])

    def test_get_valid_next_token_mask():
        mask = get_valid_next_token_mask(GAMES, 4)
        for n in range(3):
            for s in range(3):
                for t in range(4):
                    is_over = GAMES[n, s] == PAD
                    assert mask[n, s, t] == (t not in GAMES[n, : s + 1] and not is_over)

    def test_get_windowed_mask():
        mask = get_windowed_mask(np.array([[0, 2, 0, 1]]), 4, window=2)
        legal = [np.flatnonzero(row).tolist() for row in mask[0]]
        assert legal == [[1, 2, 3], [1, 3], [1, 3], [2, 3]]

    def test_get_tic_tac_toe_mask():
        mask = get_tic_tac_toe_mask(np.array([[0, 3, 1, 4, 2]]))
        legal = [np.flatnonzero(row).tolist() for row in mask[0]]
        assert legal[-2:] == [[2, 5, 6, 7, 8], []]

    def test_get_target():
        mask = np.array([[False, True, False, True], [False, False, False, False]])
        assert np.array_equal(get_target(mask), [[0, 0.5, 0, 0.5], [0, 0, 0, 0]])

    def test_get_illegal_rate():
        rate = get_illegal_rate(np.array([-3.0, 0, -3, 0]), np.array([0, 1, 0, 1]) == 1)
        assert np.allclose(rate, 0.0474, atol=1e-4)

    def test_get_causal_attention():
        scores = rng.normal(size=(4, 4))
        weights = get_causal_attention(scores)
        assert np.allclose(weights.sum(axis=-1), 1)
        scores[0, 3] += 1  # position 0 must not notice what it thinks of position 3
        assert np.array_equal(get_causal_attention(scores), weights)
        assert np.array_equal(weights, np.tril(weights))

    EXAMPLE = Parameters(
        W_E=np.eye(4),
        W_Q=np.zeros((4, 0)),
        W_K=np.zeros((4, 0)),
        W_V=np.eye(4),
        W_O=-6 * np.eye(4),
        W_U=np.eye(4),
    )

    def test_get_attention_pattern():
        uniform = get_attention_pattern(EXAMPLE, np.array([[0, 2]]))
        assert np.allclose(uniform, [[[1, 0], [0.5, 0.5]]])
        one = np.ones((1, 1))
        small = Parameters(np.array([[1.0], [0], [2], [0]]), one, one, one, one, np.ones((1, 4)))
        pattern = get_attention_pattern(small, np.array([[0, 2]]))
        assert np.allclose(pattern, [[[1, 0], [0.119, 0.881]]], atol=1e-3)

    def test_get_logits():
        logits = get_logits(EXAMPLE, np.array([[0, 2]]))
        assert np.allclose(logits[0], [[-5, 0, 0, 0], [-3, 0, -2, 0]])

    def test_get_circuits():
        B, D = get_circuits(EXAMPLE)
        assert np.array_equal(B, np.eye(4))
        assert np.array_equal(D, -6 * np.eye(4))

    def test_get_displacements():
        mask = np.array([False, True, False, True])
        assert np.allclose(get_displacements(np.array([-3.0, 0, -2, 0]), mask), [3, 0, 2, 0])

    def test_get_smallest_strength():
        assert np.isclose(get_smallest_strength(2, 0.1), np.log(9))
        assert np.isclose(get_smallest_strength(4, 0.05), 12.13, atol=0.01)

    def test_make_simplex():
        for vocab_size in range(2, 8):
            H = make_simplex(vocab_size)
            assert np.allclose(H @ H.T, np.eye(vocab_size) - 1 / vocab_size)
            assert np.allclose(H.T @ H, np.eye(vocab_size - 1))

    def test_find_failing_context():
        knows_nothing = EXAMPLE._replace(W_U=np.zeros((4, 4)))
        assert len(find_failing_context(knows_nothing)) == 2

    def test_get_set_complement_parameters():
        for seen in ([0], [0, 2], [2, 0], [1, 3, 2]):
            check_solves(Parameters(*get_set_complement_parameters(4, 0.05)), seen, 0.05)

    def test_get_minimal_set_complement_parameters():
        parameters = Parameters(*get_minimal_set_complement_parameters(4, 0.05))
        assert parameters.W_E.shape == (4, 3)
        for seen in ([0], [0, 2], [2, 0], [1, 3, 2]):
            check_solves(parameters, seen, 0.05)

    def check_solves(parameters, seen, max_illegal_rate):
        logits = forward(parameters, np.array([seen]))[0, -1]
        absent = [t for t in range(len(logits)) if t not in seen]
        assert np.allclose(logits[absent], logits[absent[0]])
        assert logits[seen].max() < logits[absent[0]]
        p = np.exp(logits) / np.exp(logits).sum()
        assert p[seen].sum() <= max_illegal_rate * (1 + 1e-6)

    def test_get_attention_norm_gain():
        gain = get_attention_norm_gain(4, 0.05)
        s = np.arange(1, 4)
        displacement = gain * np.sqrt(4 / (s * (4 - s)))
        odds = s * np.exp(-displacement) / (4 - s)
        assert np.isclose(np.max(odds / (1 + odds)), 0.05)

    def test_read_model():
        x, beta, misfit = read_model(EXAMPLE)
        assert np.allclose(x, 6)
        assert np.allclose(beta, -1)
        assert np.isclose(misfit, 0)

    def test_get_narrow_parameters():
        parameters = Parameters(*get_narrow_parameters(4, 2))
        logits = forward(parameters, np.arange(4)[:, None])[:, 0]
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        losses = [np.mean([np.log(1 / 3 / p[i, k]) for k in range(4) if k != i]) for i in range(4)]
        assert np.mean(losses) / np.log(4 / 3) <= 0.501

    from checker.command import start

    start(__file__, tests=globals())
