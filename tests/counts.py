"""Numbers of legal sequences, by the games' own kernels: to be compared with published ones."""

import numpy as np
from numba import njit

from gamecircuits.games import _line_kernels as lines
from gamecircuits.games import _othello_kernels as othello

ZERO, ONE = np.uint64(0), np.uint64(1)
count_bits, advance = lines.count_bits, lines.advance
get_legal, move_discs = othello.get_legal, othello.move_discs


@njit(nogil=True)  # not kept: a cached kernel that calls itself may crash (numba issue 6061)
def _count_lines(mine, theirs, legal, depth, board):
    if depth == 0:
        return 1
    if depth == 1:
        return count_bits(legal)
    total = 0
    while legal != ZERO:
        token = np.uint64(count_bits((legal & (~legal + ONE)) - ONE))
        legal &= legal - ONE
        next_mine, next_theirs, next_legal = advance(board.file << token, mine, theirs, board)
        total += _count_lines(next_mine, next_theirs, next_legal, depth - 1, board)
    return total


def count_line_prefixes(
    rows: int, columns: int, in_a_row: int, depth: int, falls: bool = False
) -> int:
    """Number of legal sequences of exactly `depth` moves, of games that are over or not."""
    board = lines.make_board(rows, columns, in_a_row, falls)
    legal = np.uint64(lines.get_legal(ZERO, ZERO, board))
    return _count_lines(ZERO, ZERO, legal, depth, board)


@njit(nogil=True)  # not kept, as above
def _count_othello(mine, theirs, depth, pass_is_ply, board):
    if depth == 0:
        return 1
    legal = get_legal(mine, theirs, board)
    if legal == ZERO:
        if get_legal(theirs, mine, board) == ZERO:
            return 1 if pass_is_ply else 0
        return _count_othello(theirs, mine, depth - pass_is_ply, pass_is_ply, board)
    if depth == 1:
        return count_bits(legal)
    total = 0
    while legal != ZERO:
        move = legal & (~legal + ONE)
        legal ^= move
        next_mine, next_theirs = move_discs(move, mine, theirs, board)
        total += _count_othello(next_mine, next_theirs, depth - 1, pass_is_ply, board)
    return total


def count_othello_prefixes(board_size: int, depth: int) -> int:
    """Number of legal sequences of exactly `depth` moves; a player without a move is skipped."""
    board = othello.make_board(board_size)
    return _count_othello(board.black, board.white, depth, False, board)


def perft_othello(board_size: int, depth: int) -> int:
    """The same as it is usually published: a pass is a ply, and games that are over count on."""
    board = othello.make_board(board_size)
    return _count_othello(board.black, board.white, depth, True, board)
