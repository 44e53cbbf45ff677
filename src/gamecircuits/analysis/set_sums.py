"""What metrics need of every context of set complement, in one compiled pass over sets and tokens.

Sets are looked up by halves. A set's attention-weighted sum is that of its tokens in the lower half
of the vocabulary, from a table of all subsets, plus that of its tokens in the upper half. The lower
table is ordered by size: sets of one size that share their upper tokens are neighbours, which
become vector instructions. Nothing is stored but these tables, some KiB, and the result.

The kernels are compiled at their first call and kept in __pycache__. All are in this file: numba
does not see that a cached kernel's callee has changed in another one.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import factorial
from typing import NamedTuple

import numpy as np
from numba import njit

from gamecircuits.analysis.metrics import Sums, context_metrics, metrics_from_sums
from gamecircuits.transformer.circuits import TokenTables

CHUNK = 4096  # contexts; large enough to hide Python, small enough for the cache
FAR = np.log(np.finfo(float).tiny) / 2  # nats, as in metrics.is_far


class Halves(NamedTuple):
    """Sums over all subsets of the lower and of the upper half of the vocabulary, for one last
    token, which one of the halves contains.

    Rows of sums: attention weight times what a token adds to the V logits; the weights; their
    entropy terms; with a norm, attention weight times the head's output, in r coordinates.
    """

    lower: np.ndarray  # (V + 2 + r, lower subsets by size)
    lower_legal: np.ndarray  # bool (split, lower subsets): tokens that are absent
    starts: np.ndarray  # (split + 2,) of the lower subsets of sizes 0, 1, ...
    upper: np.ndarray  # (upper subsets, V + 2 + r)
    upper_legal: np.ndarray  # bool (upper subsets, V − split)
    upper_sizes: np.ndarray  # (upper subsets,)


class Chunk(NamedTuple):
    """Contexts of one length, in order: by last token, then by set as a binary number."""

    length: int
    last: int
    halves: Halves
    first: int  # of the upper subsets
    stop: int
    start: int  # contexts of this length that come before
    num_contexts: int


def get_contributions(tables: TokenTables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a token contributes to a prediction.

    Returns:
        added (V, V): logits before a norm, if it gets all attention; outputs (V, r): the vector
        that is normalised; own (V, r): what the last token itself adds to that vector. The vectors
        are in coordinates of the space that they span, and empty without a norm.
    """
    if tables.norm == "none":
        empty = tables.values[:, :0]
        return tables.values, empty, empty
    added, outputs = tables.values @ tables.parameters.W_U, tables.values
    own = tables.parameters.W_E if tables.norm == "residual" else np.zeros_like(outputs)
    spanning = np.concatenate([outputs, own])
    if spanning.shape[1] > len(spanning):
        basis = np.linalg.qr(spanning.T)[0]
        outputs, own = outputs @ basis, own @ basis
    return added, outputs, own


