"""GPTs of random weights, of any design, and their twin in plain Python."""

import math

import numpy as np
from hypothesis import strategies as st

from gamecircuits.transformer.gpt import (
    GPT,
    MLP,
    Attention,
    Block,
    Design,
    GPTParameters,
    Norm,
)


def make_gpt(
    rng,
    *,
    V=5,
    d=6,
    num_layers=2,
    num_heads=2,
    d_k=4,
    d_v=3,
    d_mlp=7,
    norm="layer",
    placement="before",
    positions="learned",
    biases=True,
    sublayer_norms=True,
    final_norm=True,
    tied=False,
    num_positions=9,
    scale=1.0,
):
    """A GPT with normal weights; d_k and d_v are of one head, d_mlp None is no MLP."""

    def draw(*shape):
        return scale * rng.normal(size=shape)

    def bias(width):
        return draw(width) if biases else None

    def norm_of(wanted):
        return Norm(1 + draw(d) / 4, bias(d)) if wanted else None

    def block():
        k, v = num_heads * d_k, num_heads * d_v
        attention = Attention(
            draw(d, k), draw(d, k), draw(d, v), draw(v, d), bias(k), bias(k), bias(v), bias(d)
        )
        mlp = d_mlp and MLP(draw(d, d_mlp), draw(d_mlp, d), bias(d_mlp), bias(d))
        ln2 = norm_of(sublayer_norms and d_mlp)
        return Block(attention, mlp, norm_of(sublayer_norms), ln2)

    parameters = GPTParameters(
        draw(V, d),
        tuple(block() for _ in range(num_layers)),
        None if tied else draw(d, V),
        bias(V),
        draw(num_positions, d) if positions == "learned" else None,
        norm_of(final_norm),
    )
    return GPT(parameters, Design(num_heads, norm, placement, positions))


def as_gpt(one):
    """A OneLayer without norm and sink as a GPT of one layer."""
    p = one.parameters
    return GPT(GPTParameters(p.W_E, (Block(Attention(*p[1:5])),), p.W_U), Design())


DESIGNS = {
    "norm": st.sampled_from(["layer", "rms"]),
    "placement": st.sampled_from(["before", "after"]),
    "positions": st.sampled_from(["none", "learned", "sinusoidal", "rotary"]),
    "biases": st.booleans(),
    "sublayer_norms": st.booleans(),
    "final_norm": st.booleans(),
    "tied": st.booleans(),
}
SIZES = {
    "V": st.integers(2, 5),
    "d": st.integers(2, 7),
    "num_layers": st.integers(0, 3),
    "num_heads": st.integers(1, 3),
    "d_k": st.sampled_from([0, 2, 4]),
    "d_v": st.integers(1, 3),
    "d_mlp": st.sampled_from([None, 1, 5]),
}


@st.composite
def gpts(draw, sizes=SIZES):
    """Any small GPT; with `sizes` {}, of any design but of one size."""
    chosen = draw(st.fixed_dictionaries(sizes | DESIGNS))
    return make_gpt(np.random.default_rng(draw(st.integers(0, 999))), **chosen)


def naive_gpt_logits(model, prefix, offset=0):
    """Logits (V,) after one prefix, one head, position and number at a time."""
    p, design = model.parameters, model.design
    d = p.W_E.shape[1]
    residual = []
    for s, token in enumerate(prefix):
        vector = [float(x) for x in p.W_E[token]]
        if design.positions == "learned":
            vector = plus(vector, p.W_pos[s + offset])
        if design.positions == "sinusoidal":
            waves = []
            for i in range(d):
                angle = s / 10_000 ** ((i - i % 2) / d)
                waves.append((math.cos(angle) if i % 2 else math.sin(angle)) / math.sqrt(d))
            vector = plus(vector, waves)
        residual.append(vector)
    for block in p.blocks:
        for part, norm, apply in (
            (block.attn, block.ln1, naive_attention),
            (block.mlp, block.ln2, naive_mlp),
        ):
            if part is None:
                continue
            before = norm is not None and design.placement == "before"
            after = norm is not None and design.placement == "after"
            seen = [normed(x, norm, design.norm) if before else x for x in residual]
            added = apply(part, seen, design)
            residual = [plus(x, y) for x, y in zip(residual, added, strict=True)]
            residual = [normed(x, norm, design.norm) if after else x for x in residual]
    last = residual[-1]
    if p.ln_final is not None:
        last = normed(last, p.ln_final, design.norm)
    return np.array(linear(last, p.W_E.T if p.W_U is None else p.W_U, p.b_U))


def plus(x, y):
    return [float(a) + float(b) for a, b in zip(x, y, strict=True)]


def linear(x, W, b):
    out = [sum(x[i] * float(W[i, j]) for i in range(len(x))) for j in range(W.shape[1])]
    return out if b is None else plus(out, b)


def normed(x, norm, kind):
    mean = sum(x) / len(x) if kind == "layer" else 0.0
    size = math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + 1e-5)
    scaled = [(a - mean) / size * float(w) for a, w in zip(x, norm.w, strict=True)]
    return scaled if norm.b is None else plus(scaled, norm.b)


def naive_mlp(mlp, rows, design):
    out = []
    for x in rows:
        hidden = linear(x, mlp.W_in, mlp.b_in)
        hidden = [a * (1 + math.erf(a / math.sqrt(2))) / 2 for a in hidden]
        out.append(linear(hidden, mlp.W_out, mlp.b_out))
    return out


def naive_attention(attn, rows, design):
    H = design.num_heads
    q, k, v = (
        [linear(x, W, b) for x in rows]
        for W, b in ((attn.W_Q, attn.b_Q), (attn.W_K, attn.b_K), (attn.W_V, attn.b_V))
    )
    d_k, d_v = attn.W_Q.shape[1] // H, attn.W_V.shape[1] // H
    out = []
    for s in range(len(rows)):
        heads = []
        for h in range(H):
            query = turned(q[s][h * d_k : (h + 1) * d_k], s, design)
            scores = []
            for t in range(s + 1):
                key = turned(k[t][h * d_k : (h + 1) * d_k], t, design)
                dot = sum(a * b for a, b in zip(query, key, strict=True))
                scores.append(dot / math.sqrt(d_k) if d_k else 0.0)
            weights = [math.exp(score - max(scores)) for score in scores]
            for j in range(h * d_v, (h + 1) * d_v):
                mixed = sum(w * v[t][j] for t, w in enumerate(weights))
                heads.append(mixed / sum(weights))
        out.append(linear(heads, attn.W_O, attn.b_O))
    return out


def turned(head, place, design):
    """Entries j and j + d_k/2 as a complex number, times e^(i·place·rate)."""
    if design.positions != "rotary":
        return head
    half = len(head) // 2
    numbers = [complex(head[j], head[j + half]) for j in range(half)]
    for j in range(half):
        angle = place * 10_000 ** (-2 * j / len(head))
        numbers[j] *= complex(math.cos(angle), math.sin(angle))
    return [z.real for z in numbers] + [z.imag for z in numbers]
