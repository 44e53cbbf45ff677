"""The page of runs that have little: nothing is missed, and nothing is made up."""

import re
from pathlib import Path

import pytest
from pipeline_tools import do

from gamecircuits.explorer.page import MAX_PAGE, read_data
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Job, Plan

LONG = "a_name_of_sixty_characters_that_is_as_long_as_a_name_may_be"
RULE = """
import numpy as np
def everything_but_the_last(tokens, vocab_size):
    mask = tokens[:, :, None] != np.arange(vocab_size)
    mask[tokens < 0] = False
    return mask
"""
CONFIGS = {
    "own game": f"""
games:
  {LONG}: {{kind: file, path: rule.py, function: everything_but_the_last, vocab_size: 5,
           max_length: 4, num_games: 20}}
""",
    "two tokens": """
games: {g: {kind: set_complement, vocab_size: 2, num_games: 20}}
models: {m: {kind: balanced, vocab_size: 2, figures: false}}
""",
    "claims alone": """
games: {g: {kind: set_complement, vocab_size: 4, num_games: 20}}
claims: {vocab_sizes: [4], instances: 1}
""",
    "models": """
games: {g: {kind: set_complement, vocab_size: 4, num_games: 50}}
models:
  m: {kind: attention_norm, vocab_size: 4}
  big: {kind: untrained, vocab_size: 65, figures: false}
evaluations: {e: {game: g, models: [m], contexts: all}}
""",
}


def make(job: Job, done: set[Job]) -> None:
    """Do a job after all that it reads."""
    for _, source in (pair for files in job.reads.values() for pair in files):
        make(source, done)
    if job not in done:
        done.add(do(job))


@pytest.fixture
def make_page(tmp_path, monkeypatch):
    def make_from(config: str) -> tuple[str, dict]:
        monkeypatch.chdir(tmp_path)
        Path("rule.py").write_text(RULE, encoding="utf-8")
        Path("c.yaml").write_text(config, encoding="utf-8")
        plan = Plan(load_config("c.yaml"))
        make(plan.job("make_page"), set())
        page = Path("results/index.html").read_text(encoding="utf-8")
        return page, read_data(page)

    return make_from


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_run_lacks_is_left_out(make_page, name):
    page, data = make_page(CONFIGS[name])
    assert len(page) < MAX_PAGE
    assert [game["name"] for game in data["games"]] == [LONG if name == "own game" else "g"]
    assert (data["claims"] is not None) == (name == "claims alone")
    assert data["effects"] is None
    assert not data["courses"]
    assert not data["hypotheses"]
    assert [m["name"] for m in data["models"]] == (["m"] if "models:" in CONFIGS[name] else [])
    assert list(data["diagnoses"]) == (["m"] if name == "models" else [])
    assert data["figures"]
    assert all(figure["see"] for figure in data["figures"])
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.partition('id="data"')[0])


def test_the_page_is_the_same_each_time(make_page):
    first, _ = make_page(CONFIGS["models"])
    second, _ = make_page(CONFIGS["models"])
    assert first == second
