"""Two players on a board of at most 64 squares, followed move by move on bitboards.

A game's kernels (compiled, one file for each family of games) know the rules: `play` draws random
games and `replay` follows given ones. This class gives them shapes and words.
"""

from abc import abstractmethod
from math import prod
from types import ModuleType
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from gamecircuits.errors import GameError
from gamecircuits.games.game import PAD, Feature, Game, check_token_array, label
from gamecircuits.games.masks import unpack_mask


class BitboardGame(Game):
    """A game whose kernels have `play`, `replay` and `find_legal` as `_line_kernels` has them."""

    kernels: ClassVar[ModuleType]
    players: ClassVar[tuple[str, str]] = ("black", "white")  # who begins, and the other
    row_0_is_below: ClassVar[bool] = False  # how the board is drawn

    @property
    @abstractmethod
    def board(self) -> NamedTuple:
        """What the kernels need to know about the board."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the board: square = row · columns + column."""

    @property
    def num_squares(self) -> int:
        """Squares of the board, at most 64."""
        return prod(self.shape)

    @property
    def opening_mask(self) -> np.ndarray:
        *_, legal, _ = self._replay(np.empty((1, 0), np.int8))
        return unpack_mask(_to_bytes(legal, self.vocab_size), self.vocab_size)[0, 0]

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        # One seed a game: its moves depend on nothing else, in whatever order games are played.
        seeds = rng.integers(1 << 64, size=num_games, dtype=np.uint64)
        return self.kernels.play(seeds, self.max_length, self.board)

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """Raises GameError at a token that is illegal; games may be padded before their end."""
        return unpack_mask(self.get_packed_valid_next_token_mask(tokens), self.vocab_size)

    def get_packed_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """`pack_mask` of the mask, an eighth of its memory: uint8 (N, L, ceil(V/8))."""
        _, _, legal, _ = self._replay(tokens)
        return _to_bytes(legal[:, 1:], self.vocab_size)

    @property
    @abstractmethod
    def symmetries(self) -> np.ndarray:
        """Symmetries of the tokens, as in Game; `get_board_symmetries` has those of the board."""

    def get_board_states(self, tokens: np.ndarray) -> np.ndarray:
        """Boards after 0..L tokens as the side to move sees them: int8 (N, L+1, num_squares).

        0 is empty, 1 mine, 2 theirs. states[:, :-1] are the boards before each token, states[:, 1:]
        those after it, which go with the mask. The last board is repeated under the padding, as the
        last mover's opponent would see it. Raises GameError at a token that is illegal.
        """
        mine, theirs, _, _ = self._replay(tokens, with_boards=True)
        states = np.empty((*mine.shape, self.num_squares), np.int8)
        _unpack_boards(mine, theirs, states)
        return states

    def get_side_to_move(self, tokens: np.ndarray) -> np.ndarray:
        """Who moves after 0..L tokens, int8 (N, L+1): 0 the player who began, 1 the other, PAD
        once nobody does.

        Raises GameError at a token that is illegal.
        """
        return self._replay(tokens)[3]

    def get_owners(self, tokens: np.ndarray) -> np.ndarray:
        """Whose stone is on each square after 0..L tokens, int8 (N, L+1, num_squares).

        0 is the player who began, 1 the other, PAD nobody. Raises GameError at a token that is
        illegal.
        """
        side = self.get_side_to_move(tokens)
        ply = np.where(side == PAD, 0, np.arange(side.shape[1]))
        last = np.take_along_axis(side, np.maximum.accumulate(ply, axis=1), 1)
        viewer = np.where(side == PAD, 1 - last, side)  # at the end the last mover's opponent
        states = self.get_board_states(tokens)
        return np.where(states == 0, np.int8(PAD), (states == 2) ^ viewer[..., None])

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """`owner`, as the side to move sees it, and `colour` of every square."""
        states, side = self.get_board_states(tokens)[:, 1:], self.get_side_to_move(tokens)[:, 1:]
        goes_on = side != PAD
        is_second = (states == 2) ^ (side == 1)[..., None]
        colours = np.where(states == 0, 0, 1 + is_second)
        return {
            "owner": Feature(("empty", "mine", "theirs"), label(states, goes_on)),
            "colour": Feature(("empty", *self.players), label(colours, goes_on)),
        }

    def get_legal_squares(self, tokens: np.ndarray) -> np.ndarray:
        """Squares that a legal token would occupy after 0..L tokens: bool (N, L+1, num_squares).

        Raises GameError at a token that is illegal.
        """
        mine, theirs, legal, _ = self._replay(tokens, with_boards=True)
        squares = self._to_squares(legal, mine | theirs)
        return unpack_mask(_to_bytes(squares, self.num_squares), self.num_squares)

    def get_legal_tokens_on(self, boards: np.ndarray) -> np.ndarray:
        """Legal tokens of the side to move on any boards: bool (n, V).

        No game need reach a board. Where a stone hangs in the air, a column is legal while its top
        is free; nothing is legal beside a line that wins.

        Args:
            boards: (n, num_squares) as of `get_board_states`: 0 is empty, 1 mine, 2 theirs.
        """
        if boards.ndim != 2 or boards.shape[1] != self.num_squares:
            raise GameError(f"boards must have shape (n, {self.num_squares}), not {boards.shape}")
        bits = np.uint64(1) << np.arange(self.num_squares, dtype=np.uint64)
        mine, theirs = ((boards == player) @ bits for player in (1, 2))
        legal = self.kernels.find_legal(mine, theirs, self.board)
        return unpack_mask(_to_bytes(legal, self.vocab_size), self.vocab_size)

    def get_result(self, owners: np.ndarray) -> tuple[str, np.ndarray]:
        """What the end of a game means, in words, and the squares that decided it.

        Args:
            owners: (num_squares,); 0 the player who began, 1 the other, PAD nobody.

        Returns:
            an empty text if the game does not say who wins; bool (num_squares,).
        """
        return "", np.zeros(self.num_squares, dtype=bool)

    def _to_squares(self, legal: np.ndarray, occupied: np.ndarray) -> np.ndarray:
        """Legal tokens as the squares that they would occupy, uint64 (...); by default the same."""
        return legal

    def check(self, tokens: np.ndarray) -> None:
        tokens = check_token_array(tokens, self.vocab_size, max_length=self.max_length)
        _, _, legal, _ = self._replay(tokens, must_end=True)
        self._raise_unfinished(legal[:, -1:], tokens.shape[1])

    def _replay(
        self, tokens: np.ndarray, must_end: bool = False, with_boards: bool = False
    ) -> tuple[np.ndarray, ...]:
        """mine, theirs, legal, side of `kernels.replay`; illegal tokens raise GameError."""
        tokens = check_token_array(tokens, self.vocab_size).astype(np.int8, order="C", copy=False)
        *found, game, position = self.kernels.replay(tokens, must_end, with_boards, self.board)
        if game >= 0:
            legal = _to_bytes(found[2][game, position], self.vocab_size)
            legal = unpack_mask(legal, self.vocab_size)
            raise GameError(self._explain(game, position, tokens[game], legal))
        return tuple(found)


