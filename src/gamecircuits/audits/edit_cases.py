"""Cases of edits: a position of a game, a square, what it becomes, and what would then be legal.

A square of a position is flipped (mine becomes theirs, or theirs mine) or erased (it becomes
empty). The side to move stays. The edited board need not be one that a game reaches.
"""

from typing import NamedTuple

import numpy as np

from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD

EDITS = ("flip", "erase")
EMPTY, MINE, THEIRS = range(3)  # values of a square, as in the feature `owner`
CHANGE, STAY, NONE_LEFT = "change", "stay", "none left"  # what an edit does to the legal moves
MOST = 50_000  # distinct positions of a length that are enumerated
RANDOM_GAMES = 20_000  # that are played where there are more
MEASURES = {  # unit
    "errors": "tokens",
    "newly_legal": "probability",
    "newly_illegal": "probability",
    "others": "probability",
    "illegal": "probability",
    "total_variation": "probability",
}


class Cases(NamedTuple):
    """Cases (n,) in the order of their lengths."""

    tokens: np.ndarray  # (n, longest), PAD after the prefix
    game: np.ndarray  # row of the games that they are of
    length: np.ndarray  # tokens seen
    board: np.ndarray  # (n, squares), before the edit, as the side to move sees it
    side: np.ndarray  # whose move it is, 0 or 1
    edit: np.ndarray  # index of EDITS
    square: np.ndarray  # that is edited
    other: np.ndarray  # another square, which holds the same if there is one
    after: np.ndarray  # what the square becomes
    legal_before: np.ndarray  # (n, V)
    legal_after: np.ndarray  # (n, V), on the edited board

    @property
    def before(self) -> np.ndarray:
        """What the square holds before the edit."""
        return self.board[np.arange(len(self.square)), self.square]

    @property
    def edited(self) -> np.ndarray:
        """Boards after the edit, (n, squares)."""
        return _put(self.board, self.square, self.after)

    @property
    def moves(self) -> np.ndarray:
        """What the edit does to the legal moves, in words."""
        stays = (self.legal_before == self.legal_after).all(axis=1)
        words = np.where(stays, STAY, CHANGE)
        return np.where(self.legal_after.any(axis=1), words, NONE_LEFT)

    def select(self, rows: np.ndarray) -> "Cases":
        return Cases(*(part[rows] for part in self))


