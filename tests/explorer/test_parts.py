"""Trainings, boards, figures, models, searches and claims, by clicks, keys and links."""

import io

import numpy as np
import pandas as pd
import pytest
from explorer.browser import needs_browser, open_page
from gpts import make_gpt
from PIL import Image

from gamecircuits.analysis.diagnosis import diagnose, diagnose_on, fit_at_length_1
from gamecircuits.analysis.metrics import probabilities
from gamecircuits.explorer.games import describe_game
from gamecircuits.explorer.models import describe_model
from gamecircuits.explorer.page import make_page
from gamecircuits.explorer.shelf import describe_figures
from gamecircuits.explorer.tables import (
    describe_claims,
    describe_diagnosis,
    describe_effects,
    describe_hypotheses,
)
from gamecircuits.explorer.training import describe_course
from gamecircuits.games.game import make_game
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.describe import describe_design
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

pytestmark = needs_browser
V, STEPS = 6, 5
NORMS = {"plain": "none", "attention_norm": "attention", "residual_norm": "residual"}


def make_model(norm: str, seed: int) -> OneLayer:
    rng = np.random.default_rng(seed)
    shapes = [(V, 4), (4, 3), (4, 3), (4, 3), (3, 4), (4, V)]
    return OneLayer(Parameters(*(rng.normal(size=shape) for shape in shapes)), norm, 2.0)


COURSES = {name: [make_model(norm, n) for n in range(STEPS)] for name, norm in NORMS.items()}


def describe_models() -> list[dict]:
    kinds = {"balanced": {}, "tied": {"critical_length": 3.5}, "attention_norm": {}}
    models = {k: make_construction(k, vocab_size=V, **own).model() for k, own in kinds.items()}
    models["noughts"] = make_construction("balanced", vocab_size=9).model()
    models["random"] = make_model("residual", 0)
    entries = []
    for name, model in models.items():
        games = ["noughts_and_crosses"] if name == "noughts" else ["g"]
        look = {"name": name, "kind": name, "origin": "construction", "colour": "#0072b2"}
        entries.append(look | {"games": games} | describe_model(model))
    return entries


def describe_deep() -> dict:
    design = describe_design(make_gpt(np.random.default_rng(0), V=9, num_layers=3, d=8, d_mlp=32))
    look = {"name": "deep", "kind": "trained", "origin": "trial", "colour": "#0072b2"}
    return look | {"games": ["noughts_and_crosses"], "vocab": 9} | design


def measure_deep() -> pd.DataFrame:
    """Its diagnosis, on a game of which the theory does not speak."""
    rng = np.random.default_rng(0)
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)
    return diagnose_on(game, make_gpt(rng, V=9, num_layers=3), rng)


def describe_games() -> list[dict]:
    found = []
    for name, settings in {
        "g": {"kind": "set_complement", "vocab_size": V},
        "noughts_and_crosses": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    }.items():
        game = make_game(**settings)
        tokens = game.play(2, np.random.default_rng(0))
        kind = settings["kind"]
        found.append({"name": name, "kind": kind, **describe_game(game, kind, tokens)})
    return found


def describe_search() -> dict:
    game = make_game(kind="set_complement", vocab_size=V)
    tokens = game.play(20, np.random.default_rng(0))
    mask = game.get_valid_next_token_mask(tokens)
    variants = [
        {"name": name, "colour": "#009e73", "norm": NORMS[name]}
        | describe_course(models, tokens, mask)
        for name, models in COURSES.items()
    ]
    found = {"name": "s", "game": "g", "length": 2, "vocab": V, "variants": variants}
    return found | {"steps": np.arange(STEPS) * 10, "left_out": ""}


def make_effects() -> dict:
    cells = {"search": "s", "average": "last", "strength": "as_trained", "num_trials": 4}
    rows = [
        cells | {"variant": v, "metric": m, "eval_length": e, "length": 3, "mean": 0.2}
        for v in ("plain", "helps", "harms")
        for m in ("illegal_token_rate", "kl_divergence")
        for e in ("trained", "longest")
    ]
    table = pd.DataFrame(rows)
    difference = table["variant"].map({"helps": -0.1, "harms": 0.2})
    shifts = {"difference": 0, "low": -0.05, "high": 0.05}
    shifts |= {"adjusted_low": -0.15, "adjusted_high": 0.15}
    for name, shift in shifts.items():
        table[f"{name}_vs_variant"] = difference + shift
    table["pairs_vs_variant"] = np.where(difference.isna(), np.nan, 4)
    return describe_effects([table])


def make_claims() -> dict:
    claim = {"instance": "", "vocab_size": 4, "number": 4, "predicted": 1.0, "measured": 1.0}
    claim |= {"tolerance": 0.1, "contexts": 3}
    names = {"sum": ("Theorem 2", "=", True), "floor": ("Notation", ">=", True)}
    names["bad"] = ("Theorem 2", "=", False)
    rows = [
        claim | {"claim": n, "proved": p, "statement": f"the {n}", "relation": r, "holds": h}
        for n, (p, r, h) in names.items()
    ]
    return describe_claims(pd.DataFrame(rows), "**Theorem 2 (x).** The *whole* statement of `W`.")


