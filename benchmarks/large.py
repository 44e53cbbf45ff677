"""How large a vocabulary can be evaluated length by length, without going through all contexts?

    python benchmarks/large.py [VOCAB_SIZE ...]      (default 128 256 512 1024)

Random games of set complement, float32, one thread, at five lengths of each game. Each run is a
process of its own, so that the peak memory is its own; it ends with the largest deviation from the
closed form in any context. `start` is the memory before anything is constructed.
"""

import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from gamecircuits.analysis.evaluation import evaluate_by_length
from gamecircuits.games.game import make_game
from gamecircuits.transformer.constructions.construction import make_construction

KINDS = ("balanced", "attention_norm", "harmonic")
NUM_GAMES, BATCH = 128, 16
COMPARED = ("illegal_token_rate", "total_variation", "kl_divergence")  # of order 1 in every model


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def evaluate(kind: str, vocab_size: int) -> None:
    before = peak()
    start = time.perf_counter()
    construction = make_construction(kind, vocab_size=vocab_size)
    model = construction.model().cast("float32")
    constructed = time.perf_counter() - start

    game = make_game("set_complement", vocab_size=vocab_size)
    rng = np.random.default_rng(0)
    lengths = np.array([1, 2, vocab_size // 4, vocab_size // 2, vocab_size - 2])

    def batches():
        for _ in range(NUM_GAMES // BATCH):
            tokens = game.play(BATCH, rng)
            yield tokens, game.get_valid_next_token_mask(tokens)

    start = time.perf_counter()
    table = evaluate_by_length(model, batches(), lengths, NUM_GAMES)
    took = time.perf_counter() - start
    closed_form = construction.closed_form(lengths)
    probabilities, spread = 0.0, table.loc[table["metric"] == "absent_spread", "max"].max()
    for metric in COMPARED:
        rows, law = table[table["metric"] == metric], closed_form[metric]
        above, below = rows["max"].to_numpy() - law.max, law.min - rows["min"].to_numpy()
        probabilities = max(probabilities, above.max(), below.max())
    contexts = NUM_GAMES * len(lengths)
    print(
        f"{kind:>15}{vocab_size:6}{constructed:10.2f}{took:10.2f}{contexts / took:12.0f}"
        f"{before:8.0f}{peak():8.0f}{probabilities:12.1e}{spread:12.1e}",
        flush=True,
    )


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--one"]:
        evaluate(arguments[1], int(arguments[2]))
        return
    print(f"{NUM_GAMES} random games at 5 lengths, 9 metrics, float32, one thread")
    names = ("make, s", "run, s", "contexts/s", "start", "peak", "p, KL", "spread")
    widths = (10, 10, 12, 8, 8, 12, 12)
    columns = (f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    print(f"{'model':>15}{'V':>6}" + "".join(columns))
    for vocab_size in arguments or ["128", "256", "512", "1024"]:
        for kind in KINDS:
            command = [sys.executable, __file__, "--one", kind, vocab_size]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
