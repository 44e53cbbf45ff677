"""Windowed complement: a token is legal again once `window` further tokens have been played."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.games._causal_game import CausalGame
from gamecircuits.games.game import MAX_LENGTH, PAD, check_token_array, token_dtype
from gamecircuits.games.masks import compute_mask, compute_packed_mask
from gamecircuits.parameters import VocabSize


@dataclass(frozen=True)
class WindowedComplement(CausalGame):
    """Set complement with a bounded memory: the last `window` tokens are illegal, all others legal.

    A model that handles set complement by averaging over the whole prefix cannot forget, so this
    game shows where that solution stops. With window = V−1 the game has one legal token each step.
    """

    vocab_size: VocabSize
    window: Annotated[int, Interval(ge=0), "last tokens that are illegal, up to V−1"]
    max_length: Annotated[
        int | None, Interval(ge=1, le=MAX_LENGTH), "tokens of every game; 2V by default"
    ] = None  # type: ignore[assignment]  # None until __post_init__ alone

    def __post_init__(self):
        super().__post_init__()
        if self.window >= self.vocab_size:
            allowed = f"an integer from 0 to vocab_size - 1 = {self.vocab_size - 1}"
            raise ParameterError("window", self.window, allowed)
        if self.max_length is None:
            object.__setattr__(self, "max_length", 2 * self.vocab_size)

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        assert self.max_length is not None  # see __post_init__
        # Keep the tokens in order of last use, the most recent last: the legal ones come first.
        dtype = token_dtype(self.vocab_size)
        order = rng.permuted(
            np.tile(np.arange(self.vocab_size, dtype=dtype), (num_games, 1)), axis=1
        )
        tokens = np.empty((num_games, self.max_length), dtype=dtype)
        games, places = np.arange(num_games), np.arange(self.vocab_size)
        for step in range(self.max_length):
            num_legal = self.vocab_size - min(self.window, step)
            chosen = rng.integers(num_legal, size=num_games)
            tokens[:, step] = order[games, chosen]
            shifted = np.minimum(places + (places >= chosen[:, None]), self.vocab_size - 1)
            order = order[games[:, None], shifted]
            order[:, -1] = tokens[:, step]
        return tokens

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        return self._get_mask(tokens, compute_mask)

    def get_packed_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """`pack_mask` of the mask, an eighth of its memory: uint8 (N, L, ceil(V/8))."""
        return self._get_mask(tokens, compute_packed_mask)

    def _get_mask(self, tokens: np.ndarray, compute: Callable) -> np.ndarray:
        tokens = check_token_array(tokens, self.vocab_size, max_length=self.max_length)
        mask, bad = compute(tokens, self.vocab_size, self.window)
        if bad:
            self._replay(tokens)  # raises
        if tokens.shape[1] == self.max_length:
            mask[:, -1] = 0
        return mask

    def compute_mask(self, tokens: np.ndarray) -> np.ndarray:
        num_games, length = tokens.shape
        last_played = np.full((num_games, length, self.vocab_size), -1 - self.window, np.int16)
        game, position = np.nonzero(tokens != PAD)
        last_played[game, position, tokens[game, position]] = position
        np.maximum.accumulate(last_played, axis=1, out=last_played)
        mask = last_played <= np.arange(length)[:, None] - self.window
        mask &= (tokens != PAD)[:, :, None]
        if length == self.max_length:
            mask[:, -1] = False
        return mask

    def why_illegal(self, prefix: list[int], token: int) -> str:
        ago = prefix[::-1].index(token) + 1
        return (
            f"it was played at position {len(prefix) - ago}; it is legal after {self.window} others"
        )
