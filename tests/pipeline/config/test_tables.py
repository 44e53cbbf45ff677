"""What is generated from the fields: the schema for editors and the tables of config/README.md."""

import copy
from pathlib import Path

import jsonschema
import pytest
from pipeline_tools import KINDS

from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.games.game import GAMES
from gamecircuits.pipeline.config import __main__ as command
from gamecircuits.pipeline.config.schema import make_schema
from gamecircuits.pipeline.config.tables import TABLE, fill_tables, make_tables
from gamecircuits.pipeline.config.yaml_lines import read_yaml
from gamecircuits.training.trial import ARCHITECTURES
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS

ROOT = Path(__file__).parents[3]
OURS = {
    GAMES: "connect_four dyck flip_flop mnk othello regular set_complement windowed_complement",
    CONSTRUCTIONS: " ".join(sorted(KINDS)),
    ARCHITECTURES: "gpt one_layer",
    EXPERIMENTS: "certificate critical_length dimensions parallel_resistors precision remedies "
    "superposition",
}


SCHEMA, README = ROOT / "workflow/schemas/config.schema.json", ROOT / "config/README.md"


def leave_out_others(monkeypatch, text: str, sign: str) -> None:
    """Kinds that somebody adds may be missing in the schema and the tables, ours not."""
    for registry, names in OURS.items():
        ours = names.split()
        assert set(ours) <= set(registry.kinds())
        kinds = [k for k in registry.kinds() if k in ours or sign.format(k) in text]
        monkeypatch.setattr(registry, "kinds", lambda kinds=kinds: kinds)


def test_schema_for_editors_is_in_step(capsys, monkeypatch):
    """Else run: python -m gamecircuits.pipeline.config --schema >
    workflow/schemas/config.schema.json
    """
    text = SCHEMA.read_text(encoding="utf-8")
    leave_out_others(monkeypatch, text, '"#/$defs/{}"')
    assert command.main(["--schema"]) == 0
    assert capsys.readouterr().out == text


def test_tables_are_in_step(monkeypatch):
    """Else run: python -m gamecircuits.pipeline.config --tables"""
    text = README.read_text(encoding="utf-8")
    leave_out_others(monkeypatch, text, "\n| `{}` | ")
    assert fill_tables(text) == text
    assert sorted(name for _, name, _ in TABLE.findall(text)) == sorted(make_tables())


def test_tables_are_written_in_place(tmp_path, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: claims -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(command, "README", readme)
    assert command.main(["--tables"]) == 0
    table = make_tables()["claims"]
    wanted = f"before\n<!-- table: claims -->\n\n{table}\n<!-- end -->\nafter\n"
    assert readme.read_text() == wanted
    assert "| `instances` | `2` | an integer from 1 to 1000 |" in table


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_the_configs_of_the_project_fit_the_schema(path):
    jsonschema.validate(read_yaml(path).values, make_schema())


GOOD = {
    "games": {"a": {"kind": "dyck", "num_brackets": 1, "max_depth": 2, "length": 8}},
    "models": {"m": {"kind": "file", "path": "m.safetensors", "figures": False}},
    "searches": {
        "s": {
            "game": "a",
            "length": 3,
            "space": {
                "learning_rate": {"low": 1e-4, "high": 1e-2, "scale": "log"},
                "d_model": [8, 16],
                "tied": True,
            },
            "variants": {"plain": {}, "normed": {"norm": "attention", "gain": 5}},
            "averages": {"last": {"kind": "last"}, "e": {"kind": "ema", "decay": 0.9}},
        }
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("games a length", 7),
        ("games a length", 1026),
        ("games a max_depth", 0),
        ("games a law", "fair"),
        ("models m path", ""),
        ("models m d_model", 3),
        ("searches s space rate", 1),
        ("searches s space learning_rate", -1),
        ("searches s space learning_rate", []),
        ("searches s space learning_rate low", "x"),
        ("searches s space learning_rate scale", "ln"),
        ("searches s space d_model", {"low": 1, "high": 2}),
        ("searches s space d_model", [8, 0]),
        ("searches s variants plain norn", "none"),
        ("searches s variants normed norm", ["none"]),
        ("searches s variants normed norm", "rms"),
        ("searches s averages e decay", 2),
        ("searches s averages e kind", "emo"),
        ("searches s averages last decay", 0.9),
    ],
)
def test_the_schema_knows_every_key(path, value):
    schema = make_schema()
    jsonschema.validate(GOOD, schema)
    broken = copy.deepcopy(GOOD)
    *outer, key = path.split()
    part = broken
    for step in outer:
        part = part[step]
    part[key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_every_key_of_the_schema_is_explained():
    schema = make_schema()
    for name, model in {"top": schema, **schema["$defs"]}.items():
        for key, field in model["properties"].items():
            assert field.get("description"), f"{name}.{key}"
