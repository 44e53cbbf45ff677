import os
import tracemalloc
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from twins import legal_after

from gamecircuits.errors import ArtefactError, ParameterError, StorageError
from gamecircuits.games import datasets
from gamecircuits.games.datasets import (
    GameDataset,
    batch_size,
    iter_games,
    iter_games_and_masks,
    mask_to_table,
    play_batches,
    table_to_mask,
    table_to_tokens,
    tokens_to_table,
)
from gamecircuits.games.game import PAD, make_game
from gamecircuits.pipeline.provenance import describe_job, job_digest
from gamecircuits.pipeline.stages.compute_masks import compute_masks
from gamecircuits.pipeline.stages.generate_games import generate_games
from gamecircuits.pipeline.stages.measure_branching import measure_branching
from gamecircuits.pipeline.stages.measure_legality import measure_legality
from gamecircuits.randomness import get_rng
from gamecircuits.storage.files import REPAIR
from gamecircuits.storage.parquet import read_job, write_parquet

MNK = {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3}
SHARES = {"train": 0.5, "validation": 0.3, "test": 0.2}
LARGE = {"kind": "set_complement", "vocab_size": 200}


def generate(folder, settings, num_games=50, shard=0, name="g", seed=1, per_shard=None):
    """Call the two stages for one shard; return the paths of games and masks."""
    games, masks = folder / f"games-{shard}.parquet", folder / f"masks-{shard}.parquet"
    played = {"name": name, "seed": seed, "shard": shard, "num_games": num_games}
    played |= {"game": settings, "splits": SHARES, "games_per_shard": per_shard or num_games}
    job = describe_job("generate_games", played, [], {})
    generate_games(games, job=job, **played)
    masked, inputs = {"game": settings, "num_games": num_games}, {"games": [job_digest(job)]}
    job = describe_job("compute_masks", masked, [], inputs)
    compute_masks(games, masks, job=job, **masked)
    return games, masks


