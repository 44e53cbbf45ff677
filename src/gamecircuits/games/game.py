"""What a game is: a rule that says which tokens may come next.

Tokens are integers 0..V−1, V the vocabulary size; `PAD` fills the positions after a game's end.
Shapes: N games, L = max_length positions, V vocabulary.

A new game is one file in this folder (see docs/extending.md): a frozen dataclass derived from
`Game` that defines `vocab_size`, `max_length` and `get_valid_next_token_mask`. What it does not
override is derived from the mask, slowly but correctly; fast games override `play`.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import GameError
from gamecircuits.kinds import Registry
from gamecircuits.parameters import check_fields, check_value

PAD = -1
MAX_LENGTH = 2**15 - 1  # tokens of a game: files count them in 16 bits
MAX_VOCAB_SIZE = 2**15  # likewise tokens, from 0

GAMES = Registry("game", "gamecircuits.games", helpers=["game", "masks", "splits", "datasets"])


def make_game(kind: str, **parameters) -> "Game":
    """Make a game; unknown kinds and parameters are answered with those that exist."""
    return check_size(GAMES.make(kind, **parameters))


def check_size(game: "Game") -> "Game":
    """Return the game, or raise ParameterError if no file can hold its games."""
    for key, most in {"vocab_size": MAX_VOCAB_SIZE, "max_length": MAX_LENGTH}.items():
        check_value(key, getattr(game, key), Annotated[int, Interval(ge=1, le=most)])
    return game


def token_dtype(vocab_size: int) -> np.dtype:
    """Smallest signed integer type that holds 0..vocab_size−1 and PAD."""
    return np.min_scalar_type(-vocab_size)


def label(values: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    """Labels of a `Feature` from integers (N, L, places): PAD where the game does not go on."""
    return np.where(goes_on[..., None], values, PAD).astype(np.int16)


def sample_true(choices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniformly random index of a True in every row of `choices` (N, V); PAD if there is none."""
    count = choices.sum(axis=1)
    nth = np.floor(rng.random(len(choices)) * count)
    index = np.argmax(np.cumsum(choices, axis=1) > nth[:, None], axis=1)
    return np.where(count > 0, index, PAD)


class Feature(NamedTuple):
    """Something about a position that probes may read: what each of its places holds.

    Attributes:
        values: names of what a place may hold.
        labels: index of what it holds after each token, int16 (N, L, places); PAD once the game is
            over.
    """

    values: tuple[str, ...]
    labels: np.ndarray


