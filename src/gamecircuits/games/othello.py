"""Othello: a disc goes where it encloses a line of the opponent's discs, which it turns.

The conventions are OthelloGPT's (Li et al. 2023, arXiv 2210.13382): token = row · board_size +
column, black begins, no token for a pass. A player without a move is skipped; the game is over when
neither has one, be the board full, one colour wiped out or both stuck. Games are followed move by
move on bitboards, in `_othello_kernels`; this file gives them shapes and words.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.errors import GameError, ParameterError
from gamecircuits.games import _othello_kernels as kernels
from gamecircuits.games.game import Game, check_token_array
from gamecircuits.masks import unpack_mask


@dataclass(frozen=True)
class Othello(Game):
    """Othello on a square board; white starts on d4 and e5, black on e4 and d5 (size 8).

    Attributes:
        board_size: squares per row, 4, 6 or 8.
    """

    board_size: int = 8

    def __post_init__(self):
        if self.board_size not in (4, 6, 8):
            raise ParameterError("board_size", self.board_size, "4, 6 or 8")

    @property
    def vocab_size(self) -> int:
        return self.board_size**2

    @property
    def max_length(self) -> int:
        return self.board_size**2 - 4

    @property
    def opening_mask(self) -> np.ndarray:
        *_, legal, _ = self._replay(np.empty((1, 0), np.int8))
        return self._to_bool(legal)[0, 0]

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        # One seed a game: its moves depend on nothing else, in whatever order games are played.
        seeds = rng.integers(1 << 64, size=num_games, dtype=np.uint64)
        return kernels.play(seeds, self.max_length, kernels.make_board(self.board_size))

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """Raises GameError at a token that is illegal; games may be padded before their end."""
        return unpack_mask(self.get_packed_valid_next_token_mask(tokens), self.vocab_size)

    def get_packed_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """`pack_mask` of the mask, an eighth of its memory: uint8 (N, L, ceil(V/8))."""
        _, _, legal, _ = self._replay(tokens)
        return self._to_bytes(legal[:, 1:])

    def get_board_states(self, tokens: np.ndarray) -> np.ndarray:
        """Boards after 0..L tokens as the side to move sees them: int8 (N, L+1, V).

        0 is empty, 1 mine, 2 theirs. states[:, :-1] are the boards before each token, states[:, 1:]
        those after it, which go with the mask. The last board is repeated under the padding, as the
        last mover's opponent would see it. Raises GameError at a token that is illegal.
        """
        mine, theirs, _, _ = self._replay(tokens)
        states = self._to_bool(theirs).view(np.int8)
        states *= 2
        states += self._to_bool(mine).view(np.int8)
        return states

    def get_side_to_move(self, tokens: np.ndarray) -> np.ndarray:
        """Who moves after 0..L tokens, int8 (N, L+1): 0 black, 1 white, PAD once nobody does.

        Raises GameError at a token that is illegal.
        """
        return self._replay(tokens)[3]

    def check(self, tokens: np.ndarray) -> None:
        _, length = np.shape(check_token_array(tokens, self.vocab_size))
        if length > self.max_length:
            raise GameError(
                f"games have {length} positions; at most {self.max_length} are possible"
            )
        _, _, legal, _ = self._replay(tokens, must_end=True)
        unfinished = np.flatnonzero(legal[:, -1])
        if len(unfinished):
            raise GameError(
                f"game {unfinished[0]} is cut off after {length} tokens: legal moves are left"
            )

    def why_illegal(self, prefix: list[int], token: int) -> str:
        state = self.get_board_states(np.array([prefix], np.int8))[0, -1]
        row, column = divmod(token, self.board_size)
        square = f"{'abcdefgh'[column]}{row + 1}"
        if state[token]:
            return f"{square} is occupied"
        side = ("black", "white")[self.get_side_to_move(np.array([prefix], np.int8))[0, -1]]
        return f"on {square} {side} turns no disc"

    def _replay(self, tokens: np.ndarray, must_end: bool = False) -> tuple[np.ndarray, ...]:
        """mine, theirs, legal, side of `kernels.replay`; illegal tokens raise GameError."""
        tokens = check_token_array(tokens, self.vocab_size).astype(np.int8, order="C", copy=False)
        board = kernels.make_board(self.board_size)
        *found, game, position = kernels.replay(tokens, must_end, board)
        if game >= 0:
            legal = self._to_bool(found[2][game, position])
            raise GameError(self._explain(game, position, tokens[game], legal))
        return tuple(found)

    def _to_bytes(self, words: np.ndarray) -> np.ndarray:
        """Bitboards (...) as packed masks (..., ceil(V/8))."""
        octets = np.ascontiguousarray(words, "<u8")[..., None].view(np.uint8)
        return octets[..., : -(-self.vocab_size // 8)]

    def _to_bool(self, words: np.ndarray) -> np.ndarray:
        return unpack_mask(self._to_bytes(words), self.vocab_size)
