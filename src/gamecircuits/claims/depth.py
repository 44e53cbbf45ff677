"""Claims on transformers of several layers, with norms and positions."""

from types import SimpleNamespace

import numpy as np

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.claims.claim import Outcome, bound, claim, compare
from gamecircuits.theory.depth import (
    final_norm_kl_floor,
    largest_path_weights,
    largest_weight,
    score_range,
    twice_averaged_weights,
)
from gamecircuits.transformer.constructions.construction import helmert
from gamecircuits.transformer.gpt import GPT, MLP, Attention, Block, Design, GPTParameters, Norm

HEADS, WIDTH = 2, 8
GAMES = 50


def _random_gpt(
    V: int, rng: np.random.Generator, num_layers: int, sharpness: float = 1.0, **design
) -> GPT:
    """A GPT of random weights, with biases, norms and MLPs."""
    d = WIDTH

    def norm() -> Norm:
        return Norm(1 + 0.3 * rng.standard_normal(d), 0.3 * rng.standard_normal(d))

    def block() -> Block:
        weights = rng.standard_normal((4, d, d)) / 2
        weights[:2] *= sharpness
        biases = rng.standard_normal((4, d)) / 2
        mlp = MLP(*(rng.standard_normal((2, d, d)) / 2), *rng.standard_normal((2, d)))
        return Block(Attention(*weights, *biases), mlp, norm(), norm())

    places = rng.standard_normal((4 * V, d)) if design.get("positions") == "learned" else None
    parameters = GPTParameters(
        W_E=rng.standard_normal((V, d)),
        blocks=tuple(block() for _ in range(num_layers)),
        W_U=rng.standard_normal((d, V)),
        b_U=rng.standard_normal(V),
        W_pos=places,
        ln_final=norm(),
    )
    return GPT(parameters, Design(num_heads=HEADS, **design))


def _patterns(model: GPT, tokens: np.ndarray) -> np.ndarray:
    """Attention (layers, N, H, L, L) to games (N, L)."""
    seen: list[np.ndarray] = []

    def watch(site: str, values: np.ndarray) -> np.ndarray:
        if site.endswith("attn.pattern"):
            seen.append(values)
        return values

    model.logits(tokens, watch)
    return np.array(seen)