class SetSums:
    """All contexts of a model, and their metrics."""

    def __init__(self, tables: TokenTables):
        self.tables, self.vocab_size = tables, len(tables.weights)
        self.split = self.vocab_size // 2
        self.added, self.outputs, self.own = get_contributions(tables)
        lower = np.arange(1 << self.split)
        self.lower = lower[np.argsort(np.bitwise_count(lower), kind="stable")]
        self.upper = np.arange(1 << (self.vocab_size - self.split))

    def chunks(self, length: int) -> Iterator[Chunk]:
        """All contexts of a length, about CHUNK at a time."""
        start = 0
        for last in range(self.vocab_size):
            halves = self._sum_halves(last)
            size = length - halves.upper_sizes.astype(int)  # of the lower subset
            widths = np.append(np.diff(halves.starts), 0)  # none of size split + 1, or −1
            counts = widths[np.clip(size, -1, self.split + 1)]
            ends = np.cumsum(counts)
            cuts = np.searchsorted(ends, np.arange(CHUNK, ends[-1], CHUNK)) + 1
            bounds = np.unique([0, *cuts, len(ends)]).tolist()
            for first, stop in pairwise(bounds):
                num_contexts = int(counts[first:stop].sum())
                yield Chunk(length, last, halves, first, stop, start, num_contexts)
                start += num_contexts

    def _sum_halves(self, last: int) -> Halves:
        tables, split = self.tables, self.split
        weights, terms = tables.weights[last][:, None], tables.entropy_terms[last][:, None]
        rows = [weights * self.added, weights, terms, weights * self.outputs]
        added = np.concatenate(rows, axis=1).T  # (V + 2 + r, V)
        subsets = [self.lower, self.upper]
        half, place = (0, last) if last < split else (1, last - split)
        subsets[half] = subsets[half][(subsets[half] >> place) & 1 == 1]
        lower, upper = (
            (subset >> np.arange(size)[:, None]) & 1
            for subset, size in zip(subsets, (split, self.vocab_size - split), strict=True)
        )
        starts = np.searchsorted(lower.sum(axis=0), np.arange(split + 2))
        lower = np.pad(lower, ((0, 0), (0, int(TILE))), mode="edge")  # tiles may run over the end
        return Halves(
            lower=added[:, :split] @ lower.astype(added.dtype),
            lower_legal=lower == 0,
            starts=starts,
            upper=np.ascontiguousarray((added[:, split:] @ upper.astype(added.dtype)).T),
            upper_legal=np.ascontiguousarray(upper.T == 0),
            upper_sizes=upper.sum(axis=0),
        )

    def metric_rows(self, chunk: Chunk) -> np.ndarray:
        """Values (metrics, contexts) of a chunk."""
        tables, last = self.tables, chunk.last
        found = np.empty((NUM_ROWS, chunk.num_contexts + int(TILE)))
        _add_up(
            chunk.length, chunk.halves, chunk.first, chunk.stop, tables.direct[last],
            self.own[last], tables.sink[last], tables.norm == "residual", tables.gain, found,
        )  # fmt: skip
        found = found[:, : chunk.num_contexts]
        attention, terms = found[11], found[12] + tables.sink_terms[last]
        entropy = np.log(attention) - terms / attention
        numbers = np.array(self.vocab_size - chunk.length), np.array(chunk.length)
        sums = Sums._make([*numbers, *found[:11], entropy])
        if np.isfinite(sums.legal_total + sums.illegal_total).all():
            return np.stack([*metrics_from_sums(sums).values()])
        members, lasts = self.members(chunk), np.full(chunk.num_contexts, last)
        logits, entropy = tables.count_logits_and_entropy(members, lasts)
        return np.stack([*context_metrics(logits, ~members, entropy).values()])

    def members(self, chunk: Chunk) -> np.ndarray:
        """The sets of a chunk, bool (contexts, V)."""
        found = []
        halves = chunk.halves
        for legal, size in zip(
            halves.upper_legal[chunk.first : chunk.stop],
            chunk.length - halves.upper_sizes[chunk.first : chunk.stop],
            strict=True,
        ):
            if 0 <= size <= self.split:
                lower = halves.lower_legal[:, halves.starts[size] : halves.starts[size + 1]].T
                found.append(np.concatenate([lower, np.tile(legal, (len(lower), 1))], axis=1))
        return ~np.concatenate(found)


# Indices are unsigned: else numba looks for negative ones, and LLVM leaves the loops as they are.
U = np.uint64
TILE = U(64)  # sets side by side
STEP = U(32)  # tiles are cut to multiples that fill vector registers

# Starts of a tile's rows in one array, of which LLVM sees that they do not overlap. The first
# NUM_ROWS are the result: fields of Sums in their order, the weights and their entropy terms.
NUM_ROWS, NUM_SCRATCH = 13, 16
MASS, HIGHEST, LOWEST, TOTAL = (U(row) * TILE for row in range(4))
LEGAL, ILLEGAL = U(0), U(4) * TILE  # where the four of either class begin
(UNEVENNESS, TOP_LEGAL, NEAR_MASS, ATTENTION, ENTROPY_TERMS, FACTOR, OFFSET,
 TOP) = (U(row) * TILE for row in range(8, NUM_SCRATCH))  # fmt: skip

kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


# exp(x) = 2^n exp(r), with n the integer next to x / ln 2 and |r| <= ln(2)/2, where the first term
# that is left out of the series is below 5e-18.
SERIES = tuple(1 / factorial(n) for n in range(13, -1, -1))
LN2 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")  # their sum
ROUND = 1.5 * 2.0**52  # added to a number below 2^51, leaves an integer in the last bits


