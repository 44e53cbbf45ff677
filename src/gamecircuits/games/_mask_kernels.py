"""Masks of set complement and of windowed complement, token by token, in compiled loops.

Legal tokens are the bits of machine words. A token clears one of them, and sets the one that is
legal again. A boolean mask is made of the words by one vector instruction or few for every 64 bits.

The kernels are compiled at their first call and kept in __pycache__. All are in this file: numba
does not see that a cached kernel's callee has changed in another one.
"""

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

PAD = -1
ZERO, ONE, SIX = np.uint64(0), np.uint64(1), np.uint64(6)
PLACE = np.uint64(63)  # bits of a token that say where its bit is in its word

kernel = njit(cache=True, nogil=True)
inlined = njit(cache=True, nogil=True, forceinline=True)


@kernel
def fill_words(tokens, vocab_size, window, words):
    """Legal tokens after every prefix, if the last `window` tokens are not legal.

    Args:
        tokens: integers (N, L) in PAD..V−1.
        words: unsigned integers (N, L, K), of 64 bits if K > 1, to be filled in: token t is bit t.

    Returns:
        game, position of the first token that is illegal or behind PAD; (−1, −1) if there is none.
        What follows it is not filled in.
    """
    opening = _get_opening(vocab_size)
    legal = np.empty_like(opening)
    for n in range(np.uint64(len(tokens))):
        if (
            len(opening) == 1
        ):  # written out in fill_mask too: a shared function took 2.7 times as long
            position = _follow_word(tokens, n, opening[0], window, words, n)
        else:
            position = _follow_words(tokens, n, opening, legal, window, words, n)
        if position >= 0:
            return np.int64(n), position
    return -1, -1


@kernel
def fill_mask(tokens, vocab_size, window, mask):
    """As fill_words, for a boolean mask, given as its N·L·V bytes and 63 more, which are spoilt."""
    opening = _get_opening(vocab_size)
    legal = np.empty_like(opening)
    words = np.empty((1, tokens.shape[1], len(opening)), np.uint64)
    start = np.uint64(0)
    for n in range(np.uint64(len(tokens))):
        if len(opening) == 1:
            position = _follow_word(tokens, n, opening[0], window, words, ZERO)
        else:
            position = _follow_words(tokens, n, opening, legal, window, words, ZERO)
        if position >= 0:
            return np.int64(n), position
        for s in range(np.uint64(tokens.shape[1])):
            for k in range(np.uint64(len(opening))):  # the next row overwrites what is too much
                _store_bits(mask, start + (k << SIX), words[0, s, k])  # type: ignore[call-arg]
            start += np.uint64(vocab_size)
    return -1, -1


@kernel
def _get_opening(vocab_size):
    """All tokens, as words."""
    opening = np.zeros((vocab_size + 63) // 64, np.uint64)
    for token in range(vocab_size):
        opening[np.uint64(token) >> SIX] |= ONE << (np.uint64(token) & PLACE)
    return opening


@inlined
def _follow_word(tokens, n, word, window, words, row):
    """Fill words[row, :, 0] for game n of at most 64 tokens; return its first bad position, or −1.

    word: all tokens.
    """
    length = np.uint64(tokens.shape[1])
    for s in range(length):
        token = tokens[n, s]
        if token == PAD:
            return _end(tokens, n, s, words, row)
        bit = ONE << (np.uint64(token) & PLACE)
        if word & bit == ZERO:
            return np.int64(s)
        word ^= bit
        if s >= window:
            word |= ONE << (np.uint64(tokens[n, s - window]) & PLACE)
        words[row, s, ZERO] = word
    return -1


@kernel
def _follow_words(tokens, n, opening, legal, window, words, row):
    """As _follow_word, for any number of words."""
    num_words = np.uint64(len(opening))
    for k in range(num_words):
        legal[k] = opening[k]
    for s in range(np.uint64(tokens.shape[1])):
        if tokens[n, s] == PAD:
            return _end(tokens, n, s, words, row)
        token = np.uint64(tokens[n, s])
        bit = ONE << (token & PLACE)
        if legal[token >> SIX] & bit == ZERO:
            return np.int64(s)
        legal[token >> SIX] ^= bit
        if s >= window:
            again = np.uint64(tokens[n, s - window])
            legal[again >> SIX] |= ONE << (again & PLACE)
        for k in range(num_words):
            words[row, s, k] = legal[k]
    return -1


@kernel
def _end(tokens, n, s, words, row):
    """Nothing is legal from position s on; return a position that is no padding, or −1."""
    for later in range(s, tokens.shape[1]):
        if tokens[n, later] != PAD:
            return later
        for k in range(words.shape[2]):
            words[row, later, k] = ZERO
    return -1


@intrinsic
def _store_bits(context, array, start, word):
    """Store the bits of a word as 64 bytes, 0 or 1, in a uint8 array from index `start` on."""

    def generate(context, builder, signature, arguments):
        data, start, word = arguments
        data = context.make_array(signature.args[0])(context, builder, data).data
        bits = builder.bitcast(word, ir.VectorType(ir.IntType(1), 64))
        found = ir.VectorType(ir.IntType(8), 64)
        place = builder.bitcast(builder.gep(data, [start]), found.as_pointer())
        builder.store(builder.zext(bits, found), place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint64), generate
