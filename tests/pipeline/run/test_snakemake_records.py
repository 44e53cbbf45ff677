"""Damaged records of Snakemake are removed, and no other."""

import json

import pytest

from gamecircuits.pipeline.run.snakemake_records import remove_damaged

GOOD = {"rule": "games", "input": ["a"], "input_checksums": {}, "starttime": 1.0}
BAD = {
    "metadata": {
        "empty": b"",
        "cut": b'{"rule": "gam',
        "bytes": b"\xff\xfe\x00",
        "list": b"[1]",
        "types": b'{"rule": 3, "input": "x"}',
        "deep": b"[" * 100_000,
    },
    "incomplete": {"bytes": b"\xff", "number": b"7", "text": b'"external_jobid"'},
}


@pytest.fixture
def folder(tmp_path):
    for kind, content in (("metadata", GOOD), ("incomplete", {"external_jobid": None})):
        (tmp_path / kind / "@first_part").mkdir(parents=True)
        for path in ("good", "@first_part/good"):
            (tmp_path / kind / path).write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def read_all(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_what_can_be_read_stays(folder):
    before = read_all(folder)
    assert list(remove_damaged(folder)) == []
    assert read_all(folder) == before


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in BAD for name in BAD[kind]])
def test_what_cannot_be_read_goes(folder, kind, name):
    before = read_all(folder)
    for place in (folder / kind, folder / kind / "@first_part"):
        (place / name).write_bytes(BAD[kind][name])
    assert set(remove_damaged(folder)) == {
        folder / kind / name,
        folder / kind / "@first_part" / name,
    }
    assert read_all(folder) == before


def test_a_folder_in_the_place_of_a_record_and_a_file_in_that_of_all(folder):
    (folder / "metadata/record").mkdir()
    (folder / "metadata/record/x").touch()
    assert list(remove_damaged(folder)) == [folder / "metadata/record"]
    (folder / "metadata").rename(folder / "other")
    (folder / "metadata").touch()
    assert list(remove_damaged(folder)) == [folder / "metadata"]
    assert list(remove_damaged(folder / "none")) == []