@njit(cache=True, nogil=True, fastmath={"contract"}, inline="always")
def _exp(x):
    """exp(x) for x <= 0, to 2 units in the last place down to exp(−708), which is the least."""
    x = max(x, -708.0)
    shifted = x * (1 / LN2[0]) + ROUND
    n = shifted - ROUND
    r = (x - n * LN2[0]) - n * LN2[1]
    power = SERIES[0]
    for term in SERIES[1:]:
        power = power * r + term
    exponent = np.float64(shifted).view(np.int64) + 1023
    return power * np.int64(exponent << 52).view(np.float64)


@kernel
def _attend(s, lower, column, upper, own, sink, is_post_norm, gain, count):
    """Begin a tile: attention, and by what sums over tokens and direct logits are multiplied."""
    V = U(len(upper) - len(own)) - U(2)
    for j in range(count):
        s[ATTENTION + j] = lower[V, column + j] + upper[V] + sink
        s[ENTROPY_TERMS + j] = lower[V + U(1), column + j] + upper[V + U(1)]
        s[FACTOR + j], s[OFFSET + j] = 1.0 / s[ATTENTION + j], 1.0
        for base in (LEGAL, ILLEGAL):
            s[base + MASS + j], s[base + TOTAL + j] = 0.0, 0.0
            s[base + HIGHEST + j], s[base + LOWEST + j] = -np.inf, np.inf
        s[UNEVENNESS + j], s[NEAR_MASS + j] = 0.0, 0.0
    if len(own):  # a norm
        squared = s[TOP : TOP + TILE]
        squared[:] = 0.0
        for i in range(U(len(own))):
            row = V + U(2) + i
            for j in range(count):
                output = (lower[row, column + j] + upper[row]) * s[FACTOR + j] + own[i]
                squared[j] += output * output
        for j in range(count):
            scale = gain / np.sqrt(squared[j] if squared[j] > 0.0 else 1.0)
            s[FACTOR + j] *= scale
            s[OFFSET + j] = scale if is_post_norm else 1.0


@kernel
def _add_one(s, x, k, lower, column, upper, direct, base, count):
    """Logits of a token that is legal in all of a tile's contexts, or illegal in all."""
    for j in range(count):
        logit = (lower[k, column + j] + upper) * s[FACTOR + j] + direct * s[OFFSET + j]
        x[k, j] = logit
        s[base + HIGHEST + j] = max(s[base + HIGHEST + j], logit)
        s[base + LOWEST + j] = min(s[base + LOWEST + j], logit)


@kernel
def _add_either(s, x, k, lower, column, upper, direct, is_legal, count):
    """Logits of a token that is legal in some of a tile's contexts."""
    for j in range(count):
        logit = (lower[k, column + j] + upper) * s[FACTOR + j] + direct * s[OFFSET + j]
        x[k, j], legal = logit, is_legal[k, column + j]
        high, low = (logit, logit) if legal else (-np.inf, np.inf)
        s[LEGAL + HIGHEST + j] = max(s[LEGAL + HIGHEST + j], high)
        s[LEGAL + LOWEST + j] = min(s[LEGAL + LOWEST + j], low)
        high, low = (-np.inf, np.inf) if legal else (logit, logit)
        s[ILLEGAL + HIGHEST + j] = max(s[ILLEGAL + HIGHEST + j], high)
        s[ILLEGAL + LOWEST + j] = min(s[ILLEGAL + LOWEST + j], low)


@kernel
def _look_closer(s, x, lower_legal, column, upper_legal, valid):
    """What few contexts need: shares among equal highest logits, and masses that lose digits; then
    extremes are counted from the highest logit."""
    num_special = 0
    for j in range(valid):
        highest, highest_illegal = s[LEGAL + HIGHEST + j], s[ILLEGAL + HIGHEST + j]
        s[TOP_LEGAL + j] = 1.0 if highest > highest_illegal else 0.0
        num_special += highest == highest_illegal or highest - s[TOP + j] < FAR
    for j in range(valid if num_special else U(0)):
        top, highest = s[TOP + j], s[LEGAL + HIGHEST + j]
        num_top, num_legal, near_mass = 0, 0, 0.0
        for k in range(U(len(x))):
            split = U(len(lower_legal))
            is_legal = lower_legal[k, column + j] if k < split else upper_legal[k - split]
            if x[k, j] == top:
                num_top += 1
                num_legal += is_legal
            if is_legal:
                near_mass += np.exp(x[k, j] - highest)
        s[TOP_LEGAL + j], s[NEAR_MASS + j] = num_legal / num_top, near_mass
    for base in (LEGAL, ILLEGAL):
        for j in range(valid):
            s[base + HIGHEST + j] -= s[TOP + j]
            s[base + LOWEST + j] -= s[TOP + j]


