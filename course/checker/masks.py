"""Problems 3 to 6: masks of games."""

import time
from functools import partial

import numpy as np

import solutions
from checker.child import digest
from checker.problem import Compare, Mistake, Problem, compared
from checker.wrong import Wrong

PAD = -1
SLOWEST = 12.0  # times the time of the reference
SPEED_SHAPE = (20_000, 15, 16)  # games, positions, tokens


def play(rng, num_games, length, vocab_size, ended=False):
    """Random games of distinct tokens (N, L); some end early if asked for."""
    order = rng.permuted(np.tile(np.arange(vocab_size), (num_games, 1)), axis=1)
    tokens = np.full((num_games, length), PAD)
    tokens[:, :vocab_size] = order[:, :length]
    if ended:
        ends = rng.integers(1, length + 1, num_games)
        tokens[np.arange(length) >= ends[:, None]] = PAD
    return tokens


# 3. get_seen_mask


def mask_cases(rng):
    yield np.array([[2]]), 4
    yield np.array([[2, 0]]), 4
    yield np.array([[1, PAD]]), 3
    yield np.array([[1, 0, PAD], [2, PAD, PAD]]), 3
    yield play(rng, 2, 3, 4), 4
    yield play(rng, 2, 4, 4), 4
    yield play(rng, 3, 5, 6, ended=True), 6
    yield play(rng, 4, 5, 3), 3
    yield play(rng, 20, 9, 12, ended=True), 12


def _seen(t, V):
    return solutions.get_seen_mask(t, V)


def _here(t, V):
    return t[..., None] == np.arange(V)


def _before(t, V):
    """What was seen before each position, without the token that stands there."""
    return np.concatenate([np.zeros_like(_seen(t, V)[:, :1]), _seen(t, V)[:, :-1]], axis=1)


def _marks_last(t, V):
    """PAD taken for the last token."""
    return np.logical_or.accumulate(np.eye(V, dtype=bool)[t], axis=1)


SEEN = (
    Mistake(
        lambda t, V: np.repeat(_here(t, V).any(1, keepdims=True), t.shape[1], 1),
        "a token that comes later is marked as seen: position s knows only tokens[:, :s+1]",
    ),
    Mistake(
        lambda t, V: np.logical_or.accumulate(_here(t, V)[:, ::-1], axis=1)[:, ::-1],
        "a token that comes later is marked as seen, and the earlier ones are not: the running "
        "'or' starts at the end",
    ),
    Mistake(
        _here, "only the token of the position itself is marked: the earlier ones were seen, too"
    ),
    Mistake(
        _before, "the token of the position itself is missing: tokens[:, :s+1] includes position s"
    ),
    Mistake(lambda t, V: ~_seen(t, V), "seen and not seen are exchanged"),
    Mistake(
        lambda t, V: np.logical_or.accumulate(_here(t, V), axis=0),
        "one game sees the tokens of the games above: accumulate along the positions, axis 1",
    ),
    Mistake(_marks_last, "-1 indexes the last column: PAD marks the last token as seen"),
    Mistake(
        lambda t, V: _seen(t, V) & (t != PAD)[..., None],
        "rows at PAD are empty: what was seen before the end of the game stays seen",
    ),
    Mistake(
        lambda t, V: _here(t, V).cumsum(axis=1),
        "returns numbers of type int64; expected bool",
    ),
    Mistake(
        lambda t, V: _here(t, V).any(axis=1),
        "this is the end of each game only: there is one row for every position",
    ),
    Mistake(
        lambda t, V: _seen(t, V).swapaxes(1, 2),
        "the last two axes are exchanged: positions come second, tokens last",
    ),
)

# 4. get_valid_next_token_mask