@pytest.mark.parametrize("settings", [MNK, LARGE])
def test_stages_write_aligned_games_and_masks(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(datasets, "MAX_BATCH", 16)  # several row groups
    game = make_game(**settings)
    paths = generate(tmp_path, settings)
    pairs = list(iter_games_and_masks(*paths, game))
    assert [len(tokens) for tokens, _ in pairs] == [16, 16, 16, 2]
    for tokens, mask in pairs:
        game.check(tokens)
        np.testing.assert_array_equal(mask, game.get_valid_next_token_mask(tokens))


def test_other_programs_read_the_files_without_us(tmp_path):
    """As docs/formats.md says, with pandas and numpy alone."""
    games, masks = (pd.read_parquet(path) for path in generate(tmp_path, MNK))
    schema = pq.read_schema(tmp_path / "games-0.parquet")
    assert str(schema.field("tokens").type) == "list<element: int8>"
    assert str(schema.field("length").type) == "int16"
    assert set(games["split"]) == set(SHARES)
    assert (games["tokens"].map(len) == games["length"]).all()
    assert (masks["length"] == games["length"]).all()
    for tokens, legal, length in zip(games["tokens"], masks["legal"], masks["length"], strict=True):
        packed = np.frombuffer(legal, np.uint8).reshape(length, -1)
        mask = np.unpackbits(packed, axis=1, count=9, bitorder="little").astype(bool)
        for s in range(length - 1):
            assert set(np.flatnonzero(mask[s])) == set(range(9)) - set(tokens[: s + 1].tolist())
        assert not mask[-1].any()


def test_a_shard_is_a_pure_function_of_seed_name_and_number(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first = generate(tmp_path / "a", MNK, shard=3)
    again = generate(tmp_path / "b", MNK, shard=3)
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    shard, name = generate(tmp_path, MNK, shard=4), generate(tmp_path, MNK, shard=3, name="h")
    tokens = [pq.read_table(path[0])["tokens"].to_pylist() for path in (first, shard, name)]
    assert tokens[0] != tokens[1]
    assert tokens[0] != tokens[2]


def test_streams_of_randomness_are_distinct_and_stable():
    draws = {
        key: get_rng(*key).integers(1 << 62)
        for key in [(0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0)]
    }
    assert len(set(draws.values())) == 4
    assert draws[0, "a", 0] == get_rng(0, "a", 0).integers(1 << 62) == 488539661845947575


def test_round_trip_of_ragged_games():
    tokens = np.array([[3, 1, PAD, PAD], [0, 1, 2, 3], [2, PAD, PAD, PAD]], dtype=np.int8)
    mask = np.random.default_rng(0).random((3, 4, 11)) < 0.5
    mask[tokens == PAD] = False
    table = tokens_to_table(tokens, np.array([2, 0, 1], np.int8))
    assert table["split"].to_pylist() == ["test", "train", "validation"]
    assert table["length"].to_pylist() == [2, 4, 1]
    np.testing.assert_array_equal(table_to_tokens(table, 4, 11), tokens)
    packed = mask_to_table(mask, np.array([2, 4, 1]))
    np.testing.assert_array_equal(table_to_mask(packed, 4, 11), mask)
    sliced = packed.slice(1)  # a window into the same buffers
    np.testing.assert_array_equal(table_to_mask(sliced, 4, 11), mask[1:])


def test_memory_does_not_grow_with_the_shard(tmp_path):
    game = make_game("set_complement", vocab_size=64)
    assert batch_size(game) * 64 * 64 <= datasets.MAX_BATCH_MASK
    assert batch_size(make_game("set_complement", vocab_size=4096)) == 8

    def peak(num_games):
        tracemalloc.start()
        batches = play_batches(game, num_games, get_rng(0, "g", 0))
        tables = (tokens_to_table(tokens, np.zeros(len(tokens), np.int8)) for tokens in batches)
        assert write_parquet(tmp_path / "x.parquet", tables, "{}") == num_games
        return tracemalloc.get_traced_memory()[1], tracemalloc.stop()

    small, large = peak(2 * datasets.MAX_BATCH)[0], peak(8 * datasets.MAX_BATCH)[0]
    assert large < 1.2 * small


def test_measure_branching_counts_every_prefix(tmp_path):
    games, masks = generate(tmp_path, MNK, num_games=300)
    output = tmp_path / "b.parquet"
    measure_branching([games], [masks], output, job="{}", name="g", game=MNK, num_games=300)
    wanted = Counter({(0, 9): 300})
    for tokens in pd.read_parquet(games)["tokens"]:
        for ply in range(1, len(tokens) + 1):
            wanted[ply, len(legal_after("mnk", MNK, tokens[:ply].tolist()))] += 1
    found = pd.read_parquet(output).set_index(["ply", "num_legal"])["num_games"]
    assert found.to_dict() == wanted


@pytest.mark.parametrize(
    "settings",
    [
        MNK,
        {"kind": "connect_four", "rows": 3, "columns": 4, "in_a_row": 3},
        {"kind": "othello", "board_size": 4},
    ],
    ids=lambda settings: settings["kind"],
)
def test_measure_legality_counts_every_position(tmp_path, settings):
    games, _ = generate(tmp_path, settings, num_games=100)
    output = tmp_path / "legality.parquet"
    measure_legality([games], output, job="{}", name="g", game=settings)
    positions, wanted = Counter(), Counter()
    for tokens in pd.read_parquet(games)["tokens"]:
        for ply in range(len(tokens)):
            positions[ply] += 1
            played = tokens[:ply].tolist()
            for token in legal_after(settings["kind"], settings, played):
                falls = 4 * played.count(token) if settings["kind"] == "connect_four" else 0
                wanted[ply, token + falls] += 1
    found = pd.read_parquet(output)
    assert dict(zip(found["ply"], found["num_positions"], strict=True)) == positions
    assert len(found) == len(positions) * make_game(**settings).num_squares
    found = found.set_index(["ply", "square"])["num_legal"]
    assert found[found > 0].to_dict() == wanted


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_damaged_files_are_refused(tmp_path, damage):
    path, _ = generate(tmp_path, LARGE, num_games=400)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 0xFF
    path.write_bytes({"cut": content[:-20], "empty": b"", "flipped": content}[damage])
    with pytest.raises(ArtefactError, match=rf"is damaged .*; {REPAIR}"):
        list(iter_games(path, make_game(**LARGE)))


def test_nothing_half_written(tmp_path):
    """A failure in the middle leaves neither the file nor its temporary copy; an old file stays."""
    path = tmp_path / "x.parquet"
    table = tokens_to_table(np.zeros((3, 2), np.int8), np.zeros(3, np.int8))

    def tables():
        yield table
        raise OSError("disk full")

    for old in (None, "old"):
        if old:
            path.write_text(old)
        with pytest.raises(StorageError, match=r"x.parquet cannot be written \(disk full\); free"):
            write_parquet(path, tables(), "{}")
        assert [p.name for p in tmp_path.iterdir()] == (["x.parquet"] if old else [])
    assert path.read_text() == "old"
    theirs = tmp_path / ".x.parquet.99999.tmp"
    theirs.write_text("of another writer, who may be at work")
    write_parquet(path, [table], "{}")
    assert sorted(tmp_path.iterdir()) == [theirs, path]
    assert read_job(path) == "{}"


# --- reading ---

OTHELLO = {"kind": "othello", "board_size": 4}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three shards of 4 × 4 Othello, 100 games in all, in row groups of 16."""
    monkeypatch.setattr(datasets, "MAX_BATCH", 16)
    for shard, num_games in enumerate([40, 40, 20]):
        games, masks = generate(tmp_path, OTHELLO, num_games, shard, per_shard=40)
        games.rename(tmp_path / f"shard-{shard:05d}.parquet")
        masks.unlink()
    return tmp_path


def rows(folder, *columns):
    shards = [pd.read_parquet(path) for path in sorted(folder.glob("shard-*"))]
    return pd.concat(shards, ignore_index=True)[list(columns)].itertuples(index=False)


def unpad(tokens):
    return [tuple(t for t in row if t != PAD) for row in tokens.tolist()]


@pytest.mark.parametrize("split", [None, *SHARES])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 1000])
@pytest.mark.parametrize("buffer_size", [None, 1, 30, 1000])
def test_every_game_is_read_once(folder, split, batch_size, buffer_size):
    wanted = [tuple(tokens) for tokens, s in rows(folder, "tokens", "split") if split in (None, s)]
    dataset = GameDataset(folder, num_games=100)
    options = {} if buffer_size is None else {"buffer_size": buffer_size}

    def read(seed=None):
        rng = None if buffer_size is None else np.random.default_rng(seed)
        batches = list(dataset.batches(batch_size, split=split, rng=rng, **options))
        assert {len(batch["tokens"]) for batch in batches[:-1]} <= {batch_size}
        assert all(set(batch) == {"tokens"} for batch in batches)
        return [row for batch in batches for row in unpad(batch["tokens"])]

    if buffer_size is None:
        assert read() == wanted
    else:
        first = read(0)
        assert sorted(first) == sorted(wanted)
        assert first == read(0)
        assert first != wanted
        assert first != read(1)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
def test_shards_may_be_more_than_a_process_may_have_files_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    dataset = GameDataset(folder)
    assert len(os.listdir("/proc/self/fd")) == before
    assert dataset.num_games == 100


def test_of_given_shards_no_other_is_read(folder):
    shards = sorted(folder.glob("shard-*"))
    assert GameDataset(shards).num_games == 100
    some = GameDataset(shards[:2], num_games=80)
    wanted = [tuple(tokens) for (tokens,) in rows(folder, "tokens")][:80]
    assert [row for batch in some.batches(30) for row in unpad(batch["tokens"])] == wanted
    with pytest.raises(ArtefactError, match=r"shard-00001\.parquet is missing"):
        GameDataset([shards[0], shards[2]])
    with pytest.raises(ArtefactError, match="has 80 games, not 100"):
        GameDataset(shards[:2], num_games=100)


def test_a_shuffled_batch_mixes_all_shards(folder):
    (place,) = [{tuple(tokens): n // 40 for n, (tokens,) in enumerate(rows(folder, "tokens"))}]
    batches = GameDataset(folder).batches(25, rng=np.random.default_rng(0))
    for batch in batches:
        assert {place[row] for row in unpad(batch["tokens"])} == {0, 1, 2}


def test_fields_are_computed_from_the_tokens(folder):
    dataset = GameDataset(folder)
    assert dataset.game == make_game(**OTHELLO)
    fields = ["mask", "packed_mask", "board_states", "side_to_move"]
    (batch,) = dataset.batches(200, ["tokens", *fields], split="train")
    assert list(next(dataset.batches(9, "mask"))) == ["mask"]
    for name in fields:
        wanted = getattr(dataset.game, datasets.FIELDS[name])(batch["tokens"])
        np.testing.assert_array_equal(batch[name], wanted)
    for options, message in [
        ({"fields": ["board"]}, "fields = .*'board'.* allowed: tokens, mask, packed_mask, board_"),
        ({"split": "tset"}, "split = 'tset' is not possible; allowed: None, train, validation, t"),
        ({"batch_size": 0}, "batch_size = 0 is not possible; allowed: an integer from 1"),
        ({"buffer_size": 2.5}, r"buffer_size = 2\.5 is not possible; allowed: an integer from 1"),
        ({"rng": 3}, r"rng = 3 is not possible; allowed: None or a numpy.random.Generator"),
    ]:
        with pytest.raises(ParameterError, match=message):
            dataset.batches(**{"batch_size": 5, **options})


def test_reading_takes_no_more_memory_for_more_shards(tmp_path):
    def peak(num_shards):
        folder = tmp_path / str(num_shards)
        folder.mkdir()
        for shard in range(num_shards):
            generate(folder, MNK, 20000, shard)[0].rename(folder / f"shard-{shard:05d}.parquet")
        rng = np.random.default_rng(0)
        tracemalloc.start()
        batches = GameDataset(folder).batches(256, rng=rng, buffer_size=1 << 14)
        assert sum(len(batch["tokens"]) for batch in batches) == 20000 * num_shards
        return tracemalloc.get_traced_memory()[1], tracemalloc.stop()

    assert peak(6)[0] < 1.2 * peak(3)[0]


def test_a_dataset_that_is_not_whole_is_refused(folder):
    shard = folder / "shard-00001.parquet"
    content = shard.read_bytes()
    foreign = {
        "seed": generate(folder, OTHELLO, 40, 1, seed=2)[0].read_bytes(),
        "games_per_shard": generate(folder, OTHELLO, 40, 1, per_shard=50)[0].read_bytes(),
        "cut": generate(folder, OTHELLO, 39, 1, per_shard=40)[0].read_bytes(),
        "game": generate(folder, MNK, 40, 1)[0].read_bytes(),
        "name": generate(folder, OTHELLO, 40, 1, name="h")[0].read_bytes(),
    }
    for found, message in [
        (None, "shard-00001.parquet is missing; run the pipeline with its config again"),
        ((folder / "shard-00002.parquet").read_bytes(), "shard-00001.parquet was made as shard 2"),
        (content[:-9], f"shard-00001.parquet is damaged .*; {REPAIR}"),
        *((other, "made by another config or other code") for other in foreign.values()),
    ]:
        shard.unlink() if found is None else shard.write_bytes(found)
        with pytest.raises(ArtefactError, match=message):
            GameDataset(folder)
    pd.DataFrame({"tokens": [[1]]}).to_parquet(shard)
    with pytest.raises(ArtefactError, match="is no shard of games that gamecircuits made"):
        GameDataset(folder)
    shard.write_bytes(content)
    with pytest.raises(ArtefactError, match="has 100 games, not 120; run the pipeline"):
        GameDataset(folder, num_games=120)
    with pytest.raises(ArtefactError, match="has no shards"):
        GameDataset(folder / "nothing")
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 0xFF
    shard.write_bytes(flipped)
    with pytest.raises(ArtefactError, match="damaged"):
        list(GameDataset(folder).batches(10))
