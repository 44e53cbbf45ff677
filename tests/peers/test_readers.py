"""Other programs read the files as they are; one that is not installed is skipped."""

import numpy as np
import pytest

from gamecircuits.games.datasets import GameDataset
from gamecircuits.pipeline.provenance import describe_job
from gamecircuits.pipeline.stages.generate_games import generate_games

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


def test_hugging_face_datasets(shards, tmp_path):
    datasets = require("datasets")
    pattern, games = shards
    dataset = datasets.load_dataset(
        "parquet", data_files=pattern, split="train", cache_dir=str(tmp_path)
    )
    for name, rows in games.items():
        found = dataset.filter(lambda row, name=name: row["split"] == name)
        assert found["tokens"][:] == rows
