"""YAML: scalars as people expect them, lines of keys, merges, and aliases that must not explode."""

import time

import pytest

from gamecircuits.pipeline.config.yaml_lines import ConfigError, lay_over, read_yaml


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
        ("a: &a [*a, *a]", "c.yaml:1: not valid YAML: an alias stands in what it names"),
        ("a: &a {<<: *a}", "c.yaml:1: not valid YAML: a mapping is merged into itself"),
        ("a:\n  " + "[" * 5000 + "]" * 5000, "c.yaml:2: not valid YAML: nested more than 50 deep"),
    ],
    ids=["lists", "mappings", "keys", "itself", "merged into itself", "deep"],
)
def test_nested_aliases_are_answered_at_once(read, text, message):
    start = time.process_time()
    with pytest.raises(ConfigError, match=message):
        read(text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!int abc", "the tag !!int does not fit 'abc'; leave it out"),
        ("!!int ''", "the tag !!int does not fit ''"),
        ("!!int " + "1" * 10**5, "the tag !!int does not fit '111"),
        ("!!float abc", "the tag !!float does not fit 'abc'"),
        ("!!bool abc", "the tag !!bool does not fit 'abc'"),
        ("!!timestamp x", "the tag !!timestamp does not fit 'x'"),
        ("!!binary '%'", "the tag !!binary does not fit '%'"),
        ("!own 3", "the tag !own does not fit '3'"),
        ("!!set {a, b}", "the tag !!set is not possible here; leave it out"),
        ("!!omap [a: 1]", "the tag !!omap is not possible here"),
        ("!!python/object/apply:os.system [x]", "the tag !!python/object/apply:os.system is not"),
        ("{!!int abc: 1}", "the tag !!int does not fit 'abc'"),
        ('"\\U99999999"', "an escape names no character"),
        ("a\0b", "the character U\\+0000 is not possible in UTF-8 YAML"),
        ("a\x07b", "the character U\\+0007 is not possible"),
    ],
)
def test_tags_and_characters_that_do_not_fit_have_a_line(read, text, message):
    with pytest.raises(ConfigError, match=rf"c\.yaml:2: not valid YAML: .*{message}"):
        read(f"seed: 1\nkey: {text}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\nb: 1\n", "2: .*expected a single document in the stream, but found another"),
        (
            "a: 'x\nb: 1\n",
            "2: .*end of stream, while scanning a quoted scalar that begins in line 1",
        ),
        ("a: {b: 1\nc: 2\n", "2: .*got ':', while parsing a flow mapping that begins in line 1"),
        ("a:\n  b: 1\n  c:2\n", "3: .*could not find expected ':', while scanning a simple key"),
    ],
)
def test_what_is_not_finished_is_named_with_its_begin(read, text, message):
    with pytest.raises(ConfigError, match=rf"c\.yaml:{message}"):
        read(text)


def test_tags_that_say_what_is_there_anyway_are_fine(read):
    values = read("a: !!int 3\nb: !!str 3\nc: !!float .inf\nd: !!map {e: !!seq []}").values
    assert values == {"a": 3, "b": "3", "c": float("inf"), "d": {"e": []}}


def test_files_that_are_no_text_are_named_with_the_line(read, tmp_path):
    path = tmp_path / "c.yaml"
    for content, message in (
        ("a: 1\nb: é".encode("latin-1"), r"c\.yaml:2: is not UTF-8 text"),
        ("seed: 1".encode("utf-16"), r"c\.yaml:1: is not UTF-8 text"),
        (b"# much\n" * 10**6, r"c\.yaml: has more than 1,048,576 bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            read_yaml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


def test_laying_over_removes_too():
    base = {"a": {"x": 1, "y": 2}, "b": {"z": 3}, "c": 4}
    assert lay_over(base, {"a": {"x": None}}) == {**base, "a": {"y": 2}}
    assert lay_over(base, {"a": {}, "b": {"w": 5}}) == {**base, "a": {}, "b": {"z": 3, "w": 5}}
    assert lay_over(base, {"b": None, "d": None}) == {"a": base["a"], "c": 4, "d": None}


def test_nested_merges_are_no_more_than_their_keys(read):
    start = time.process_time()
    assert read(bomb("{x: 1}", MERGES)).values["a9"] == {"x": 1}
    assert time.process_time() - start < 1


def test_a_large_file_without_aliases_has_no_limit(read):
    text = "states:\n" + "".join(f"  s{n}: {{'0': s{n}, '1': s0}}\n" for n in range(5000))
    assert len(read(text).values["states"]) == 5000