VALID = (
    Mistake(lambda t, V: ~_seen(t, V), "at PAD the game is over: nothing is legal there"),
    Mistake(_seen, "these are the tokens that were seen; legal are the others"),
    Mistake(
        lambda t, V: _seen(t, V) & (t != PAD)[..., None],
        "these are the tokens that were seen; legal are the others",
    ),
    Mistake(
        lambda t, V: ~_before(t, V) & (t != PAD)[..., None],
        "the token that was just played is still legal: mask[n, s] is what may come *after* it",
    ),
    Mistake(
        lambda t, V: ~_before(t, V),
        "the token that was just played is still legal: mask[n, s] is what may come *after* it",
    ),
    Mistake(
        lambda t, V: ~_here(t, V) & (t != PAD)[..., None],
        "only the last token is illegal: all the earlier ones are, too",
    ),
    Mistake(
        lambda t, V: ~_here(t, V), "only the last token is illegal: all the earlier ones are, too"
    ),
    Mistake(
        lambda t, V: np.repeat(~_here(t, V).any(1, keepdims=True), t.shape[1], 1),
        "tokens that come later are illegal already: position s knows only tokens[:, :s+1]",
    ),
    Mistake(
        lambda t, V: ~np.logical_or.accumulate(_here(t, V), axis=0) & (t != PAD)[..., None],
        "one game is forbidden the tokens of the games above: accumulate along axis 1",
    ),
    Mistake(
        lambda t, V: (~_seen(t, V)).astype(int) * (t != PAD)[..., None],
        "returns numbers of type int64; expected bool",
    ),
    Mistake(
        lambda t, V: np.ones((*t.shape, V), dtype=bool),
        "everything is legal: no token is taken away",
    ),
)


def check_speed(answer, rng):
    """Compare the time of an answer with that of the reference on the same machine."""
    num_games, length, vocab_size = SPEED_SHAPE
    own = reference = np.inf
    for _ in range(5):
        tokens = play(rng, num_games, length, vocab_size)  # others each time: nothing to remember
        begin = time.perf_counter()
        expected = digest(solutions.get_valid_next_token_mask(tokens, vocab_size))
        reference = min(reference, time.perf_counter() - begin)
        seconds, found = answer.time(tokens, vocab_size)
        if found != expected:
            raise Wrong(f"right for a few games, but wrong for {num_games} at once")
        own = min(own, seconds)
    ratio = own / reference
    if ratio > SLOWEST:
        raise Wrong(
            f"right, but {ratio:.0f} times as slow as the reference ({own * 1e3:.0f} ms against "
            f"{reference * 1e3:.0f} ms for {num_games} games): compare whole arrays, and look at "
            "each position once"
        )
    return {"time": ratio}


# 5. get_windowed_mask


def windowed_cases(rng):
    yield np.array([[2, 0]]), 4, 1
    yield np.array([[2, 0, 2]]), 4, 2
    yield rng.integers(0, 5, (3, 6)), 5, 2
    yield np.where(np.arange(7) < 5, rng.integers(0, 4, (2, 7)), PAD), 4, 3
    yield rng.integers(0, 6, (3, 4)), 6, 5
    yield rng.integers(0, 3, (2, 1)), 3, 2
    yield rng.integers(0, 9, (10, 20)), 9, 4


def _windowed(shift, t, V, w):
    return solutions.get_windowed_mask(t, V, max(w + shift, 0))


WINDOWED = (
    Mistake(
        lambda t, V, w: ~_seen(t, V) & (t != PAD)[..., None],
        "nothing is forgotten: a token is legal again once `window` others were played",
    ),
    Mistake(partial(_windowed, 1), "the window is one position too long"),
    Mistake(partial(_windowed, -1), "the window is one position too short"),
    Mistake(
        lambda t, V, w: ~_here(t, V) & (t != PAD)[..., None],
        "only the last token is blocked, whatever the window",
    ),
    Mistake(
        lambda t, V, w: (
            ~_seen(t[:, :w], V)[:, np.minimum(np.arange(t.shape[1]), w - 1)] & (t != PAD)[..., None]
        ),
        "the first tokens of the game are blocked: the window ends at the position itself",
    ),
    Mistake(
        lambda t, V, w: solutions.get_windowed_mask(np.where(t == PAD, V, t), V, w),
        "at PAD the game is over: nothing is legal there",
    ),
    Mistake(
        lambda t, V, w: ~solutions.get_windowed_mask(t, V, w) & (t != PAD)[..., None],
        "these are the blocked tokens; legal are the others",
    ),
    Mistake(
        lambda t, V, w: (
            solutions.get_windowed_mask(t, V, w)
            | (np.cumsum(_here(t, V), axis=1) > 1) & (t != PAD)[..., None]
        ),
        "a token is blocked once only: count its last appearance, not its first",
    ),
)

# 6. get_tic_tac_toe_mask


def tic_tac_toe_cases(rng):
    yield (np.array([[4]]),)
    yield (np.array([[0, 3, 1, 4, 2]]),)
    yield (np.array([[8, 0, 3, 4, 5, PAD], [8, 0, 3, 1, 5, 2]]),)
    yield (np.array([[8, 0, 3, 1, 5, 2, PAD]]),)
    yield (_play_tic_tac_toe(rng, 400),)


