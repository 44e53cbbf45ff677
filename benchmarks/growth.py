"""How do time and memory grow with the work? On log axes, beside what theory says.

    python benchmarks/growth.py [STAGE ...]      (minutes; writes growth.csv, growth.png)

Each point is a process of its own on one core, under Linux. It does the smallest work first, so
that libraries are loaded, then the work itself. Time is the processor's, without compilation.
Memory is what the process grew by over the smallest work; under 2 MiB nothing is drawn. The slope
is that of a line through the last three points: the power of the size that the cost grows with.
Theory is the power of the dominant term; a range is that of two terms.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import stages  # before numpy, whose threads it limits
from stages import OTHELLO, Run, sets

# isort: split
import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter

from gamecircuits.figures.layout import render
from gamecircuits.figures.style import COLOURS, GREY, new_figure

SECONDS, FLOOR = 0.1, 2.0  # of a measurement; MiB
NAMES = ("stage", "axis", "size", "seconds", "memory_mib")
ENV = {"JAX_PLATFORMS": "cpu"}


class Growth(NamedTuple):
    """A stage at several sizes, and the powers that theory says."""

    axis: str
    sizes: list[int]
    build: Callable[[int], Run]
    time: str
    memory: str = "1"
    position: Callable[[int], float] = float  # of a size on the axis


def _contexts(V: int) -> float:
    return float(V * 2 ** (V - 1) - V)


def _powers(first: int, last: int) -> list[int]:
    return [2**n for n in range(first, last + 1)]


def _train_vocabulary(V: int) -> Run:
    return stages.train(2, V, 6, steps=10)


GROWTHS = {
    "play": Growth("games of Othello", _powers(12, 17), lambda n: stages.play(n, OTHELLO), "1"),
    "masks": Growth("V = length", _powers(5, 9), lambda V: stages.mask(512, sets(V)), "2", "2"),
    "write": Growth("games of Othello", _powers(14, 18), stages.write, "1", "0"),
    "read": Growth("games of Othello", _powers(14, 18), stages.read, "1", "0"),
    "every context": Growth(
        "contexts", [10, 12, 14, 16, 17], stages.evaluate_all, "1", "1", _contexts
    ),
    "sampled games": Growth(
        "games", _powers(8, 12), lambda n: stages.evaluate_games(n, 32), "1", "1"
    ),
    "sampled games, wide": Growth(
        "V = length", _powers(4, 8), lambda V: stages.evaluate_games(64, V), "2 to 3", "1 to 2"
    ),
    "diagnosis": Growth("V", _powers(3, 7), stages.diagnose, "0 to 1", "0 to 1"),
    "training": Growth(
        "trials", _powers(0, 5), lambda n: stages.train(n, 16, 6, steps=20), "1", "1"
    ),
    "training, wide": Growth("V = d/2", _powers(3, 7), _train_vocabulary, "3", "2"),
    "training, long": Growth(
        "length", _powers(2, 6), lambda n: stages.train(2, 66, n, steps=10), "0 to 1", "0 to 1"
    ),
    "plan, shards": Growth("shards", _powers(9, 13), stages.plan_shards, "1", "1"),
    "plan, models": Growth("models", _powers(6, 10), stages.plan_models, "1", "1"),
}


def _memory(what: str) -> float:
    """MiB of this process: VmRSS is what it has now, VmHWM the most since `_forget_peak`."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "utf-8")