def make_hypotheses() -> pd.DataFrame:
    row = {"hypothesis": "h", "claim": "Norms help.", "search": "s", "measure": "kl_divergence"}
    row |= {"compared": "norm − plain", "unit": "nats", "verdict": "supported", "num_trials": 4}
    row |= {"mean": -0.4, "low": -0.5, "high": -0.3, "region_low": np.nan, "region_high": 0.0}
    return pd.DataFrame([row])


def make_figures() -> list[dict]:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "PNG")
    entry = {"section": "Games", "caption": "**T.** See.\n\nMore.", "record": "jobs/x.json"}
    entries = [entry | {"path": f"figures/f{n}"} for n in range(8)]
    return describe_figures(entries, [buffer.getvalue()] * 8, 10**6)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """One page for all tests."""
    known = {"balanced": {}, "tied": {"critical_length": 3.5}}
    diagnoses = {
        name: describe_diagnosis(
            diagnose(make_construction(name, vocab_size=V, **own).model()).table
        )
        for name, own in known.items()
    }
    diagnoses["deep"] = describe_diagnosis(measure_deep())
    data = {
        "summary": "a test",
        "folder": "results",
        "models": describe_models(),
        "deep_models": [describe_deep()],
        "games": describe_games(),
        "diagnoses": diagnoses,
        "claims": make_claims(),
        "effects": make_effects(),
        "hypotheses": describe_hypotheses(make_hypotheses()),
        "courses": [describe_search()],
        "figures": make_figures(),
    }
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(make_page(data, "a page"))
    with open_page(path) as page:
        yield page


def show(page, address: str) -> None:
    view = address.partition("&")[0].removeprefix("view=")
    page.evaluate("(address) => { location.hash = address }", address)
    page.wait_for_selector(f"#view-{view}", state="visible")


def test_predictions_of_a_checkpoint_are_those_of_its_weights(opened):
    """Gauge is gone and numbers are single: probabilities stay, under every norm."""
    show(opened, "view=learn&lstep=2&play.game=g&play.tokens=1.4.0")
    bars = opened.locator("#view-learn .card svg.drawing").all()
    for bar, models in zip(bars, COURSES.values(), strict=True):
        wanted = probabilities(models[2].logits(np.array([1, 4, 0])))[-1]
        told = bar.get_attribute("aria-label").removeprefix("Probabilities: ").split(", ")
        found = [float(part.split()[1].replace("−", "-")) / 100 for part in told]
        np.testing.assert_allclose(found, wanted, rtol=0.06, atol=1e-6)  # two digits
        illegal = bar.locator("xpath=..").locator("b.warn").text_content()
        assert float(illegal.split()[0]) == pytest.approx(100 * wanted[[1, 4, 0]].sum(), rel=0.06)


def test_a_map_reads_its_cells_by_keys(opened):
    show(opened, "view=learn&lstep=3")
    canvas = opened.locator('#view-learn [data-key="learn-attention_norm-values"]')
    canvas.focus()
    for _ in range(2):
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("ArrowRight")
    told = canvas.locator("xpath=..").locator(".readout").text_content()
    x = fit_at_length_1(COURSES["attention_norm"][3]).x[2]
    assert told.startswith("seen token c, logit of c: ")
    assert float(told.split(": ")[1].replace("−", "-")) == pytest.approx(-x, rel=0.006)


def test_training_is_stepped_and_played(opened):
    show(opened, "view=learn&lstep=0")
    assert opened.locator("#view-learn button", has_text="Back").is_disabled()
    opened.locator('#view-learn [data-key="lstep"]').focus()
    opened.keyboard.press("ArrowRight")
    assert "lstep=1" in opened.evaluate("location.hash")
    opened.locator("#view-learn button.main").click()
    opened.wait_for_function("gamecircuits.state.get('lstep') === 4")
    opened.wait_for_function("document.querySelector('#view-learn .main').textContent === 'Play'")
    opened.locator('#view-learn [data-key="chip-5"]').click()
    assert opened.evaluate("gamecircuits.state.get('play.tokens')")[-1] == 5


def test_a_game_on_its_board(opened):
    show(opened, "view=boards&ply=2")
    assert opened.locator("#view-boards .ring").count() == 7 + 1, "and the one of the legend"
    assert opened.locator("#view-boards .stones .disc").count() == 7
    opened.locator("#view-boards button", has_text="Last").click()
    assert "The game is over" in opened.locator("#view-boards .words").text_content()
    show(opened, "view=boards&bplay=2&ply=0&bmodel=none")
    assert "9 moves are legal" in opened.locator("#view-boards .words").text_content()