@kernel
def _weigh_one(s, x, k, base, count):
    """Exponentials, in place of logits, and sums of both."""
    for j in range(count):
        logit = x[k, j] - s[TOP + j]
        mass = _exp(logit)
        x[k, j] = mass
        s[base + TOTAL + j] += logit
        s[base + MASS + j] += mass


@kernel
def _weigh_either(s, x, k, is_legal, column, count):
    for j in range(count):
        logit, legal = x[k, j] - s[TOP + j], is_legal[k, column + j]
        mass = _exp(logit)
        x[k, j] = mass
        s[LEGAL + TOTAL + j] += logit if legal else 0.0
        s[LEGAL + MASS + j] += mass if legal else 0.0
        s[ILLEGAL + TOTAL + j] += 0.0 if legal else logit
        s[ILLEGAL + MASS + j] += 0.0 if legal else mass


@kernel
def _compare_all(s, x, k, share, count):
    """Distance of the distribution from a legal token's share."""
    for j in range(count):
        s[UNEVENNESS + j] += abs(x[k, j] * s[FACTOR + j] - share)


@kernel
def _compare(s, x, k, is_legal, column, share, count):
    for j in range(count):
        distance = abs(x[k, j] * s[FACTOR + j] - share)
        s[UNEVENNESS + j] += distance if is_legal[k, column + j] else 0.0


@kernel
def _add_up(length, halves, first, stop, direct, own, sink, is_post_norm, gain, found):
    """Fill found (NUM_ROWS, contexts + TILE) for a chunk; what is behind its contexts is garbage.

    direct: (V,) logits; own: (r,), as of get_contributions; sink: attention.
    """
    lower, lower_legal, starts, upper, upper_legal, sizes = halves
    V, split = U(len(direct)), U(len(lower_legal))
    s, x = np.empty(U(NUM_SCRATCH) * TILE), np.empty((V, TILE))
    share = 1.0 / (V - length)
    filled = U(0)
    for subset in range(first, stop):
        size = length - sizes[subset]
        if size < 0 or size > split:
            continue
        sums, legal = upper[subset], upper_legal[subset]
        end = U(starts[size + 1])
        for column in range(U(starts[size]), end, TILE):
            valid = min(TILE, end - column)
            count = (valid + STEP - U(1)) // STEP * STEP
            _attend(s, lower, column, sums, own, sink, is_post_norm, gain, count)
            for k in range(split):
                _add_either(s, x, k, lower, column, sums[k], direct[k], lower_legal, count)
            for k in range(split, V):
                base = LEGAL if legal[k - split] else ILLEGAL
                _add_one(s, x, k, lower, column, sums[k], direct[k], base, count)
            for j in range(count):
                s[TOP + j] = max(s[LEGAL + HIGHEST + j], s[ILLEGAL + HIGHEST + j])
            _look_closer(s, x, lower_legal, column, legal, valid)
            for k in range(split):
                _weigh_either(s, x, k, lower_legal, column, count)
            for k in range(split, V):
                _weigh_one(s, x, k, LEGAL if legal[k - split] else ILLEGAL, count)
            for j in range(count):
                s[FACTOR + j] = 1.0 / (s[LEGAL + MASS + j] + s[ILLEGAL + MASS + j])
            for k in range(split):
                _compare(s, x, k, lower_legal, column, share, count)
            for k in range(split, V):
                if legal[k - split]:
                    _compare_all(s, x, k, share, count)
            for row in range(U(NUM_ROWS)):
                for j in range(count):
                    found[row, filled + j] = s[row * TILE + j]
            filled += valid
