"""Playing on the page: clicks, keys, links, recorded plays, narrow windows, and its numbers."""

import numpy as np
import pytest
from explorer.browser import NOTHING, needs_browser, open_page

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.explorer.games import describe_game
from gamecircuits.explorer.models import describe_model, keep_few
from gamecircuits.explorer.page import make_page
from gamecircuits.games.game import make_game
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.one_layer import OneLayer

GAMES = {
    "forgetful": {"kind": "windowed_complement", "vocab_size": 12, "window": 3},
    "twelve": {"kind": "set_complement", "vocab_size": 12},
    "squares": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    "columns": {"kind": "connect_four"},
    "two": {"kind": "set_complement", "vocab_size": 2},
    "many": {"kind": "set_complement", "vocab_size": 64},
    "a_name_of_sixty_characters_which_is_as_long_as_a_name_can_get": {
        "kind": "dyck", "num_brackets": 6, "max_depth": 3, "length": 12
    },
}  # fmt: skip


def make_models() -> dict[str, tuple[OneLayer, str, str]]:
    """Models, with origin and game."""
    rng = np.random.default_rng(1)
    learned = from_circuits(rng.normal(size=(12, 12)), -8 * np.eye(12), rng.normal(size=(12, 12)))
    sizes = {
        "made": (12, "twelve"),
        "nine": (9, "squares"),
        "pair": (2, "two"),
        "big": (64, "many"),
    }
    models = {
        name: (make_construction("balanced", vocab_size=V).model(), "construction", game)
        for name, (V, game) in sizes.items()
    }
    sink = make_construction("sink", vocab_size=12).model()
    return models | {
        "sunk": (sink, "construction", "twelve"),
        "learned": (OneLayer(learned, "residual", 3.0, 0.5), "trial", "twelve"),
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(0)
    games = []
    for name, settings in GAMES.items():
        game = make_game(**settings)
        described = describe_game(game, settings["kind"], game.play(2, rng))
        games.append({"name": name, "kind": settings["kind"], **described})
    models = [
        {"name": name, "kind": "balanced", "origin": origin, "games": [game], "colour": "#0072B2"}
        | {"trained_length": 5, **describe_model(model)}
        for name, (model, origin, game) in make_models().items()
    ]
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(make_page(NOTHING | {"models": models, "games": games}, "play"))
    with open_page(path) as page:
        yield page


@pytest.fixture
def fresh(page):
    """The page as it is first seen."""
    page.evaluate("gamecircuits.state.set(gamecircuits.state.defaults)")
    page.set_viewport_size({"width": 1400, "height": 900})
    return page


def tokens_of(page) -> list[int]:
    return page.evaluate("gamecircuits.state.get('play.tokens')")


def first_play(page) -> list[int]:
    """The context that is shown first."""
    return page.evaluate("Array.from(gamecircuits.data.games[1].recorded[0].tokens)")[:10]


def test_few_models_are_kept():
    models = [{"tables": {"scores": np.zeros((64, 64))}}] * 200
    assert 0 < len(keep_few(models)) < 200
    assert keep_few([]) == []


@needs_browser
def test_first_sight(fresh):
    """Ten of twelve tokens played, a constructed model beside a trained one; rates as numpy's."""
    assert fresh.locator("h3").all_inner_texts()[:2] == ["made", "learned"]
    tokens = np.array(first_play(fresh))
    shown = fresh.locator(".verdict .big").all_inner_texts()
    for text, name in zip(shown, ("made", "learned"), strict=True):
        share = probabilities(make_models()[name][0].logits(tokens)[-1])
        rate = 100 * share[tokens].sum()
        assert float(text.replace("%", "").replace("−", "-")) == pytest.approx(rate, rel=0.06)
    assert "1.00" in fresh.locator(".model").first.inner_text()


@needs_browser
def test_clicks_keys_and_links(fresh):
    fresh.click("text=New")
    assert fresh.locator(".model svg").count() == 0
    assert fresh.locator("text=Models answer").count()
    fresh.click("#view-play .chip >> nth=2")
    fresh.keyboard.press("a")
    fresh.keyboard.press("c")  # illegal, and played all the same
    assert tokens_of(fresh) == [2, 0, 2]
    assert "Illegal: c at place 3" in fresh.inner_text("#view-play")
    fresh.keyboard.press("Backspace")
    assert fresh.locator("text=2 of 3").count() == 1
    fresh.click("text=Forward")
    assert fresh.locator("text=3 of 3").count() == 1
    fresh.click("text=Let made play")
    line, address = tokens_of(fresh), fresh.url
    assert len(line) == 4
    assert line[:3] == [2, 0, 2]
    fresh.reload()
    fresh.wait_for_selector("html[data-ready=yes]")
    assert tokens_of(fresh) == line
    assert fresh.url == address
    fresh.click("text=← Back")
    fresh.evaluate("gamecircuits.state.set({'play.seed': 0})")
    fresh.click("text=Let made play")
    assert tokens_of(fresh) == line  # the seed is in the address


@needs_browser
def test_keyboard_alone(fresh):
    chips = fresh.locator(".chip")
    assert [chip.get_attribute("tabindex") for chip in chips.all()].count("0") == 1
    fresh.locator(".chip[tabindex='0']").focus()
    before = fresh.evaluate("document.activeElement.dataset.key")
    fresh.keyboard.press("ArrowRight")
    assert fresh.evaluate("document.activeElement.dataset.key") != before
    fresh.keyboard.press("Enter")
    assert len(tokens_of(fresh)) == 11
    assert fresh.evaluate("document.activeElement.className").startswith("chip")
    fresh.locator("input[data-key='play.at']").focus()
    fresh.keyboard.press("ArrowLeft")
    assert fresh.locator("text=10 of 11").count() == 1
    assert fresh.evaluate("document.activeElement.dataset.key") == "play.at"


@needs_browser
def test_the_sum_of_a_logit(fresh):
    """Pointing at a column shows the sum in both models; it is the model's logit."""
    fresh.locator(".model").first.locator("g.column[data-token='4']").hover()
    tokens = first_play(fresh)
    for n, name in enumerate(("made", "learned")):
        foot = fresh.locator(".model").nth(n).locator("tfoot").inner_text()
        assert foot.startswith("logit of e")
        wanted = make_models()[name][0].logits(np.array(tokens))[-1, 4]
        assert float(foot.split()[-1].replace("−", "-")) == pytest.approx(wanted, rel=6e-3)
        rows = fresh.locator(".model").nth(n).locator("tbody tr").all_inner_texts()
        parts = [float(row.split("\t")[3].replace("−", "-")) for row in rows]
        assert sum(parts) == pytest.approx(wanted, abs=0.02 * np.abs(parts).sum())
        lit = fresh.locator(".model").nth(n).locator("g.column.lit")
        assert lit.get_attribute("data-token") == "4"
    fresh.locator(".sum-of select").first.select_option("7")
    assert fresh.locator("tfoot").nth(1).inner_text().startswith("logit of h")
    assert "play.look=7" in fresh.url


@needs_browser
def test_boards(fresh):
    fresh.evaluate("gamecircuits.state.set({'play.game': 'squares', 'play.tokens': []})")
    for square in ("a1", "a2", "b1", "b2", "c1"):
        fresh.click(f".square[aria-label^='{square}']")
    text = fresh.inner_text("#view-play")
    assert "The game is over after 5 tokens" in text
    assert "no answer is right" in text
    assert fresh.locator(".stone").count() == 5
    fresh.click(".square[aria-label^='c3']")
    assert "Illegal: c3 at place 6" in fresh.inner_text("#view-play")
    fresh.evaluate("gamecircuits.state.set({'play.game': 'columns', 'play.tokens': [3, 3, 2]})")
    assert fresh.locator(".model").count() == 0
    fresh.click(".chip >> nth=3")
    assert fresh.locator(".square[aria-label='d, yellow']").count() == 2
    fresh.select_option("select[data-key='play.recorded']", "0")
    assert "The game is over" in fresh.inner_text("#view-play")


@needs_browser
@pytest.mark.parametrize("game", GAMES)
def test_every_game_at_every_width(fresh, game):
    for width in (390, 768):
        fresh.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            fresh.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            fresh.evaluate("game => gamecircuits.state.set({'play.game': game})", game)
            assert fresh.evaluate("document.scrollingElement.scrollWidth") <= width
    fresh.emulate_media(color_scheme="light", reduced_motion="no-preference")


@needs_browser
@pytest.mark.parametrize(
    "address",
    [
        "play.game=no&play.a=no&play.b=nothing&play.tokens=99.-4.3&play.look=77&play.at=-9",
        "play.tokens=x.y&play.seed=abc&view=no",
        "play.tokens=&play.at=5&play.game=two",
        "play.game=squares&play.tokens=0.0.0&play.at=1000000",
    ],
)
def test_nonsense_in_the_address(fresh, address):
    fresh.evaluate("address => { location.hash = address; }", address)
    fresh.wait_for_timeout(50)
    assert fresh.locator("#view-play .card").count() > 0
    fresh.reload()
    fresh.wait_for_selector("html[data-ready=yes]")
