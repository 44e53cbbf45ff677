"""How fast is training? Steps per second, beside the same model in PyTorch. All in this run.

    python benchmarks/training.py      (about eight minutes)

One layer of attention over positions, cross-entropy at every position, clipping, AdamW and six
running averages of the weights; float32, 64 games a step, one thread. Ours attends over the
vocabulary instead where nothing is dropped, with equal results. Every measurement is a process of
its own; compilation is told apart, and what stands is the best of several repeats in two rounds.
PyTorch is left out if it is not installed. The arithmetic limit is the time of the matrix products
of a step, forward and backward, at the speed of a large product on the same thread.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["NPROC"] = "1"

import numpy as np

SIZES = [(16, 32, 6), (32, 64, 15)]  # V, d, length
DROPOUT = {f"{site}_dropout": 0.1 for site in ("embedding", "attention", "residual")}
BATCH, STEPS, REPEATS, ROUNDS = 64, 50, 7, 2
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def best_of(function, repeats=REPEATS) -> float:
    """Seconds of the fastest call, after a first one that is not timed."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def count_flops(V: int, d: int, length: int) -> dict:
    """Of the matrix products of a step, d_k = d_v = d: two backward for each one forward."""
    positions = BATCH * length
    layers = 2 * d * (4 * d + 2 * length + V)  # Q, K, V, O; scores and means; unembedding
    tables = 2 * V * d * (4 * d + 3 * V)  # of QK, OV and the direct path
    return {
        "arithmetic limit, over positions": 3 * positions * layers,
        "arithmetic limit, over the vocabulary": 3 * (tables + positions * 6 * V * V),
    }


def measure_peak(*_) -> dict:
    matrix = np.random.default_rng(0).random((1536, 1536), np.float32)
    return {"seconds": best_of(lambda: matrix @ matrix) / (2 * 1536**3)}  # of a FLOP


def measure_data(V: int, d: int, length: int) -> dict:
    from gamecircuits.games.game import make_game
    from gamecircuits.training.streams import iter_split

    game = make_game("set_complement", vocab_size=V)
    games = iter_split(game, "train", BATCH, FRACTIONS, np.random.default_rng(0))
    return {"seconds": best_of(lambda: [next(games) for _ in range(STEPS)]) / STEPS}


def measure_ours(
    V: int, d: int, length: int, trials: int = 1, over_positions: bool = False, **hyperparameters
) -> dict:
    """Seconds between calls of `say`, without those that games take, which are measured apart."""
    from gamecircuits.games.game import make_game
    from gamecircuits.training import program
    from gamecircuits.training.architectures import one_layer
    from gamecircuits.training.averaging import Bema, Ema, Last, PowerEma
    from gamecircuits.transformer.model import forward

    if over_positions:
        one_layer.forward_by_tokens = forward
    game = make_game("set_complement", vocab_size=V)
    batches = game.play(STEPS * BATCH, np.random.default_rng(0)).reshape(STEPS, BATCH, V)
    widths = {"d_model": d, "d_k": d, "d_v": d}
    trial = one_layer.OneLayerTrial(
        **widths, batch_size=BATCH, weight_decay=0.01, **hyperparameters
    )
    clock = [time.perf_counter()]

    def log(text: str) -> None:
        if text.startswith("step"):
            clock.append(time.perf_counter())

    program.train(
        game, [trial] * trials, range(trials),
        [Last(), Ema(0.9), Ema(0.99), Ema(0.999), PowerEma(), Bema()],
        lambda *_: (batch for _ in range(REPEATS + 1) for batch in batches),
        length=length, num_steps=STEPS * (REPEATS + 1), num_checkpoints=REPEATS + 1,
        seed=0, name="benchmark", log=log,
    )  # fmt: skip
    assert len(clock) == REPEATS + 2, "a time for each call of the program"
    first, *others = np.diff(clock)
    return {"seconds": min(others) / STEPS / trials, "compile": first - min(others)}


