"""Captions of figures: each figure has one, and it can be read."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from gamecircuits.figures import style
from gamecircuits.pipeline.captions import make_renderer, summarize_kind
from gamecircuits.pipeline.config.entries import OTHER_MODELS
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS

FIGURES = Path(style.__file__).parent
ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
CAPTIONS = sorted(path for path in FIGURES.glob("*/*.rst") if path.stem[0] != "_")
SHOWN = ROOT / "workflow/report/figure.rst"  # shows the others
EVERY = [*CAPTIONS, *sorted({*ROOT.glob("workflow/report/*.rst")} - {SHOWN})]


def render(path, model="balanced", config=CONFIG):
    """The text of a caption as the report has it."""
    search = next(iter(CONFIG["searches"]))
    wildcards = SimpleNamespace(game="othello", model=model, search=search, experiment="remedies")
    folder = FIGURES if path.is_relative_to(FIGURES) else path.parent
    return make_renderer(config)(str(path.relative_to(folder)), wildcards)


def test_every_figure_has_a_caption_beside_it():
    modules = {path for path in FIGURES.glob("*/*.py") if path.stem[0] != "_"}
    assert modules == {path.with_suffix(".py") for path in CAPTIONS}


@pytest.mark.parametrize("path", EVERY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_captions_are_plain_sentences(path):
    text = render(path)
    for paragraph in text.strip().split("\n\n"):
        assert paragraph.rstrip().endswith((".", ":"))
        for sentence in re.split(r"(?<=[.:;?])\s", paragraph):
            assert len(sentence.split()) <= 30, sentence
    assert not re.search(r"\b(ITR|TV)\b", text)


def test_captions_say_what_kind_a_model_is():
    for kind in (*CONSTRUCTIONS.kinds(), *OTHER_MODELS):
        text = make_renderer({"models": {"mine": {"kind": kind}}})(
            "models/anatomy.rst", SimpleNamespace(model="mine")
        )
        assert text.startswith("**Inside mine.**")
        assert f"{summarize_kind(kind)}." in text
