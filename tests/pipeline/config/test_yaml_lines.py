"""YAML: scalars as people expect them, lines of keys, merges, and aliases that must not explode."""

import time

import pytest

from gamecircuits.pipeline.config.yaml_lines import ConfigError, read_yaml


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "c.yaml"
        path.write_text(text)
        return read_yaml(path)

    return read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-3", 0.001), ("1.", 1.0), (".5", 0.5), ("+7", 7), ("0", 0), ("true", True)),
        *(("yes", "yes"), ("NO", "NO"), ("016", "016"), ("1:30", "1:30"), ("0x10", "0x10")),
        *(("1_000", "1_000"), ("2020-01-05", "2020-01-05"), ("~", None), ("null", None)),
    ],
)
def test_scalars(read, text, value):
    found = read(f"key: {text}").values["key"]
    assert (found, type(found)) == (value, type(value))


def test_every_key_and_item_has_its_line(read):
    source = read("a:\n  b: 1\n  c:\n    - 2\n    - {d: 3}\n")
    lines = {path: int(place.rpartition(":")[2]) for path, place in source.places.items()}
    assert lines == {
        (): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5,
        ("a", "c", 1, "d"): 5,
    }  # fmt: skip


def test_merges(read):
    """Own keys win, then those of the mapping that is named first; a merge may hold merges."""
    source = read(
        "a: &a {x: 1, y: 1}\nb: &b\n  <<: *a\n  y: 2\n  z: 2\nc: {<<: [{y: 3}, *b], w: 3}\n"
    )
    assert source.values["b"] == {"x": 1, "y": 2, "z": 2}
    assert source.values["c"] == {"x": 1, "y": 3, "z": 2, "w": 3}
    assert source.places["b", "x"].endswith(":1")
    assert source.places["b", "y"].endswith(":4")
    assert not source.problems
    for bad in ("a: {<<: 3}", "a: {<<: [{x: 1}, 3]}"):
        with pytest.raises(ConfigError, match="<< merges mappings alone"):
            read(bad)


def bomb(first: str, more: str, levels: int = 9) -> str:
    """Each level names the one before nine times."""
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} " + more.replace("@", f"*a{level - 1}"))
    return "\n".join(lines)


LIST = "[" + ", ".join("@" * 9) + "]"
MAPPING = "{" + ", ".join(f"k{n}: @" for n in range(9)) + "}"
MERGES = "{<<: [" + ", ".join("@" * 9) + "]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb("[x]", LIST), r"c.yaml:\d+: not valid YAML: aliases repeat more than 10,000 values"),
        (bomb("{x: 1}", MAPPING), "aliases repeat more than"),
        (bomb("[x]", LIST, 3) + "\n? *a3\n: 1", "keys must be text, not lists or mappings"),
        ("a: &a [*a, *a]", "nested too deeply, or in itself"),
        ("a: &a {<<: *a}", "nested too deeply, or in itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply, or in itself"),
    ],
    ids=["lists", "mappings", "keys", "itself", "merged into itself", "deep"],
)
def test_nested_aliases_are_answered_at_once(read, text, message):
    start = time.process_time()
    with pytest.raises(ConfigError, match=message):
        read(text)
    assert time.process_time() - start < 1


def test_nested_merges_are_no_more_than_their_keys(read):
    start = time.process_time()
    assert read(bomb("{x: 1}", MERGES)).values["a9"] == {"x": 1}
    assert time.process_time() - start < 1


def test_a_large_file_without_aliases_has_no_limit(read):
    text = "states:\n" + "".join(f"  s{n}: {{'0': s{n}, '1': s0}}\n" for n in range(5000))
    assert len(read(text).values["states"]) == 5000
