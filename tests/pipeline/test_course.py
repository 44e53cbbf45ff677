"""Answers of the course in the pipeline: config/course.yaml before and after they are written."""

import re
import shutil
from pathlib import Path

import pytest
from pipeline_tools import do, do_all

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.storage.tables import read_frame

ROOT = Path(__file__).parents[2]
ANSWERS = "course/qualifying_problems.py"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Makes the plan of the config with all its comments taken away, in a copy of the course."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "course", "course")
    text = (ROOT / "config/course.yaml").read_text(encoding="utf-8")
    text = re.sub("^  # (?!Problem)", "  ", text, flags=re.MULTILINE)
    Path("c.yaml").write_text(text.replace("num_games: 5000", "num_games: 40"), encoding="utf-8")
    return lambda: Plan(load_config("c.yaml"))


def test_a_problem_that_is_not_solved_is_named(plan):
    first = {"shard": "shard-00000"}
    for stage, names, function, problem in (
        ("generate_games", {"game": "yours"} | first, "get_valid_next_token_mask", 4),
        ("generate_games", {"game": "windowed"} | first, "get_windowed_mask", 5),
        ("import_model", {"model": "yours"}, "get_set_complement_parameters", 17),
    ):
        line = rf"^{ANSWERS}:\d+: {function} is not written yet: problem {problem}$"
        with pytest.raises(GamecircuitsError, match=line):
            do(plan().job(stage, **names))


def test_solutions_keep_their_promise(plan):
    shutil.copy("course/solutions.py", ANSWERS)
    made = plan()
    do_all(made, "generate_games", "compute_masks", "construct_model", "import_model")
    do_all(made, "evaluate_model")
    for evaluation, kept in (("every_context", True), ("your_games", True), ("forgetting", False)):
        table = read_frame(f"results/course/metrics/{evaluation}/yours.parquet")
        rate = table.loc[table["metric"] == "illegal_token_rate", "max"].max()
        assert (rate <= 0.001 * (1 + 1e-9)) == kept