def sample_cases(
    game: BitboardGame,
    tokens: np.ndarray,
    known: np.ndarray,
    per_length: int,
    longest: int,
    rng: np.random.Generator,
) -> Cases:
    """Cases of random squares: both edits of each of some distinct prefixes of every length.

    Args:
        tokens: legal games (N, L).
        known: whether a square can be made to hold a value, or not to hold it, bool (squares, 3).
        per_length: prefixes of each length, at most.
        longest: length up to which prefixes count.
    """
    tokens = tokens[:, :longest]
    boards, sides = game.get_board_states(tokens), game.get_side_to_move(tokens)
    legal = game.get_valid_next_token_mask(tokens)
    parts = []
    for length in range(1, tokens.shape[1] + 1):
        _, distinct = np.unique(tokens[:, :length], axis=0, return_index=True)
        distinct = distinct[sides[distinct, length] != PAD]
        rows = np.sort(rng.permutation(distinct)[:per_length])
        prefix = np.where(np.arange(tokens.shape[1]) < length, tokens[rows], PAD)
        board = boards[rows, length]
        for edit in range(len(EDITS)):
            square, other, after, is_possible = _choose_squares(board, edit, known, rng)
            edited = _put(board, square, after)
            of_edit = Cases(
                tokens=prefix,
                game=rows,
                length=np.full(len(rows), length),
                board=board,
                side=sides[rows, length],
                edit=np.full(len(rows), edit),
                square=square,
                other=other,
                after=after,
                legal_before=legal[rows, length - 1],
                legal_after=game.get_legal_tokens_on(edited),
            )
            parts.append(of_edit.select(is_possible))
    return Cases(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _choose_squares(
    board: np.ndarray, edit: int, known: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """A random square of each board (n, squares), another one, the first's new value, and whether
    there is such a square."""
    becomes = np.array([EMPTY, THEIRS, MINE] if EDITS[edit] == "flip" else [EMPTY] * 3)[board]
    squares = np.arange(board.shape[1])
    possible = (board != EMPTY) & known[squares, board] & known[squares, becomes]
    square = (rng.random(board.shape) * possible).argmax(axis=1)
    rows = np.arange(len(board))
    before, after = board[rows, square], becomes[rows, square]
    fits = known[:, before].T & known[:, after].T & (squares != square[:, None])
    is_same = board == before[:, None]
    other = ((rng.random(board.shape) + is_same) * fits).argmax(axis=1)
    return square, other, after, possible.any(axis=1)


def _put(board: np.ndarray, square: np.ndarray, value: np.ndarray) -> np.ndarray:
    edited = board.copy()
    edited[np.arange(len(board)), square] = value
    return edited


def measure(found: np.ndarray, cases: Cases) -> dict[str, np.ndarray]:
    """MEASURES of predictions (n, V), each (n,); NaN for the mass of tokens of a sort of which a
    case has none."""
    before, after = cases.legal_before, cases.legal_after
    rank = np.argsort(np.argsort(-found, axis=1, kind="stable"), axis=1)
    is_top = rank < after.sum(axis=1, keepdims=True)
    sorts = {
        "newly_legal": after & ~before,
        "newly_illegal": before & ~after,
        "others": before == after,
        "illegal": ~after,
    }
    masses = {
        name: np.where(of_sort.any(axis=1), (found * of_sort).sum(axis=1), np.nan)
        for name, of_sort in sorts.items()
    }
    uniform = after / np.maximum(after.sum(axis=1, keepdims=True), 1)
    distance = np.abs(found - uniform).sum(axis=1) / 2
    return {"errors": (is_top != after).sum(axis=1)} | masses | {"total_variation": distance}


def tell_reachable(game: BitboardGame, cases: Cases, rng: np.random.Generator) -> np.ndarray:
    """Whether games reach the edited boards, with that side to move, at that length: words (n,).

    Positions are enumerated where no length has more than MOST of them; else the words are whether
    RANDOM_GAMES random games reach them.
    """
    longest = int(cases.length.max(initial=1))
    keys = _to_keys(cases.edited, cases.side, cases.length)
    reached = enumerate_positions(game, longest)
    if reached is not None:
        return np.where(np.isin(keys, reached), "reachable", "unreachable")
    played = game.play(RANDOM_GAMES, rng)[:, :longest]
    boards, sides = game.get_board_states(played)[:, 1:], game.get_side_to_move(played)[:, 1:]
    goes_on = sides != PAD
    lengths = np.broadcast_to(np.arange(1, longest + 1), sides.shape)
    seen = _to_keys(boards[goes_on], sides[goes_on], lengths[goes_on])
    words = f"seen in {RANDOM_GAMES:,} games"
    return np.where(np.isin(keys, seen), words, f"not {words}")


def enumerate_positions(game: BitboardGame, longest: int) -> np.ndarray | None:
    """Every position that goes on after 1..longest tokens, as keys; None if they are too many."""
    found = []
    prefixes = np.flatnonzero(game.opening_mask)[:, None]
    for length in range(1, longest + 1):
        board = game.get_board_states(prefixes)[:, -1]
        side = game.get_side_to_move(prefixes)[:, -1]
        keys, first = np.unique(_to_keys(board, side, length), return_index=True)
        if len(keys) > MOST:
            return None
        goes_on = side[first] != PAD
        found.append(keys[goes_on])
        prefixes = prefixes[first[goes_on]]  # one way to each position tells all that follow
        parent, token = np.nonzero(game.get_valid_next_token_mask(prefixes)[:, -1])
        prefixes = np.column_stack([prefixes[parent], token])
    return np.concatenate(found)


def _to_keys(board: np.ndarray, side: np.ndarray, length: np.ndarray | int) -> np.ndarray:
    """One value (n,) for each position: equal for equal boards (n, squares), sides and lengths."""
    rows = np.column_stack([board, side, np.broadcast_to(length, side.shape)]).astype(np.int8)
    return np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()
