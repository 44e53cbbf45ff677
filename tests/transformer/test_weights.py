import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from gpts import gpts, make_gpt
from hypothesis import given, settings
from safetensors.numpy import load_file, save_file
from twins import random_parameters

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.storage.files import REPAIR
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.formats.one_layer import NAMES
from gamecircuits.transformer.gpt import GPT, Design
from gamecircuits.transformer.gpt_weights import name_weights
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import (
    read_model,
    read_model_job,
    read_trained_weights,
    write_model,
)

HEAD_AXIS = ("W_Q", "W_K", "W_V", "W_O")  # with a leading axis of one head on disk
JOB = '{"stage": "construct_model"}'


def test_round_trip(tmp_path):
    model = OneLayer(random_parameters(np.random.default_rng(0), 4, d_k=0), "attention", 2.5, 0.5)
    write_model(tmp_path / "m.safetensors", model, JOB)
    found = read_model(tmp_path / "m.safetensors")
    assert (found.norm, found.gain, found.sink) == ("attention", 2.5, 0.5)
    for wanted, matrix in zip(model.parameters, found.parameters, strict=True):
        np.testing.assert_array_equal(wanted, matrix)
    assert read_model_job(tmp_path / "m.safetensors") == JOB


@settings(deadline=None, max_examples=15)
@given(gpts())
def test_round_trip_of_a_gpt(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        write_model(path, model, JOB)
        content = path.read_bytes()
        found = read_model(path)
        write_model(path, found, JOB)
        assert path.read_bytes() == content
        assert read_model_job(path) == JOB
    assert found.design == model.design
    wanted = name_weights(model.parameters)
    assert name_weights(found.parameters).keys() == wanted.keys()
    for name, weight in name_weights(found.parameters).items():
        np.testing.assert_array_equal(weight, wanted[name])


def test_a_gpt_that_does_not_fit_is_not_written(tmp_path):
    model = make_gpt(np.random.default_rng(0))
    with pytest.raises(GamecircuitsError, match="W_Q has 8 columns, which 3 heads cannot share"):
        write_model(tmp_path / "m", GPT(model.parameters, Design(3, positions="learned")), JOB)
    assert not list(tmp_path.iterdir())


def test_trained_models_are_read_by_their_names(tmp_path):
    path, rng = tmp_path / "weights.safetensors", np.random.default_rng(0)
    gpt, layer = make_gpt(rng), random_parameters(rng, 4)
    tensors = {f"a/0/last/{n}": w for n, w in name_weights(gpt.parameters).items()}
    tensors |= {f"a/00/last/{n}": w for n, w in (layer._asdict() | {"gain": 2.0}).items()}
    save_file({n: np.array(w) for n, w in tensors.items()}, path)
    for prefix, count in (("a/0/last", len(name_weights(gpt.parameters))), ("a/00/last", 7)):
        found = read_trained_weights(path, prefix)
        assert len(found) == count
        for name, weight in found.items():
            np.testing.assert_array_equal(weight, tensors[f"{prefix}/{name}"])
    with pytest.raises(ArtefactError, match="is damaged"):
        read_trained_weights(path, "a/1/last")


def test_names_and_shapes_are_transformer_lens_ones(tmp_path):
    write_model(
        tmp_path / "m.safetensors", make_construction("balanced", vocab_size=5).model(), JOB
    )
    shapes = {name: m.shape for name, m in load_file(tmp_path / "m.safetensors").items()}
    assert shapes == {
        "embed.W_E": (5, 8),
        "blocks.0.attn.W_Q": (1, 8, 0),
        "blocks.0.attn.W_K": (1, 8, 0),
        "blocks.0.attn.W_V": (1, 8, 4),
        "blocks.0.attn.W_O": (1, 4, 8),
        "unembed.W_U": (8, 5),
    }


def test_bytes_are_the_same_every_time(tmp_path):
    model = make_construction("minimal", vocab_size=7).model()
    for name in "ab":
        write_model(tmp_path / name, model, JOB)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("names", ["plain", "TransformerLens"])
def test_weights_of_other_software(tmp_path, names):
    parameters = random_parameters(np.random.default_rng(0), 4, d_k=0)
    tensors = parameters._asdict()
    if names == "TransformerLens":
        heads = {n: m[None] if n in HEAD_AXIS else m for n, m in tensors.items()}
        tensors = {NAMES[n]: np.ascontiguousarray(m) for n, m in heads.items()}
    tensors = {n: m.astype(np.float32) for n, m in tensors.items()}
    save_file(tensors, tmp_path / "m.safetensors")
    found = read_any_model(tmp_path / "m.safetensors")
    assert (found.norm, found.gain, found.sink) == ("none", 1.0, 0.0)
    for wanted, matrix in zip(parameters, found.parameters, strict=True):
        assert matrix.dtype == np.float64
        np.testing.assert_allclose(matrix, wanted, rtol=1e-6)
    tensors.pop("W_U" if names == "plain" else "unembed.W_U")
    save_file(tensors, tmp_path / "half.safetensors")
    with pytest.raises(ArtefactError, match=r": no tensor W_U or unembed.W_U; it has: "):
        read_any_model(tmp_path / "half.safetensors")
    tensors = {n: np.ascontiguousarray(m) for n, m in parameters._asdict().items()}
    save_file({**tensors, "b_U": np.zeros(4), "mask": np.ones(3)}, tmp_path / "zero.safetensors")
    read_any_model(tmp_path / "zero.safetensors")
    save_file({**tensors, "b_U": np.ones(4)}, tmp_path / "bias.safetensors")
    with pytest.raises(ArtefactError, match=r"more than one attention head can use: b_U"):
        read_any_model(tmp_path / "bias.safetensors")
    save_file({**tensors, "W_O": np.ones((2, 2))}, tmp_path / "shape.safetensors")
    with pytest.raises(ArtefactError, match=r"W_O has shape \(2, 2\)") as raised:
        read_any_model(tmp_path / "shape.safetensors")
    assert "rm " not in str(raised.value), "other people's files are not ours to delete"
    ours = make_construction("sink", vocab_size=5).model()
    write_model(tmp_path / "ours.safetensors", ours, JOB)
    assert read_any_model(tmp_path / "ours.safetensors").sink == ours.sink


def write_raw(path, tensors):
    """Tensors of zeros by name: (type by the format's name, shape, bytes of a number)."""
    header, end = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        start, end = end, end + size * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


SHAPES = {"W_E": [4, 3], "W_Q": [3, 2], "W_K": [3, 2], "W_V": [3, 3], "W_O": [3, 3], "W_U": [3, 4]}


@pytest.mark.parametrize(("dtype", "size"), [("C64", 8), ("F8_E4M3", 1), ("I32", 4), ("BOOL", 1)])
def test_numbers_that_are_no_weights_are_named(tmp_path, dtype, size):
    path, tensors = tmp_path / "m.safetensors", {n: ("F32", s, 4) for n, s in SHAPES.items()}
    write_raw(path, tensors)
    read_any_model(path)
    named = {"I32": "int32", "BOOL": "bool"}.get(dtype, dtype)
    write_raw(path, tensors | {"W_K": (dtype, SHAPES["W_K"], size)})
    with pytest.raises(ArtefactError, match=f"W_K is {named}; allowed: float16, bfloat16, fl"):
        read_any_model(path)
    write_raw(path, tensors | {"steps": ("I64", [], 8), "hook.mask": (dtype, [2], size)})
    read_any_model(path)  # zero, and no weight


@pytest.mark.parametrize(
    "turned", [["W_Q"], ["W_E"], ["W_E", "W_Q", "W_K", "W_U"], ["W_Q", "W_K", "W_U"], ["W_U"]]
)
def test_transposed_matrices_are_named(tmp_path, turned):
    path = tmp_path / "m.safetensors"
    shapes = {n: s[::-1] if n in turned else s for n, s in SHAPES.items()}
    write_raw(path, {n: ("F64", s, 8) for n, s in shapes.items()})
    with pytest.raises(ArtefactError, match=f"; expected .* fits if {', '.join(turned)} and "):
        read_any_model(path)
    write_raw(path, {n: ("F64", s, 8) for n, s in (SHAPES | {"W_U": [5, 9]}).items()})
    with pytest.raises(ArtefactError, match=r"W_U has shape \(5, 9\); expected \(3, 4\)$"):
        read_any_model(path)


def test_heads_are_counted(tmp_path):
    path = tmp_path / "m.safetensors"
    for name in HEAD_AXIS:
        for heads, message in ((2, r", not one matrix"), (1, None)):
            write_raw(path, {n: ("F32", [heads, *s] if n == name else s, 4)
                             for n, s in SHAPES.items()})  # fmt: skip
            if message is None:
                assert read_any_model(path).vocab_size == 4
                continue
            with pytest.raises(ArtefactError, match=f"{name} has shape .2, .*{message}"):
                read_any_model(path)


def test_files_that_are_not_whole_are_named(tmp_path):
    path = tmp_path / "m.safetensors"
    write_raw(path, {n: ("F32", s, 4) for n, s in SHAPES.items() if n not in ("W_O", "W_U")})
    lacking = "no tensor W_O or blocks.0.attn.W_O, W_U or unembed.W_U; it has: W_E, W_K, W_Q, W_V"
    with pytest.raises(ArtefactError, match=lacking):
        read_any_model(path)
    whole = path.read_bytes()
    for content, wanted in (
        (whole[:-1], "is cut off or damaged"),
        (whole[:50], "is cut off or damaged"),
        (b"", "is no safetensors file"),
        (b"PK" + bytes(99), "cannot be read as a state dict of PyTorch"),
    ):
        path.write_bytes(content)
        with pytest.raises(ArtefactError, match=wanted):
            read_any_model(path)
    with pytest.raises(ArtefactError, match="is a folder; allowed: a file of weights"):
        read_any_model(tmp_path)


@pytest.mark.parametrize(
    "wanted",
    [
        make_construction("attention_norm", vocab_size=5).model(),
        make_gpt(np.random.default_rng(0), num_layers=1),
    ],
    ids=["one layer", "GPT"],
)
def test_files_that_do_not_fit_are_refused(tmp_path, wanted):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ArtefactError, match=r"does not exist; make it with:  snakemake '.*m.safe"):
        read_model(path)
    write_model(path, wanted, JOB)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, 9, *rng.integers(len(content), size=1000)]:  # header, metadata and weights
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            found = read_model(path)
        except ArtefactError as error:
            assert "is damaged" in str(error)  # noqa: PT017  (flips of white space do no harm)
        else:
            assert read_model_job(path) == JOB
            write_model(path, found, JOB)
            assert path.read_bytes() == content
    path.write_bytes(content[:-9])
    with pytest.raises(ArtefactError, match=rf"is damaged .*; {REPAIR}"):
        read_model(path)


def test_cast():
    model = make_construction("balanced", vocab_size=5).model().cast("float32")
    assert {matrix.dtype for matrix in model.parameters} == {np.dtype(np.float32)}
