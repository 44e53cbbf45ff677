"""Stage: one figure of a search."""

import sys
from importlib import import_module
from pathlib import Path

from gamecircuits.figures.searches._search import DIVERGED, KEYS, draw_nothing
from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import write_results


def plot_search(
    job: str, settings: dict, search: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Draw a figure of gamecircuits.figures from the tables of a search."""
    figure = import_module(
        "gamecircuits.figures.searches." + settings["figure"].removeprefix("training_")
    )
    (path,) = map(Path, search)
    tables = {
        part: read_table(path.with_stem(f"{path.stem}_{part}")).to_pandas()
        for part in ("trials", "dynamics", "noise", "circuits", "effects")
    }
    tables["metrics"] = read_table(path).to_pandas()
    about = settings["game"], settings["length"]
    if tables["effects"].empty:
        table = tables["trials"][KEYS].assign(**{DIVERGED: True})
        drawn = draw_nothing(*about, "all trials diverged: lower the learning rate")
    else:
        table = figure.make_table(tables, settings["length"])
        drawn = figure.draw(table, *about)
    write_results(job, table, output, csv=csv, others=render(drawn, images, job))


def main(argv=None) -> int:
    return run_stage(plot_search, argv, inputs={"search": read_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