def test_models_are_sorted_and_compared_by_keys(opened):
    show(opened, "view=models")
    opened.locator('[data-key="sort-rate"]').focus()
    opened.keyboard.press("Enter")
    names = opened.locator("#view-models tbody tr td:nth-child(2)").all_text_contents()
    assert names[0] == "balanced"
    assert set(names[1:3]) == {"deep", "tied"}, "what has no rate comes last"
    opened.keyboard.press("Enter")
    assert opened.evaluate("gamecircuits.state.get('msort')") == "-rate"
    focused = opened.evaluate("document.activeElement.dataset.key")
    assert focused == "sort-rate", "the focus stays"
    for name in ("tied", "attention_norm"):
        opened.locator(f'[data-key="tick-{name}"]').click()
    shown = opened.locator("#view-models .card h3").all_text_contents()
    assert shown == ["tied", "attention norm"]


def test_a_deeper_model_is_in_the_table_with_what_it_is(opened):
    show(opened, "view=models&pair=deep")
    titles = opened.locator("#view-models thead th").all_text_contents()
    row = opened.locator('#view-models tbody tr:has([data-key="tick-deep"])')
    found = dict(zip(titles, row.locator("td").all_text_contents(), strict=True))
    assert {name: found[name] for name in ("V", "d", "layers", "heads", "positions", "x")} == {
        "V": "9", "d": "8", "layers": "3", "heads": "2", "positions": "learned", "x": "–",
    }  # fmt: skip
    card = opened.locator("#view-models .card").text_content()
    assert "3 layers of 2 heads, width 8" in card
    assert "any illegal token" in card
    assert opened.locator("#view-models .card .maps").count() == 0


def test_what_the_page_cannot_compute_is_not_played_and_said(opened):
    show(opened, "view=play")
    assert (
        "Models of several layers are not played here"
        in opened.locator("#view-play").text_content()
    )
    options = opened.locator("#view-play option").all_text_contents()
    assert "balanced" in options
    assert "deep" not in options


def test_circuits_of_a_model_are_without_gauge(opened):
    show(opened, "view=models&pair=random")
    form = fit_at_length_1(make_model("residual", 0))
    wanted = {
        "values": form.ov_residual - np.diag(form.x),
        "direct": form.direct_residual - np.diag(form.beta),
    }
    found = opened.evaluate(
        """async () => {
            const { circuitsOf } = await import("gamecircuits/models");
            const model = gamecircuits.data.models.find((one) => one.name === "random");
            const circuits = circuitsOf(model);
            const cells = (circuit) => Array.from({length: model.vocab}, (_, row) =>
                Array.from({length: model.vocab}, (_, column) => circuit(row, column)));
            return {values: cells(circuits.values), direct: cells(circuits.direct)};
        }"""
    )
    for name, table in wanted.items():
        np.testing.assert_allclose(found[name], table, atol=1e-12)


def test_claims_are_found_and_unfolded(opened):
    show(opened, "view=claims")
    assert "1 claims fail" in opened.locator("#view-claims").text_content()
    first = opened.locator(".claim").first
    assert "fails in 1 of 1" in first.text_content(), "failing ones come first"
    opened.locator('#view-claims [data-key="find"]').fill("SUM")
    assert opened.locator(".claim").count() == 1
    opened.locator(".claim summary").click()
    assert opened.locator(".claim em").text_content() == "whole"
    show(opened, "view=claims&kind=bound")
    assert "the floor" in opened.locator(".claim").text_content()


def test_effects_are_filtered(opened):
    show(opened, "view=searches")
    strips = opened.locator("#view-searches .strip[role=img]")
    told = [strip.get_attribute("aria-label") for strip in strips.all()]
    assert told == ["helps: −0.1 [−0.15, −0.05], 4 pairs", "harms: 0.2 [0.15, 0.25], 4 pairs"]
    assert opened.locator(".effect.open").count(), "its corrected interval reaches zero"
    assert opened.locator(".effect.harms").count()
    opened.locator('#view-searches [data-key="metric"]').select_option("kl_divergence")
    assert "metric=kl_divergence" in opened.evaluate("location.hash")
    assert "kl divergence" in opened.locator("#view-searches").text_content()
    assert "region −∞ to 0" in opened.locator(".hypotheses").text_content()


def test_figures_have_cards_and_files(opened):
    show(opened, "view=results")
    cards = opened.locator("#view-results article")
    assert cards.count() == 6
    assert opened.locator("#view-results .item").count() == 2
    width = "(img) => img.decode().then(() => img.naturalWidth)"
    assert cards.first.locator("img").evaluate(width) == 40
    links = [a.get_attribute("href") for a in cards.first.locator(".files a").all()]
    assert links == [f"figures/f0.{suffix}" for suffix in ("png", "svg", "csv", "parquet")]


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_nothing_is_wider_than_the_screen(opened, width):
    """And nonsense in the address breaks nothing."""
    nonsense = "&lsearch=x&lstep=1e9&bgame=x&bplay=-1&ply=7.5&bmodel=x&msort=x&pair=x,y&find=(("
    nonsense += "&kind=x&search=x&metric=x&versus=x&at=x&of=x&strength=x&play.tokens=99.-3"
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme="dark", reduced_motion="reduce")
    for part in opened.evaluate("gamecircuits.parts.map((part) => part.id)"):
        show(opened, f"view={part}{nonsense}")
        wide = opened.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        assert wide <= 0, part
        assert len(opened.locator(f"#view-{part}").text_content()) > 100
