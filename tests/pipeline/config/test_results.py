"""Results go where they do no harm: links are followed, and what others have is left alone."""

from pathlib import Path

import pytest

from gamecircuits.pipeline.config import results
from gamecircuits.pipeline.config.results import SOURCES, explain_refusal
from gamecircuits.pipeline.provenance import SOURCE

LINKS = {
    "to_source": "src",
    "to_git": ".git",
    "to_file": "notes.txt",
    "to_home": "home",
    "nowhere": "absent",
    "round": "round",
    "to_results": "results",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A project, in which something is nearly everywhere."""
    for path in (".git", "src", "empty", "home/user"):
        (tmp_path / path).mkdir(parents=True)
    for path in (
        *("notes.txt", "mine/data/x", "env/pyvenv.cfg", "package/__init__.py"),
        *("results/.plan/x.json", "results/x", "ours/other/.plan/x.json"),
        *("ours/others/third/jobs/plot_games/x.json", "ours/others/third/README.md"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for name, target in LINKS.items():
        (tmp_path / name).symlink_to(target)
    monkeypatch.setenv("HOME", str(tmp_path / "home/user"))
    monkeypatch.setattr(results, "SOURCE", tmp_path / "src")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        *("results", "results/", "./results/new/x", "to_results", "ours", "empty", "new/folder"),
        *("mine/new", "to_home/new", "home/user/new"),
    ],
)
def test_where_results_may_be(folder, path):
    assert explain_refusal(path) is None
    assert explain_refusal(str(folder / path)) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *((path, "a folder of the project's source") for path in ("src", "SRC/x", "to_source/x")),
        *((path, "nor lie above it") for path in (".", "..", "/", "new/..")),
        *((path, "the home folder, nor lie above it") for path in ("home/user", "to_home")),
        *((path, "must not lie in .git, which") for path in (".git", ".git/x", "to_git/x")),
        *((path, "must not lie in ") for path in (".venv", ".x/y", "new/.x", "a/node_modules/b")),
        *((path, "is a file") for path in ("notes.txt", "notes.txt/x", "to_file", "/dev/null/x")),
        *((path, "is a link that leads nowhere") for path in ("nowhere", "nowhere/x", "round")),
        *((path, "mine/data/x, which no run has written") for path in ("mine", "mine/data")),
        *((path, "a folder of other programs") for path in ("env", "env/lib/x", "package/x")),
        ("../beside", "must not contain ..; it leads to /"),
        *((path, "must be a folder's path of letters") for path in ("~", "a b", "a\nb", "-n", "é")),
        ("a" * 201, "at most 200"),
    ],
)
def test_where_they_may_not_be(path, reason):
    assert reason in explain_refusal(path)


def test_the_source_is_known_from_anywhere(folder, monkeypatch):
    monkeypatch.setattr(results, "SOURCE", SOURCE)
    assert explain_refusal("docs/x") is None, "a folder of that name is the user's own here"
    assert "that you are in" in explain_refusal(".")
    assert all((SOURCE.parent / name).is_dir() for name in SOURCES)
    for path in (SOURCE / "new", SOURCE.parent, *SOURCE.parent.parents):
        assert "nor lie above it" in explain_refusal(str(path))


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "empty")
    assert "is not writable" in explain_refusal("empty/new")
    assert explain_refusal("results") is None
