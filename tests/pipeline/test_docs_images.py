"""Images of docs/: true colours, their job, and whether the present code would draw them so."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pipeline_tools import do

from gamecircuits.pipeline import docs, docs_images, provenance
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan

DOCS = Path(__file__).parents[2] / "docs"
JOB = {"stage": "plot_games", "modules": ["gamecircuits.figures.games.branching_factor"]}
COMMAND = "python3 run.py docs --redraw, and where a run's results are missing: run.py docs"


def save_png(pixels: np.ndarray, job: str) -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    info.add_text("Description", job)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info, dpi=(200, 200))
    return buffer.getvalue()


@pytest.mark.parametrize("name", docs.list_figures(docs.DOCS))
def test_images_have_their_colours_and_are_drawn_by_the_present_code(name):
    png = (DOCS / name).read_bytes()
    assert Image.open(io.BytesIO(png)).mode == "RGB"
    assert len(png) <= docs_images.MAX_BYTES
    is_current = docs_images.is_current(png)
    assert is_current, f"docs/{name} is old: {COMMAND}"


@pytest.mark.parametrize(
    ("changed", "is_current"),
    [
        ("storage.parquet", True),
        ("figures.style", False),
        ("figures.games.branching_factor", False),
    ],
)
def test_an_image_is_old_if_code_that_draws_it_has_changed(monkeypatch, changed, is_current):
    png = docs_images.make_image(save_png(np.full((9, 9, 4), 255, np.uint8), json.dumps(JOB)))
    assert docs_images.is_current(png)
    read = provenance._digest_and_imports

    def read_changed(module):
        digest, *others = read(module)
        return digest + "!" * (module == f"gamecircuits.{changed}"), *others

    monkeypatch.setattr(provenance, "_digest_and_imports", read_changed)
    provenance.own_digest.cache_clear()
    assert docs_images.is_current(png) == is_current
    provenance.own_digest.cache_clear()


def test_an_image_is_old_if_nothing_draws_it_any_more_or_nothing_says_what_did():
    pixels = np.full((9, 9, 4), 255, np.uint8)
    gone = {"stage": "plot_nothing", "modules": []}
    assert not docs_images.is_current(save_png(pixels, json.dumps(gone)))
    assert not docs_images.is_current(save_png(pixels, json.dumps(JOB)))


def test_a_figure_is_drawn_anew_from_what_is_there(tmp_path):
    game = {"kind": "mnk", "rows": 2, "columns": 2, "in_a_row": 2, "num_games": 9}
    config = {"seed": 0, "results": str(tmp_path / "results"), "games": {"g": game}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    plan = Plan(load_config(path))
    figure = plan.job("plot_board", game="g")
    with pytest.raises(FileNotFoundError, match="results"):
        docs_images.redraw(plan, "figures/boards/g.png")
    for job in ("generate_games", "compute_masks", "measure_legality", "plot_board"):
        names = {"game": "g", "shard": "shard-00000"}
        do(plan.job(job, **names))
    (drawn,) = (file for file in figure.files if file.endswith(".png"))
    again = docs_images.redraw(plan, "figures/boards/g.png")
    assert again == Path(drawn).read_bytes()
    record = Path(plan.job("measure_legality", game="g").record)
    older = json.loads(record.read_bytes()) | {"digest": "of older code"}
    record.write_text(json.dumps(older), encoding="utf-8")
    job = json.loads(
        Image.open(io.BytesIO(docs_images.redraw(plan, "figures/boards/g.png"))).text["Description"]
    )
    assert job["inputs"]["legality"] == ["of older code"]


def test_a_compressed_figure_has_the_same_pixels_and_metadata():
    pixels = np.zeros((40, 50, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[10:20, 5:, :3] = np.random.default_rng(0).integers(256, size=(10, 45, 3))
    png = save_png(pixels, job="the job, with ü")
    compressed = docs_images.compress_png(png)
    assert len(compressed) < len(png)
    old, new = (Image.open(io.BytesIO(data)) for data in (png, compressed))
    assert new.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(new), pixels[..., :3])
    assert new.text == old.text == {"Description": "the job, with ü"}
    assert new.info["dpi"] == old.info["dpi"]
    assert docs_images.compress_png(compressed) == compressed
    pixels[3, 3, 3] = 0  # transparent: not to be lost
    png = save_png(pixels, job="")
    assert docs_images.compress_png(png) == png
