"""Make all numbers and figures under docs/ anew.

    python3 run.py docs                 run the pipeline, then copy figures and tables, render pages
    python3 run.py docs --only PART     one part alone: figures, tour, page, training, replication,
                                        othello, othello_again, languages or inside
    python3 run.py docs --check         say whether pages are what their tables give
    python3 run.py docs --redraw        draw figures anew from results that are there, of any code

A run is resumed, and what is there is not made again. `training` takes half an hour on two cores,
`replication` (the same with another seed) as long, `figures` ten minutes. `othello` takes an hour
and a half, `othello_again` (with another seed) as long, `languages` and `inside` half an hour.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from gamecircuits.explorer.page import make_copy
from gamecircuits.pipeline import inside_page, othello_page, othello_tables, training_page
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.docs_images import is_current, make_image, redraw
from gamecircuits.pipeline.notebook import run_notebook
from gamecircuits.pipeline.page import (
    join_hypotheses,
    read_table,
    split_hypotheses,
    write_table,
)
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.training_page import (
    FOLDER,
    compare_runs,
    is_replication,
    make_effects,
    make_mechanisms,
)

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Run:
    """A run of the pipeline whose results docs/ shows."""

    config: str
    settings: dict[str, object] = field(default_factory=dict)  # in place of those in the config

    def load(self) -> Config:
        return load_config(ROOT / self.config, overrides=self.settings)

    @property
    def results(self) -> str:
        return self.load().results

    @property
    def plan(self) -> Plan:
        return Plan(self.load())

    @property
    def searches(self) -> list[str]:
        return list(self.load().searches)

    def make(self, files: Iterable[str]) -> Path:
        """Make files of the results folder, unless they are there and current; that folder.

        Raises:
            subprocess.CalledProcessError: if a job fails.
        """
        targets = [f"{self.results}/{file}" for file in files]
        command = [sys.executable, "-m", "gamecircuits.pipeline.run", *targets]
        command += ["--configfile", self.config]
        if self.settings:
            command += ["--config", *(f"{key}={value}" for key, value in self.settings.items())]
        subprocess.run(command, cwd=ROOT, check=True)
        return ROOT / self.results


RUNS = {
    "start": Run("config/start.yaml"),
    "default": Run("config/config.yaml"),
    "theory": Run("config/theory.yaml"),
    "search": Run("config/search.yaml"),
    "again": Run("config/search.yaml", {"seed": 3, "results": "results/search_again"}),
    "othello": Run("config/othello_gpt.yaml"),
    "othello_again": Run(
        "config/othello_gpt.yaml", {"seed": 1, "results": "results/othello_gpt_again"}
    ),
    "languages": Run("config/languages.yaml"),
    "inside": Run("config/othello_audit.yaml"),
}
PAGES: dict[str, Callable[[Path], str]] = {  # in docs, with what renders them
    "training.md": training_page.render_page,
    "othello.md": othello_page.render_page,
    "inside.md": inside_page.render_page,
}
OTHELLO, INSIDE = othello_page.FOLDER, inside_page.FOLDER
HYPOTHESES = "hypotheses"  # the table of this name
START = "start"  # the folder of the first page's figures
FIGURES = {  # file in docs: run, and file in its results; throughput.png is made by benchmarks/
    f"{START}/averaging.png": ("start", "figures/experiments/averaging.png"),
    f"{START}/circuits.png": ("start", "figures/models/by_hand.png"),
    f"{START}/predictions.png": ("start", "figures/predictions/four.png"),
    "length_generalization.png": ("default", "figures/length_generalization.png"),
    "remedies.png": ("default", "figures/experiments/remedies.png"),
    "certificate.png": ("default", "figures/experiments/certificate.png"),
    "critical_length.png": ("default", "figures/experiments/critical_length.png"),
    "dimensions.png": ("default", "figures/experiments/dimensions.png"),
    "superposition.png": ("default", "figures/experiments/superposition.png"),
    "parallel_resistors.png": ("default", "figures/experiments/parallel_resistors.png"),
    "precision.png": ("default", "figures/experiments/precision.png"),
    "training_path.png": ("theory", "figures/experiments/training_path.png"),
    "predictions_windowed.png": ("default", "figures/predictions/windowed.png"),
    "board_othello.png": ("default", "figures/boards/othello.png"),
    "training_curves.png": ("default", "figures/searches/complement_12/curves.png"),
    f"{FOLDER}/mechanisms_v16.png": ("search", "figures/searches/v16/mechanisms.png"),
    f"{FOLDER}/circuits_v16.png": ("search", "figures/searches/v16/circuits.png"),
    f"{OTHELLO}/positions.png": ("othello", "figures/grids/extrapolation.png"),
    f"{OTHELLO}/curves_large.png": ("othello", "figures/searches/large/curves.png"),
    f"{OTHELLO}/dispersion_large.png": ("othello", "figures/searches/large/dispersion.png"),
    f"{OTHELLO}/languages.png": ("languages", "figures/grids/extrapolation.png"),
    f"{INSIDE}/probes_large.png": ("inside", "figures/audits/large/large/probes.png"),
    f"{INSIDE}/beliefs_large.png": ("inside", "figures/audits/large/large/beliefs.png"),
    f"{INSIDE}/edits_large.png": ("inside", "figures/audits/large/large/edits.png"),
    f"{INSIDE}/attribution_small.png": ("inside", "figures/audits/small/small/attribution.png"),
    f"{INSIDE}/first_layer_small_no_positions.png": (
        "inside",
        "figures/audits/small/small_no_positions/first_layer.png",
    ),
}
MADE_LATER = {  # run: its table in docs; where that is not there, neither are its page and figures
    "othello": f"{OTHELLO}/factors.csv",
    "languages": f"{OTHELLO}/languages.csv",
    "inside": f"{INSIDE}/probes.csv",
}
TABLES = ("effects", "mechanisms", "moderators")  # of every search
PAGE = "index.html"  # in docs: the page of the default run
PATHS = "training_path.csv"  # in docs: where predicted and measured trainings end


def is_made(run: str, docs: Path) -> bool:
    """Whether docs/ shows the run; if not, its page and figures are left out."""
    return run not in MADE_LATER or (docs / MADE_LATER[run]).is_file()


def list_figures(docs: Path) -> list[str]:
    """The copies of figures that are to be in docs/."""
    return [copy for copy, (run, _) in FIGURES.items() if is_made(run, docs)]


def render_pages(docs: Path) -> dict[str, str]:
    """The texts of the pages that are made from tables, by file in docs/."""
    pages = {page: PAGES[page] for page in PAGES if is_made(page.removesuffix(".md"), docs)}
    return {page: make(docs) for page, make in pages.items()}


def read_page(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def copy_figures(run: str, docs: Path) -> None:
    """Make the figures of a run that docs/ shows, and copy them."""
    files = {copy: file for copy, (name, file) in FIGURES.items() if name == run}
    results = RUNS[run].make(files.values())
    for copy, file in files.items():
        (docs / copy).write_bytes(make_image((results / file).read_bytes()))


def redraw_figures(docs: Path) -> None:
    """Draw the images that other code has drawn, if what they show is there: no job is run."""
    shown = {copy: FIGURES[copy] for copy in list_figures(docs)}
    plans = {name: RUNS[name].plan for name in {run for run, _ in shown.values()}}
    for copy, (run, file) in shown.items():
        path = docs / copy
        if path.is_file() and is_current(path.read_bytes()):
            continue
        try:
            path.write_bytes(make_image(redraw(plans[run], file)))
            print(f"docs/{copy} is drawn anew")
        except FileNotFoundError as error:
            print(f"docs/{copy} stays as it is: there is no {error}", file=sys.stderr)
        except KeyError as error:
            text = f"docs/{copy} stays as it is: older code left no {error} in what it reads"
            print(text, file=sys.stderr)


def update_figures(docs: Path) -> None:
    """Figures of all pages but that on training."""
    for run in ("start", "default", "theory"):
        copy_figures(run, docs)
    file = "figures/experiments/training_path.csv"
    table = read_table(RUNS["theory"].make([file]) / file)
    write_table(table[table["step"] == table["step"].max()], docs / PATHS)


def read_searches(run: str, parts: Iterable[str] = TABLES) -> dict[str, dict[str, pd.DataFrame]]:
    """Tables of all searches of a run, which is made first: by part, then by search."""
    searches = RUNS[run].searches
    results = RUNS[run].make(f"searches/{name}/{part}.csv" for name in searches for part in parts)
    return {
        part: {name: read_table(results / f"searches/{name}/{part}.csv") for name in searches}
        for part in parts
    }


def read_hypotheses(run: str) -> pd.DataFrame:
    """The hypotheses of a run, which is made first."""
    file = "tables/hypotheses.csv"
    return read_table(RUNS[run].make([file]) / file)


def update_training(docs: Path) -> None:
    """Tables and figures of the training page; what they say of the second run stays as it is."""
    tables = read_searches("search")
    path = docs / FOLDER / "mechanisms.csv"
    kept = read_table(path)
    kept = kept[is_replication(kept)]
    write_table(
        make_effects(tables["effects"], tables["moderators"]), docs / FOLDER / "effects.csv"
    )
    write_table(pd.concat([make_mechanisms(tables["mechanisms"]), kept]), path)
    path = docs / FOLDER / "hypotheses.csv"
    _, again = split_hypotheses(read_table(path))
    write_table(join_hypotheses(read_hypotheses("search"), again), path)
    copy_figures("search", docs)


def update_replication(docs: Path) -> None:
    """Agreement of two runs of the searches, with different seeds; the hypotheses in both."""
    first, again = (read_searches(run, ["effects"])["effects"] for run in ("search", "again"))
    path = docs / FOLDER / "mechanisms.csv"
    kept = read_table(path)
    write_table(pd.concat([kept[~is_replication(kept)], compare_runs(first, again)]), path)
    hypotheses = [read_hypotheses(run) for run in ("search", "again")]
    write_table(join_hypotheses(*hypotheses), docs / FOLDER / "hypotheses.csv")


def read_gpts(run: str, *files: str) -> tuple[Path, dict[str, dict[str, pd.DataFrame]]]:
    """Results of a run, which is made first, with these files; tables by search."""
    searches = RUNS[run].searches
    tables = (f"searches/{s}/{t}.parquet" for s in searches for t in othello_tables.TABLES)
    results = RUNS[run].make([*tables, *files])
    return results, {search: othello_tables.read_search(results, search) for search in searches}


def read_othello(run: str) -> dict[str, pd.DataFrame]:
    """Tables of docs/othello.md from one run, which is made first."""
    file = "tables/hypotheses.csv"
    results, searches = read_gpts(run, file)
    tables = othello_tables.make_tables(searches, RUNS[run].load(), results)
    return tables | {HYPOTHESES: read_table(results / file)}


def update_othello(docs: Path) -> None:
    """Tables and figures of the page on OthelloGPT; those of the second run stay as they are."""
    for name, first in read_othello("othello").items():
        path, again = docs / OTHELLO / f"{name}.csv", first[:0]
        if path.is_file() and name == HYPOTHESES:
            _, again = split_hypotheses(read_table(path))
        elif path.is_file():
            again = othello_tables.split_again(name, read_table(path))
        write_joined(docs, name, first, again)
    copy_figures("othello", docs)


def update_othello_again(docs: Path) -> None:
    """The same tables from two runs with different seeds."""
    first, again = read_othello("othello"), read_othello("othello_again")
    for name in first:
        write_joined(docs, name, first[name], again[name])
    copy_figures("othello", docs)


def write_joined(docs: Path, name: str, first: pd.DataFrame, again: pd.DataFrame) -> None:
    """Write a table of docs/othello.md, with two runs beside each other."""
    if name == HYPOTHESES:
        table = join_hypotheses(first, again)
    else:
        table = othello_tables.join_tables(name, first, again)
    (docs / OTHELLO).mkdir(exist_ok=True)
    write_table(table, docs / OTHELLO / f"{name}.csv")


def update_languages(docs: Path) -> None:
    """Tables and figure of the languages."""
    (docs / OTHELLO).mkdir(exist_ok=True)
    results, searches = read_gpts("languages")
    for name, table in othello_tables.make_language_tables(
        searches, RUNS["languages"].load(), results
    ).items():
        write_table(table, docs / OTHELLO / f"{name}.csv")
    copy_figures("languages", docs)


def update_inside(docs: Path) -> None:
    """Tables and figures of what models know of the board."""
    run = RUNS["inside"]
    (docs / INSIDE).mkdir(exist_ok=True)
    files = run.plan.files("audits")
    results = run.make(file.removeprefix(f"{run.results}/") for file in files)
    for name, table in inside_page.make_tables(run.load(), results).items():
        write_table(table, docs / INSIDE / f"{name}.csv")
    copy_figures("inside", docs)


def update_page(docs: Path) -> None:
    """The page of the default run; the images are those beside it."""
    page = RUNS["default"].make(["index.html"]) / "index.html"
    shown = [(copy, file) for copy, (run, file) in FIGURES.items() if run == "default"]
    images = {file.removesuffix(".png"): copy for copy, file in shown}
    (docs / PAGE).write_bytes(make_copy(page.read_text(encoding="utf-8"), images))


def update_tour(docs: Path) -> None:
    """What the cells of the tour print and draw."""
    RUNS["start"].make(["tables/metrics.parquet", "models/by_hand.safetensors"])
    path = docs / "tour.ipynb"
    path.write_text(run_notebook(path), encoding="utf-8")


PARTS = {
    "figures": update_figures,
    "tour": update_tour,
    "page": update_page,
    "training": update_training,
    "replication": update_replication,
    "othello": update_othello,
    "othello_again": update_othello_again,
    "languages": update_languages,
    "inside": update_inside,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py docs", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--check", action="store_true", help="compare and change nothing")
    parser.add_argument("--redraw", action="store_true", help="draw again without any run")
    options = parser.parse_args(arguments)
    if options.check:
        old = [page for page, text in render_pages(DOCS).items() if read_page(DOCS / page) != text]
        for page in old:
            print(f"docs/{page} is not what its template and tables give.", file=sys.stderr)
        return 1 if old else 0
    try:
        with contextlib.chdir(ROOT):  # paths in the configurations are relative to it
            if options.redraw:
                redraw_figures(DOCS)
                return 0
            for name, update in PARTS.items():
                if options.only in (None, name):
                    update(DOCS)
    except subprocess.CalledProcessError as error:
        return error.returncode
    for page, text in render_pages(DOCS).items():
        (DOCS / page).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
