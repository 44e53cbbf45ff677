import numpy as np
import pytest

from gamecircuits.explorer.page import digest_files, list_assets, make_copy, make_page, read_data


def test_a_copy_shows_the_images_beside_it():
    figures = [{"path": f"figures/f{n}", "picture": np.zeros(9, np.uint8)} for n in range(3)]
    page = make_page({"figures": figures, "more": [1.5, None]}, "a <page>").decode()
    copy = make_copy(page, {"figures/f1": "f1.png"}).decode()
    assert "<title>a &lt;page&gt;</title>" in copy
    assert f'content="{digest_files(list_assets())}"' in copy
    assert read_data(copy) == {
        "figures": [
            {"path": "figures/f1", "picture": None, "image": "f1.png", "is_card": True},
        ],
        "more": [1.5, None],
        "is_copy": True,
    }
    assert read_data(page)["figures"][0]["picture"].tolist() == [0] * 9


def test_what_is_no_page_is_told():
    with pytest.raises(ValueError, match="no page of ours"):
        read_data("<html></html>")
