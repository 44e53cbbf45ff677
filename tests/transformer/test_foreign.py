"""Formats of other software, as files that numpy alone can write; tests/peers has the software."""

import json

import numpy as np
import pytest
from gpts import make_gpt
from safetensors.numpy import save_file
from twins import random_parameters

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.transformer.export import export_model
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.formats import hugging_face, transformer_lens
from gamecircuits.transformer.formats._bare import fill_biases
from gamecircuits.transformer.gpt_weights import name_weights, split_heads
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import write_model

TOKENS = np.random.default_rng(1).integers(5, size=(3, 7))
TURNED = {"W_Q": "query", "W_K": "key", "W_V": "value", "W_O": "proj", "W_in": "0", "W_out": "2"}


def make(**settings):
    return make_gpt(np.random.default_rng(0), **{"d_k": 3, "d_v": 3, **settings})


def write(path, tensors, config=None):
    tensors = {n: np.ascontiguousarray(t) for n, t in tensors.items()}
    save_file(tensors, path / "m.safetensors")
    if config:
        (path / "config.json").write_text(json.dumps(config))
    return path / "m.safetensors"


def close(model, wanted):
    np.testing.assert_allclose(model.logits(TOKENS), wanted.logits(TOKENS), atol=1e-11, rtol=1e-11)


def to_mingpt(model):
    """The names of othello_world; biases of the unembedding are not in it."""
    named, tensors = name_weights(model.parameters), {}
    for name, weight in named.items():
        place, _, kind = name.rpartition(".")
        if kind in ("w", "b"):
            place = place.replace("ln_final", "ln_f")
            tensors[f"{place}.{'weight' if kind == 'w' else 'bias'}"] = weight
        elif place.startswith("blocks"):
            theirs = TURNED["W_" + kind.partition("_")[2]]
            is_matrix = kind.startswith("W_")
            tensors[f"{place}.{theirs}.{'weight' if is_matrix else 'bias'}"] = weight.T
    tensors["tok_emb.weight"], tensors["pos_emb"] = (
        named["embed.W_E"],
        named["pos_embed.W_pos"][None],
    )
    tensors["head.weight"] = named["unembed.W_U"].T
    return tensors | {"blocks.0.attn.mask": np.ones((1, 1, 9, 9))}


def to_nanogpt(model):
    """GPT-2's names, with all matrices turned."""
    tensors, _ = hugging_face.write(model)
    return {
        name: tensor.T if name.endswith("weight") and ".h." in name else tensor
        for name, tensor in tensors.items()
    }


def without_b_U(model):
    model.parameters.b_U[:] = 0
    return model


@pytest.mark.parametrize("to", [to_mingpt, to_nanogpt])
def test_minGPT_and_nanoGPT(tmp_path, to):
    wanted = without_b_U(make())
    path = write(tmp_path, to(wanted))
    close(read_any_model(path, num_heads=2), wanted)
    with pytest.raises(ArtefactError, match="do not tell the number of heads; give num_heads"):
        read_any_model(path)
    with pytest.raises(ArtefactError, match="W_Q has 6 columns, which 4 heads cannot share"):
        read_any_model(path, num_heads=4)


def test_minGPT_since_2022_has_another_GELU(tmp_path):
    """It has nanoGPT's names, masks, and an unembedding of its own."""
    mask = {"transformer.h.0.attn.bias": np.ones((1, 1, 9, 9))}
    path = write(tmp_path, to_nanogpt(without_b_U(make())) | mask)
    with pytest.raises(ArtefactError, match="are of minGPT since 2022; its GELU, by tanh, is ano"):
        read_any_model(path, num_heads=2)
    wanted = without_b_U(make(tied=True))  # nanoGPT on a PyTorch without flash attention
    tensors = to_nanogpt(wanted) | mask | {"lm_head.weight": wanted.parameters.W_E}
    close(read_any_model(write(tmp_path, tensors), num_heads=2), wanted)


def test_what_a_tensor_has_no_place_for_is_named(tmp_path):
    tensors = to_mingpt(without_b_U(make()))
    path = write(tmp_path, tensors | {"blocks.0.attn.rel.weight": np.ones((2, 2))})
    with pytest.raises(ArtefactError, match=r"blocks\.0\.attn\.rel\.weight has no place"):
        read_any_model(path, num_heads=2)
    path = write(tmp_path, tensors | {"head.weight": np.ones((4, 6))})
    with pytest.raises(ArtefactError, match=r"unembed\.W_U has shape \(6, 4\); expected \(6, 5\)"):
        read_any_model(path, num_heads=2)
    path = write(tmp_path, tensors | {"ln_f.weight": np.ones(6, np.int32)})
    with pytest.raises(ArtefactError, match=r"ln_f\.weight is int32; allowed: float16"):
        read_any_model(path, num_heads=2)
    tensors.pop("blocks.1.attn.key.weight")
    with pytest.raises(ArtefactError, match=r"no weight blocks\.1\.attn\.W_K"):
        read_any_model(write(tmp_path, tensors), num_heads=2)


