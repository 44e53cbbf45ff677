"""A game of your own: a function in a Python file says which tokens may follow."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import (
    MAX_LENGTH,
    PAD,
    Game,
    check_token_array,
    sample_true,
    token_dtype,
)
from gamecircuits.parameters import VocabSize
from gamecircuits.storage.functions import (
    blame,
    call_function,
    check_arguments,
    find_function,
    name_type,
)


@dataclass(frozen=True)
class File(Game):
    """A game whose rule is `function(tokens, vocab_size, **arguments)` in the file at `path`.

    It gets integers (N, L), PAD = −1 after a game's end, and returns bool (N, L, V) as
    `Game.get_valid_next_token_mask` does. A rule that knows its V need not take `vocab_size`. Any
    token may come first. The file is run when the rule is asked for the first time.
    """

    path: Annotated[str, MinLen(1), "a .py file, relative to the working directory"]
    function: Annotated[str, MinLen(1), "name of a function in it: function(tokens, vocab_size)"]
    vocab_size: VocabSize
    max_length: Annotated[
        int | None,
        Interval(ge=1, le=MAX_LENGTH),
        "tokens after which a game ends; by default V, and the function must end it by then",
    ] = None  # type: ignore[assignment]  # None until __post_init__ alone
    arguments: Annotated[dict[str, object], "further arguments of the function, by name"] = field(
        default_factory=dict
    )
    sha256: Annotated[
        str | None, "digest of the file, which is refused if it has another; found by default"
    ] = None

    must_end: bool = field(init=False, repr=False, default=True)  # by itself

    def __post_init__(self):
        super().__post_init__()
        check_arguments(self.arguments)
        if self.max_length is None:
            object.__setattr__(self, "max_length", self.vocab_size)
        else:
            object.__setattr__(self, "must_end", False)
        if self.sha256 is None:
            object.__setattr__(self, "sha256", find_function(self.path, self.function))

    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        tokens = check_token_array(tokens, self.vocab_size, max_length=self.max_length)
        if not tokens.size:
            return np.zeros((*tokens.shape, self.vocab_size), dtype=bool)
        # In 64 bits, since tokens * V may overflow in fewer; a copy, which they may change.
        given = tokens.astype(np.int64)
        mask = call_function(*self._source, given, self.vocab_size, **self.arguments)
        self._check_mask(mask, tokens)
        if tokens.shape[1] == self.max_length:
            if self.must_end and mask[:, -1].any():
                raise self._blame(
                    f"has legal tokens after {self.max_length} tokens; games that end later, or "
                    "never, need the key max_length"
                )
            mask = mask.copy()
            mask[:, -1] = False
        return mask

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        """See `Game.play`; GamecircuitsError if later tokens change what was legal before."""
        assert self.max_length is not None  # see __post_init__
        length, V = self.max_length, self.vocab_size
        tokens = np.full((num_games, length), PAD, dtype=token_dtype(V))
        legal = np.empty((num_games, length + 1, V), dtype=bool)
        legal[:, 0] = self.opening_mask
        for step in range(length):
            tokens[:, step] = sample_true(legal[:, step], rng)
            legal[:, step + 1] = self.get_valid_next_token_mask(tokens[:, : step + 1])[:, -1]
        changed = np.argwhere(self.get_valid_next_token_mask(tokens) != legal[:, 1:])
        if len(changed):
            game, step, token = changed[0].tolist()
            before, after = np.split(tokens[game], [step + 1])
            raise self._blame(
                f"looks into the future: whether {token} may follow {before.tolist()} changes when "
                f"{after.tolist()} come later"
            )
        return tokens

    def _check_mask(self, mask: Any, tokens: np.ndarray) -> None:
        """Raise the error that says what is wrong with the mask after tokens (N, L)."""
        shape = (*tokens.shape, self.vocab_size)
        if not isinstance(mask, np.ndarray):
            raise self._blame(f"returned {name_type(mask)}; wanted a numpy array of bool {shape}")
        if mask.shape != shape:
            raise self._blame(f"returned shape {mask.shape}; wanted (N, L, V) = {shape}")
        if mask.dtype != bool:
            raise self._blame(f"returned an array of {mask.dtype}; wanted bool")
        if len(bad := np.argwhere((tokens == PAD) & mask.any(axis=2))):
            game, position = bad[0].tolist()
            raise self._blame(
                f"has legal tokens at the padding, position {position} of "
                f"{tokens[game].tolist()}; wanted none, as the game is over"
            )

    @property
    def _source(self) -> tuple[str, str, str]:
        assert self.sha256 is not None  # see __post_init__
        return self.path, self.function, self.sha256

    def _blame(self, problem: str) -> GamecircuitsError:
        return blame(*self._source, problem)
