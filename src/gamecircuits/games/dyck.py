"""Dyck words: brackets of k kinds that close in the opposite order of their opening.

Tokens 0..k−1 open a bracket, k..2k−1 close one of kind token − k. A word has exactly `length`
tokens and never more than `max_depth` open brackets: the words of one length in the languages of
Hewitt et al. 2020 (arXiv 2010.07515) and Yao et al. 2021 (arXiv 2105.11115). Opening is legal while
the brackets can still be closed in time, closing is legal for the kind opened last. Which kind that
is needs no stack: it is the last one opened at the present depth.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval, MultipleOf

from gamecircuits.games._causal_game import Language
from gamecircuits.games.game import PAD, Feature, label, token_dtype

MAX_LENGTH = 1024  # the exact counts of uniform_word then take a quarter of a second, and 40 MB


@dataclass(frozen=True)
class Dyck(Language):
    """Balanced brackets of several kinds, of one length and bounded depth."""

    num_brackets: Annotated[
        int, Interval(ge=1, le=2048), "kinds of brackets k; the vocabulary has 2k tokens"
    ]
    max_depth: Annotated[
        int, Interval(ge=1), "brackets that may be open at once; length / 2 or more is no bound"
    ]
    length: Annotated[int, Interval(ge=2, le=MAX_LENGTH), MultipleOf(2), "tokens of every word"]
    law: Annotated[
        Literal["uniform_token", "uniform_word"],
        "how games are drawn: every legal token equally likely, or every word; the metrics compare "
        "models with uniform legal tokens under either law",
    ] = "uniform_token"

    @property
    def vocab_size(self) -> int:
        return 2 * self.num_brackets

    @property
    def opening_mask(self) -> np.ndarray:
        return np.arange(self.vocab_size) < self.num_brackets

    @property
    def num_words(self) -> int:
        """How many words the language has, exactly."""
        ways = count_completions(min(self.max_depth, self.length // 2), self.length)
        return ways[self.length][0] * self.num_brackets ** (self.length // 2)

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        # First the depths, then the kinds: every opening bracket has a random one.
        max_depth = min(self.max_depth, self.length // 2)
        if self.law == "uniform_word":
            opens_with = _word_law(max_depth, self.length)
        else:
            opens_with = _token_law(self.num_brackets, max_depth, self.length)
        depth = np.zeros((self.length + 1, num_games), dtype=np.int16)  # before and after tokens
        for step in range(self.length):
            opens = rng.random(num_games) < opens_with[step, depth[step]]
            depth[step + 1] = depth[step] + np.where(opens, 1, -1)
        opens = (depth[1:] > depth[:-1]).T
        dtype = token_dtype(self.vocab_size)
        tokens = rng.integers(self.num_brackets, size=opens.shape, dtype=dtype)
        closing = self.num_brackets + self._innermost(tokens, opens, depth[1:].T)
        tokens[:, 1:] = np.where(opens[:, 1:], tokens[:, 1:], closing[:, :-1])
        return tokens

    def compute_mask(self, tokens: np.ndarray) -> np.ndarray:
        k, is_pad = self.num_brackets, tokens == PAD
        opens, depth = self._count_open(tokens)
        remaining = self.length - 1 - np.arange(tokens.shape[1])
        # Depth and remaining tokens are both odd or both even, so one more bracket leaves enough.
        max_depth = min(self.max_depth, self.length)
        may_open = ~is_pad & (depth < np.minimum(max_depth, remaining))
        may_close = ~is_pad & (depth > 0)
        mask = np.zeros((*tokens.shape, self.vocab_size), dtype=bool)
        mask[..., :k] = may_open[..., None]
        closing = k + self._innermost(tokens, opens, depth)
        np.put_along_axis(mask, closing[..., None], may_close[..., None], axis=2)
        return mask

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """`depth`: how many brackets are open; `top`: the kind of the one opened last."""
        opens, depth = self._count_open(tokens)
        goes_on = (tokens != PAD) & (np.arange(tokens.shape[1]) < self.length - 1)
        top = np.where(depth > 0, 1 + self._innermost(tokens, opens, depth), 0)
        depths = range(min(self.max_depth, self.length // 2) + 1)
        kinds = (f"bracket {kind}" for kind in range(self.num_brackets))
        return {
            "depth": Feature(tuple(map(str, depths)), label(depth[..., None], goes_on)),
            "top": Feature(("none", *kinds), label(top[..., None], goes_on)),
        }

    def _count_open(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which tokens (N, L) open a bracket, and how many are open after each, int16."""
        opens = (tokens < self.num_brackets) & (tokens != PAD)
        step = np.where(tokens == PAD, 0, np.where(opens, 1, -1))
        return opens, np.cumsum(step, axis=1, dtype=np.int16)

    def _innermost(self, tokens: np.ndarray, opens: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Kind of the bracket opened last among those open after each token, (N, L).

        Args:
            tokens: (N, L), of which only the opening ones matter.
            opens: which ones these are, bool (N, L).
            depth: open brackets after each token, int16 (N, L); where it is 0, any kind is found.
        """
        # In order of depth, then position, look back for the last opening bracket.
        order = np.argsort(depth, axis=1, kind="stable")
        code = np.where(opens, 1 + tokens.astype(np.int32), 0)
        code = np.take_along_axis(code, order, axis=1)
        code += np.where(code, np.arange(tokens.shape[1], dtype=np.int32) * self.num_brackets, 0)
        np.maximum.accumulate(code, axis=1, out=code)
        found = np.empty_like(code)
        np.put_along_axis(found, order, (code - 1) % self.num_brackets, axis=1)
        return found

    def why_illegal(self, prefix: list[int], token: int) -> str:
        stack = []
        for position, earlier in enumerate(prefix):
            if earlier < self.num_brackets:
                stack.append((earlier, position))
            else:
                stack.pop()
        if token >= self.num_brackets:
            if not stack:
                return "no bracket is open"
            return "kind {} was opened last, at position {}".format(*stack[-1])
        if len(stack) == self.max_depth:
            return f"{len(stack)} open brackets are as many as max_depth allows"
        return f"the {self.length - len(prefix)} tokens left must close {len(stack)} open ones"


def count_completions(max_depth: int, length: int) -> list[list[int]]:
    """ways[r][h]: how many sequences of r brackets of one kind close h open ones, exactly.

    r goes to `length`, h to max_depth + 1, which is no depth and has no ways. k kinds have
    k^((r − h)/2) times as many, as that is how many brackets are still to be opened.
    """
    ways = [[1] + [0] * (max_depth + 1)]
    for _ in range(length):
        last = ways[-1]
        closed = [0, *last[:max_depth], 0]
        opened = [*last[1:], 0]
        ways.append([a + b for a, b in zip(closed, opened, strict=True)])
        ways[-1][-1] = 0
    return ways


@cache
def _word_law(max_depth: int, length: int) -> np.ndarray:
    """Probability (length, max_depth + 1) to open at a step and depth, if words are uniform.

    A ratio of exact integers, rounded once. The number of kinds cancels: k kinds to open, and
    completions with one factor k less.
    """
    ways = count_completions(max_depth, length)
    opens_with = np.zeros((length, max_depth + 1))
    for step in range(length):
        now, later = ways[length - step], ways[length - step - 1]
        for depth in range(max_depth + 1):
            if now[depth]:
                opens_with[step, depth] = later[depth + 1] / now[depth]
    return opens_with


def _token_law(num_brackets: int, max_depth: int, length: int) -> np.ndarray:
    """Probability (length, max_depth + 1) to open at a step and depth, if tokens are uniform."""
    depth, remaining = np.arange(max_depth + 1), length - np.arange(length)[:, None]
    num_opening = np.where(depth < np.minimum(max_depth, remaining), num_brackets, 0)
    return num_opening / np.maximum(num_opening + (depth > 0), 1)