def measure(name: str, size: int) -> None:
    """Print seconds and MiB, in a process of its own."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    growth = GROWTHS[name]
    growth.build(growth.sizes[0])()
    _forget_peak()
    before = _memory("VmRSS")
    took = stages.seconds(growth.build(size), SECONDS)
    print(json.dumps([took, _memory("VmHWM") - before]))


def measure_stage(name: str) -> pd.DataFrame:
    growth, rows = GROWTHS[name], []
    for size in growth.sizes:
        command = [sys.executable, __file__, "--one", name, str(size)]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ENV
        )
        found = json.loads(done.stdout.splitlines()[-1])
        rows.append((name, growth.axis, growth.position(size), *found))
    table = pd.DataFrame(rows, columns=NAMES)
    slopes = [f"{what} {_slope(table, what):.2f}" for what in NAMES[3:]]
    print(f"{name:22}{'   '.join(slopes)}   theory {growth.time}, {growth.memory}", flush=True)
    return table


def _slope(rows: pd.DataFrame, what: str) -> float:
    """Power of the size, from the last three sizes; NaN where too little is measured."""
    seen = rows[rows[what] > (FLOOR if what == "memory_mib" else 0)].tail(3)
    if len(seen) < 3:
        return float("nan")
    return float(np.polyfit(np.log(seen["size"]), np.log(seen[what]), 1)[0])


def draw(table: pd.DataFrame, names: list[str]):
    """Two lines of panels for every seven stages: seconds above, MiB below."""
    columns = 7
    blocks = -(-len(names) // columns)
    figure, grid = new_figure(2 * blocks, columns, 14, 3.9 * blocks)
    for axes in grid.flat:
        axes.set_visible(False)
    for number, name in enumerate(names):
        rows, growth = table[table["stage"] == name], GROWTHS[name]
        block, column = divmod(number, columns)
        for line, (what, theory) in enumerate(zip(NAMES[3:], growth[3:5], strict=True)):
            axes = grid[2 * block + line, column]
            axes.set_visible(True)
            _draw_panel(axes, rows, what, theory)
            if line:
                axes.set_xlabel(growth.axis)
            else:
                axes.set_title(name)
            if not column:
                axes.set_ylabel("growth, MiB" if line else "seconds")
    return figure


def _draw_panel(axes, rows: pd.DataFrame, what: str, theory: str) -> None:
    seen = rows[rows[what] > (FLOOR if what == "memory_mib" else 0)]
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = rows["size"].to_numpy()
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    axes.set_xticks(sizes[::2], map(_write_size, sizes[::2]))
    axes.set_xticks([], minor=True)
    axes.yaxis.set_minor_formatter(NullFormatter())
    slope = _slope(rows, what)
    words = f"mostly under {FLOOR:g} MiB" if len(seen) < 3 else f"slope {abs(slope):.2f}"
    if slope < -0.005:
        words = words.replace("slope ", "slope −")
    axes.set_title(f"{words}, theory {theory}", loc="right", fontsize=7, color=GREY, y=0.0)
    if not len(seen):
        axes.set_ylim(FLOOR / 2, FLOOR * 50)
        return
    x, y = seen["size"].to_numpy(), seen[what].to_numpy()
    for power in map(float, theory.split(" to ")):
        axes.plot(x, y[-1] * (x / x[-1]) ** power, "--", color=GREY, linewidth=0.9)
    axes.plot(x, y, "o", color=COLOURS[0], clip_on=False)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 3, max(high, 12 * low))
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)


def _write_size(size: float) -> str:
    """With k for 2^10 and M for 2^20."""
    for unit, scale in (("M", 2**20), ("k", 2**10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f}"


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(GROWTHS))
    parser.add_argument("--draw", action="store_true", help="draw growth.csv, and measure nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.stages) - set(GROWTHS):
        parser.error(f"there is no {', '.join(unknown)}; the stages are {', '.join(GROWTHS)}")
    here = Path(__file__)
    csv, path = here.with_suffix(".csv"), str(here.with_suffix(".png"))
    known = pd.read_csv(csv) if csv.exists() else pd.DataFrame(columns=list(NAMES))
    for name in [] if arguments.draw else arguments.stages or GROWTHS:
        found, kept = measure_stage(name), known[known["stage"] != name]
        known = found if kept.empty else pd.concat([kept, found])
        known.to_csv(csv, index=False, float_format="%.4g")
    names = [name for name in GROWTHS if name in set(known["stage"])]
    Path(path).write_bytes(render(draw(known, names), [path], "benchmarks/growth.py")[path])


if __name__ == "__main__":
    main()
