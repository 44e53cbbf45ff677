"""Captions of figures: each figure has one, and it can be read."""

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import yaml
from pipeline_tools import KINDS

from gamecircuits.figures import style

FIGURES = Path(style.__file__).parent
ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
CAPTIONS = sorted(path for path in FIGURES.glob("*/*.rst") if path.stem[0] != "_")
SHOWN = ROOT / "workflow/report/figure.rst"  # shows the others
EVERY = [*CAPTIONS, *sorted({*ROOT.glob("workflow/report/*.rst")} - {SHOWN})]


def render(path, model="balanced", config=CONFIG):
    """The text of a caption as the report has it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FIGURES), undefined=jinja2.StrictUndefined
    )
    search = next(iter(CONFIG["searches"]))
    wildcards = SimpleNamespace(game="othello", model=model, search=search, experiment="remedies")
    template = environment.from_string(path.read_text(encoding="utf-8"))
    return template.render(snakemake=SimpleNamespace(wildcards=wildcards, config=config))


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


@pytest.mark.parametrize("name", ["circuits", "diagnosis"])
def test_captions_say_what_kind_a_model_is(name):
    path = FIGURES / "models" / f"{name}.rst"
    for kind in (*KINDS, "trained"):
        text = render(path, "mine", {"models": {"mine": {"kind": kind}}})
        assert f"mine is a model of kind ``{kind}``: " in text
    own = render(path, "mine", {"models": {"mine": {"kind": "own"}}})
    assert "mine is a model of kind ``own``." in own
