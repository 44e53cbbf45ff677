"""Connect four: stones fall to the lowest free square of a column; four in a line win.

Token = column; the legal ones are the columns that are not full, until somebody has won. Square =
row · columns + column, row 0 at the bottom. But for what a token means it is an m,n,k-game.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.games import _line_kernels
from gamecircuits.games.mnk import InARow, Mnk, Side


@dataclass(frozen=True)
class ConnectFour(Mnk):
    """Connect four on a board of at most 64 squares."""

    rows: Annotated[Side, "squares in a column; the board has at most 64"] = 6
    columns: Annotated[Side, Interval(ge=2), "columns, which are the tokens"] = 7
    in_a_row: InARow = 4

    players = ("red", "yellow")
    row_0_is_below = True

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