def _play_tic_tac_toe(rng, num_games):
    """Random games, PAD after their end."""
    tokens = rng.permuted(np.tile(np.arange(9), (num_games, 1)), axis=1)
    over = ~solutions.get_tic_tac_toe_mask(tokens).any(axis=-1)
    tokens[:, 1:][np.logical_or.accumulate(over, axis=1)[:, :-1]] = PAD
    return tokens


def _tic_tac_toe(tokens, players=(0, 1), together=False):
    """The mask as several mistakes have it; without them the right one."""
    here = _here(tokens, 9)
    is_on_line = np.zeros((9, 8), dtype=int)
    is_on_line[solutions.LINES, np.arange(8)[:, None]] = 1
    over = np.zeros(tokens.shape, dtype=bool)
    for first in players:
        own = here.copy()
        if not together:
            own[:, 1 - first :: 2] = False
        held = np.logical_or.accumulate(own, axis=1)
        over |= (held.astype(int) @ is_on_line == 3).any(axis=-1)
    return ~_seen(tokens, 9) & ~over[..., None] & (tokens != PAD)[..., None]


TIC_TAC_TOE = (
    Mistake(
        partial(_tic_tac_toe, players=()),
        "the game goes on after somebody has won: nothing is legal from the winning move on",
    ),
    Mistake(partial(_tic_tac_toe, players=(0,)), "the second player can win, too (odd positions)"),
    Mistake(partial(_tic_tac_toe, players=(1,)), "the first player can win, too (even positions)"),
    Mistake(
        partial(_tic_tac_toe, together=True),
        "squares of both players are counted as one line: even positions are the first player's, "
        "odd ones the second's",
    ),
    Mistake(
        lambda t: _tic_tac_toe(t) | (~_seen(t, 9) & (t == PAD)[..., None]),
        "at PAD the game is over: nothing is legal there",
    ),
    Mistake(
        lambda t: _seen(t, 9) & _tic_tac_toe(t).any(-1, keepdims=True),
        "these are the taken squares; legal are the others",
    ),
    Mistake(
        lambda t: np.where(
            _tic_tac_toe(t)[:, -1:].any(-1, keepdims=True), _tic_tac_toe(t, players=()), False
        ),
        "a win at the end forbids the moves before it: position s knows only tokens[:, :s+1]",
    ),
)


PROBLEMS = (
    compared(
        solutions.get_seen_mask,
        mask_cases,
        "(N, L, vocab_size)",
        SEEN,
        difficulty=2,
        minutes=15,
        hints=(
            "Begin with the comparison of one_hot. A token then stays marked at later positions.",
            "np.logical_or.accumulate(a, axis=1) is the running 'or' along the positions; a "
            "cumulative sum (np.cumsum) that is > 0 does it, too.",
        ),
    ),
    Problem(
        solutions.get_valid_next_token_mask,
        2,
        15,
        (
            "Legal are those not seen: ~mask turns a bool array around. Then PAD.",
            "(tokens != PAD)[..., None] has shape (N, L, 1) and broadcasts against (N, L, V).",
        ),
        Compare(solutions.get_valid_next_token_mask, mask_cases, "(N, L, vocab_size)", VALID),
        VALID,
        speed=check_speed,
    ),
    compared(
        solutions.get_windowed_mask,
        windowed_cases,
        "(N, L, vocab_size)",
        WINDOWED,
        difficulty=3,
        minutes=20,
        hints=(
            "Position s is blocked what stands at s, s-1, ..., s-window+1. A loop over these "
            "`window` distances is fine here.",
            "blocked[:, ago:] |= here[:, :L-ago] for ago = 0, ..., window-1, where `here` is the "
            "comparison of one_hot and L the number of positions; ago stays below L.",
        ),
    ),
    compared(
        solutions.get_tic_tac_toe_mask,
        tic_tac_toe_cases,
        "(N, L, 9)",
        TIC_TAC_TOE,
        difficulty=3,
        minutes=30,
        hints=(
            "Set the other player's rows of `here` to False, and take the running 'or': these are "
            "the squares a player holds after each position, (N, L, 9).",
            "held[..., LINES] has shape (N, L, 8, 3): .all(axis=-1).any(axis=-1) says whether a "
            "line is full. Do it for both players; nothing is legal once one has won.",
        ),
    ),
)