def spoil(tensor, value):
    return np.where(np.arange(tensor.size).reshape(tensor.shape) == 1, value, tensor)


def test_what_cannot_be_a_model_is_named(tmp_path):
    """Weights that are no numbers, files cut off, layers left out, heads that contradict."""
    tensors = to_mingpt(without_b_U(make()))

    def refused(message, path=None, **changed):
        path = path or write(tmp_path, {**tensors, **changed})
        with pytest.raises(ArtefactError, match=message) as error:
            read_any_model(path, num_heads=2)
        assert str(path) in str(error.value)

    for value in (np.nan, np.inf):
        bad = {"blocks.1.mlp.0.bias": spoil(tensors["blocks.1.mlp.0.bias"], value)}
        refused(rf"blocks\.1\.mlp\.b_in has weights .* not finite, .* {value} at \(1,\)", **bad)
    for key in [key for key in tensors if key.startswith("blocks.1.attn.")]:
        tensors.pop(key)
    refused(r"no weight blocks\.1\.attn\.W_Q")
    tensors = {key: w for key, w in tensors.items() if not key.startswith("blocks.0.")}
    refused(r"blocks\.1\.")
    tensors = to_mingpt(without_b_U(make()))
    refused(r"pos_embed\.W_pos has shape \(9, 4\); expected \(9, 6\)", pos_emb=np.ones((1, 9, 4)))
    content = write(tmp_path, tensors).read_bytes()
    for size in (0, 5, 300, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:size])
        refused("is cut off or damaged|is no safetensors file", tmp_path / "cut")
    refused("is a folder", tmp_path)
    (tmp_path / "old").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.more")
    refused("of a PyTorch before 1.6", tmp_path / "old")


def test_heads_that_contradict_the_file_are_refused(tmp_path):
    named = split_heads(name_weights(make(d_k=4).parameters), 2)
    path = write(tmp_path, named)
    with pytest.raises(ArtefactError, match="num_heads is 4, and the tensors have 2"):
        read_any_model(path, num_heads=4)
    path = write(tmp_path, to_nanogpt(without_b_U(make())), {"n_head": 2})
    with pytest.raises(ArtefactError, match="num_heads is 3, and its settings say 2"):
        read_any_model(path, num_heads=3)


def test_settings_beside_a_file_are_believed(tmp_path):
    named = split_heads(name_weights(make(d_k=4).parameters), 2)
    for config, message in (
        ({"n_layers": 3}, "weights of 2 layers, and its settings say 3"),
        ({"eps": 1e-6}, "eps is 1e-06; only 1e-05 is read"),
        ({"act_fn": "gelu_new"}, "act_fn is 'gelu_new'; only 'gelu' is read"),
        ({"positional_embedding_type": "rotary"}, "is 'rotary'; only 'standard' is read"),
        ({"final_rms": True}, r"eps is 1e-05; only 1e-30"),
        (
            {"final_rms": True, "eps": 1e-30},
            r"final_rms is read with one gain in ln_final\.w alone",
        ),
    ):
        with pytest.raises(ArtefactError, match=message):
            read_any_model(write(tmp_path, named, config))


