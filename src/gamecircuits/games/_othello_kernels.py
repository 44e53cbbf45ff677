"""Othello on bitboards: square s is bit s of a uint64, the two players' discs are two words.

`mine` are the discs of the side to move and `theirs` the other's, so the rules know no colours. A
line of discs is followed on the whole board at once: shift by the line's step, keep what lies on
their discs, repeat. Steps along a row or a diagonal may not leave the board at its sides, so such
lines run through inner columns only; above and below, bits fall off the word or are cut by masks.

The kernels are compiled at their first call and kept in __pycache__. All are in this file: numba
does not see that a cached kernel's callee has changed in another one.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

PAD = np.int8(-1)
ZERO, ONE, HALF_WORD = np.uint64(0), np.uint64(1), np.uint64(32)
HALVES = tuple(np.uint64(1 << bits) for bits in (5, 4, 3, 2, 1, 0))
SIDE_BY_SIDE = 64  # games
STEP, LOW_HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFFFFFFFF)

# A loop that calls a kernel becomes vector instructions only if the kernel is inlined.
inlined = njit(cache=True, nogil=True, forceinline=True)


class Board(NamedTuple):
    """A board's size and masks, all np.uint64 (numba makes floats of mixed integers).

    size: squares per row; inner: all columns but the first and the last; black, white: the discs
    at the start.
    """

    size: np.uint64
    squares: np.uint64
    inner: np.uint64
    black: np.uint64
    white: np.uint64


@cache
def make_board(size: int) -> Board:
    """Board of size × size squares, size even and at most 8."""
    row = sum(1 << column for column in range(1, size - 1))
    inner = sum(row << (size * r) for r in range(size))
    first = (size + 1) * (size // 2 - 1)  # the upper left square of the centre
    white = 1 << first | 1 << (first + size + 1)
    black = 1 << (first + 1) | 1 << (first + size)
    return Board(*map(np.uint64, (size, (1 << size * size) - 1, inner, black, white)))


@njit(cache=True, nogil=True)
def count_bits(word):
    count = 0
    while word != ZERO:  # LLVM knows this loop: one popcnt instruction
        word &= word - ONE
        count += 1
    return count


@inlined
def _follow(start, through, step):
    """Squares of `through` in unbroken lines from `start`, in the two directions of `step`."""
    up, down = (start << step) & through, (start >> step) & through
    up |= (up << step) & through
    down |= (down >> step) & through
    # Lines of 2, then of 4, then of 6 discs, the most that lie between two others.
    up_by_two, down_by_two = through & (through << step), through & (through >> step)
    for _ in range(2):
        up |= (up << (step + step)) & up_by_two
        down |= (down >> (step + step)) & down_by_two
    return up, down


@inlined
def _legal_in_line(mine, through, step):
    up, down = _follow(mine, through, step)
    return (up << step) | (down >> step)


@inlined
def _flips_in_line(move, mine, through, step):
    up, down = _follow(move, through, step)
    flips = ZERO
    if (up << step) & mine != ZERO:
        flips |= up
    if (down >> step) & mine != ZERO:
        flips |= down
    return flips


@inlined
def get_legal(mine, theirs, board):
    """Squares on which `mine` may move."""
    inner = theirs & board.inner
    reached = _legal_in_line(mine, theirs, board.size)
    reached |= _legal_in_line(mine, inner, ONE)
    reached |= _legal_in_line(mine, inner, board.size - ONE)
    reached |= _legal_in_line(mine, inner, board.size + ONE)
    return reached & board.squares & ~(mine | theirs)


@njit(cache=True, nogil=True)
def find_legal(mine, theirs, board):
    """`get_legal` of many boards, uint64 (n,), whether a game reaches them or not."""
    legal = np.empty_like(mine)
    for n in range(len(mine)):
        legal[n] = get_legal(mine[n], theirs[n], board)
    return legal


@inlined
def get_flips(move, mine, theirs, board):
    """Discs of `theirs` that `move`, one bit, turns."""
    inner = theirs & board.inner
    flips = _flips_in_line(move, mine, theirs, board.size)
    flips |= _flips_in_line(move, mine, inner, ONE)
    flips |= _flips_in_line(move, mine, inner, board.size - ONE)
    flips |= _flips_in_line(move, mine, inner, board.size + ONE)
    return flips


@inlined
def move_discs(move, mine, theirs, board):
    """Play `move`, one bit or none; return mine, theirs of the other side."""
    flips = get_flips(move, mine, theirs, board)
    return theirs ^ flips, mine | move | flips


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

    Games are played side by side, which LLVM makes vector instructions of; those that are over wait
    for the others with an empty move.
    """
    tokens = np.full((len(seeds), max_length), PAD)
    mine, states = np.empty(SIDE_BY_SIDE, np.uint64), np.zeros(SIDE_BY_SIDE, np.uint64)
    theirs, legal, drawn = np.empty_like(mine), np.empty_like(mine), np.empty_like(mine)
    bounds, nth = np.empty_like(mine), np.empty_like(mine)
    for first in range(0, len(seeds), SIDE_BY_SIDE):
        num_games = min(SIDE_BY_SIDE, len(seeds) - first)
        states[:num_games] = seeds[first : first + num_games]
        mine[:], theirs[:] = board.black, board.white
        legal[:] = get_legal(board.black, board.white, board)
        for s in range(max_length):
            for n in range(SIDE_BY_SIDE):
                if legal[n] == ZERO:  # skipped, or the game is over
                    mine[n], theirs[n] = theirs[n], mine[n]
                    legal[n] = get_legal(mine[n], theirs[n], board)
            draw_tokens(legal, HALVES, states, bounds, nth, drawn)
            for n in range(num_games):
                tokens[first + n, s] = np.int8(drawn[n]) if legal[n] != ZERO else PAD
            for n in range(SIDE_BY_SIDE):
                move = ONE << drawn[n] if legal[n] != ZERO else ZERO
                mine[n], theirs[n] = move_discs(move, mine[n], theirs[n], board)
                legal[n] = get_legal(mine[n], theirs[n], board)
    return tokens