@claim("Proposition 32", "one layer, no positions: the order before the last token changes nothing")
class FirstLayerSeesSets:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        norm, placement = rng.choice(["layer", "rms"]), rng.choice(["before", "after"])
        tokens = rng.integers(0, V, (GAMES, V))
        order = np.argsort(rng.random((GAMES, V - 1)), axis=1)
        shuffled = np.column_stack([np.take_along_axis(tokens[:, :-1], order, 1), tokens[:, -1]])
        return SimpleNamespace(
            model=_random_gpt(V, rng, 1, norm=norm, placement=placement),
            tokens=tokens,
            shuffled=shuffled,
            description=f"V = {V}, a random GPT of one layer, {norm} norm {placement} sublayers",
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        wanted, found = (case.model.logits(games)[:, -1] for games in (case.tokens, case.shuffled))
        return compare(wanted, found, 1e-9, GAMES)


@claim(
    "Proposition 32",
    "two uniform heads in a row: the j-th of n tokens gets (H_n − H_{j−1})/n",
    2,
    is_random=False,
)
class SecondLayerSeesOrder:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        copies = [np.zeros((3 * V, 3 * V)) for _ in range(3)]
        for part, copy in enumerate(copies):
            copy[part * V : (part + 1) * V, part * V : (part + 1) * V] = np.eye(V)
        nothing, everything = np.zeros((3 * V, 3 * V)), np.eye(3 * V)
        onward = np.roll(everything, V, axis=1)  # each layer moves its mean to the next part
        blocks = tuple(
            Block(Attention(nothing, nothing, copies[layer], onward)) for layer in range(2)
        )
        W_E, W_U = np.eye(V, 3 * V), np.eye(3 * V, V, -2 * V)
        model = GPT(GPTParameters(W_E, blocks, W_U), Design())
        return SimpleNamespace(model=model, tokens=np.arange(V), description=f"V = {V}")

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V = len(case.tokens)
        found = case.model.logits(case.tokens[None])[0][:, case.tokens]
        wanted = np.zeros((V, V))
        for n in range(1, V + 1):
            wanted[n - 1, :n] = twice_averaged_weights(n)
        return compare(wanted, found, 1e-12, V)


@claim(
    "Proposition 33",
    "attention only, every path of standard form with equal x: Σ δ_i = Σ_p x_p at any depth",
)
class BudgetOfPaths:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        d, num_layers = V - 1, int(rng.integers(2, 4))
        x, shares = rng.uniform(2, 20), rng.uniform(-0.5, 1, (num_layers, HEADS))
        W_E, identity = helmert(V), np.eye(d)
        blocks = tuple(
            Block(
                Attention(
                    W_Q=rng.standard_normal((d, HEADS * 4)),
                    W_K=rng.standard_normal((d, HEADS * 4)),
                    W_V=np.tile(identity, HEADS),
                    W_O=np.concatenate([share * identity for share in of_heads]),
                )
            )
            for of_heads in shares
        )
        positions = rng.choice(["none", "rotary"])
        parameters = GPTParameters(W_E, blocks, -x * W_E.T)
        return SimpleNamespace(
            model=GPT(parameters, Design(HEADS, positions=positions)),
            tokens=np.argsort(rng.random((GAMES, V)), axis=1)[:, :-1],
            budget=x * np.prod(1 + shares.sum(axis=1)),
            description=f"V = {V}, {num_layers} layers, x = {x:.3g}, positions: {positions}",
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        logits = case.model.logits(case.tokens)
        V = logits.shape[2]
        seen = np.logical_or.accumulate(case.tokens[..., None] == np.arange(V), axis=1)
        absent = np.where(seen, np.nan, logits)
        level = np.nanmean(absent, axis=2, keepdims=True)
        sums = np.where(seen, level - logits, 0).sum(axis=2)
        spread = np.nanmax(absent, axis=2) - np.nanmin(absent, axis=2)
        wanted = np.stack([np.full(sums.shape, case.budget), np.zeros(sums.shape)])
        return compare(wanted, np.stack([sums, spread]), 1e-8, sums.size)


@claim("Proposition 34", "behind a norm, at any depth: weight / [e^R/(e^R + n − 1)] <= 1")
class AttentionBound:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        positions = str(rng.choice(["none", "learned", "sinusoidal"]))
        norm = str(rng.choice(["layer", "rms"]))
        model = _random_gpt(V, rng, 3, sharpness=0.1, norm=norm, positions=positions)
        tokens = rng.integers(0, V, (GAMES, 3 * V))
        description = f"V = {V}, three layers, {norm} norms, positions: {positions}"
        if rng.random() < 0.3:
            model, description = _self_attending(V, rng), f"V = {V}, one token against the others"
            tokens[:, :-1], tokens[:, -1] = rng.integers(1, V, (GAMES, 3 * V - 1)), 0
        ranges = [_score_ranges(model, block) for block in model.parameters.blocks]
        return SimpleNamespace(
            model=model, tokens=tokens, ranges=np.array(ranges), description=description
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        patterns = _patterns(case.model, case.tokens)  # (layers, N, H, L, L)
        length = np.arange(1, case.tokens.shape[1] + 1)
        most = largest_weight(case.ranges[:, None, :, None], length)
        shares = (patterns.max(axis=-1) / most)[..., 1:]  # one token has nothing to share
        return bound("<=", 1.0, shares, 1e-9, shares.size)


def _score_ranges(model: GPT, block: Block) -> list[float]:
    """R of every head of a layer that has a norm."""
    (w, b), attn = block.ln1 or Norm(np.nan), block.attn
    b = np.zeros_like(w) if b is None else b
    b_Q = np.zeros(attn.W_Q.shape[1]) if attn.b_Q is None else attn.b_Q
    W_Q, W_K, b_Q = (
        np.split(part, model.design.num_heads, -1) for part in (attn.W_Q, attn.W_K, b_Q)
    )
    return [score_range(*head, w, b) for head in zip(W_Q, W_K, b_Q, strict=True)]


def _self_attending(V: int, rng: np.random.Generator) -> GPT:
    """A layer in which token 0 scores as high with itself, and as low with others, as it can."""
    d = WIDTH
    ahead = rng.standard_normal(d)
    ahead *= 1e3 / np.linalg.norm(ahead)
    W_E = np.tile(-ahead, (V, 1))
    W_E[0] = ahead
    both = np.outer(ahead, np.eye(1, 4)[0]) * rng.uniform(0.1, 0.4) / 1e3
    attention = Attention(both, both, np.zeros((d, 4)), np.zeros((4, d)))
    block = Block(attention, ln1=Norm(np.ones(d)))
    return GPT(GPTParameters(W_E, (block,), np.zeros((d, V))), Design(norm="rms"))


@claim("Proposition 34", "K heads in a row: at most e^(KR) times the weight of uniform ones", 2)
class PathWeights:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        length, num_heads = 4 * V, int(rng.integers(1, 4))
        size = 0.0 if rng.random() < 0.3 else rng.uniform(0, 0.3)
        scores = size * rng.uniform(0, 1, (num_heads, length, length))
        weights = np.exp(scores) * np.tri(length)
        return SimpleNamespace(
            patterns=weights / weights.sum(axis=2, keepdims=True),
            range=size,
            description=f"n = {length}, K = {num_heads}, R = {size:.2g}",
        )

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        K, length, _ = case.patterns.shape
        whole = np.linalg.multi_dot(case.patterns) if K > 1 else case.patterns[0]
        most, past = largest_path_weights(case.range, length, K), np.tri(length, dtype=bool)
        return bound("<=", 1.0, whole[past] / most[past], 1e-9, length)


@claim("Proposition 35", "any model with a final norm: mean KL at least that of Δ* at each length")
class FinalNormFloor:
    @staticmethod
    def build(V: int, rng: np.random.Generator) -> SimpleNamespace:
        norm = str(rng.choice(["layer", "rms"]))
        if rng.random() < 0.5:
            gain = rng.uniform(0.5, 3)
            case = SimpleNamespace(model=resharpened(V, gain))
            case.description = f"V = {V}, as sharp as a norm allows, gain {gain:.2g}"
        else:
            positions = str(rng.choice(["none", "learned", "rotary"]))
            case = SimpleNamespace(model=_random_gpt(V, rng, 2, norm=norm, positions=positions))
            case.description = f"V = {V}, two random layers, {norm} norm, positions: {positions}"
        parameters = case.model.parameters
        U = parameters.ln_final.w[:, None] * parameters.W_U
        case.size = np.sqrt(len(U)) * np.linalg.norm(U - U.mean(axis=1, keepdims=True))
        case.seed = int(rng.integers(1 << 30))
        return case

    @staticmethod
    def check(case: SimpleNamespace) -> Outcome:
        V, rng = case.model.vocab_size, np.random.default_rng(case.seed)
        found, contexts = [], 0
        for s in range(1, V):
            members, last = all_contexts(V, [s])
            place = np.where(members, rng.random(members.shape), 2.0)
            place[np.arange(len(last)), last] = 1.0  # before the absent ones, after the others
            tokens = np.argsort(place, axis=1)[:, :s]
            logits = case.model.logits(tokens)[:, -1]
            found.append(context_metrics(logits, ~members)["kl_divergence"].mean())
            contexts += len(last)
        floors = final_norm_kl_floor(V, np.arange(1, V), case.size)
        return bound(">=", floors, found, 1e-13, contexts)


def resharpened(V: int, gain: float) -> GPT:
    """One layer whose mean is so long that the last token's embedding does not count."""
    H = helmert(V)
    d, zero = V - 1, np.zeros((V - 1, V - 1))
    W_V, W_O = np.concatenate([np.eye(d), zero]), np.concatenate([zero, -1e4 * np.eye(d)], axis=1)
    nothing = np.zeros((2 * d, 1))
    attention = Attention(nothing, nothing, W_V, W_O)
    W_E, W_U = np.concatenate([H, 0 * H], axis=1), np.concatenate([0 * H, H], axis=1).T
    final = Norm(np.full(2 * d, gain))
    parameters = GPTParameters(W_E, (Block(attention),), W_U, ln_final=final)
    return GPT(parameters, Design(norm="rms"))