def measure_torch(V: int, d: int, length: int, compiled: bool = False, rate: float = 0) -> dict:
    import torch

    torch.set_num_threads(1)
    shapes = [(V, d), (d, d), (d, d), (d, d), (d, d), (d, V)]
    weights = [torch.nn.Parameter(torch.randn(shape) / d**0.5) for shape in shapes]
    values = [weight.detach() for weight in weights]
    averages = [[value.clone() for value in values] for _ in range(6)]
    shares = [1.0, 0.1, 0.01, 0.001, 0.01, 0.1]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.01, foreach=True)
    is_future = torch.full((length, length), -torch.inf).triu(1)

    def drop(values):
        return torch.nn.functional.dropout(values, rate) if rate else values

    def get_loss(tokens):
        W_E, W_Q, W_K, W_V, W_O, W_U = weights
        residual = drop(W_E[tokens[:, :-1]])
        scores = (residual @ W_Q) @ (residual @ W_K).mT / d**0.5 + is_future
        residual = residual + drop(drop(scores.softmax(-1)) @ (residual @ W_V) @ W_O)
        logits = (residual @ W_U).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())

    loss = torch.compile(get_loss) if compiled else get_loss
    batches = torch.stack([torch.randperm(V)[: length + 1] for _ in range(STEPS * BATCH)])
    batches = batches.reshape(STEPS, BATCH, length + 1)

    def run():
        for tokens in batches:
            optimizer.zero_grad()
            loss(tokens).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            for average, share in zip(averages, shares, strict=True):
                torch._foreach_lerp_(average, values, share)

    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    seconds = best_of(run) / STEPS
    return {"seconds": seconds, "compile": first - seconds * STEPS}


OURS = {
    "gamecircuits, 1 trial": {},
    "gamecircuits, 8 trials": {"trials": 8},
    "gamecircuits, 32 trials": {"trials": 32},
    "gamecircuits, 8 trials, `forward` over positions": {"trials": 8, "over_positions": True},
    "gamecircuits, 8 trials, exact targets": {"trials": 8, "targets": "exact"},
    "gamecircuits, 8 trials, dropout at all sites": {"trials": 8, **DROPOUT},
}
TORCH = {
    "PyTorch eager": {},
    "PyTorch `torch.compile`": {"compiled": True},
    "PyTorch eager, dropout at all sites": {"rate": 0.1},
}
MEASURES = {
    "games of the training split": (measure_data, {}),
    **{label: (measure_ours, options) for label, options in OURS.items()},
    **{label: (measure_torch, options) for label, options in TORCH.items()},
    "peak": (measure_peak, {}),
}


def measure_apart(label: str, size: tuple) -> dict:
    command = [sys.executable, __file__, label, json.dumps(size)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    labels = list(MEASURES)
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed; left out\n")
        labels = [label for label in labels if label not in TORCH]
    for size in SIZES:
        rounds = [{label: measure_apart(label, size) for label in labels} for _ in range(ROUNDS)]
        found = {
            label: {key: min(one[label][key] for one in rounds) for key in rounds[0][label]}
            for label in labels
        }
        peak = found.pop("peak")["seconds"]
        flops = count_flops(*size)
        found |= {label: {"seconds": count * peak} for label, count in flops.items()}
        print(f"\n| V = {size[0]}, d = {size[1]}, length {size[2]} | µs per trial-step | steps/s "
              "| × PyTorch eager | compile, s |\n|---|---|---|---|---|")  # fmt: skip
        for label, row in found.items():
            seconds = row["seconds"]
            ratio = found["PyTorch eager"]["seconds"] / seconds if "PyTorch eager" in found else 0
            cells = [f"{seconds * 1e6:.0f}", f"{1 / seconds:,.0f}".replace(",", " ")]
            cells.append(f"{ratio:.1f}" if ratio and label in OURS | TORCH else "")
            cells.append(f"{row['compile']:.1f}" if "compile" in row else "")
            print(f"| {label} | {' | '.join(cells)} |", flush=True)
        counts = " or ".join(f"{count / 1e6:.1f}" for count in flops.values())
        print(f"\n{counts} MFLOP a step; peak {1e-9 / peak:.0f} GFLOP/s")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure, options = MEASURES[sys.argv[1]]
        print(json.dumps(measure(*json.loads(sys.argv[2]), **options)))
    else:
        main()
