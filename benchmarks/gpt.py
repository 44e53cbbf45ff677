"""How fast does a GPT train on a CPU? Milliseconds a step, beside PyTorch. All in this run.

    python benchmarks/gpt.py [SIZE ...]      (about fifteen minutes; sizes: 4x4, 6x6-small, 6x6)

A step is forward, backward, clipping, AdamW and two running averages of the weights, in float32, on
sampled targets. Every line is a process of its own. They take turns, a few steps each, and what
stands is the median over the rounds. Ratios are of CPU time on one core, which holds on a machine
that others use, and of the clock on two; two trials at once count half the clock each. "Products"
is the time of a step's matrix products at the speed of products of all rows with the matrices of an
MLP, by JAX with as many threads. What is not installed or does not compile is left out.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

ROUNDS, SECONDS = 9, 1.5  # of a turn, or two steps


class Size(NamedTuple):
    layers: int
    d: int
    heads: int
    d_mlp: int
    games: int
    length: int
    V: int

    @property
    def flops(self) -> int:
        """Of the products of a step: two backward for each one forward."""
        a_layer = 4 * self.d * self.d + 2 * self.d * self.d_mlp + 2 * self.length * self.d
        rows = self.games * self.length
        return 6 * rows * (self.layers * a_layer + self.V * self.d)


SIZES = {
    "4x4": Size(2, 64, 2, 256, 128, 11, 16),
    "6x6-small": Size(2, 64, 2, 256, 128, 16, 36),
    "6x6": Size(4, 128, 4, 512, 256, 32, 36),
}


def draw_tokens(size: Size, steps: int) -> np.ndarray:
    shape = (steps, size.games, size.length + 1)
    return np.random.default_rng(0).integers(0, size.V, shape, dtype=np.int8)


def make_parameters(size: Size):
    from gamecircuits.transformer.gpt import MLP, Attention, Block, GPTParameters, Norm

    rng, d = np.random.default_rng(0), size.d

    def draw(*shape):
        return rng.normal(0, 0.02, shape).astype(np.float32)

    def zeros(width):
        return np.zeros(width, np.float32)

    def norm():
        return Norm(1 + zeros(d), zeros(d))

    blocks = [
        Block(
            Attention(*(draw(d, d) for _ in range(4)), *(zeros(d) for _ in range(4))),
            MLP(draw(d, size.d_mlp), draw(size.d_mlp, d), zeros(size.d_mlp), zeros(d)),
            norm(),
            norm(),
        )
        for _ in range(size.layers)
    ]
    return GPTParameters(
        draw(size.V, d), tuple(blocks), draw(d, size.V), zeros(size.V), draw(size.length, d), norm()
    )


def make_jax(size: Size, plain: bool = False):
    """Steps of a flat vector in parts of a batch; `plain`: of a tree, as JAX derives them."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax.flatten_util import ravel_pytree

    from gamecircuits.training import operations
    from gamecircuits.transformer.gpt import Design, forward, get_operations

    design = Design(num_heads=size.heads, positions="learned")

    def softmax(scores):  # as get_operations has it for other libraries
        powers = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    do = get_operations(jnp)._replace(softmax=softmax) if plain else operations.OPERATIONS
    weights, unravel = ravel_pytree(make_parameters(size))
    if plain:
        weights, unravel = unravel(weights), lambda weights: weights
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    num_parts = 1 if plain else operations.choose_num_parts(size.games, size.length)

    def get_sum(weights, tokens):
        seen, following = tokens[:, :-1].astype(jnp.int32), tokens[:, 1:, None]
        logits = forward(unravel(weights), seen, design, operations=do)
        return operations.cross_entropy(logits, following == jnp.arange(size.V))

    def step(state, tokens):
        weights, moments, averages = state
        loss, gradient = operations.get_mean_and_gradient(get_sum, weights, tokens, num_parts)
        update, moments = optimizer.update(gradient, moments)
        weights = jax.tree.map(lambda w, u: w - 1e-3 * (u + 0.01 * w), weights, update)
        averages = [
            jax.tree.map(lambda a, w, share=share: a + share * (w - a), average, weights)
            for share, average in zip((0.1, 0.01), averages, strict=True)
        ]
        return (weights, moments, averages), loss

    run = jax.jit(lambda state, games: jax.lax.scan(step, state, games), donate_argnums=0)
    copies = [jax.tree.map(jnp.copy, weights) for _ in range(2)]
    state = [(weights, optimizer.init(weights), copies)]

    def advance(tokens):
        state[0], losses = run(state[0], tokens)
        jax.block_until_ready(losses)

    return advance


