"""Othello: a disc goes where it encloses a line of the opponent's discs, which it turns.

The conventions are OthelloGPT's (Li et al. 2023, arXiv 2210.13382): token = row · board_size +
column, black begins, no token for a pass. A player without a move is skipped; the game is over when
neither has one, be the board full, one colour wiped out or both stuck.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, ClassVar, Literal

import numpy as np

from gamecircuits.games import _othello_kernels
from gamecircuits.games._bitboard_game import BitboardGame, get_board_symmetries


@dataclass(frozen=True)
class Othello(BitboardGame):
    """Othello on a square board; white starts on d4 and e5, black on e4 and d5 (size 8)."""

    board_size: Annotated[Literal[4, 6, 8], "squares per row"] = 8

    kernels: ClassVar[ModuleType] = _othello_kernels

    @property
    def vocab_size(self) -> int:
        return self.board_size**2

    @property
    def max_length(self) -> int:
        return self.board_size**2 - 4

    @property
    def shape(self) -> tuple[int, int]:
        return self.board_size, self.board_size

    @property
    def board(self) -> _othello_kernels.Board:
        return _othello_kernels.make_board(self.board_size)

    @property
    def symmetries(self) -> np.ndarray:
        """The four symmetries of the board that keep every disc's colour at the start.

        The identity, both diagonals' reflections and half a turn; the others exchange the colours.
        """
        images = get_board_symmetries(self.board_size, self.board_size)
        return images[[0, 3, 4, 7]]

    def get_result(self, owners: np.ndarray) -> tuple[str, np.ndarray]:
        discs = [int((owners == player).sum()) for player in (0, 1)]
        winner = f"{self.players[discs[1] > discs[0]]} wins" if discs[0] != discs[1] else "a draw"
        return f"{winner}, {max(discs)} : {min(discs)}", np.zeros(self.num_squares, dtype=bool)

    def why_illegal(self, prefix: list[int], token: int) -> str:
        state = self.get_board_states(np.array([prefix], np.int8))[0, -1]
        row, column = divmod(token, self.board_size)
        square = f"{'abcdefgh'[column]}{row + 1}"
        if state[token]:
            return f"{square} is occupied"
        side = self.players[self.get_side_to_move(np.array([prefix], np.int8))[0, -1]]
        return f"on {square} {side} turns no disc"
