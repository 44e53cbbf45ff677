"""GPTs of other software; one that is not installed is skipped."""

import json
from functools import partial

import numpy as np
import pytest
from gpts import make_gpt
from safetensors.numpy import load_file
from twins import random_parameters

from gamecircuits.errors import ArtefactError
from gamecircuits.transformer.export import export_model
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.gpt import (
    GPT,
    MLP,
    Attention,
    Block,
    Design,
    GPTParameters,
    Norm,
)
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.torch_file import read_torch_file


def require(module):
    return pytest.importorskip(module, reason=f"no {module}: pip install '.[peers]'")


torch = require("torch")
nn, functional = torch.nn, torch.nn.functional


def draw_tokens(V=5, shape=(3, 7)):
    return np.random.default_rng(1).integers(V, size=shape)


def close(found, wanted, tolerance=1e-10):
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
    wanted = wanted.detach().numpy() if isinstance(wanted, torch.Tensor) else wanted
    scale = max(np.abs(wanted).max(), 1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


class Sublayers(nn.Module):
    """A block of torch's own parts."""

    def __init__(self, d, heads, place):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.heads, self.place = heads, place
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def attend(self, x):
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for part in (self.q, self.k, self.v)
        )
        z = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(z.transpose(-3, -2).flatten(-2))

    def think(self, x):
        return self.down(functional.gelu(self.up(x)))

    def forward(self, x):
        if self.place == "before":
            x = x + self.attend(self.ln_1(x))
            return x + self.think(self.ln_2(x))
        x = self.ln_1(x + self.attend(x))
        return self.ln_2(x + self.think(x))


def weigh(module, gen):
    """Weights as in a model that has been trained: none is 0 or 1."""
    for weight in module.parameters():
        weight.data = torch.randn(weight.shape, generator=gen, dtype=torch.float64) / 2
    return module.double().eval()


@pytest.mark.parametrize("place", ["before", "after"])
def test_torch_of_its_own_parts(place):
    gen, d, V, H = torch.Generator().manual_seed(0), 6, 5, 2
    parts = {
        "embed": nn.Embedding(V, d),
        "pos": nn.Embedding(9, d),
        "blocks": nn.Sequential(*(Sublayers(d, H, place) for _ in range(2))),
        "ln_f": nn.LayerNorm(d),
        "head": nn.Linear(d, V),
    }
    net = weigh(nn.ModuleDict(parts), gen)
    tokens = torch.tensor(draw_tokens())
    x = net["embed"](tokens) + net["pos"](torch.arange(7))
    wanted = net["head"](net["ln_f"](net["blocks"](x)))

    def arrays(*weights):
        return [w.detach().numpy() for w in weights]

    def linear(module):
        return arrays(module.weight.T, module.bias)

    def norm(module):
        return Norm(*arrays(module.weight, module.bias))

    blocks = []
    for block in net["blocks"]:
        Ws, bs = zip(*(linear(m) for m in (block.q, block.k, block.v, block.o)), strict=True)
        (W_in, b_in), (W_out, b_out) = linear(block.up), linear(block.down)
        mlp = MLP(W_in, W_out, b_in, b_out)
        blocks.append(Block(Attention(*Ws, *bs), mlp, norm(block.ln_1), norm(block.ln_2)))
    W_E, W_pos = arrays(net["embed"].weight, net["pos"].weight)
    parameters = GPTParameters(W_E, tuple(blocks), *linear(net["head"]), W_pos, norm(net["ln_f"]))
    model = GPT(parameters, Design(H, "layer", place, "learned"))
    close(model.logits(tokens.numpy()), wanted)


# minGPT and nanoGPT by their names, as their repositories define them.


