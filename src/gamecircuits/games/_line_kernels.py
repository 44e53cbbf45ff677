"""Games of lines on bitboards: two players put stones on a board; `in_a_row` in a line win.

Square s = row · columns + column is bit s of a uint64, and each player's stones are one word. A
token names a file, the squares of which a stone takes the first that is free: a single square in
m,n,k-games, a column, from row 0 up, in Connect four. So files ≡ squares mod the vocabulary size,
and a token is legal while the last square of its file is free; nothing else sets the games apart.

The kernels are compiled at their first call and kept in __pycache__. All are in this file, also
what `_othello_kernels` has: numba does not see that a cached kernel's callee has changed in another
one.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

PAD = np.int8(-1)
ZERO, ONE, HALF_WORD = np.uint64(0), np.uint64(1), np.uint64(32)
SIDE_BY_SIDE = 64  # games; `play` has a bit of a word for each
STEP, LOW_HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFFFFFFFF)

# A loop that calls a kernel becomes vector instructions only if the kernel is inlined.
inlined = njit(cache=True, nogil=True, forceinline=True)


class Board(NamedTuple):
    """A board's squares and lines, all np.uint64 (numba makes floats of mixed integers).

    squares: all of them; file: those of token 0; last_rank: how many come before the last squares
    of all files; halves: widths that find a token among all by halving; lines: for each of the four
    directions the shifts that find winning lines and the squares at which one starts.
    """

    squares: np.uint64
    file: np.uint64
    last_rank: np.uint64
    halves: tuple[np.uint64, ...]
    lines: tuple[tuple[tuple[np.uint64, ...], np.uint64], ...]


@cache
def make_board(rows: int, columns: int, in_a_row: int, falls: bool) -> Board:
    """Board of at most 64 squares; if `falls`, tokens are columns (2 or more), else squares."""
    num_squares = rows * columns
    num_tokens = columns if falls else num_squares
    lines = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        starts = 0
        for row in range(rows):
            for column in range(columns):
                last_row, last_column = row + (in_a_row - 1) * down, column + (in_a_row - 1) * right
                if last_row < rows and 0 <= last_column < columns:
                    starts |= 1 << (row * columns + column)
        # A line of length + more stones is two of length, one shifted. No line, no shifts: by 64
        # bits or more they are undefined.
        shifts: list[int] = []
        length = 1
        while length < in_a_row or not shifts:
            more = min(length, in_a_row - length)
            shifts.append(more * (down * columns + right) if starts else 0)
            length += more
        lines.append((tuple(map(np.uint64, shifts)), np.uint64(starts)))
    num_halves = (num_tokens - 1).bit_length()
    file = sum(1 << square for square in range(0, num_squares, num_tokens))
    return Board(
        squares=np.uint64((1 << num_squares) - 1),
        file=np.uint64(file),
        last_rank=np.uint64(num_squares - num_tokens),
        halves=tuple(np.uint64(1 << n) for n in reversed(range(max(num_halves, 1)))),
        lines=tuple(lines),
    )


@njit(cache=True, nogil=True)
def count_bits(word):
    count = 0
    while word != ZERO:  # LLVM knows this loop: one popcnt instruction
        word &= word - ONE
        count += 1
    return count


@inlined
def has_line(stones, board):
    """Whether a winning line of the stones is in a row, a column or a diagonal.

    The number of shifts is part of the board's type, so that no loop or branch is left of this.
    """
    found = ZERO
    for shifts, starts in board.lines:
        line = stones  # where lines of 1 start, then of more, if one may leave the board
        for shift in shifts:
            line &= line >> shift
        found |= line & starts
    return found != ZERO


@inlined
def get_legal(mine, theirs, board):
    """Tokens whose file has a free square, if nobody has won: token t is bit t."""
    return (board.squares & ~(mine | theirs)) >> board.last_rank


@njit(cache=True, nogil=True)
def find_legal(mine, theirs, board):
    """Legal tokens on many boards, uint64 (n,), whether a game reaches them or not."""
    legal = np.empty_like(mine)
    for n in range(len(mine)):
        is_over = has_line(mine[n], board) or has_line(theirs[n], board)
        legal[n] = ZERO if is_over else get_legal(mine[n], theirs[n], board)
    return legal


@inlined
def advance(file, mine, theirs, board):
    """Play a legal token, given as its file's squares; if it is ZERO, no token.

    Return mine, theirs, legal of the side to move then.
    """
    free = file & ~(mine | theirs)
    moved = mine | (free & (~free + ONE))  # the lowest bit
    legal = ZERO if has_line(moved, board) else get_legal(moved, theirs, board)
    return theirs, moved, legal


@inlined
def _scale_word(state, bound):
    """A random word of 32 bits, times `bound`; by SplitMix64 (Steele, Lea, Flood 2014)."""
    word = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((word ^ (word >> np.uint64(31))) >> HALF_WORD) * bound


@inlined
def draw_below(bounds, states, drawn):
    """Fill `drawn` (n,) with exactly uniform integers below `bounds` < 2³² (n,); 0 below 0.

    The method is Lemire's (2019). `states` (n,) of the generators move on. All arrays are uint64.
    """
    may_reject = False
    for n in range(len(bounds)):
        states[n] += STEP
        scaled = _scale_word(states[n], bounds[n])
        drawn[n] = scaled >> HALF_WORD
        may_reject |= scaled & LOW_HALF < bounds[n]
    if may_reject:  # once in millions of calls
        for n in range(len(bounds)):
            scaled = _scale_word(states[n], bounds[n])
            while bounds[n] != ZERO and scaled & LOW_HALF < np.uint64(1 << 32) % bounds[n]:
                states[n] += STEP
                scaled = _scale_word(states[n], bounds[n])
            drawn[n] = scaled >> HALF_WORD


@inlined
def draw_tokens(legal, halves, states, bounds, nth, tokens):
    """Fill `tokens` (n,) with a random set bit of each word `legal`; where there is none, with any.

    The nth bit is found by halving, by widths `halves`, so that no loop over words has a branch.
    `states` are those of the generators; `bounds` and `nth` (n,) are space to work in.
    """
    for n in range(len(legal)):
        bounds[n] = count_bits(legal[n])
        tokens[n] = ZERO
    draw_below(bounds, states, nth)
    for half in halves:
        for n in range(len(legal)):
            below = np.uint64(count_bits((legal[n] >> tokens[n]) & ((ONE << half) - ONE)))
            is_above = nth[n] >= below
            nth[n] -= below if is_above else ZERO
            tokens[n] += half if is_above else ZERO


@njit(cache=True, nogil=True)
def play(seeds, max_length, board):
    """Tokens int8 (N, max_length) of random games, one for each of the uint64 `seeds` (N,).

    Games are played side by side, which LLVM makes vector instructions of; when one is over, the
    next takes its place. When none is left, its tokens go where nobody reads them.
    """
    nowhere = len(seeds) * max_length
    tokens = np.full(nowhere + 1, PAD)
    places = np.empty(SIDE_BY_SIDE, np.int64)  # of the games' next tokens
    states, legal = np.zeros(SIDE_BY_SIDE, np.uint64), np.zeros(SIDE_BY_SIDE, np.uint64)
    mine, theirs = np.zeros_like(legal), np.zeros_like(legal)
    drawn, bounds, nth = np.empty_like(legal), np.empty_like(legal), np.empty_like(legal)
    num_started = 0
    while True:
        over = ZERO  # bit n: game n is
        for n in range(SIDE_BY_SIDE):
            over |= (ONE if legal[n] == ZERO else ZERO) << np.uint64(n)
        while over != ZERO and num_started < len(seeds):
            n = count_bits((over & (~over + ONE)) - ONE)  # the lowest
            states[n], places[n] = seeds[num_started], num_started * max_length
            mine[n], theirs[n], legal[n] = ZERO, ZERO, get_legal(ZERO, ZERO, board)
            over &= over - ONE
            num_started += 1
        if ~over == ZERO:
            return tokens[:nowhere].reshape(len(seeds), max_length)
        draw_tokens(legal, board.halves, states, bounds, nth, drawn)
        for n in range(SIDE_BY_SIDE):
            is_over = legal[n] == ZERO
            file = ZERO if is_over else board.file << drawn[n]
            places[n] = nowhere if is_over else places[n]
            mine[n], theirs[n], next_legal = advance(file, mine[n], theirs[n], board)
            legal[n] = ZERO if is_over else next_legal
        for n in range(SIDE_BY_SIDE):
            tokens[places[n]] = drawn[n]
            places[n] += 1


@njit(cache=True, nogil=True)
def replay(tokens, must_end, with_boards, board):
    """Follow int8 tokens (N, L), each PAD or below the vocabulary size.

    Returns:
        mine, theirs, legal: uint64 (N, L+1), after s tokens, of the side to move then; legal are
            tokens, the others squares. After the end nobody is to move: legal is 0 and the board
            that of the last mover's opponent. Unless `with_boards`, mine and theirs have no rows.
        side: int8 (N, L+1), 0 if the first player is to move then, 1 the second, PAD nobody.
        game, position: of the first illegal token, (−1, −1) if there is none. Of the rest only
            legal[game, position] is filled in then for sure. PAD is legal, and ends the game; if
            `must_end`, only where it is over.
    """
    num_games, length = tokens.shape
    all_legal = np.empty((num_games, length + 1), np.uint64)
    all_mine = np.empty((num_games if with_boards else 0, length + 1), np.uint64)
    all_theirs, sides = np.empty_like(all_mine), np.empty((num_games, length + 1), np.int8)
    for n in range(num_games):
        mine, theirs = ZERO, ZERO
        legal = get_legal(mine, theirs, board)
        for s in range(length + 1):
            all_legal[n, s], sides[n, s] = legal, s % 2 if legal != ZERO else PAD
            if with_boards:
                all_mine[n, s], all_theirs[n, s] = mine, theirs
            if s == length:
                break
            if tokens[n, s] == PAD:
                if must_end and legal != ZERO:
                    return all_mine, all_theirs, all_legal, sides, n, s
                legal = ZERO
                continue
            token = np.uint64(tokens[n, s])
            if (legal >> token) & ONE == ZERO:
                return all_mine, all_theirs, all_legal, sides, n, s
            mine, theirs, legal = advance(board.file << token, mine, theirs, board)
    return all_mine, all_theirs, all_legal, sides, -1, -1
