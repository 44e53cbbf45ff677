"""Has a hot path become slower? Ratios to primitive costs of the same run, and recorded ones.

    python benchmarks/guard.py [PATH ...]      compare (half a minute)
    python benchmarks/guard.py --record        write guard.json anew

A ratio is the time of one of our paths over that of a primitive operation: filling a buffer, a
matrix product, exponentials, random numbers, compression, interpreted Python. Both are pinned to
one core and alternate, in time of the processor. The number is the median over the rounds. `within`
is what the ratio may grow by: the spread of the rounds when it was recorded, at least 1.4. Another
kind of processor has other ratios: record them first.

The exit status is 1 if a path is slower than that.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import stages  # before numpy, whose threads it limits
from stages import OTHELLO, Run, sets

# isort: split
import numpy as np
import pyarrow as pa

RECORD = Path(__file__).with_suffix(".json")
ROUNDS, SECONDS = 9, 0.04  # of a measurement, about
LEAST_WITHIN, MOST_WITHIN = 1.4, 2


def fill(num_bytes: int) -> Run:
    def run():
        np.empty(num_bytes, np.uint8).fill(1)

    return run


def product(size: int) -> Run:
    matrix = np.random.default_rng(0).random((size, size), np.float32)
    return lambda: matrix @ matrix


def exponential(count: int) -> Run:
    values = np.random.default_rng(0).random(count)
    return lambda: np.exp(values)


def draw(count: int) -> Run:
    rng = np.random.default_rng(0)
    return lambda: rng.random(count)


def compress(num_bytes: int) -> Run:
    values = np.random.default_rng(0).integers(0, 64, num_bytes).astype(np.int8).tobytes()
    return lambda: pa.compress(values, "zstd")


def interpret(count: int) -> Run:
    def run():
        return json.dumps([{"n": str(n)} for n in range(count)])

    return run


class Pair(NamedTuple):
    """One of our paths, a primitive operation, and how often both are measured."""

    ours: Callable[[], Run]
    primitive: Callable[[], Run]
    rounds: int = ROUNDS


WINDOWED = {"kind": "windowed_complement", "vocab_size": 32, "window": 8}
CONNECT_FOUR = {"kind": "connect_four"}
DROPOUT = {f"{site}_dropout": 0.1 for site in ("embedding", "attention", "residual")}
CELLS = 4096 * 32 * 32  # games × positions × tokens
PATHS = {
    "masks, boolean": Pair(lambda: stages.mask(4096, sets(32)), lambda: fill(CELLS)),
    "masks, packed": Pair(lambda: stages.mask_packed(4096, 32), lambda: fill(CELLS)),
    "masks, window": Pair(lambda: stages.mask(1024, WINDOWED), lambda: fill(CELLS >> 1)),
    "masks, Othello": Pair(lambda: stages.mask(4096, OTHELLO), lambda: fill(4096 * 60 * 64)),
    "play, sets": Pair(lambda: stages.play(16384, sets(32)), lambda: draw(16384 * 32)),
    "play, Othello": Pair(lambda: stages.play(16384, OTHELLO), lambda: draw(16384 * 60)),
    "play, Connect Four": Pair(lambda: stages.play(16384, CONNECT_FOUR), lambda: draw(16384 * 42)),
    "write games": Pair(lambda: stages.write(16384), lambda: compress(16384 * 60)),
    "read games": Pair(lambda: stages.read(16384), lambda: compress(16384 * 60)),
    "logits": Pair(lambda: stages.logits(512, 32), lambda: product(512)),
    "every context": Pair(lambda: stages.evaluate_all(14), lambda: exponential(14 * 14 << 13)),
    "sampled games": Pair(lambda: stages.evaluate_games(256, 32), lambda: exponential(CELLS >> 4)),
    "diagnosis": Pair(lambda: stages.diagnose(10), lambda: exponential(1 << 20), 5),
    "training": Pair(lambda: stages.train(8, 16, 6), lambda: product(1024), 3),
    "training, dropout": Pair(lambda: stages.train(8, 16, 6, **DROPOUT), lambda: product(1024), 3),
    "plan": Pair(lambda: stages.plan_shards(100), lambda: interpret(100_000), 5),
}


def measure(pair: Pair) -> tuple[float, float]:
    """The median of the ratios of all rounds, and the largest over the smallest without extremes"""
    ours, primitive = pair.ours(), pair.primitive()
    ratios = []
    for _ in range(pair.rounds):
        before = stages.seconds(primitive, SECONDS)
        took = stages.seconds(ours, SECONDS)
        ratios.append(2 * took / (before + stages.seconds(primitive, SECONDS)))
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    return float(middle), float(high / low)


def read_record() -> dict[str, dict[str, float]]:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def compare(name: str, ratio: float, known: dict[str, float]) -> bool:
    """Print how a path stands; whether it is as fast as recorded."""
    change = ratio / known["ratio"]
    is_slower = change > known["within"]
    verdict = (
        f"SLOWER by {change:.2f} ×, more than {known['within']:.2f}"
        if is_slower
        else f"faster by {1 / change:.2f} ×: record it"
        if change < 1 / known["within"]
        else "as recorded"
    )
    print(f"{name:22}{ratio:10.3g}{known['ratio']:10.3g}   {verdict}", flush=True)
    return not is_slower


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help=", ".join(PATHS))
    parser.add_argument(
        "--record", action="store_true", help="write what is measured to the record"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.paths) - set(PATHS):
        parser.error(f"there is no {', '.join(unknown)}; the paths are {', '.join(PATHS)}")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begin, known = time.monotonic(), read_record() if RECORD.exists() else {}
    print(f"{'':22}{'ratio':>10}{'recorded':>10}")
    is_well = True
    for name in arguments.paths or PATHS:
        ratio, spread = measure(PATHS[name])
        if name in known:
            is_well &= compare(name, ratio, known[name])
        else:
            print(f"{name:22}{ratio:10.3g}{'':10}   was not recorded", flush=True)
        if arguments.record:
            within = min(max(spread, LEAST_WITHIN), MOST_WITHIN)
            known[name] = {"ratio": float(f"{ratio:.3g}"), "within": float(f"{within:.3g}")}
    if arguments.record:
        kept = {name: known[name] for name in PATHS if name in known}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - begin:.0f} s")
    return 0 if is_well or arguments.record else 1


if __name__ == "__main__":
    sys.exit(main())