def make_torch(size: Size, compiled: bool = False):
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(size.d), nn.LayerNorm(size.d)
            self.qkv, self.out = nn.Linear(size.d, 3 * size.d), nn.Linear(size.d, size.d)
            self.w_in, self.w_out = nn.Linear(size.d, size.d_mlp), nn.Linear(size.d_mlp, size.d)

        def forward(self, x):
            heads = self.qkv(self.ln1(x)).unflatten(-1, (3, size.heads, -1)).permute(2, 0, 3, 1, 4)
            z = nn.functional.scaled_dot_product_attention(*heads.unbind(), is_causal=True)
            x = x + self.out(z.transpose(1, 2).flatten(2))
            return x + self.w_out(nn.functional.gelu(self.w_in(self.ln2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.pos = nn.Embedding(size.V, size.d), nn.Embedding(size.length, size.d)
            self.layers = nn.Sequential(*(Layer() for _ in range(size.layers)))
            self.ln, self.unembed = nn.LayerNorm(size.d), nn.Linear(size.d, size.V)
            for name, weights in self.named_parameters():
                if weights.ndim > 1:
                    nn.init.normal_(weights, std=0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(weights)

        def forward(self, tokens):
            return self.unembed(self.ln(self.layers(self.embed(tokens) + self.pos.weight)))

    model = Model()
    weights = list(model.parameters())
    values = [w.detach() for w in weights]
    averages = [[v.clone() for v in values] for _ in range(2)]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.01, foreach=True)

    def get_loss(tokens):
        logits = model(tokens[:, :-1]).flatten(0, 1)
        return nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())

    loss = torch.compile(get_loss) if compiled else get_loss

    def advance(games):
        for tokens in torch.from_numpy(games).long():
            optimizer.zero_grad()
            found = loss(tokens)
            found.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            for average, share in zip(averages, (0.1, 0.01), strict=True):
                torch._foreach_lerp_(average, values, share)

    return advance


def make_products(size: Size):
    """Rows through the two matrices of an MLP and back, until a step's arithmetic is done."""
    import jax

    rng, rows, widths = np.random.default_rng(0), size.games * size.length, (size.d, size.d_mlp)
    start = jax.device_put(rng.standard_normal((rows, size.d), np.float32))
    there, back = (
        jax.device_put(rng.standard_normal(shape, np.float32) / shape[0] ** 0.5)
        for shape in (widths, widths[::-1])
    )
    number = round(size.flops / (4 * rows * size.d * size.d_mlp))
    step = jax.jit(lambda x: jax.lax.fori_loop(0, number, lambda _, x: x @ there @ back, x))

    def advance(games):
        for _ in games:
            step(start).block_until_ready()

    return advance


LINES = {  # what, options, threads, processes at once
    "products, 1 thread": (make_products, {}, 1, 1),
    "products, 2 threads": (make_products, {}, 2, 1),
    "gamecircuits, 1 thread": (make_jax, {}, 1, 1),
    "gamecircuits, 1 thread, two trials at once": (make_jax, {}, 1, 2),
    "gamecircuits, 2 threads": (make_jax, {}, 2, 1),
    "plain JAX, 1 thread": (make_jax, {"plain": True}, 1, 1),
    "plain JAX, 2 threads": (make_jax, {"plain": True}, 2, 1),
    "PyTorch eager, 1 thread": (make_torch, {}, 1, 1),
    "PyTorch eager, 2 threads": (make_torch, {}, 2, 1),
    "PyTorch `torch.compile`, 1 thread": (make_torch, {"compiled": True}, 1, 1),
    "PyTorch `torch.compile`, 2 threads": (make_torch, {"compiled": True}, 2, 1),
}


def serve(label: str, name: str) -> None:
    """Answer every line with the seconds of a step by the clock and of the CPU."""
    make, options, _, _ = LINES[label]
    size = SIZES[name]
    start = time.perf_counter()
    advance = make(size, **options)
    tokens = draw_tokens(size, 2)
    advance(tokens)
    first = time.perf_counter() - start
    start = time.perf_counter()
    advance(tokens)
    a_step = (time.perf_counter() - start) / 2
    tokens = draw_tokens(size, max(2, round(SECONDS / a_step)))
    start = time.perf_counter()
    advance(tokens)  # JAX compiles again for another number of steps
    print(json.dumps({"first": first}), flush=True)
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        advance(tokens)
        times = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps([t / len(tokens) for t in times]), flush=True)


class Line:
    """The processes of a line of the table."""

    def __init__(self, label: str, name: str):
        _, _, threads, number = LINES[label]
        # XLA_FLAGS alone leave products a second thread.
        count = {name: str(threads) for name in ("NPROC", "OMP_NUM_THREADS")}
        flags = "--xla_cpu_multi_thread_eigen=false" if threads == 1 else ""
        environment = os.environ | count | {"XLA_FLAGS": flags}
        command = [sys.executable, __file__, "--serve", label, name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.processes = [
            subprocess.Popen(
                command, text=True, env=environment, stderr=subprocess.DEVNULL, **pipes
            )
            for _ in range(number)
        ]
        self.turns: list[list[float]] = []
        answers = [process.stdout.readline() for process in self.processes]
        self.about = json.loads(answers[0] or "{}")  # empty if it failed

    def take_turn(self) -> None:
        for process in self.processes:
            print(file=process.stdin, flush=True)
        found = [json.loads(process.stdout.readline()) for process in self.processes]
        self.turns.append(np.mean(found, axis=0) / [len(found), 1])

    def close(self) -> None:
        for process in self.processes:
            process.stdin.close()
            process.wait()


def measure(name: str, labels: list[str]) -> None:
    lines = {label: Line(label, name) for label in labels}
    for label in [label for label, line in lines.items() if not line.about]:
        print(f"{label}: does not run here; left out")
        lines.pop(label).close()
    for _ in range(ROUNDS):
        for line in lines.values():
            line.take_turn()
    found = {label: np.median(line.turns, axis=0) for label, line in lines.items()}
    print(f"\n| {name}: {SIZES[name].flops / 1e9:.2f} GFLOP a step | ms, clock | ms, CPU "
          "| × PyTorch eager | share of products | first two steps, s |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for label, line in lines.items():
        cores = LINES[label][2] * LINES[label][3]
        which = int(cores == 1)  # of clock and CPU

        def compare(other: str, label=label, which=which, cores=cores) -> float | None:
            of_other = found.get(f"{other}, {cores} thread{'s' * (cores > 1)}")
            return None if of_other is None else of_other[which] / found[label][which]

        eager, products = compare("PyTorch eager"), compare("products")
        clock, cpu = found[label] * 1e3
        cells = [f"{clock:.1f}", f"{cpu:.1f}", f"{eager:.2f}" if eager else ""]
        cells += [f"{products:.0%}" if products else "", f"{line.about['first']:.1f}"]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)
        line.close()


def main() -> None:
    labels = list(LINES)
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed; left out\n")
        labels = [label for label in labels if "PyTorch" not in label]
    for name in sys.argv[1:] or SIZES:
        measure(name, labels)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
