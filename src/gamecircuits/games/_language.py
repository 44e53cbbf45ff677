"""Formal languages as games: a token is legal if some word of the language begins so.

All words have exactly `length` tokens: that is the end rule. So whoever plays legal tokens never
gets stuck, and every game is a word. Subclasses keep their masks right up to the first illegal
token, whatever comes after it; then one mask is enough to check games.
"""

import numpy as np

from gamecircuits.errors import GameError
from gamecircuits.games.game import PAD, Game, check_token_array


class Language(Game):
    """A game whose words have `length` tokens each; kinds define the rest as usual."""

    length: int

    @property
    def max_length(self) -> int:
        return self.length

    def check(self, tokens: np.ndarray) -> None:
        tokens = check_token_array(tokens, self.vocab_size)
        num_games, num_tokens = tokens.shape
        if num_tokens > self.length:
            raise GameError(f"games have {num_tokens} positions; words have {self.length}")
        opening = np.broadcast_to(self.opening_mask, (num_games, 1, self.vocab_size))
        legal = np.concatenate([opening, self.get_valid_next_token_mask(tokens)], axis=1)
        played = np.take_along_axis(legal[:, :-1], np.maximum(tokens, 0)[..., None], 2)[..., 0]
        bad = np.argwhere(np.where(tokens == PAD, legal[:, :-1].any(axis=2), ~played))
        if len(bad):
            game, position = bad[0].tolist()
            raise GameError(self._explain(game, position, tokens[game], legal[game, position]))
        unfinished = np.flatnonzero(legal[:, -1].any(axis=1))
        if len(unfinished):
            raise GameError(
                f"game {unfinished[0]} is cut off after {num_tokens} tokens: legal moves are left"
            )
