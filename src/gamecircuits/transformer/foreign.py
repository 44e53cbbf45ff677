"""Weights that other software wrote: which files, and which formats."""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.transformer.formats import (
    hugging_face,
    mingpt,
    nanogpt,
    one_layer,
    transformer_lens,
)
from gamecircuits.transformer.formats._translate import Told
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.torch_file import read_torch_file
from gamecircuits.transformer.weights import read_model

FORMATS = (one_layer, transformer_lens, mingpt, nanogpt, hugging_face)
READABLE = {
    **{"F16": "float16", "F32": "float32", "F64": "float64"},  # the format's names, and numpy's
    **{name: name for name in ("BOOL", "U8", "I8", "I16", "I32", "I64")},  # masks and counters
}
MASKS = ("mask", "IGNORE")  # what TransformerLens saves beside the weights
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
    if _begins(path, b"PK"):
        tensors, config = _find_weights(path, read_torch_file(path))
    else:
        with _open(path) as file:
            if "gamecircuits" in (file.metadata() or {}):
                return read_model(path)
            tensors, config = _read_tensors(path, file), _read_config(path)
    try:
        told = Told(num_heads, norm, config)  # type: ignore[arg-type]  # checked by the caller
        for kind in FORMATS:
            if kind.recognise(tensors):
                return kind.read(tensors, told)
        return one_layer.read(tensors, told)  # which names what is missing
    except GamecircuitsError as error:
        raise ArtefactError(f"{path}: {error}") from None


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
    tensors = {}
    for key in file.keys():  # noqa: SIM118
        if key.endswith(MASKS):
            continue
        dtype = file.get_slice(key).get_dtype()
        if dtype not in READABLE:
            raise ArtefactError(f"{path}: {key} is {dtype}; allowed: float16, float32, float64")
        tensors[key] = file.get_tensor(key)
    return tensors


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
