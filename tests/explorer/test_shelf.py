import io

import numpy as np
from PIL import Image, PngImagePlugin

from gamecircuits.explorer.shelf import compress, describe_figures


def make_png(seed: int, size: int = 50) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(size, size, 3), dtype=np.uint8)
    text, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text("Description", '{"stage": "plot"}')
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def make_entries(count: int) -> list[dict]:
    entry = {"section": "s", "caption": "**T.** See.", "record": "jobs/plot/x.json"}
    return [entry | {"path": f"figures/f{n}"} for n in range(count)]


def test_figures_of_models_are_in_the_list_as_the_page_draws_models():
    entries = make_entries(2)
    entries[0]["path"] = "figures/models/m"
    figures = describe_figures(entries, [make_png(0)] * 2, budget=10**6)
    assert [figure["is_card"] for figure in figures] == [True, False]
    assert figures[1]["path"] == "figures/models/m"


def test_a_picture_keeps_its_pixels():
    png = make_png(0)
    before, after = (Image.open(io.BytesIO(data)) for data in (png, compress(png)))
    np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_the_largest_pictures_are_left_out():
    images = [make_png(0), make_png(1, size=90), make_png(2)]
    small = len(compress(images[0])) + len(compress(images[2]))
    figures = describe_figures(make_entries(3), images, budget=small)
    assert [figure["picture"] is None for figure in figures] == [False, True, False]
    none = describe_figures(make_entries(8), [make_png(0)] * 8, budget=0)
    assert [figure["is_card"] for figure in none].count(False) == 2
    assert all(figure["picture"] is None for figure in none)
    assert figures[0]["made"]["stage"] == "plot"
    assert figures[0]["see"] == "See."