@njit(cache=True, nogil=True)
def replay(tokens, must_end, with_boards, board):
    """Follow int8 tokens (N, L), each PAD or a square, side by side as `play` does.

    Returns:
        mine, theirs, legal: uint64 (N, L+1), after s tokens, of the side to move then. After the
            end nobody is to move: legal is 0 and the board that of the last mover's opponent.
            Unless `with_boards`, mine and theirs have no rows.
        side: int8 (N, L+1), 0 if black is to move then, 1 white, PAD nobody.
        game, position: of the first illegal token, (−1, −1) if there is none. Of the rest only
            legal[game, position] is filled in then for sure. PAD is legal, and ends the game; if
            `must_end`, only where it is over.
    """
    num_games, length = tokens.shape
    all_legal = np.empty((num_games, length + 1), np.uint64)
    all_mine = np.empty((num_games if with_boards else 0, length + 1), np.uint64)
    all_theirs, all_sides = np.empty_like(all_mine), np.empty((num_games, length + 1), np.int8)
    mine, sides = np.empty(SIDE_BY_SIDE, np.uint64), np.empty(SIDE_BY_SIDE, np.int8)
    theirs, legal, moves = np.empty_like(mine), np.empty_like(mine), np.empty_like(mine)
    for first in range(0, num_games, SIDE_BY_SIDE):
        count, position = min(SIDE_BY_SIDE, num_games - first), -1
        mine[:], theirs[:], sides[:], moves[:] = board.black, board.white, 0, ZERO
        legal[:] = get_legal(board.black, board.white, board)
        for s in range(length + 1):
            for n in range(count):
                if moves[n] != ZERO and legal[n] == ZERO:  # skipped, or the game is over
                    legal[n] = get_legal(theirs[n], mine[n], board)
                    if legal[n] != ZERO:
                        mine[n], theirs[n], sides[n] = theirs[n], mine[n], 1 - sides[n]
                all_legal[first + n, s] = legal[n]
                all_sides[first + n, s] = sides[n] if legal[n] != ZERO else PAD
                if with_boards:
                    all_mine[first + n, s], all_theirs[first + n, s] = mine[n], theirs[n]
                if s == length:
                    continue
                token = tokens[first + n, s]
                if token == PAD:
                    moves[n], is_legal = ZERO, not must_end or legal[n] == ZERO
                else:
                    moves[n] = ONE << np.uint64(token)
                    is_legal, sides[n] = moves[n] & legal[n] != ZERO, 1 - sides[n]
                if not is_legal:  # only games above this one matter now
                    count, position = n, s
                    break
            for n in range(SIDE_BY_SIDE):
                own, other = mine[n], theirs[n]  # read here, else stores get masks: slow on AMD
                next_mine, next_theirs = move_discs(moves[n], own, other, board)
                next_legal = get_legal(next_mine, next_theirs, board)
                has_moved = moves[n] != ZERO
                mine[n] = next_mine if has_moved else own
                theirs[n] = next_theirs if has_moved else other
                legal[n] = next_legal if has_moved else ZERO
        if position >= 0:
            return all_mine, all_theirs, all_legal, all_sides, first + count, position
    return all_mine, all_theirs, all_legal, all_sides, -1, -1
