"""Set complement: every token at most once; the legal tokens are those not yet seen."""

from dataclasses import dataclass

import numpy as np

from gamecircuits.games.game import Feature, Game, label, token_dtype
from gamecircuits.games.masks import get_valid_next_token_mask
from gamecircuits.parameters import VocabSize


@dataclass(frozen=True)
class SetComplement(Game):
    """The task of arXiv 2510.08341. A game is a permutation of the vocabulary."""

    vocab_size: VocabSize

    @property
    def max_length(self) -> int:
        return self.vocab_size

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        # A uniformly random unseen token each step is a uniformly random permutation.
        tokens = np.arange(self.vocab_size, dtype=token_dtype(self.vocab_size))
        return rng.permuted(np.tile(tokens, (num_games, 1)), axis=1)

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        return get_valid_next_token_mask(tokens, self.vocab_size)

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """`seen`: which tokens were played."""
        mask = self.get_valid_next_token_mask(tokens)
        goes_on = np.asarray(mask.any(axis=2))
        return {"seen": Feature(("absent", "seen"), label(~mask, goes_on))}

    def why_illegal(self, prefix: list[int], token: int) -> str:
        return f"it was played at position {prefix.index(token)}"
