"""Make all numbers and figures under docs/ anew.

    python3 run.py docs                 run the pipeline, then copy figures and tables, render pages
    python3 run.py docs --only PART     figures, tour, page, training or replication alone
    python3 run.py docs --check         say whether docs/training.md is what its tables give

A run is resumed, and what is there is not made again. `training` takes half an hour on two cores,
`replication` (the same with another seed) as long, `figures` ten minutes.
"""

import argparse
import contextlib
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gamecircuits.explorer.page import make_copy
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.notebook import run_notebook
from gamecircuits.pipeline.training_page import (
    FOLDER,
    compare_runs,
    is_replication,
    join_hypotheses,
    make_effects,
    make_mechanisms,
    read_table,
    render_page,
    split_hypotheses,
    write_table,
)

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
MAX_BYTES = 400_000  # of a figure in docs/
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Run:
    """A run of the pipeline whose results docs/ shows."""

    config: str
    settings: dict[str, object] = field(default_factory=dict)  # in place of those in the config

    @property
    def results(self) -> str:
        return load_config(ROOT / self.config, overrides=self.settings).results

    @property
    def searches(self) -> list[str]:
        return list(load_config(ROOT / self.config).searches)

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
}
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
    "legality_othello.png": ("default", "figures/legality/othello.png"),
    "filmstrip_othello.png": ("default", "figures/filmstrip/othello.png"),
    "training_curves.png": ("default", "figures/searches/complement_12/curves.png"),
    f"{FOLDER}/mechanisms_v16.png": ("search", "figures/searches/v16/mechanisms.png"),
    f"{FOLDER}/circuits_v16.png": ("search", "figures/searches/v16/circuits.png"),
}
TABLES = ("effects", "mechanisms", "moderators")  # of every search
PAGE = "index.html"  # in docs: the page of the default run
PATHS = "training_path.csv"  # in docs: where predicted and measured trainings end


def compress_png(png: bytes) -> bytes:
    """The same colours and metadata in at most MAX_BYTES, and the same pixels if these allow it.

    Matplotlib writes an alpha channel that is opaque everywhere, and filters that make flat areas
    larger; without both, a figure has three quarters of its size.
    """
    smallest = _write_png(png, 1.0)
    for scale in (0.75, 0.6, 0.5):
        if len(smallest) > MAX_BYTES:  # hundreds of thin lines
            smallest = _write_png(png, scale)
    return smallest


def _write_png(png: bytes, scale: float) -> bytes:
    image: Image.Image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode != "RGB":
        return png
    if scale < 1:
        size = round(scale * image.width), round(scale * image.height)
        image = image.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True, pnginfo=_read_text(png))
        return buffer.getvalue()
    pixels = np.asarray(image).reshape(image.height, -1)
    rows = np.pad(pixels, ((0, 0), (1, 0)))  # a row starts with its filter; 0 is none
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)  # 2: RGB
    chunks = [(b"IHDR", header)]
    chunks += [(kind, data) for kind, data in _read_chunks(png) if kind in (b"tEXt", b"pHYs")]
    chunks += [(b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    compressed = PNG_START + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return min(compressed, png, key=len)


def _read_text(png: bytes) -> PngInfo:
    """The metadata of an image, to be written into another."""
    text = PngInfo()
    for key, value in Image.open(io.BytesIO(png)).info.items():
        if isinstance(key, str) and isinstance(value, str):
            text.add_text(key, value)
    return text


def _read_chunks(png: bytes) -> Iterable[tuple[bytes, bytes]]:
    start = len(PNG_START)
    while start < len(png):
        size = int.from_bytes(png[start : start + 4])
        yield png[start + 4 : start + 8], png[start + 8 : start + 8 + size]
        start += size + 12


def copy_figures(run: str, docs: Path) -> None:
    """Make the figures of a run that docs/ shows, and copy them."""
    files = {copy: file for copy, (name, file) in FIGURES.items() if name == run}
    results = RUNS[run].make(files.values())
    for copy, file in files.items():
        (docs / copy).write_bytes(compress_png((results / file).read_bytes()))


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
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py docs", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--check", action="store_true", help="compare and change nothing")
    options = parser.parse_args(arguments)
    page = DOCS / f"{FOLDER}.md"
    if options.check:
        is_current = page.read_text(encoding="utf-8") == render_page(DOCS)
        if not is_current:
            print("docs/training.md is not what its template and tables give.", file=sys.stderr)
        return 0 if is_current else 1
    try:
        with contextlib.chdir(ROOT):  # paths in the configurations are relative to it
            for name, update in PARTS.items():
                if options.only in (None, name):
                    update(DOCS)
    except subprocess.CalledProcessError as error:
        return error.returncode
    page.write_text(render_page(DOCS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
