"""The hot function: which tokens may come next in set complement, for every prefix of many games.

A set of tokens is a row of bits. The tokens seen up to each position are then a running OR over
machine words, and the legal ones its complement: 31 positions of 4096 games are 127k word
operations instead of 4 million comparisons. Unpacking the words to booleans, when they are wanted,
is the larger part of the time.
"""

from functools import cache
from math import prod

import numpy as np

from gamecircuits.errors import GameError
from gamecircuits.games.game import PAD, check_token_array


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
    return unpack_mask(get_packed_valid_next_token_mask(tokens, vocab_size), vocab_size)


def get_packed_valid_next_token_mask(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """`pack_mask(get_valid_next_token_mask(tokens, vocab_size))` without the booleans: uint8
    (..., L, ceil(V/8))."""
    tokens = check_token_array(tokens, vocab_size, ndim=None)
    rows = tokens.reshape(prod(tokens.shape[:-1]), tokens.shape[-1])
    has_padding = bool(tokens.size) and int(tokens.min()) < 0

    num_words = -(-vocab_size // 64)
    bits = 64 if num_words > 1 else max(8, 1 << (vocab_size - 1).bit_length())
    word = np.dtype(f"<u{bits // 8}")
    one = word.type(1)
    if num_words == 1:
        seen = np.left_shift(one, rows.astype(word), dtype=word)[..., None]  # (N, L, 1)
    else:
        seen = np.zeros((*rows.shape, num_words), dtype=word)  # (N, L, words)
        bit = np.left_shift(one, (rows & 63).astype(word))
        np.put_along_axis(seen, np.maximum(rows, 0)[..., None] >> 6, bit[..., None], axis=2)
    if has_padding:
        seen[rows == PAD] = 0
    np.bitwise_or.accumulate(seen, axis=1, out=seen)

    if rows.size:
        distinct = np.bitwise_count(seen[:, -1]).sum(axis=1, dtype=np.int64)
        length = (rows != PAD).sum(axis=1) if has_padding else rows.shape[1]
        if np.any(distinct != length):
            _raise_repeated(rows)
        if has_padding and np.any(after := (rows[:, :-1] == PAD) & (rows[:, 1:] != PAD)):
            game, position = np.argwhere(after)[0].tolist()
            raise GameError(
                f"game {game}, position {position + 1}: token {rows[game, position + 1]} "
                "is illegal: it comes after the padding"
            )

    legal = np.invert(seen, out=seen)
    spare = num_words * bits - vocab_size
    if spare:  # bits beyond the vocabulary are nobody's tokens
        legal[..., -1] &= word.type((1 << (bits - spare)) - 1)
    if has_padding:
        legal[rows == PAD] = 0
    packed = legal.view(np.uint8)[..., : -(-vocab_size // 8)]
    return packed.reshape(*tokens.shape, packed.shape[-1])


def _raise_repeated(rows: np.ndarray) -> None:
    for game, row in enumerate(rows.tolist()):  # an error is on its way: clarity over speed
        first: dict[int, int] = {}
        for position, token in enumerate(row):
            if token != PAD and first.setdefault(token, position) != position:
                raise GameError(
                    f"game {game}, position {position}: token {token} is repeated; "
                    f"it was played at position {first[token]}"
                )
