"""What the documents say works."""

import importlib.util
import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import yaml

from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.pipeline.config import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.transformer.constructions.construction import make_construction

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("update", ROOT / "docs/experiments/update.py")
update = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(update)
DOCUMENTS = [
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def extended(tmp_path, monkeypatch):
    """The examples of docs/extending.md, each in its folder, with a config that uses them."""
    game, model = blocks("docs/extending.md", "python")
    for package, name, code in [
        ("gamecircuits.games", "no_repeat", game),
        ("gamecircuits.transformer.constructions", "last_only", model),
    ]:
        folder = tmp_path / package
        folder.mkdir()
        (folder / f"{name}.py").write_text(code)
        path = __import__(package, fromlist=["x"]).__path__
        monkeypatch.setattr(f"{package}.__path__", [*path, str(folder)])
    config = yaml.safe_load(blocks("docs/extending.md", "yaml")[0])
    config["models"] = {"mine": {"kind": "last_only", "vocab_size": 16}}
    config["evaluations"] = {"mine": {"game": "no_repeat", "models": ["mine"]}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    return load_config(tmp_path / "c.yaml")


def test_the_examples_of_extending_work(extended):
    game = extended.games["no_repeat"].game
    tokens = game.play(300, np.random.default_rng(0))
    assert tokens.shape == (300, 20)
    assert (tokens[:, 1:] != tokens[:, :-1]).all()
    game.check(tokens)
    small = make_construction("last_only", vocab_size=6)
    table, lengths = evaluate_exhaustively(small.model()), np.arange(1, 6)
    for metric, wanted in small.closed_form(lengths).items():
        rows = table[table["metric"] == metric]
        np.testing.assert_allclose(rows["min"], wanted.min, atol=1e-12, err_msg=metric)
        np.testing.assert_allclose(rows["max"], wanted.max, atol=1e-12, err_msg=metric)


def test_links_lead_somewhere():
    assert len(DOCUMENTS) >= 7
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_every_result_is_explained():
    """Each file that the default experiment makes matches an entry of results/README.md."""
    text = (ROOT / "results/README.md").read_text()
    first_columns = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    patterns, folder = [], ""
    for named in re.findall(r"`([^`]+)`", " ".join(first_columns)):
        entry = named
        if named.startswith("."):  # `tables/metrics.parquet`, `.csv`
            entry = patterns[-1].rsplit(".", 1)[0] + named
        elif "/" in named:
            folder = named.rsplit("/", 1)[0]
        elif "." in named and not named.endswith(".html"):
            entry = f"{folder}/{named}"
        patterns.append(
            re.sub("GAME|MODEL|EVALUATION|EXPERIMENT|SEARCH|GROUP|FIGURE|RULE", "*", entry)
        )
    for path in Plan(load_config(ROOT / "config/config.yaml")).files():
        relative = str(Path(path).relative_to("results"))
        if relative.startswith("tables/"):
            continue  # every figure has its table, see below
        assert any(fnmatch(relative, pattern) for pattern in patterns), relative
    assert {"tables/*.parquet", "tables/*.csv", "tables/claims.csv"} <= set(patterns)


def test_every_number_of_the_experiments_is_that_of_its_table():
    """Else run: python docs/experiments/update.py"""
    text = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    assert len(update.CELL.findall(text)) == text.count("<!-- ")  # none is misspelt
    assert update.update(text) == text
    wrong, count = re.subn(r"(\d)(%?<!-- )", lambda m: f"{9 - int(m[1])}{m[2]}", text)
    assert count > 30
    assert update.update(wrong) == text


def test_every_decimal_of_the_experiments_is_from_a_table_or_a_config():
    """Results have decimals or percent signs; such numbers stand beside the name of their cell."""
    text = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    known = (ROOT / "config/search.yaml").read_text() + "95 % arXiv 2510.08341"
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)|```.*?```", "", update.CELL.sub("", text), flags=re.DOTALL)
    for number in re.findall(r"\d+\.\d+|\d+ ?%", prose):
        assert number in known, number
