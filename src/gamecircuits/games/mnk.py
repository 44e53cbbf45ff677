"""m,n,k-games: two players fill a board in turns; `in_a_row` of one's own stones in a line wins.

Tic-tac-toe is 3,3,3; token = row · columns + column. The legal tokens are the empty squares until
somebody has won: set complement with an early end.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.games import _line_kernels
from gamecircuits.games._bitboard_game import BitboardGame, get_board_symmetries


@dataclass(frozen=True)
class Mnk(BitboardGame):
    """An m,n,k-game on at most 64 squares.

    Attributes:
        rows, columns: size of the board; 2 to 64 squares.
        in_a_row: stones in a horizontal, vertical or diagonal line that win.
    """

    rows: int
    columns: int
    in_a_row: int

    kernels = _line_kernels
    players = ("X", "O")

    def __post_init__(self):
        for key in ("rows", "columns"):
            if not 1 <= getattr(self, key) <= 64:
                raise ParameterError(key, getattr(self, key), "1 to 64")
        if not 2 <= self.num_squares <= 64:
            raise ParameterError("rows", self.rows, f"2 to 64 squares, not {self.num_squares}")
        longest = max(self.rows, self.columns)
        if not 1 <= self.in_a_row <= longest:
            raise ParameterError("in_a_row", self.in_a_row, f"1 to the longer side, {longest}")

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def vocab_size(self) -> int:
        return self.num_squares

    @property
    def max_length(self) -> int:
        return self.num_squares

    @property
    def board(self) -> _line_kernels.Board:
        return _line_kernels.make_board(self.rows, self.columns, self.in_a_row, falls=False)

    @property
    def symmetries(self) -> np.ndarray:
        """Rotations and reflections of the board: 8 of a square, else 4."""
        return get_board_symmetries(self.rows, self.columns)

    def why_illegal(self, prefix: list[int], token: int) -> str:
        return f"the square was taken at position {prefix.index(token)}"
