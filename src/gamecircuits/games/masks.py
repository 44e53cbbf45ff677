"""The hot function: which tokens may come next in set complement, for every prefix of many games.

A set of tokens is a row of bits in machine words, of which each token changes one: 31 positions of
4096 games are 127k word operations instead of 4 million comparisons. `_mask_kernels` does them, and
makes booleans of the words.
"""

from functools import cache
from math import prod

import numpy as np

from gamecircuits.errors import GameError
from gamecircuits.games._mask_kernels import fill_mask, fill_words
from gamecircuits.games.game import PAD, check_token_array, token_dtype


def pack_mask(mask: np.ndarray) -> np.ndarray:
    """Pack bool (..., V) into uint8 (..., ceil(V/8)): token t is bit t % 8 of byte t // 8."""
    return np.packbits(mask, axis=-1, bitorder="little")


def unpack_mask(packed: np.ndarray, vocab_size: int) -> np.ndarray:
    """Inverse of `pack_mask`: uint8 (..., ceil(V/8)) to bool (..., V)."""
    if packed.shape[-1] != -(-vocab_size // 8):
        raise ValueError(
            f"a packed mask of {vocab_size} tokens has {-(-vocab_size // 8)} bytes, "
            f"not {packed.shape[-1]}"
        )
    if vocab_size % 8 == 0:  # whole bytes: numpy is several times faster in one dimension
        flat = np.unpackbits(np.ascontiguousarray(packed).reshape(-1), bitorder="little")
        return flat.view(bool).reshape(*packed.shape[:-1], vocab_size)
    if vocab_size < 16:  # so few masks that looking them up is twice as fast
        words = np.ascontiguousarray(packed).view(f"<u{packed.shape[-1]}")
        return _all_masks(vocab_size).take(words, mode="wrap").view(bool)  # without spare bits
    return np.unpackbits(packed, axis=-1, count=vocab_size, bitorder="little").view(bool)


@cache
def _all_masks(vocab_size: int) -> np.ndarray:
    """The masks that are packed as 0, 1, ..., each a single item."""
    packed = np.arange(1 << vocab_size, dtype="<u2")[:, None].view(np.uint8)
    masks = np.unpackbits(packed, axis=-1, count=vocab_size, bitorder="little")
    return masks.view(f"V{vocab_size}")[:, 0]


def get_valid_next_token_mask(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Return the legal next tokens of set complement after every prefix.

    Args:
        tokens: integers (..., L), distinct in every row; PAD only at the end of a row.
        vocab_size: V; tokens are 0..V−1.

    Returns:
        bool (..., L, V): mask[..., s, t] says that t is not among tokens[..., :s+1]. Rows at PAD
        are all False.

    Raises:
        GameError: a token that is repeated, out of range, after PAD, or no integer.
    """
    tokens = check_token_array(tokens, vocab_size, ndim=None)
    mask, bad = compute_mask(tokens, vocab_size, tokens.shape[-1])
    if bad:
        _raise_bad(tokens, *bad)
    return mask


def get_packed_valid_next_token_mask(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """`pack_mask(get_valid_next_token_mask(tokens, vocab_size))` without the booleans: uint8
    (..., L, ceil(V/8))."""
    tokens = check_token_array(tokens, vocab_size, ndim=None)
    packed, bad = compute_packed_mask(tokens, vocab_size, tokens.shape[-1])
    if bad:
        _raise_bad(tokens, *bad)
    return packed


Place = tuple[int, int] | None  # game and position of a token that is not allowed


def compute_mask(tokens: np.ndarray, vocab_size: int, window: int) -> tuple[np.ndarray, Place]:
    """Legal next tokens if the last `window` ones are not legal.

    Args:
        tokens: integers (..., L) in PAD..V−1.

    Returns:
        bool (..., L, V), all False at PAD; and the first token that is illegal or behind PAD, from
        which on the mask is not filled in.
    """
    rows, kept = _prepare(tokens, vocab_size, window)
    spare = 63  # bytes: the kernel writes 64 at once
    found = np.empty(tokens.size * vocab_size + spare, np.uint8)
    game, position = fill_mask(rows, vocab_size, kept, found)
    mask = found[: tokens.size * vocab_size].view(bool).reshape(*tokens.shape, vocab_size)
    return mask, None if game < 0 else (game, position)


def compute_packed_mask(
    tokens: np.ndarray, vocab_size: int, window: int
) -> tuple[np.ndarray, Place]:
    """As compute_mask, packed: uint8 (..., L, ceil(V/8))."""
    rows, kept = _prepare(tokens, vocab_size, window)
    num_words = -(-vocab_size // 64)
    num_bytes = 8 if num_words > 1 else max(1, (1 << (vocab_size - 1).bit_length()) // 8)
    words = np.empty((*rows.shape, num_words), f"<u{num_bytes}")
    game, position = fill_words(rows, vocab_size, kept, words)
    packed = words.view(np.uint8)[..., : -(-vocab_size // 8)]
    return packed.reshape(*tokens.shape, packed.shape[-1]), None if game < 0 else (game, position)


def _prepare(tokens: np.ndarray, vocab_size: int, window: int) -> tuple[np.ndarray, np.uint64]:
    """Tokens (N, L) and window of the types that the kernels are compiled for."""
    shape = prod(tokens.shape[:-1]), tokens.shape[-1]
    rows = tokens.reshape(shape).astype(token_dtype(vocab_size), order="C", copy=False)
    return rows, np.uint64(window)


def _raise_bad(tokens: np.ndarray, game: int, position: int) -> None:
    row = tokens.reshape(-1, tokens.shape[-1])[game].tolist()
    what = f"game {game}, position {position}: token {row[position]} is"
    if PAD in row[:position]:
        raise GameError(f"{what} illegal: it comes after the padding")
    raise GameError(f"{what} repeated; it was played at position {row.index(row[position])}")
