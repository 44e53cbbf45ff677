"""Games whose mask can be computed for all positions at once, illegal tokens or not.

Such a mask is right up to the first illegal token, whatever comes after it; then one mask is enough
both to continue games and to check them.
"""

from abc import abstractmethod

import numpy as np

from gamecircuits.errors import GameError
from gamecircuits.games.game import PAD, Game, check_token_array


class CausalGame(Game):
    """A game that defines `compute_mask`."""

    @abstractmethod
    def compute_mask(self, tokens: np.ndarray) -> np.ndarray:
        """The mask (N, L, V) after tokens (N, L), L at most max_length; right in every game up to
        its first illegal token. PAD may stand anywhere, and has no legal tokens after it."""

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """Raises GameError at a token that is illegal; games may be padded before their end."""
        return self._replay(tokens)[:, 1:]

    def check(self, tokens: np.ndarray) -> None:
        self._raise_unfinished(self._replay(tokens, must_end=True)[:, -1], np.shape(tokens)[1])

    def _replay(self, tokens: np.ndarray, must_end: bool = False) -> np.ndarray:
        """What is legal after 0..L tokens, (N, L+1, V); an illegal token raises GameError."""
        tokens = check_token_array(tokens, self.vocab_size, max_length=self.max_length)
        opening = np.broadcast_to(self.opening_mask, (len(tokens), 1, self.vocab_size))
        legal = np.concatenate([opening, self.compute_mask(tokens)], axis=1)
        before = legal[:, :-1]
        played = np.take_along_axis(before, np.maximum(tokens, 0)[..., None], 2)[..., 0]
        is_pad = tokens == PAD
        pad_is_legal = ~before.any(axis=2) if must_end else True
        bad = np.argwhere(~np.where(is_pad, pad_is_legal, played))
        if len(bad):
            game, position = bad[0].tolist()
            raise GameError(self._explain(game, position, tokens[game], legal[game, position]))
        return legal


class Language(CausalGame):
    """A formal language: a token is legal if some word begins so. All words have `length` tokens.

    That is the end rule; whoever plays legal tokens never gets stuck, and every game is a word.
    """

    length: int

    @property
    def max_length(self) -> int:
        return self.length
