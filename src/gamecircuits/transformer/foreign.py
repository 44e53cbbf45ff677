"""Weights that other software wrote: which files, and which formats."""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.transformer.formats import (
    hugging_face,
    mingpt,
    nanogpt,
    one_layer,
    transformer_lens,
)
from gamecircuits.transformer.formats._translate import FLOATS, Told
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.torch_file import read_torch_file, widen_bfloat16
from gamecircuits.transformer.weights import check_finite, read_model

FORMATS = (one_layer, transformer_lens, mingpt, nanogpt, hugging_face)
READABLE = {
    **{"F16": "float16", "F32": "float32", "F64": "float64"},  # the format's names, and numpy's
    "BF16": "bfloat16",
    **{name: name for name in ("BOOL", "U8", "I8", "I16", "I32", "I64")},  # masks and counters
}
MASKS = ("mask", "IGNORE")  # what TransformerLens saves beside the weights
OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before version 1.6
PREFIXES = r"^(_orig_mod\.|module\.)*"  # of torch.compile and DataParallel
PARTS = ("model", "state_dict", "model_state_dict")  # where a checkpoint has its weights
SETTINGS = ("model_args", "config")  # and what they do not tell
Tensors = dict[str, np.ndarray]


def read_any_model(
    path: Path | str, num_heads: int | None = None, norm: str | None = None
) -> OneLayer | GPT:
    """A model of ours, or weights that other software wrote, in safetensors or by torch.save.

    One layer of one head is in float64, any other in the file's type, at least float32.

    Args:
        num_heads: where the tensors do not tell.
        norm: what norms do whose weights were folded into others; "none": there are none.

    Raises:
        ArtefactError: no such model; the message names the tensor and the reason.
    """
    if not Path(path).exists():
        raise ArtefactError(f"{path} does not exist")
    if Path(path).is_dir():
        raise ArtefactError(f"{path} is a folder; allowed: a file of weights in it")
    try:
        model = _read(path, num_heads, norm)
        check_finite(model)
        heads = model.design.num_heads if isinstance(model, GPT) else 1
        if num_heads not in (None, heads):
            raise GamecircuitsError(f"num_heads is {num_heads}, and the tensors have {heads}")
    except ArtefactError:  # which names the file
        raise
    except GamecircuitsError as error:
        raise ArtefactError(f"{path}: {error}") from None
    return model


def _read(path: Path | str, num_heads: int | None, norm: str | None) -> OneLayer | GPT:
    if _begins(path, b"PK"):
        tensors, config = _find_weights(path, read_torch_file(path))
    elif _begins(path, OLD):
        raise ArtefactError(
            f"{path} is of a PyTorch before 1.6, whose files are not read; load it and save it anew"
        )
    else:
        with _open(path) as file:
            if "gamecircuits" in (file.metadata() or {}):
                return read_model(path)
            tensors, config = _read_tensors(path, file), _read_config(path)
    told = Told(num_heads, norm, config)  # type: ignore[arg-type]  # checked by the caller
    # One that no format knows is read as one layer, which names what is missing.
    kind = next((kind for kind in FORMATS if kind.recognise(tensors)), one_layer)
    model = kind.read(tensors, told)
    said = config.get("n_layer", config.get("n_layers"))
    if isinstance(model, GPT) and said not in (None, found := len(model.parameters.blocks)):
        raise GamecircuitsError(f"there are weights of {found} layers, and its settings say {said}")
    return model


def _begins(path: Path | str, magic: bytes, place: int = 0) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(place + len(magic))[place:] == magic
    return False


@contextlib.contextmanager
def _open(path: Path | str):
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError) as error:
        # Such files begin with eight bytes and a brace.
        known = _begins(path, b"{", 8)
        what = "is cut off or damaged" if known else "is no safetensors file, nor of torch.save"
        raise ArtefactError(f"{path} {what} ({error})") from None


def _read_tensors(path: Path | str, file) -> Tensors:
    """All tensors but masks; ArtefactError if one has numbers of a strange type."""
    types = {
        key: file.get_slice(key).get_dtype()
        for key in file.keys()  # noqa: SIM118
        if not key.endswith(MASKS)
    }
    for key, dtype in types.items():
        if dtype not in READABLE:
            raise ArtefactError(f"{path}: {key} is {dtype}; allowed: {FLOATS}")
    # numpy has no bfloat16, so the library cannot give such tensors.
    raw = dict(deserialize(Path(path).read_bytes())) if "BF16" in types.values() else {}
    return {
        key: widen_bfloat16(raw[key]["data"]).reshape(raw[key]["shape"])
        if dtype == "BF16"
        else file.get_tensor(key)
        for key, dtype in types.items()
    }


def _read_config(path: Path | str) -> Mapping[str, Any]:
    """The config.json beside the file; empty if there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((Path(path).parent / "config.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _find_weights(path: Path | str, saved: Any) -> tuple[Tensors, Mapping[str, Any]]:
    """The state dict in what torch.save wrote, and its settings; masks are left out."""
    config = _read_config(path)
    if isinstance(saved, dict):
        for key in SETTINGS:
            if isinstance(saved.get(key), dict):
                config = {**config, **saved[key]}
                break
        for key in PARTS:
            if isinstance(saved.get(key), dict):
                saved = saved[key]
                break
    if not isinstance(saved, dict) or not all(
        isinstance(name, str) and isinstance(tensor, np.ndarray) for name, tensor in saved.items()
    ):
        raise ArtefactError(f"{path} holds something else than tensors by name")
    tensors = {}
    for key, tensor in saved.items():
        name = re.sub(PREFIXES, "", key)
        if not name.endswith(MASKS):
            tensors[name] = tensor
    return tensors, config
