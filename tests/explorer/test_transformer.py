"""The page's arithmetic against numpy: twenty random contexts of random models of every norm."""

import json

import numpy as np
import pytest
from explorer.browser import NOTHING, needs_browser, open_page

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.explorer.models import describe_model
from gamecircuits.explorer.page import make_page
from gamecircuits.transformer.model import Parameters, attention_pattern, forward
from gamecircuits.transformer.one_layer import OneLayer

CASES = [("none", 0.0), ("none", 3.0), ("attention", 0.0), ("attention", 2.0), ("residual", 0.5)]


def make_models(rng) -> list[OneLayer]:
    V, d = 7, 5
    shapes = [(V, d), (d, 3), (d, 3), (d, 4), (4, d), (d, V)]
    return [
        OneLayer(Parameters(*(rng.normal(size=shape) for shape in shapes)), norm, 2.5, sink)
        for norm, sink in CASES
    ]


@needs_browser
def test_logits_attention_and_parts(tmp_path):
    rng = np.random.default_rng(0)
    models = make_models(rng)
    about = {"kind": "any", "origin": "construction", "games": []}
    entries = [{"name": str(n), **about, **describe_model(m)} for n, m in enumerate(models)]
    path = tmp_path / "index.html"
    path.write_bytes(make_page(NOTHING | {"models": entries}, "a page"))
    contexts = [rng.integers(7, size=rng.integers(1, 9)).tolist() for _ in range(20)]
    with open_page(path) as page:
        for n, model in enumerate(models):
            for tokens in contexts:
                found = page.evaluate(
                    """([name, tokens]) => {
                        const run = gamecircuits.model(name).run(tokens);
                        const sums = Array.from(run.logits, (_, k) => tokens.reduce(
                            (sum, _, i) => sum + run.part(i, k), run.own(k)));
                        return [run.logits, run.probabilities, run.attention, [run.sinkShare], sums]
                            .map((values) => Array.from(values));
                    }""",
                    [str(n), tokens],
                )
                logits, shares, attention, sink_share, sums = map(np.array, found)
                settings = {"norm": model.norm, "gain": model.gain, "sink": model.sink}
                wanted = forward(model.parameters, np.array(tokens), **settings)[-1]
                pattern = attention_pattern(model.parameters, np.array(tokens), sink=model.sink)
                np.testing.assert_allclose(logits, wanted, rtol=1e-10, atol=1e-10)
                np.testing.assert_allclose(shares, probabilities(wanted), rtol=1e-9)
                np.testing.assert_allclose(attention, pattern[-1], rtol=1e-10)
                assert attention.sum() + sink_share[0] == pytest.approx(1)
                np.testing.assert_allclose(sums, logits, rtol=1e-12)


@needs_browser
def test_arrays_arrive_as_they_were(tmp_path):
    """Of every type, with the values that JSON lacks, in nested data; the same bytes each time."""
    data = NOTHING | {
        "summary": "é {{ data }} </script>",
        "nested": [{"float": np.array([[1.5, np.nan], [np.inf, -0.0]]), "no": np.zeros((0, 3))}],
        "bool": np.array([True, False, True]),
        "int": np.arange(-3, 3, dtype=np.int8),
        "single": np.float32([0.1]),
        "plain": [1, "two", None, 0.1],
    }
    path = tmp_path / "index.html"
    path.write_bytes(make_page(data, "a <page>"))
    assert path.read_bytes() == make_page(data, "a <page>")
    script = """() => {
        const list = (table) => table.shape.length > 1
            ? Array.from({length: table.shape[0]}, (_, i) => Array.from(table.row(i), String)) : [];
        const data = gamecircuits.data;
        return JSON.stringify([document.title, data.summary, list(data.nested[0].float),
            list(data.nested[0].no), data.nested[0].float.at(0, 0),
            ...["bool", "int", "single", "plain"].map((name) => Array.from(data[name]))]);
    }"""
    with open_page(path) as page:
        found = json.loads(page.evaluate(script))
    assert found[:2] == ["a <page>", data["summary"]]
    assert found[2:5] == [[["1.5", "NaN"], ["Infinity", "0"]], [], 1.5]
    assert found[5:] == [[1, 0, 1], [-3, -2, -1, 0, 1, 2], [float(np.float32(0.1))], data["plain"]]
