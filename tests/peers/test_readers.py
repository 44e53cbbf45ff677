"""Other programs read the files as they are; one that is not installed is skipped."""

import importlib
import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gamecircuits.games.datasets import GameDataset
from gamecircuits.pipeline.provenance import describe_job
from gamecircuits.pipeline.stages.generate_games import generate_games

ROOT = Path(__file__).parents[2]
SPLITS = {"train": 0.5, "validation": 0.3, "test": 0.2}


def require(module):
    return pytest.importorskip(module, reason=f"no {module}: pip install '.[peers]'")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of Othello, and the games in them as lists by the split."""
    folder = tmp_path_factory.mktemp("othello")
    about = {"name": "g", "seed": 1, "num_games": 50, "games_per_shard": 50, "splits": SPLITS}
    about["game"] = {"kind": "othello", "board_size": 6}
    for shard in range(2):
        settings = {**about, "shard": shard}
        job = describe_job("generate_games", settings, [], {})
        generate_games(folder / f"shard-{shard:05d}.parquet", job=job, **settings)
    batches = {name: list(GameDataset(folder).batches(100, split=name)) for name in SPLITS}
    games = {
        name: [row[row >= 0].tolist() for row in batch["tokens"]]
        for name, (batch,) in batches.items()
    }
    return f"{folder}/*.parquet", games


def read_documented(library, pattern, split):
    """The line of docs/formats.md that reads games with this library, run for these games."""
    modules = {library.partition(".")[0]: require(library.partition(".")[0])}
    importlib.import_module(library)
    text = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    [line] = re.findall(rf"^    ({re.escape(library)}\..*?\))$(?!\n    \))", text, re.M | re.S)
    folder = pattern.removesuffix("/*.parquet")
    line = line.replace("results/games/othello", folder).replace("train", split)
    return eval(textwrap.dedent(line), modules)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("library", "to_frame"),
    [
        ("pandas", lambda found: found),
        ("pyarrow.parquet", lambda found: found.to_pandas()),
        ("polars", lambda found: pd.DataFrame(found.collect().to_dict(as_series=False))),
        ("duckdb", lambda found: found.df()),
        ("datasets", lambda found: found.to_pandas()),
    ],
)
def test_the_documented_lines_read_one_split(shards, library, to_frame, split):
    pattern, games = shards
    found = to_frame(read_documented(library, pattern, split))
    assert set(found["split"]) == {split}
    assert [list(tokens) for tokens in found["tokens"]] == games[split]
    assert found["length"].tolist() == [len(game) for game in games[split]]


def test_polars(shards):
    pl = require("polars")
    pattern, games = shards
    test = pl.scan_parquet(pattern).filter(pl.col("split") == "test").collect()
    assert test["tokens"].to_list() == games["test"]
    assert test["tokens"].list.len().to_list() == test["length"].to_list()


def test_duckdb(shards):
    duckdb = require("duckdb")
    pattern, games = shards
    query = f"select split, count(*), avg(length), max(tokens[1]) from '{pattern}' group by split"
    found = {name: values for name, *values in duckdb.sql(query).fetchall()}
    for name, rows in games.items():
        number, mean, first = found[name]
        assert (number, first) == (len(rows), max(row[0] for row in rows))
        np.testing.assert_allclose(mean, np.mean([len(row) for row in rows]))


def test_datasets_calls_all_games_train_unless_they_are_filtered(shards, tmp_path):
    datasets = require("datasets")
    pattern, games = shards
    found = datasets.load_dataset("parquet", data_files=pattern, cache_dir=str(tmp_path))
    assert found.keys() == {"train"}
    assert found["train"].num_rows == sum(map(len, games.values()))