def test_half_precision_is_read_exactly(tmp_path):
    """bfloat16 too, which numpy has not: the upper halves of float32."""
    wanted = without_b_U(make()).cast(np.float16).cast(np.float32)
    tensors = {n: w.astype(np.float16) for n, w in to_mingpt(wanted).items()}
    found = read_any_model(write(tmp_path, tensors), num_heads=2)
    for name, weight in name_weights(found.parameters).items():
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, name_weights(wanted.parameters)[name])
    header, content = {}, b""
    for name, tensor in to_mingpt(wanted).items():
        halves = (np.ascontiguousarray(tensor, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        offsets = [len(content), len(content) + len(halves)]
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": offsets}
        content += halves
    text = json.dumps(header).encode()
    (tmp_path / "b.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + content)
    found = read_any_model(tmp_path / "b.safetensors", num_heads=2)
    for name, weight in name_weights(found.parameters).items():
        was = name_weights(wanted.parameters)[name]
        np.testing.assert_allclose(weight, was, rtol=2**-7)  # 8 bits of the significand
        np.testing.assert_array_equal(weight.view("u4") & 0xFFFF, 0)


def fold(model):
    """What TransformerLens's fold_ln and center_writing_weights do, by their definitions."""
    p = model.parameters
    named = {n: w.copy() for n, w in fill_biases(name_weights(p)).items()}
    for i in range(len(p.blocks)):
        for norm, part, reads in (("ln1", "attn", "QKV"), ("ln2", "mlp", ["in"])):
            w, b = (named.pop(f"blocks.{i}.{norm}.{kind}") for kind in "wb")
            for name in reads:
                W, bias = (f"blocks.{i}.{part}.{letter}_{name}" for letter in "Wb")
                named[bias] = named[bias] + b @ named[W]
                named[W] = w[:, None] * named[W]
    w, b = named.pop("ln_final.w"), named.pop("ln_final.b")
    named["unembed.b_U"] = named["unembed.b_U"] + b @ named["unembed.W_U"]
    named["unembed.W_U"] = w[:, None] * named["unembed.W_U"]
    for name, weight in named.items():
        if name.rpartition(".")[2] in ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out"):
            named[name] = weight - weight.mean(axis=-1, keepdims=True)
    return split_heads(named, model.design.num_heads)


def test_TransformerLens_raw_and_folded(tmp_path):
    wanted = make(d_k=4)
    named = split_heads(name_weights(wanted.parameters), 2)
    masks = {
        "blocks.0.attn.mask": np.tri(9, dtype=bool),
        "blocks.0.attn.IGNORE": np.float32([-1e5]),
    }
    raw = read_any_model(write(tmp_path, named | masks))
    assert raw.design == wanted.design
    close(raw, wanted)
    folded = {n: w.astype(np.float32) for n, w in fold(wanted).items()}
    found = read_any_model(write(tmp_path, folded))
    np.testing.assert_allclose(found.logits(TOKENS), wanted.logits(TOKENS), atol=1e-4)
    skewed = {n: w + (0.3 if n == "embed.W_E" else 0) for n, w in fold(wanted).items()}
    path = write(tmp_path, skewed)  # folded, not centred, as a constant in a row does no harm
    with pytest.raises(ArtefactError, match="say which norm was folded, norm: layer or rms, or"):
        read_any_model(path)
    close(read_any_model(path, norm="layer"), wanted)
    assert read_any_model(path, norm="none").parameters.ln_final is None


def test_one_layer_stays_one_layer(tmp_path):
    wanted = OneLayer(random_parameters(np.random.default_rng(0), 5, d_k=4, d_v=4))
    export_model(wanted, "transformer_lens", tmp_path)
    found = read_any_model(tmp_path / "model.safetensors")
    assert isinstance(found, OneLayer)
    close(found, wanted)
    tensors, _ = transformer_lens.write(wanted)
    tensors["unembed.b_U"] = np.ones(5)
    found = read_any_model(write(tmp_path, tensors), norm="none")
    np.testing.assert_allclose(found.logits(TOKENS), wanted.logits(TOKENS) + 1, atol=1e-12)


def test_one_layer_with_a_norm_of_the_residual_stream(tmp_path):
    """The file's own numbers give the model by the formulas of an RMS norm."""
    parameters = random_parameters(np.random.default_rng(0), 5, d_k=4, d_v=4)
    wanted = OneLayer(parameters, "residual", 2.5)
    export_model(wanted, "transformer_lens", tmp_path)
    found = read_any_model(tmp_path / "model.safetensors")
    assert found.norm == "residual"
    close(found, wanted)
    tensors, config = transformer_lens.write(wanted)
    plain = OneLayer(parameters._replace(W_U=np.eye(len(parameters.W_U))))
    rows = plain.logits(TOKENS)  # the residual stream
    rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + config["eps"]) * tensors["ln_final.w"]
    np.testing.assert_allclose(rows @ parameters.W_U, wanted.logits(TOKENS), atol=1e-12)


def test_our_own_gpt(tmp_path):
    wanted = make(positions="rotary", d_k=2)
    write_model(tmp_path / "m.safetensors", wanted, "{}")
    close(read_any_model(tmp_path / "m.safetensors"), wanted)


@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal"])
@pytest.mark.parametrize("name", ["hugging_face", "transformer_lens"])
def test_exports_come_back(tmp_path, name, positions):
    wanted = make(positions=positions)
    export_model(wanted, name, tmp_path)
    close(read_any_model(tmp_path / "model.safetensors"), wanted)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("hugging_face", {"V": 9}, r"unembed\.b_U is not zero, .* no bias of the final norm does"),
        ("hugging_face", {"biases": False, "d_v": 2}, "heads are 4 wide in all; .* the stream, 6"),
        ("hugging_face", {"biases": False, "norm": "rms"}, "LayerNorm before each sublayer"),
        ("hugging_face", {"biases": False, "final_norm": False}, "others have none"),
        ("hugging_face", {"biases": False, "d_mlp": None}, "a layer has no MLP"),
        ("hugging_face", {"biases": False, "positions": "rotary", "d_k": 2}, "rotary positions"),
        ("transformer_lens", {"placement": "after"}, "norms are after the sublayers"),
        (
            "transformer_lens",
            {"placement": "after", "final_norm": False},
            "norms are after the sublayers",
        ),
        ("transformer_lens", {"norm": "rms"}, r"ln1\.b is not zero, and TransformerLens's RMS"),
        (
            "hugging_fase",
            {},
            "unknown format 'hugging_fase'; known: hugging_face, transformer_lens",
        ),
    ],
    ids=str,
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, settings, message):
    with pytest.raises(GamecircuitsError, match=message):
        export_model(make(**settings), name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_norm_of_attention_is_no_gpt(tmp_path):
    model = OneLayer(random_parameters(np.random.default_rng(0), 5), "attention", 2.0)
    with pytest.raises(GamecircuitsError, match="norm 'attention' and sink 0 is no GPT"):
        export_model(model, "transformer_lens", tmp_path)
