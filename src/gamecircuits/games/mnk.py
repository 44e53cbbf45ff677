"""m,n,k-games: two players fill a board in turns; `in_a_row` of one's own stones in a line wins.

Tic-tac-toe is 3,3,3; token = row · columns + column. The legal tokens are the empty squares until
somebody has won: set complement with an early end.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.games.game import PAD, Game, check_token_array, token_dtype


@dataclass(frozen=True)
class Mnk(Game):
    """An m,n,k-game on at most 64 squares.

    Attributes:
        rows, columns: size of the board; 2 to 64 squares.
        in_a_row: stones in a horizontal, vertical or diagonal line that win.
    """

    rows: int
    columns: int
    in_a_row: int

    def __post_init__(self):
        for key in ("rows", "columns"):
            if not 1 <= getattr(self, key) <= 64:
                raise ParameterError(key, getattr(self, key), "1 to 64")
        if not 2 <= self.rows * self.columns <= 64:
            raise ParameterError("rows", self.rows, f"2 to 64 squares, not {self.vocab_size}")
        longest = max(self.rows, self.columns)
        if not 1 <= self.in_a_row <= longest:
            raise ParameterError("in_a_row", self.in_a_row, f"1 to the longer side, {longest}")

    @property
    def vocab_size(self) -> int:
        return self.rows * self.columns

    @property
    def max_length(self) -> int:
        return self.rows * self.columns

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        # Uniformly random empty squares are a random permutation, cut at the first win.
        squares = np.arange(self.vocab_size, dtype=token_dtype(self.vocab_size))
        tokens = rng.permuted(np.tile(squares, (num_games, 1)), axis=1)
        is_over = self._is_won(self._stones(tokens))
        tokens[:, 1:][is_over[:, :-1]] = PAD
        return tokens

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        tokens = check_token_array(tokens, self.vocab_size)
        stones = self._stones(tokens)
        empty = ~np.bitwise_or.accumulate(stones, axis=1)  # of the mover's colour
        empty[:, 1:] &= empty[:, :-1]  # and of the other's
        empty[self._is_won(stones) | (tokens == PAD)] = 0
        bits = np.unpackbits(empty.astype("<u8").view(np.uint8), bitorder="little").view(bool)
        return bits.reshape(*tokens.shape, 64)[..., : self.vocab_size]

    def _stones(self, tokens: np.ndarray) -> np.ndarray:
        """Bitboard (N, L) of all stones of the player who makes move s, after it."""
        move = np.left_shift(np.uint64(1), np.maximum(tokens, 0).astype(np.uint64))
        move[tokens == PAD] = 0
        for player in (0, 1):
            np.bitwise_or.accumulate(move[:, player::2], axis=1, out=move[:, player::2])
        return move

    def _is_won(self, stones: np.ndarray) -> np.ndarray:
        """bool (N, L): somebody has a full line after move s."""
        won = np.zeros(stones.shape, dtype=bool)
        k = self.in_a_row
        for row_step, column_step in ((0, 1), (1, 0), (1, 1), (1, -1)):
            starts = 0  # squares from which a line of k fits on the board in this direction
            for row in range(self.rows):
                for column in range(self.columns):
                    last_row, last_column = row + (k - 1) * row_step, column + (k - 1) * column_step
                    if last_row < self.rows and 0 <= last_column < self.columns:
                        starts |= 1 << (row * self.columns + column)
            step = np.uint64(row_step * self.columns + column_step)
            line = stones & np.uint64(starts)
            for stone in range(1, k if starts else 1):
                line &= stones >> (np.uint64(stone) * step)
            won |= line != 0
        return np.logical_or.accumulate(won, axis=1)

    def why_illegal(self, prefix: list[int], token: int) -> str:
        return f"the square was taken at position {prefix.index(token)}"
