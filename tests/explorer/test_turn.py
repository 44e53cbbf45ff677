"""The page's theory against Python's, and its models against all contexts of Python's models."""

import numpy as np
import pytest
from explorer.browser import NOTHING, needs_browser, open_page

from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.explorer.page import make_page
from gamecircuits.theory.displacement import standard_form_displacements
from gamecircuits.theory.laws import illegal_rate
from gamecircuits.theory.strength import (
    attention_norm_displacements,
    residual_norm_displacements,
    x_min,
)
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.constructions.balanced import get_set_complement_parameters
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.one_layer import OneLayer

PLAIN = {"x": 9.0, "beta": 0.0, "sink": 0.0, "norm": "none", "gain": 1.0, "shape": "full", "m": 3}
CURVES = """async (setting) => {
    const { curvesOf } = await import("gamecircuits/turn");
    const columns = (rows) => Object.fromEntries(["rate", "others", "last"].map((name) =>
        [name, rows.map((row) => row[name])]));
    const { theory, model } = curvesOf(setting);
    return [columns(theory), columns(model)];
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(make_page(NOTHING, "turn"))
    with open_page(path) as page:
        yield page


def model_of(V, setting) -> OneLayer:
    """The same model in Python: weights of the construction, and the direct path as a circuit."""
    if setting["norm"] == "residual":  # beta would need a direct path from the embedding
        parameters = get_set_complement_parameters(V, x=setting["x"])
        parameters = parameters._replace(W_U=parameters.W_U.copy())
        n = V - 1
        parameters.W_U[:n] = -setting["beta"] * parameters.W_U[n:]
    else:
        center = np.eye(V) - 1 / V
        parameters = from_circuits(
            np.zeros((V, V)), -setting["x"] * center, -setting["beta"] * center
        )
    return OneLayer(parameters, setting["norm"], setting["gain"], setting["sink"])


@needs_browser
@pytest.mark.parametrize("V", [2, 3, 7])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"beta": -2.5, "sink": 1.5},
        {"norm": "attention", "gain": 4.0, "sink": 2.0, "beta": 0.7},
        {"norm": "residual", "gain": 6.0, "sink": 1.0, "beta": -0.4, "x": 1.7},
    ],
    ids=["plain", "beta and sink", "attention norm", "residual norm"],
)
def test_theory_and_model_against_all_contexts(page, V, changes):
    setting = {**PLAIN, **changes, "V": V}
    table = evaluate_exhaustively(model_of(V, setting))
    wanted = table.pivot(index="length", columns="metric", values="mean")
    for found in page.evaluate(CURVES, setting):
        np.testing.assert_allclose(found["rate"], wanted["illegal_token_rate"], rtol=1e-9)
        s = np.arange(1, V)
        others = np.nan_to_num(np.array(found["others"], dtype=float))
        mean = ((s - 1) * others + found["last"]) / s
        np.testing.assert_allclose(mean, wanted["displacement"], rtol=1e-9, atol=1e-12)


@needs_browser
def test_displacements_against_the_theorems(page):
    V, s = 9, np.arange(1, 9)
    cases = [
        ({"beta": -1.2, "sink": 2.0}, standard_form_displacements(V, s, 9.0, -1.2, sink=2.0)),
        ({"norm": "attention", "gain": 3.0}, attention_norm_displacements(V, s, 3.0)),
        (
            {"norm": "residual", "gain": 3.0, "x": 2.0},
            residual_norm_displacements(V, s, 3.0, np.sqrt(1 - 1 / V) / 2.0),
        ),
    ]
    for changes, wanted in cases:
        theory, _ = page.evaluate(CURVES, {**PLAIN, **changes, "V": V})
        np.testing.assert_allclose(theory["last"], wanted.last, rtol=1e-12)
        np.testing.assert_allclose(theory["others"][1:], wanted.others[1:], rtol=1e-12)
        np.testing.assert_allclose(theory["rate"], illegal_rate(V, s, wanted), rtol=1e-12)


@needs_browser
@pytest.mark.parametrize("m", [1, 4, 6])
def test_block(page, m):
    """Rates over all contexts, by weights of the construction and by its closed form."""
    V, x = 7, 8.0
    construction = make_construction("block", vocab_size=V, d_model=m, x=x)
    wanted = evaluate_exhaustively(construction.model()).pivot(
        index="length", columns="metric", values="mean"
    )
    law = construction.closed_form(np.arange(1, V))
    for found in page.evaluate(CURVES, {**PLAIN, "x": x, "shape": "block", "m": m, "V": V}):
        np.testing.assert_allclose(found["rate"], wanted["illegal_token_rate"], rtol=1e-9)
        np.testing.assert_allclose(found["rate"], law["illegal_token_rate"].mean, rtol=1e-9)
        s = np.arange(1, V)
        mean = ((s - 1) * np.nan_to_num(np.array(found["others"], float)) + found["last"]) / s
        np.testing.assert_allclose(mean, law["displacement"].mean, rtol=1e-9)


@needs_browser
def test_frame(page):
    """The mean displacement is that of Theorem 22; the model is a sample of contexts."""
    V, m, x = 7, 3, 8.0
    setting = {**PLAIN, "x": x, "shape": "frame", "m": m, "V": V}
    theory, model = page.evaluate(CURVES, setting)
    gram, contexts = page.evaluate(
        """async (setting) => {
            const { contexts, gramOfFrame } = await import("gamecircuits/built");
            const lengths = Array.from({ length: setting.V - 1 }, (_, n) => n + 1);
            return [Array.from(gramOfFrame(setting.V, setting.m).values),
                lengths.map((s) => contexts(setting, s).map(({ tokens }) => tokens))];
        }""",
        setting,
    )
    gram = np.reshape(gram, (V, V))
    assert np.allclose(np.diag(gram), 1)
    assert np.linalg.matrix_rank(gram) <= m
    off = (gram.sum() - V) / (V * (V - 1))
    np.testing.assert_allclose(theory["last"], x * (1 - off) / np.arange(1, V), rtol=1e-12)
    assert np.all(np.isnan(np.array(theory["rate"], dtype=float)))
    zero = np.zeros((V, V))
    tables = OneLayer(from_circuits(zero, -x * gram, zero)).tables()
    for s, sample in enumerate(contexts, start=1):
        tokens = np.array(sample)
        seen = (tokens[:, :, None] == np.arange(V)).any(axis=1)
        assert np.all(seen.sum(axis=1) == s)
        logits = tables.set_logits(seen, tokens[:, -1])
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert model["rate"][s - 1] == pytest.approx((share * seen).sum(axis=1).mean())
        absent = np.where(seen, np.nan, logits)
        gap = np.nanmean(absent, axis=1) - logits[np.arange(len(tokens)), tokens[:, -1]]
        assert model["last"][s - 1] == pytest.approx(gap.mean())


@needs_browser
def test_numbers_that_presets_are_made_from(page):
    found = page.evaluate(
        """async () => {
            const theory = await import("gamecircuits/theory");
            return [theory.leastStrength(12, 1e-3), theory.leastStrength(2, 0.9)];
        }"""
    )
    wanted = [x_min(12, 1e-3), x_min(2, 0.9)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@needs_browser
def test_guess_first(page):
    page.evaluate("gamecircuits.state.set({view: 'turn'})")
    page.click("text=Ask me")
    section = page.locator("#view-turn")
    assert section.locator(".point.rate").count() == 0  # the answer is hidden
    assert "%" not in section.locator(".reading").inner_text()
    assert "Theory" not in section.locator(".details").inner_text()
    slider = section.locator("input[data-key='turn.guess']")
    slider.focus()
    page.keyboard.press("End")
    page.click("text=Reveal")
    assert "You guessed 100 %" in section.locator(".guess").inner_text()
    assert section.locator(".point.rate").count() > 0
    page.click("text=Dispersion")
    assert section.locator(".guess").inner_text().count("Ask me") == 1


@needs_browser
def test_lost_lengths_are_said(page):
    """A norm of the head's output loses the last token in the middle, not from a length on."""
    address = "turn.V=12&turn.norm=attention&turn.gain=19.15&turn.beta"
    for beta, said in (("-15", "At lengths 2 to 10"), ("-60", "At every length"), ("0", "")):
        page.evaluate("state => (location.hash = state)", f"view=turn&{address}={beta}")
        page.wait_for_timeout(100)
        told = page.locator("#view-turn .details").text_content()
        assert said in told
        assert ("absent one." in told) == bool(said), told
    assert page.get_by_role("slider", name="Strength x").count() == 1, "sliders have names"


@needs_browser
def test_sliders_links_and_nonsense(page):
    page.evaluate(
        "location.hash = 'view=turn&turn.x=abc&turn.V=9e9&turn.s=-3&turn.norm=no&turn.m=0'"
    )
    reading = page.locator("#view-turn .reading")
    page.wait_for_function("document.querySelector('.reading').innerText.includes('1 of 40')")
    page.evaluate("location.hash = 'view=turn&turn.s=3'")
    page.wait_for_function("document.querySelector('.reading').innerText.includes('3 of 12')")
    slider = page.locator("input[data-key='turn.s']")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert "After 4 of 12" in reading.inner_text()
    assert "turn.s=4" in page.url
    slider.evaluate("input => { input.value = 11; input.dispatchEvent(new Event('input')); }")
    assert "After 11 of 12" in reading.inner_text()
    assert page.evaluate("document.activeElement.dataset.key") == "turn.s"
