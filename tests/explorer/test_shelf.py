import io

import numpy as np
from PIL import Image, PngImagePlugin

from gamecircuits.explorer.shelf import MAX_CARDS, choose_cards, compress, describe_figures


def make_png(seed: int, size: int = 50) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(size, size, 3), dtype=np.uint8)
    text, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text("Description", '{"stage": "plot"}')
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def make_entries(count: int) -> list[dict]:
    entry = {"section": "s", "caption": "**T.** See.", "record": "jobs/plot/x.json"}
    return [entry | {"path": f"figures/f{n}"} for n in range(count)]


def test_cards_are_a_dozen_and_never_none():
    of_models = [f"figures/circuits/m{n}" for n in range(30)]
    known = ["figures/experiments/remedies", "figures/length_generalization"]
    assert choose_cards([*of_models, *known])[:2] == [31, 30], "the order of the table"
    assert len(choose_cards(of_models)) == 6
    assert choose_cards(of_models[:2]) == [0, 1]
    assert choose_cards([]) == []
    searches = [f"figures/searches/{s}/effects" for s in "ab"]
    assert choose_cards(searches) == [0, 1]
    assert len(choose_cards([f"figures/experiments/{n}" for n in range(40)])) <= MAX_CARDS


def test_a_picture_keeps_its_pixels():
    png = make_png(0)
    before, after = (Image.open(io.BytesIO(data)) for data in (png, compress(png)))
    np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_the_largest_pictures_are_left_out():
    images = [make_png(0), make_png(1, size=90), make_png(2)]
    small = len(compress(images[0])) + len(compress(images[2]))
    figures = describe_figures(make_entries(3), images, budget=small)
    assert [figure["picture"] is None for figure in figures] == [False, True, False]
    assert figures[0]["made"]["stage"] == "plot"
    assert figures[0]["see"] == "See."