class MinAttention(nn.Module):
    def __init__(self, d, n, heads):
        super().__init__()
        self.key, self.query, self.value, self.proj = (nn.Linear(d, d) for _ in range(4))
        self.register_buffer("mask", torch.tril(torch.ones(n, n)).view(1, 1, n, n))
        self.heads = heads

    def forward(self, x):
        B, T, C = x.size()
        k, q, v = (
            m(x).view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for m in (self.key, self.query, self.value)
        )
        att = (q @ k.transpose(-2, -1)) * (C // self.heads) ** -0.5
        att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = functional.softmax(att, dim=-1) @ v
        return self.proj(y.transpose(1, 2).contiguous().view(B, T, C))


class MinBlock(nn.Module):
    def __init__(self, d, n, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = MinAttention(d, n, heads)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d), nn.Dropout())

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class MinGPT(nn.Module):
    def __init__(self, V=5, d=6, n=9, heads=2, layers=2):
        super().__init__()
        self.tok_emb = nn.Embedding(V, d)
        self.pos_emb = nn.Parameter(torch.zeros(1, n, d))
        self.blocks = nn.Sequential(*(MinBlock(d, n, heads) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(d)
        self.head = nn.Linear(d, V, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb[:, : idx.shape[1]]
        return self.head(self.ln_f(self.blocks(x)))


class NanoNorm(nn.Module):
    def __init__(self, d, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d)) if bias else None

    def forward(self, x):
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class NanoBlock(nn.Module):
    def __init__(self, d, heads, bias):
        super().__init__()
        self.ln_1, self.ln_2 = NanoNorm(d, bias), NanoNorm(d, bias)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.c_attn = nn.Linear(d, 3 * d, bias=bias)
        self.attn.c_proj = nn.Linear(d, d, bias=bias)
        self.mlp.c_fc, self.mlp.c_proj = (
            nn.Linear(d, 4 * d, bias=bias),
            nn.Linear(4 * d, d, bias=bias),
        )
        self.heads = heads

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (
            m.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for m in self.attn.c_attn(self.ln_1(x)).split(C, dim=2)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.mlp.c_proj(functional.gelu(self.mlp.c_fc(self.ln_2(x))))


class NanoGPT(nn.Module):
    def __init__(self, V=5, d=6, n=9, heads=2, layers=2, bias=True):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(V, d),
                "wpe": nn.Embedding(n, d),
                "h": nn.ModuleList([NanoBlock(d, heads, bias) for _ in range(layers)]),
                "ln_f": NanoNorm(d, bias),
            }
        )
        self.lm_head = nn.Linear(d, V, bias=False)
        self.transformer.wte.weight = self.lm_head.weight  # tied

    def forward(self, idx):
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


NETS = {
    "minGPT": MinGPT,
    "nanoGPT": NanoGPT,
    "nanoGPT without biases": partial(NanoGPT, bias=False),
}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_state_dicts_are_read_without_torch(tmp_path, kind, dtype):
    net = weigh(NETS[kind](), torch.Generator().manual_seed(0)).to(dtype)
    path, tokens = tmp_path / "ckpt.pt", draw_tokens()
    torch.save(net.state_dict(), path)
    found = read_any_model(path, num_heads=2)
    wanted = net.double()(torch.tensor(tokens)).detach()
    assert found.parameters.W_E.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    close(found.cast("float64").logits(tokens), wanted)
    with pytest.raises(ArtefactError, match="number of heads; give num_heads"):
        read_any_model(path)


def test_a_whole_checkpoint_of_nanogpt_tells_its_heads(tmp_path):
    """With the optimizer's state, settings, compiled names and what else train.py saves."""
    net = weigh(NanoGPT(), torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.tensor(draw_tokens())).sum().backward()
    optimizer.step()
    settings = {"n_layer": 2, "n_head": 2, "n_embd": 6, "block_size": 9, "bias": True}
    state = {f"_orig_mod.{name}": weight for name, weight in net.state_dict().items()}
    saved = {"model": state, "optimizer": optimizer.state_dict(), "model_args": settings}
    saved |= {"iter_num": 3, "best_val_loss": torch.tensor(1.5), "config": {"device": "cpu"}}
    torch.save(saved, tmp_path / "ckpt.pt")
    close(read_any_model(tmp_path / "ckpt.pt").logits(draw_tokens()),
          net(torch.tensor(draw_tokens())))  # fmt: skip


def test_all_that_torch_saves_in_a_state_dict(tmp_path):
    gen = torch.Generator().manual_seed(0)
    base = torch.randn(4, 6, generator=gen)
    saved = {f"{d}".removeprefix("torch."): (base * 3).to(d) for d in (
        torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16,
        torch.int8, torch.uint8, torch.bool)}  # fmt: skip
    saved |= {"turned": base.T, "part": base[1:3, ::2], "one": base[0, 0], "none": base[:0]}
    saved["parameter"] = nn.Parameter(base)
    saved["list"] = [1, 2.5, "x", None, (True, {"a": torch.ones(2)})]
    torch.save(saved, tmp_path / "all.pt")
    found = read_torch_file(tmp_path / "all.pt")
    assert found.keys() == saved.keys()
    for name, tensor in saved.items():
        if name != "list":
            np.testing.assert_array_equal(found[name], tensor.detach().numpy())
            assert found[name].dtype == tensor.detach().numpy().dtype
    np.testing.assert_array_equal(found["list"][4][1]["a"], np.ones(2))
    assert found["list"][:4] == [1, 2.5, "x", None]


def test_a_whole_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    wanted = r"wants to call torch\.nn\.modules\.linear\.Linear, .* save model\.state_dict"
    with pytest.raises(ArtefactError, match=wanted):
        read_any_model(tmp_path / "module.pt")


# Hugging Face


def make_hf(**settings):
    transformers = require("transformers")
    config = {"vocab_size": 5, "n_embd": 6, "n_head": 2, "n_layer": 2, "n_positions": 9}
    config |= {"activation_function": "gelu", "bos_token_id": None, "eos_token_id": None}
    net = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config | settings))
    return weigh(net, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tied", [True, False])
def test_gpt2_of_hugging_face(tmp_path, tied):
    net, tokens = make_hf(tie_word_embeddings=tied), draw_tokens()
    wanted = net(torch.tensor(tokens)).logits
    net.save_pretrained(tmp_path)
    found = read_any_model(tmp_path / "model.safetensors")
    assert (found.parameters.W_U is None) == tied
    close(found.logits(tokens), wanted)
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    close(read_any_model(tmp_path / "pytorch_model.bin").logits(tokens), wanted)
    bare = {name.removeprefix("transformer."): w for name, w in net.state_dict().items()}
    torch.save(bare, tmp_path / "bare.bin")
    close(read_any_model(tmp_path / "bare.bin").logits(tokens), wanted)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation_function": "gelu_new"}, "activation_function is 'gelu_new'; only 'gelu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
    ],
)
def test_another_gpt2_is_refused(tmp_path, settings, message):
    make_hf(**settings).save_pretrained(tmp_path)
    with pytest.raises(ArtefactError, match=message):
        read_any_model(tmp_path / "model.safetensors")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ArtefactError, match=r"no config\.json"):
        read_any_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "settings",
    [
        {"tied": True},
        {"biases": False},
        {"positions": "sinusoidal", "biases": False, "d_mlp": 5},
        {"positions": "none", "num_layers": 1, "tied": True},
    ],
    ids=str,
)
def test_export_to_hugging_face(tmp_path, settings, dtype):
    transformers = require("transformers")
    model = make_gpt(np.random.default_rng(0), d_k=3, d_v=3, **settings)
    model = model.cast(dtype)
    export_model(model, "hugging_face", tmp_path)
    net, info = transformers.GPT2LMHeadModel.from_pretrained(
        tmp_path, output_loading_info=True, dtype=getattr(torch, dtype)
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    tokens, tolerance = draw_tokens(), 1e-5 if dtype == "float32" else 1e-10
    wanted = model.logits(tokens)
    close(net.eval()(torch.tensor(tokens)).logits, wanted, tolerance)
    close(read_any_model(tmp_path / "model.safetensors").logits(tokens), wanted, tolerance)


# TransformerLens


def boot(folder, dtype):
    """The bridge to the exported folder, as docs/formats.md says."""
    bridge = require("transformer_lens.model_bridge").TransformerBridge
    conversion = require("transformer_lens.utilities.tl_checkpoint_conversion")
    safetensors = require("safetensors.torch")
    config = json.loads((folder / "config.json").read_text())
    net = bridge.boot_native(config | {"dtype": dtype}).to(dtype)
    state = safetensors.load_file(folder / "model.safetensors")
    net.load_state_dict(conversion.convert_tl_checkpoint(state, net.cfg), strict=True)
    return net.eval()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("settings", "exact"),
    [
        ({}, True),
        ({"d_k": 5, "d_v": 2, "biases": False, "tied": True}, True),
        ({"d_mlp": None, "positions": "none"}, True),
        ({"sublayer_norms": False, "final_norm": False, "positions": "sinusoidal"}, True),
        ({"norm": "rms", "biases": False}, False),  # there in float32
        ({"positions": "rotary", "d_v": 7}, False),  # its angles are float32
    ],
    ids=str,
)
def test_export_to_transformer_lens(tmp_path, settings, exact, dtype):
    model = make_gpt(np.random.default_rng(0), **settings)
    model = model.cast("float64" if dtype == torch.float64 else "float32")
    export_model(model, "transformer_lens", tmp_path)
    tokens = draw_tokens()
    tolerance = 1e-10 if exact and dtype == torch.float64 else 1e-5
    with torch.no_grad():
        close(boot(tmp_path, dtype)(torch.tensor(tokens)), model.logits(tokens), tolerance)
    if "positions" not in settings or settings["positions"] != "rotary":
        plain = load_file(tmp_path / "model.safetensors")
        assert {n.rpartition(".")[2] for n in plain} >= {"W_E", "W_U", "W_Q", "W_O"}
        again = read_any_model(tmp_path / "model.safetensors", norm="none")
        close(again.logits(tokens), model.logits(tokens), tolerance)


@pytest.mark.parametrize("d_k", [0, 3])
def test_one_layer_in_transformer_lens(tmp_path, d_k):
    model = OneLayer(random_parameters(np.random.default_rng(0), 5, d_k=d_k))
    export_model(model, "transformer_lens", tmp_path)
    tokens = draw_tokens()
    with torch.no_grad():
        close(boot(tmp_path, torch.float64)(torch.tensor(tokens)), model.logits(tokens))
    again = read_any_model(tmp_path / "model.safetensors")
    assert isinstance(again, OneLayer)
    close(again.logits(tokens), model.logits(tokens))


def test_a_normed_layer_in_transformer_lens(tmp_path):
    """Its variance is taken in float32 there."""
    model = OneLayer(random_parameters(np.random.default_rng(0), 5), "residual", 2.5)
    export_model(model, "transformer_lens", tmp_path)
    tokens = draw_tokens()
    with torch.no_grad():
        close(boot(tmp_path, torch.float64)(torch.tensor(tokens)), model.logits(tokens), 1e-5)
