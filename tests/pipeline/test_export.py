"""The command `export`, on files of ours and of others."""

import numpy as np
import pytest
from gpts import make_gpt
from twins import random_parameters

from gamecircuits.pipeline.run.export import main
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import write_model

TOKENS = np.random.default_rng(1).integers(5, size=(3, 7))


@pytest.fixture
def gpt(tmp_path):
    model = make_gpt(np.random.default_rng(0), d_k=3, biases=False)
    write_model(tmp_path / "gpt.safetensors", model, "{}")
    return model


@pytest.mark.parametrize("name", ["hugging_face", "transformer_lens"])
def test_a_model_goes_out_and_comes_back(gpt, tmp_path, capsys, name):
    file, out = tmp_path / "gpt.safetensors", tmp_path / "new" / "out"
    assert main([str(file), "--to", name, "--out", str(out)]) == 0
    assert "has model.safetensors and config.json" in capsys.readouterr().out
    found = read_any_model(out / "model.safetensors")
    np.testing.assert_allclose(found.logits(TOKENS), gpt.logits(TOKENS), atol=1e-12)
    assert main([str(file), "--to", name, "--out", str(out)]) == 1
    assert "model.safetensors exists; give --out another folder" in capsys.readouterr().err


def test_what_cannot_go_out_says_why(gpt, tmp_path, capsys):
    layer = OneLayer(random_parameters(np.random.default_rng(0), 5), "attention", 2.0)
    write_model(tmp_path / "one.safetensors", layer, "{}")
    for file, name, options, message in (
        ("one", "transformer_lens", [], "norm 'attention' and sink 0 is no GPT"),
        ("one", "hugging_face", [], "norm 'attention' and sink 0 is no GPT"),
        ("no", "hugging_face", [], "no.safetensors does not exist"),
        ("gpt", "hugging_face", ["--num-heads", "3"], "num_heads is 3, and the tensors have 2"),
    ):
        path, out = tmp_path / f"{file}.safetensors", tmp_path / "out"
        assert main([str(path), "--to", name, "--out", str(out), *options]) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()
    with pytest.raises(SystemExit):
        main([str(tmp_path / "gpt.safetensors"), "--to", "onnx", "--out", "x"])
    assert "hugging_face, transformer_lens" in capsys.readouterr().err.replace("'", "")
