"""What a run says of its files."""

import re
from fnmatch import fnmatch
from pathlib import Path

from pipeline_tools import do

from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan

ROOT = Path(__file__).parents[3]


def test_every_file_of_the_default_configuration_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(load_config(ROOT / "config/config.yaml"))
    do(plan.job("describe_run"))
    text = Path("results/README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    names = [
        re.sub("[A-Z]{4,}(?!.md)", "*", n) for row in rows for n in re.findall("`(.*?)`", row[1])
    ]
    for path in plan.files():
        assert any(fnmatch(path.removeprefix("results/"), name) for name in names), path
    assert all(len(row[2].split()) > 2 for row in rows), "and in words"
