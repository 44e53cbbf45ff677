"""The first layer of a GPT, read through a probe: the one-layer transformer inside it.

The residual stream after the first attention is linear in what the heads say. So embedding, heads
and a linear probe in place of the unembedding are token tables, as in
`gamecircuits.transformer.circuits`, one of each kind a head. They are exact without positions. With
positions they hold at one length: the last token at its place, keys of the others averaged over the
places before it, and values over all places. A norm before the attention acts on single tokens and
is part of the tables. Shapes: H heads, n tokens, d width of the residual stream.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy

from gamecircuits.audits.activations import read_activations
from gamecircuits.theory.basics import decompose_off_diagonal
from gamecircuits.transformer.gpt import GPT, map_weights, normalize, rotate

SITES = ("blocks.0.resid_pre", "blocks.0.attn_out")  # whose sum is what is read


class Readout(NamedTuple):
    """A linear score of each of n tokens."""

    W: np.ndarray  # (d, n)
    b: np.ndarray  # (n,)


class TokenCircuits(NamedTuple):
    """Tables of a first layer at one length; rows are last or attended tokens.

    Attributes:
        qk: attention scores, nats (H, n, n).
        outputs: what a head adds to the residual stream for a token it attends to (H, n, d).
        ov: the same as the readout sees it (H, n, n).
        direct: what the last token adds by itself (n, n).
        bias: of the readout and the layer (n,).
        place_spread: standard deviation over places of the mean score, nats (H,); 0 without
            positions.
    """

    qk: np.ndarray
    outputs: np.ndarray
    ov: np.ndarray
    direct: np.ndarray
    bias: np.ndarray
    place_spread: np.ndarray


class Diagonal(NamedTuple):
    """A table as −diag(strengths) + row + column + rest: what it does to each token by itself.

    Unlike in `gamecircuits.analysis.standard_form`, columns of the tables need not cancel, since
    positions and biases add to them too.
    """

    strengths: np.ndarray  # (n,)
    column: np.ndarray  # (n,)
    rest: np.ndarray  # (n, n), 0 on the diagonal

    def misfit(self) -> float:
        """Root mean square of the rest over the mean absolute strength."""
        n = len(self.rest)
        size = np.sqrt((self.rest**2).sum() / (n * (n - 1)))
        return float(size / np.abs(self.strengths).mean())


class Strengths(NamedTuple):
    """The standard form of a first layer (docs/theory.md, Proposition 1)."""

    x: np.ndarray  # of each head (H, n)
    beta: np.ndarray  # of the direct path (n,)
    level: np.ndarray  # score of each token while it is absent, up to a constant (n,)


def read_residual(model: GPT, tokens: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The residual stream after the first attention (n, d), before a norm that follows it.

    Args:
        tokens, keep: as for `read_activations`.
    """
    found = read_activations(model, tokens, keep, SITES)
    return found[SITES[0]] + found[SITES[1]]


def read_circuits(model: GPT, readout: Readout, tokens: np.ndarray, length: int) -> TokenCircuits:
    """The tables of some tokens (n,) at a length, in float64."""

    def to_double(part):
        return map_weights(lambda weight: np.asarray(weight, dtype=np.float64), part)

    block, H = model.parameters.blocks[0], model.design.num_heads
    weights = to_double(block.attn)
    rows = _embed(model, tokens, length)
    seen = rows
    if block.ln1 is not None and model.design.placement == "before":
        seen = normalize(np, rows, to_double(block.ln1), model.design.norm)

    def split(W: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        """Heads (H, n, length, width)."""
        found = seen @ W + (0 if b is None else b)
        return np.moveaxis(found.reshape(*seen.shape[:2], H, W.shape[1] // H), 2, 0)

    queries, keys = split(weights.W_Q, weights.b_Q), split(weights.W_K, weights.b_K)
    if model.design.positions == "rotary":
        queries, keys = rotate(np, queries), rotate(np, keys)
    queries = queries[:, :, -1] / max(queries.shape[-1], 1) ** 0.5
    own = np.einsum("hnk,hnk->hn", queries, keys[:, :, -1])
    before = keys[:, :, :-1] if length > 1 else keys
    qk = queries @ before.mean(axis=2).swapaxes(1, 2)
    qk[:, np.arange(len(tokens)), np.arange(len(tokens))] = own
    of_places = np.einsum("hk,hlk->hl", queries.mean(axis=1), before.mean(axis=1))
    values = split(weights.W_V, weights.b_V).mean(axis=2)
    outputs = values @ weights.W_O.reshape(H, -1, rows.shape[-1])
    added = 0 if weights.b_O is None else weights.b_O @ readout.W
    return TokenCircuits(
        qk=qk,
        outputs=outputs,
        ov=outputs @ readout.W,
        direct=rows[:, -1] @ readout.W,
        bias=readout.b + added,
        place_spread=of_places.std(axis=1),
    )


def attend(circuits: TokenCircuits, members: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Attention (H, N, n) in contexts: sets, bool (N, n), and last tokens (N,)."""
    return scipy.special.softmax(np.where(members, circuits.qk[:, last], -np.inf), axis=-1)


def score_by_tables(circuits: TokenCircuits, members: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Scores (N, n) in contexts."""
    attended = (attend(circuits, members, last) @ circuits.ov).sum(axis=0)
    return attended + circuits.direct[last] + circuits.bias


def fit_diagonal(table: np.ndarray) -> Diagonal:
    """Least-squares fit to a table (n, n)."""
    parts = decompose_off_diagonal(table)
    return Diagonal(parts.row + parts.column - np.diagonal(table), parts.column, parts.rest)


def fit_strengths(circuits: TokenCircuits) -> Strengths:
    """The strengths of all heads and of the direct path."""
    heads, direct = [fit_diagonal(table) for table in circuits.ov], fit_diagonal(circuits.direct)
    level = circuits.bias + direct.column + sum(head.column for head in heads)
    return Strengths(np.array([head.strengths for head in heads]), direct.strengths, level)


def score_by_form(
    circuits: TokenCircuits, strengths: Strengths, members: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Scores (N, n) by x, β and the attention alone, up to a constant for each context."""
    x = (attend(circuits, members, last) * strengths.x[:, None]).sum(axis=0)
    scores = strengths.level - x
    scores[np.arange(len(last)), last] -= strengths.beta[last]
    return scores


def _embed(model: GPT, tokens: np.ndarray, length: int) -> np.ndarray:
    """Tokens at every place, as the first layer gets them: (n, length, d), in float64."""
    games = np.repeat(np.asarray(tokens)[:, None], length, axis=1)
    bare = replace(model, parameters=model.parameters._replace(blocks=(), ln_final=None))
    everywhere = np.ones(games.shape, dtype=bool)
    found = read_activations(bare.cast(np.float64), games, everywhere, ["ln_final"])["ln_final"]
    return found.reshape(*games.shape, -1)
