"""How long does a billion games of 8 x 8 Othello take, and how much space? Projected from shards.

    python benchmarks/billion.py [SHARDS] [--folder PATH]      (default 5: some minutes, 260 MB)

Plays shards of a million games and finds their masks, as the jobs of config/othello_1b.yaml do: a
process each, with the SHA-256 of what it wrote. Seconds are the processor's, so a busy machine
shows the same. Shards differ by chance alone, so a thousand take a thousand times the mean. Hours
are those of cores that do nothing else, with a disk that keeps up. The range is that of the slowest
and the fastest shard.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

GAMES, BILLION = 1_000_000, 1_000  # games of a shard, shards
RULES = {"kind": "othello", "board_size": 8}
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
MACHINES = [(1, 2), (1, 16), (4, 16)]  # machines, cores of each
STAGES = ("games", "masks")


def do(stage: str, shard: int, folder: Path) -> None:
    """The work of one job."""
    from gamecircuits.pipeline.stages.compute_masks import compute_masks
    from gamecircuits.pipeline.stages.generate_games import generate_games
    from gamecircuits.storage.files import file_digest

    games, masks = folder / "games", folder / "masks"
    if stage == "games":
        generate_games(
            games, job="{}", name="othello", seed=0, shard=shard, num_games=GAMES,
            games_per_shard=GAMES, splits=SHARES, game=RULES,
        )  # fmt: skip
    else:
        file_digest(games)
        compute_masks(games, masks, job="{}", game=RULES, num_games=GAMES)
    file_digest(folder / stage)


def measure(stage: str, shard: int, folder: Path) -> dict[str, float]:
    """Seconds of the processor, MiB and bytes of one job."""
    command = [sys.executable, __file__, "--one", stage, str(shard), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    seconds, size = used.ru_utime + used.ru_stime, (folder / stage).stat().st_size
    return {"seconds": seconds, "bytes": size, "mib": used.ru_maxrss >> 10}


def show(found: dict[str, list[dict[str, float]]]) -> None:
    print(
        f"| of {len(found['games'])} shards | core-seconds a shard | bytes a game | MiB at most |"
    )
    print("|---|---|---|---|")
    for stage, jobs in found.items():
        seconds, sizes = ([job[key] for job in jobs] for key in ("seconds", "bytes"))
        mean, size = sum(seconds) / len(jobs), sum(sizes) / len(jobs) / GAMES
        print(
            f"| {stage} | {mean:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {size:.3f} "
            f"({min(sizes) / GAMES:.3f} to {max(sizes) / GAMES:.3f}) | "
            f"{max(job['mib'] for job in jobs):.0f} |"
        )
    both = {
        "games": [job["seconds"] for job in found["games"]],
        "games and masks": [
            sum(job["seconds"] for job in jobs) for jobs in zip(*found.values(), strict=True)
        ],
    }
    total = {"games": sum(job["bytes"] for job in found["games"]) / len(found["games"])}
    total["games and masks"] = total["games"] + sum(j["bytes"] for j in found["masks"]) / len(
        found["masks"]
    )
    print("\n| a billion | GB |" + "".join(f" {m} × {c} cores |" for m, c in MACHINES))
    print("|---|---|" + "---|" * len(MACHINES))
    for what, seconds in both.items():
        cells = []
        for machines, cores in MACHINES:
            hours = [BILLION * s / 3600 / machines / cores for s in seconds]
            cells.append(
                f"{_hours(sum(hours) / len(hours))} ({_hours(min(hours))} to {_hours(max(hours))})"
            )
        print(f"| {what} | {total[what] * BILLION / 1e9:.0f} | " + " | ".join(cells) + " |")


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.2g} min"


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        do(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", type=int, nargs="?", default=5)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    arguments = parser.parse_args()
    if arguments.shards < 1:
        parser.error("at least one shard")
    found: dict[str, list[dict[str, float]]] = {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for shard in range(arguments.shards):
            for stage, jobs in found.items():
                jobs.append(measure(stage, shard, Path(folder)))
    show(found)


if __name__ == "__main__":
    main()
