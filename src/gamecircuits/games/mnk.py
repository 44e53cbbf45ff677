"""m,n,k-games: two players fill a board in turns; `in_a_row` of one's own stones in a line wins.

Tic-tac-toe is 3,3,3; token = row · columns + column. The legal tokens are the empty squares until
somebody has won: set complement with an early end.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.games import _line_kernels
from gamecircuits.games._bitboard_game import BitboardGame, get_board_symmetries

Side = Annotated[int, Interval(ge=1, le=64)]
InARow = Annotated[
    int,
    Interval(ge=1, le=64),
    "stones in a horizontal, vertical or diagonal line that win, up to the longer side",
]


@dataclass(frozen=True)
class Mnk(BitboardGame):
    """An m,n,k-game on at most 64 squares."""

    rows: Annotated[Side, "rows of the board, which has 2 to 64 squares"]
    columns: Annotated[Side, "columns of the board"]
    in_a_row: InARow

    kernels: ClassVar[ModuleType] = _line_kernels
    players = ("X", "O")

    def __post_init__(self):
        super().__post_init__()
        if not 2 <= self.num_squares <= 64:
            raise ParameterError("rows", self.rows, f"2 to 64 squares, not {self.num_squares}")
        longest = max(self.rows, self.columns)
        if self.in_a_row > longest:
            allowed = f"an integer from 1 to the longer side, {longest}"
            raise ParameterError("in_a_row", self.in_a_row, allowed)

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

    def get_result(self, owners: np.ndarray) -> tuple[str, np.ndarray]:
        for player, name in enumerate(self.players):
            own = (owners == player).reshape(self.shape)
            if (line := self._find_lines(own)).any():
                return f"{name} wins", line.ravel()
        return "a draw", np.zeros(self.num_squares, dtype=bool)

    def _find_lines(self, own: np.ndarray) -> np.ndarray:
        """Stones in lines that win, bool like `own` (rows, columns)."""
        found = np.zeros_like(own)
        for step in np.array([(0, 1), (1, 0), (1, 1), (1, -1)]):
            for start in np.argwhere(own):
                line = start + step * np.arange(self.in_a_row)[:, None]
                is_inside = ((line >= 0) & (line < self.shape)).all()
                if is_inside and own[tuple(line.T)].all():
                    found[tuple(line.T)] = True
        return found

    def why_illegal(self, prefix: list[int], token: int) -> str:
        return f"the square was taken at position {prefix.index(token)}"
