"""The flip-flop language: remember one bit (Liu et al. 2023, arXiv 2306.00946).

A word is a sequence of pairs, an instruction and a bit. Write (w) stores its bit, ignore (i) comes
with any bit, and the bit after read (r) must be the one written last. As in the paper, the first
instruction is a write and the last one a read. Models of attention must find the last write,
however many ignored bits lie between.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval, MultipleOf

from gamecircuits.games._causal_game import Language
from gamecircuits.games.game import MAX_LENGTH, PAD, Feature, label, token_dtype

NAMES = ("w", "i", "r", "0", "1")
WRITE, IGNORE, READ, ZERO, ONE = range(5)


@dataclass(frozen=True)
class FlipFlop(Language):
    """Write, ignore and read a bit; tokens 0 to 4 are w, i, r, 0, 1.

    Legal tokens are drawn uniformly, so instructions but the first and the last are w, i or r with
    probability 1/3 each: the paper's FFL(1/3), where its main one, FFL(0.8), ignores more.
    """

    length: Annotated[
        int,
        Interval(ge=4, le=MAX_LENGTH - 1),
        MultipleOf(2),
        "tokens of every word, two for each instruction",
    ]

    @property
    def vocab_size(self) -> int:
        return len(NAMES)

    @property
    def opening_mask(self) -> np.ndarray:
        return np.arange(self.vocab_size) == WRITE

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        tokens = np.empty((num_games, self.length), dtype=token_dtype(self.vocab_size))
        half = (num_games, self.length // 2)
        tokens[:, ::2] = rng.integers(3, size=half, dtype=tokens.dtype)
        tokens[:, 0], tokens[:, -2] = WRITE, READ
        tokens[:, 1::2] = rng.integers(ZERO, ONE + 1, size=half, dtype=tokens.dtype)
        tokens[:, 1::2] = np.where(
            tokens[:, ::2] == READ, _last_written(tokens)[:, ::2], tokens[:, 1::2]
        )
        return tokens

    def compute_mask(self, tokens: np.ndarray) -> np.ndarray:
        mask = np.zeros((*tokens.shape, self.vocab_size), dtype=bool)
        is_free, written = tokens[:, ::2] != READ, _last_written(tokens)[:, ::2]
        for bit in (ZERO, ONE):  # after an instruction
            mask[:, ::2, bit] = is_free | (written == bit)
        mask[:, 1::2, :ZERO] = True  # after a bit
        mask[:, self.length - 3 : self.length - 2, :READ] = False  # the last instruction
        mask[:, self.length - 1 :] = False
        mask[tokens == PAD] = False
        return mask

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """`bit`: the one written last, which the next read must find."""
        place = np.arange(tokens.shape[1])
        goes_on = (tokens != PAD) & (place < self.length - 1)
        bit = np.where(place > 0, 1 + _last_written(tokens) - ZERO, 0)
        return {"bit": Feature(("none", *NAMES[ZERO:]), label(bit[..., None], goes_on))}

    def why_illegal(self, prefix: list[int], token: int) -> str:
        if len(prefix) % 2 and token >= ZERO:
            last = max(s for s in range(0, len(prefix), 2) if prefix[s] == WRITE)
            return f"{NAMES[prefix[last + 1]]} was written last, at position {last + 1}"
        if len(prefix) % 2:
            return f"a bit must follow the instruction {NAMES[prefix[-1]]}"
        if token >= ZERO:
            return "an instruction must stand here, not a bit"
        return "the last instruction must be r" if prefix else "the first instruction must be w"


def _last_written(tokens: np.ndarray) -> np.ndarray:
    """The bit that a read would have to find after each token (N, L); anything before there is one.

    A write counts from the token after it, its bit.
    """
    is_written = np.zeros(tokens.shape, dtype=bool)
    is_written[:, 1::2] = tokens[:, : tokens.shape[1] // 2 * 2 : 2] == WRITE
    position = np.where(is_written, np.arange(tokens.shape[1], dtype=np.int16), np.int16(0))
    last = np.maximum.accumulate(position, axis=1)
    return np.take_along_axis(tokens, last, axis=1)