class Game(ABC):
    """Rules of a game. Subclasses are frozen dataclasses whose fields are the config's keys."""

    # Fields in some games and properties in others; at run time a property here would be the
    # default of such a field.
    if TYPE_CHECKING:

        @property
        def vocab_size(self) -> int: ...

        @property
        def max_length(self) -> int: ...

    def __post_init__(self):
        check_fields(self)

    @abstractmethod
    def get_valid_next_token_mask(self, tokens: np.ndarray) -> np.ndarray:
        """Return mask (N, L, V): mask[n, s] marks the legal tokens after tokens[n, :s+1].

        Rows are all False once the game is over, and where tokens[n, s] is PAD. `tokens` (N, L) may
        be shorter than max_length; it must hold legal games (`check` tells).
        """

    @property
    def opening_mask(self) -> np.ndarray:
        """Legal first tokens, bool (V,); by default all."""
        return np.ones(self.vocab_size, dtype=bool)

    @property
    def symmetries(self) -> np.ndarray:
        """Permutations of the tokens that splits respect, (G, V): a group, identity first.

        They map games to games, and a game and its images are kept on one side of a split. It need
        not be all permutations that do so: by default each game is split by itself. docs/games.md
        says which games have others, and what a split means there.
        """
        return np.arange(self.vocab_size)[None]

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """What positions consist of, after tokens (N, L) of legal games; by default nothing.

        The legal tokens follow from it, and models are not told it: probes ask whether they find
        it by themselves.
        """
        return {}

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        """Return tokens (N, max_length) of games of uniformly random legal tokens.

        This default recomputes the mask of the whole prefix at every step.
        """
        tokens = np.full((num_games, self.max_length), PAD, dtype=token_dtype(self.vocab_size))
        legal = np.broadcast_to(self.opening_mask, (num_games, self.vocab_size))
        for step in range(self.max_length):
            tokens[:, step] = sample_true(legal, rng)
            legal = self.get_valid_next_token_mask(tokens[:, : step + 1])[:, -1]
        return tokens

    def check(self, tokens: np.ndarray) -> None:
        """Raise GameError at the first token that is illegal; complete games pass.

        The message names the game (row), the position, the token and the reason.
        """
        tokens = check_token_array(tokens, self.vocab_size, max_length=self.max_length)
        tokens = tokens.astype(token_dtype(self.vocab_size))
        num_games, length = tokens.shape
        # Replay with legal tokens only: PAD is legal exactly when nothing else is.
        legal = np.empty((num_games, length, self.vocab_size), dtype=bool)
        legal[:, :1] = self.opening_mask
        cut = tokens.copy()
        first_bad = np.full(num_games, length)
        for step in range(length):
            now = legal[:, step]
            token = tokens[:, step]
            is_legal = np.where(
                token == PAD,
                ~now.any(axis=1),
                np.take_along_axis(now, np.maximum(token, 0)[:, None], 1)[:, 0],
            )
            first_bad = np.where(~is_legal & (first_bad == length), step, first_bad)
            cut[first_bad <= step, step:] = PAD
            if step + 1 < length:
                legal[:, step + 1] = self.get_valid_next_token_mask(cut[:, : step + 1])[:, -1]
        bad = np.flatnonzero(first_bad < length)
        if len(bad):
            game, position = int(bad[0]), int(first_bad[bad[0]])
            raise GameError(self._explain(game, position, tokens[game], legal[game, position]))
        last = np.broadcast_to(self.opening_mask, (num_games, self.vocab_size))
        self._raise_unfinished(
            self.get_valid_next_token_mask(tokens)[:, -1] if length else last, length
        )

    def why_illegal(self, prefix: list[int], token: int) -> str:
        """Why `token` may not follow `prefix`, in the game's own words; may be overridden."""
        return ""

    def _raise_unfinished(self, legal: np.ndarray, length: int) -> None:
        """Raise GameError if a token is legal, bool (N, V), after the last one of a game."""
        unfinished = np.flatnonzero(legal.any(axis=1))
        if len(unfinished):
            raise GameError(
                f"game {unfinished[0]} is cut off after {length} tokens: legal moves are left"
            )

    def _explain(self, game: int, position: int, tokens: np.ndarray, legal: np.ndarray) -> str:
        prefix, token = tokens[:position].tolist(), int(tokens[position])
        allowed = np.flatnonzero(legal).tolist()
        if token == PAD:
            reason = f"the game is not over: {allowed} are legal"
        elif not allowed:
            reason = "the game is over" + (" (a token after the padding)" if PAD in prefix else "")
        else:
            reason = self.why_illegal(prefix, token) or f"only {allowed} are legal after {prefix}"
        name = "PAD" if token == PAD else f"token {token}"
        return f"game {game}, position {position}: {name} is illegal: {reason}"


def check_token_array(
    tokens: np.ndarray, vocab_size: int, ndim: int | None = 2, max_length: int | None = None
) -> np.ndarray:
    """Return `tokens` as an array of integers in PAD..vocab_size−1, or raise GameError."""
    try:
        tokens = np.asarray(tokens)
    except ValueError:
        raise GameError(f"games of different lengths must be padded with {PAD}") from None
    if not np.issubdtype(tokens.dtype, np.integer):
        raise GameError(f"tokens must be integers, not {tokens.dtype}")
    if tokens.ndim == 0 or (ndim is not None and tokens.ndim != ndim):
        raise GameError(f"tokens must have shape (games, positions), not {tokens.shape}")
    if max_length is not None and tokens.shape[-1] > max_length:
        raise GameError(
            f"games have {tokens.shape[-1]} positions; at most {max_length} are possible"
        )
    if tokens.size and (tokens.min() < PAD or tokens.max() >= vocab_size):
        *game, position = np.argwhere((tokens < PAD) | (tokens >= vocab_size))[0].tolist()
        value = tokens[(*game, position)]
        row = game[0] if len(game) == 1 else tuple(game) or 0
        raise GameError(
            f"game {row}, position {position}: token {value} is out of range; "
            f"allowed: 0 to {vocab_size - 1}, and {PAD} after the end"
        )
    return tokens
