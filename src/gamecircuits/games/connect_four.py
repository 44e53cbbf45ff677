"""Connect four: stones fall to the lowest free square of a column; four in a line win.

Token = column; the legal ones are the columns that are not full, until somebody has won. Square =
row · columns + column, row 0 at the bottom. But for what a token means it is an m,n,k-game.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import ParameterError
from gamecircuits.games import _line_kernels
from gamecircuits.games.mnk import Mnk


@dataclass(frozen=True)
class ConnectFour(Mnk):
    """Connect four on a board of at most 64 squares.

    Attributes:
        rows: squares in a column.
        columns: number of columns, at least 2.
        in_a_row: stones in a horizontal, vertical or diagonal line that win.
    """

    rows: int = 6
    columns: int = 7
    in_a_row: int = 4

    players = ("red", "yellow")
    row_0_is_below = True

    def __post_init__(self):
        super().__post_init__()
        if self.columns < 2:
            raise ParameterError("columns", self.columns, "2 to 64: tokens are columns")

    @property
    def vocab_size(self) -> int:
        return self.columns

    @property
    def board(self) -> _line_kernels.Board:
        return _line_kernels.make_board(self.rows, self.columns, self.in_a_row, falls=True)

    @property
    def symmetries(self) -> np.ndarray:
        """Left and right may be exchanged."""
        return np.array([range(self.columns), range(self.columns)[::-1]])

    def _to_squares(self, legal: np.ndarray, occupied: np.ndarray) -> np.ndarray:
        row_0 = np.uint64((1 << self.columns) - 1)
        lowest = (occupied << np.uint64(self.columns) | row_0) & ~occupied & self.board.squares
        return np.where(legal != 0, lowest, np.uint64(0))  # none once somebody has won

    def why_illegal(self, prefix: list[int], token: int) -> str:
        return f"column {token} is full"
