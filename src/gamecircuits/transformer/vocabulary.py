"""Models whose tokens are numbered otherwise than their game's, made into models of the game.

A model of a board may number all squares, or leave out those that are occupied at the start. It may
have a token for padding, first or last, and one for a pass. These conventions have names that spell
their order: `pad_playable` is padding, then the playable squares. A prediction becomes one that is
conditional on a token of the game: what the model puts on padding and on a pass is left out.
"""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import scipy

from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import PAD, Game
from gamecircuits.games.othello import Othello
from gamecircuits.kinds import suggest
from gamecircuits.transformer.describe import get_context
from gamecircuits.transformer.formats._translate import as_gpt
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer

Convention = Literal[
    "tokens",
    "pad_tokens",
    "tokens_pad",
    "pad_tokens_pass",
    "playable",
    "pad_playable",
    "playable_pad",
]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
# Logit of tokens that the model has not: e^−10000 is 0 in every floating-point type, and sums and
# differences of logits stay finite, which −inf would turn into NaN.
NEVER = -1e4
TRIED = 16  # games by which readings are told apart
TOKENS = 20  # of each, at most
CLEAR = 0.5  # illegal mass of the right reading, at most, as a share of the next one's


def list_conventions(num_tokens: int, game: Game) -> list[Convention]:
    """The conventions by which a model of so many tokens may be one of this game.

    Raises:
        GamecircuitsError: there is none; the message lists them with their numbers of tokens.
    """
    sizes = {name: _count(name, game) for name in CONVENTIONS}
    if _is_playable(game).all():  # playable tokens are all tokens
        sizes = {name: size for name, size in sizes.items() if "playable" not in name}
    found = [name for name, size in sizes.items() if size == num_tokens]
    if not found:
        known = ", ".join(f"{size} ({name})" for name, size in sizes.items())
        raise GamecircuitsError(
            f"the model has {num_tokens} tokens; of a game with {game.vocab_size} there may be: "
            f"{known}"
        )
    return found


def recognise_vocabulary(model: OneLayer | GPT, game: Game, rng: np.random.Generator) -> Convention:
    """The convention by which a model's tokens are the game's.

    The number of tokens tells, but for padding first or last. Of two readings the right one is that
    by which the model predicts legal tokens, if it does so clearly: with less than half of the
    other's illegal mass on random games.

    Raises:
        GamecircuitsError: no convention has so many tokens, or both readings are as good.
    """
    names = list_conventions(model.vocab_size, game)
    if len(names) == 1:
        return names[0]
    tokens = game.play(TRIED, rng)[:, : min(TOKENS, get_context(model) or TOKENS)]
    masses = {
        name: _measure_illegal_mass(adapt_vocabulary(model, game, name), game, tokens)
        for name in names
    }
    best, second, *_ = sorted(masses, key=masses.__getitem__)
    if not masses[best] < CLEAR * masses[second]:
        shown = ", ".join(f"{mass:.2g} by {name}" for name, mass in masses.items())
        raise GamecircuitsError(
            f"the model's {model.vocab_size} tokens may be read in {len(names)} ways, and its "
            f"predictions do not tell which (illegal mass {shown}); give vocabulary: "
            f"{' or '.join(names)}"
        )
    return best


def adapt_vocabulary(
    model: OneLayer | GPT, game: Game, convention: str, *, is_transposed: bool = False
) -> OneLayer | GPT:
    """The model whose tokens are the game's, by one of CONVENTIONS.

    A token of the game that the model has not gets the logit NEVER, and no embedding.

    Args:
        is_transposed: squares are numbered column by column, as where letters stand for rows.

    Raises:
        GamecircuitsError: no such convention, it has another number of tokens, or the game is
            played on no board whose squares are its tokens.
    """
    if convention not in CONVENTIONS:
        hint = suggest(convention, CONVENTIONS)
        raise ParameterError("vocabulary", convention, ", ".join(CONVENTIONS) + hint)
    if (wanted := _count(convention, game)) != model.vocab_size:
        fits = ", ".join(list_conventions(model.vocab_size, game))
        raise GamecircuitsError(
            f"vocabulary {convention} has {wanted} tokens in this game, and the model has "
            f"{model.vocab_size}; allowed: {fits}"
        )
    places = _place_tokens(convention, game)
    if is_transposed:
        places = places[_number_by_columns(game)]
    if np.array_equal(places, np.arange(model.vocab_size)):
        return model
    return _pick(as_gpt(model), places)


def _pick(model: GPT, places: np.ndarray) -> GPT:
    """The model whose token t is its token places[t]; PAD is a token that it has not."""
    parameters, is_there = model.parameters, places != PAD
    W_E = np.where(is_there[:, None], parameters.W_E[places], 0)
    W_U = None if parameters.W_U is None else np.where(is_there, parameters.W_U[:, places], 0)
    b_U = parameters.b_U
    if b_U is not None or not is_there.all():
        b_U = np.where(is_there, 0 if b_U is None else b_U[places], NEVER)
        b_U = b_U.astype(parameters.W_E.dtype)
    return replace(model, parameters=parameters._replace(W_E=W_E, W_U=W_U, b_U=b_U))


def _is_playable(game: Game) -> np.ndarray:
    """Tokens that may ever be legal, bool (V,): not the squares that hold discs at the start."""
    if isinstance(game, Othello):
        return game.get_board_states(np.empty((1, 0), np.int8))[0, 0] == 0
    return np.ones(game.vocab_size, dtype=bool)


def _count(convention: str, game: Game) -> int:
    sizes = {"tokens": game.vocab_size, "playable": int(_is_playable(game).sum())}
    return sum(sizes.get(part, 1) for part in convention.split("_"))


def _place_tokens(convention: str, game: Game) -> np.ndarray:
    """Where the convention has each token of the game, (V,); PAD where it has it not."""
    has = _is_playable(game) if "playable" in convention else np.ones(game.vocab_size, dtype=bool)
    return np.where(has, np.cumsum(has) - 1 + convention.startswith("pad_"), PAD)


def _number_by_columns(game: Game) -> np.ndarray:
    """Number of each square, (V,), if those of a column have successive numbers."""
    if not isinstance(game, BitboardGame) or game.num_squares != game.vocab_size:
        raise GamecircuitsError("transposed: the game has no board whose squares are its tokens")
    rows, columns = game.shape
    return np.arange(game.vocab_size).reshape(columns, rows).T.ravel()


def _measure_illegal_mass(model: OneLayer | GPT, game: Game, tokens: np.ndarray) -> float:
    """Mean probability of illegal tokens after all prefixes of tokens (N, L) that go on."""
    legal = game.get_valid_next_token_mask(tokens)
    goes_on = legal.any(axis=2)
    p = scipy.special.softmax(model.logits(tokens)[goes_on].astype(np.float64), axis=1)
    return float(np.where(legal[goes_on], 0, p).sum(axis=1).mean())