def get_board_symmetries(rows: int, columns: int) -> np.ndarray:
    """Rotations and reflections of a board as permutations of its squares, (4 or 8, squares).

    Row g holds the square that each square is mapped to. The first four keep rows rows: identity,
    left and right exchanged, above and below exchanged, both; a square board has also the same
    after its transposition.
    """
    squares = np.arange(rows * columns).reshape(rows, columns)
    boards = [squares, squares.T] if rows == columns else [squares]
    images = [b[::down, ::right] for b in boards for down in (1, -1) for right in (1, -1)]
    return np.array(images).reshape(len(images), -1)


@njit(cache=True, nogil=True)
def _unpack_boards(mine, theirs, states):
    """Fill the boards (N, L, squares) that uint64 words (N, L) hold: 1 mine, 2 theirs, else 0."""
    one = np.uint64(1)
    for n in range(len(states)):
        for s in range(states.shape[1]):
            for square in range(states.shape[2]):
                place = np.uint64(square)
                is_mine, is_theirs = (mine[n, s] >> place) & one, (theirs[n, s] >> place) & one
                states[n, s, square] = is_mine | is_theirs << one


def _to_bytes(words: np.ndarray, num_bits: int) -> np.ndarray:
    """The low bits of uint64 words (...), as packed masks (..., ceil(num_bits/8))."""
    num_bytes = -(-num_bits // 8)
    word = f"<u{1 << (num_bytes - 1).bit_length()}"  # the shortest that holds them
    return words.astype(word)[..., None].view(np.uint8)[..., :num_bytes]
