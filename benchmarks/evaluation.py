"""How fast is evaluation? Exhaustive runs by vocabulary size, and the fast path against attention.

    python benchmarks/evaluation.py [VOCAB_SIZE ...]      (default 16 20; 28 takes minutes)

Each exhaustive run is a process of its own, so that the peak memory is its own. Its seconds are
those of both cores together, without compilation. It ends with the largest deviation from the
closed form in any context.
"""

import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.theory.basics import count_contexts
from gamecircuits.transformer.circuits import token_logits
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.model import Parameters, forward


def exhaustive(vocab_size: int) -> None:
    construction = make_construction("balanced", vocab_size=vocab_size)
    closed_form = construction.closed_form(np.arange(1, vocab_size))
    evaluate_exhaustively(make_construction("balanced", vocab_size=6).model())  # compiles
    start = time.process_time()
    table = evaluate_exhaustively(construction.model(), threads=2)
    took = time.process_time() - start
    worst = max(
        np.abs(table.loc[table["metric"] == metric, statistic].to_numpy() - wanted).max()
        for metric, law in closed_form.items()
        for statistic, wanted in law._asdict().items()
    )
    contexts = count_contexts(vocab_size)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{vocab_size:4}{contexts:14,}{took:9.1f}{took / contexts * 1e9:12.0f}{memory:11.0f}"
        f"{worst:14.1e}",
        flush=True,
    )


def fast_path() -> None:
    """Logits of 2048 prefixes x 31 positions, V = 32, d = 62, float32, one BLAS thread."""
    parameters = make_construction("balanced", vocab_size=32).parameters()
    parameters = Parameters(*(matrix.astype(np.float32) for matrix in parameters))
    rng = np.random.default_rng(0)
    tokens = rng.permuted(np.tile(np.arange(32), (2048, 1)), axis=1)[:, :31]
    difference = np.abs(forward(parameters, tokens) - token_logits(parameters, tokens)).max()
    took = {}
    for function in (forward, token_logits):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            function(parameters, tokens)
            times.append(time.perf_counter() - start)
        took[function.__name__] = np.median(times)
    print("\nlogits of 2048 x 31 prefixes, V = 32, d = 62, float32, one thread")
    for name, t in took.items():
        print(f"{name:14}{tokens.size / t / 1e6:7.2f} M positions/s{took['forward'] / t:7.1f} x")
    print(f"largest difference {difference:.1e} nats")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--one"]:
        exhaustive(int(arguments[1]))
        return
    print("every context of set complement, 9 metrics, float64, two threads")
    print(
        f"{'V':>4}{'contexts':>14}{'core s':>9}{'ns/context':>12}{'peak MiB':>11}"
        f"{'worst error':>14}"
    )
    for vocab_size in arguments or ["16", "20"]:
        subprocess.run([sys.executable, __file__, "--one", vocab_size], check=True)
    fast_path()


if __name__ == "__main__":
    main(sys.argv[1:])
