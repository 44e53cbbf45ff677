"""Models on disk: safetensors with TransformerLens's names for the weights."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import overload

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.errors import ArtefactError
from gamecircuits.storage.files import REPAIR, write_atomically
from gamecircuits.transformer.gpt import GPT, Design
from gamecircuits.transformer.gpt_weights import (
    check_weights,
    from_names,
    join_heads,
    name_weights,
    split_heads,
)
from gamecircuits.transformer.model import Norm, Parameters, check_parameters
from gamecircuits.transformer.one_layer import OneLayer

NAMES = {
    "W_E": "embed.W_E",
    "W_Q": "blocks.0.attn.W_Q",
    "W_K": "blocks.0.attn.W_K",
    "W_V": "blocks.0.attn.W_V",
    "W_O": "blocks.0.attn.W_O",
    "W_U": "unembed.W_U",
}
MASKS = ("mask", "IGNORE")  # what TransformerLens saves beside the weights
FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}  # the format's names, and numpy's
ONE_LAYER = ("norm", "gain", "sink")  # what the weights do not tell
DESIGN = tuple(field.name for field in dataclasses.fields(Design))  # the same of a GPT
HEAD_AXIS = ("W_Q", "W_K", "W_V", "W_O")  # on disk these have a leading axis of one head


def write_model(path: Path | str, model: OneLayer | GPT, job: str) -> None:
    """Write weights, what they do not tell (norm and the like), and the job that made them."""
    if isinstance(model, GPT):
        check_weights(model.parameters, model.design)
        named, num_heads = name_weights(model.parameters), model.design.num_heads
        metadata = dataclasses.asdict(model.design)
    else:
        check_parameters(model.parameters)
        named = {NAMES[n]: matrix for n, matrix in model.parameters._asdict().items()}
        num_heads = 1
        metadata = {"norm": model.norm, "gain": model.gain, "sink": model.sink}
    tensors = {n: np.ascontiguousarray(w) for n, w in split_heads(named, num_heads).items()}
    # One metadata entry: with several, safetensors writes them in an order that varies.
    metadata |= {"job": job}
    metadata["sha256"] = _digest(tensors, metadata)
    entries = {"gamecircuits": json.dumps(metadata, sort_keys=True)}
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=entries))


def _is_gpt(metadata: dict) -> bool:
    return "num_heads" in metadata


def _digest(tensors: dict[str, np.ndarray], metadata: dict) -> str:
    """SHA-256 of all that makes the model: weights, what they do not tell, and job."""
    stated = [metadata[key] for key in (*(DESIGN if _is_gpt(metadata) else ONE_LAYER), "job")]
    digest = hashlib.sha256(repr(stated).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[tuple]:
    """The open file and its metadata; whatever fails inside means that the file is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file, json.loads((file.metadata() or {}).get("gamecircuits", "{}"))
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist; make it with:  snakemake '{path}'") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path} is damaged ({error}); {REPAIR}") from error


def read_model_job(path: Path | str) -> str | None:
    """The job text that a model file carries, None when it carries none."""
    with _opened(path) as (_, metadata):
        return metadata.get("job")


def read_model(path: Path | str) -> OneLayer | GPT:
    """A model, verified against its checksum."""
    with _opened(path) as (file, metadata):
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _digest(tensors, metadata):
            raise ValueError("its content is not what was written")
        named = join_heads(tensors)
        if _is_gpt(metadata):
            return GPT(from_names(named), Design(**{key: metadata[key] for key in DESIGN}))
        parameters = Parameters(*(named[NAMES[name]] for name in Parameters._fields))
        return OneLayer(parameters, *(metadata[key] for key in ONE_LAYER))


def read_trained_weights(path: Path | str, prefix: str) -> dict[str, np.ndarray]:
    """Weights in memory's form by name: the tensors `prefix`/NAME of a search's group."""
    with _opened(path) as (file, _):
        names = [key for key in file.keys() if key.startswith(f"{prefix}/")]  # noqa: SIM118
        if not names:
            raise KeyError(prefix)
        return {name.removeprefix(f"{prefix}/"): file.get_tensor(name) for name in names}


@overload
def read_trained_model(path: Path | str, name: str, how: Norm) -> OneLayer: ...
@overload
def read_trained_model(path: Path | str, name: str, how: Design) -> GPT: ...
def read_trained_model(path: Path | str, name: str, how: Norm | Design) -> OneLayer | GPT:
    """The model `name` (VARIANT/NUMBER/AVERAGE) among the weights of a search's group.

    Args:
        how: what the weights do not tell: the design of a GPT, the norm of one layer.
    """
    found = read_trained_weights(path, name)
    with _opened(path):
        if isinstance(how, Design):
            return GPT(from_names(found), how)
        parameters = Parameters(*(found[matrix] for matrix in Parameters._fields))
        return OneLayer(parameters, how, float(found["gain"]))


def read_any_model(path: Path | str) -> OneLayer:
    """A model of ours, or weights that other software wrote, in float64.

    Those may carry TransformerLens's names or W_E, W_Q, W_K, W_V, W_O, W_U, with or without the
    axis of one head. Anything else in the file that is not zero (biases, positions, more layers)
    would be another model, and is refused.
    """
    tensors = {}
    try:
        with safe_open(path, framework="numpy") as file:
            if "gamecircuits" in (file.metadata() or {}):
                return read_model(path)
            for key in file.keys():  # noqa: SIM118
                if not key.endswith(MASKS):
                    tensors[key] = _read_tensor(path, file, key)
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist") from None
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{path} {_describe_damage(path)} ({error})") from None
    keys = {n: name if name in tensors else n for n, name in NAMES.items()}
    missing = [f"{n} or {NAMES[n]}" for n, key in keys.items() if key not in tensors]
    if missing:
        shown = ", ".join(sorted(tensors)) or "nothing"
        raise ArtefactError(f"{path} has no tensor {', '.join(missing)}; it has: {shown}")
    found = {}
    for plain, key in keys.items():
        tensor = tensors.pop(key)
        matrix = tensor[0] if tensor.ndim == 3 and len(tensor) == 1 else tensor
        if matrix.ndim != 2:
            raise ArtefactError(f"{path}: {key} has shape {tensor.shape}, not one matrix")
        found[plain] = matrix.astype(np.float64)
    others = [key for key, tensor in tensors.items() if np.any(tensor)]
    if others:
        raise ArtefactError(
            f"{path} has more than one attention head can use: {', '.join(sorted(others))}; "
            "biases, positions, normalisation and further layers must be zero or left out"
        )
    try:
        check_parameters(Parameters(**found))
    except ValueError as error:
        hint = ""
        if turned := _find_transposed(found):
            hint = (
                f"; all fits if {', '.join(turned)} and perhaps square matrices are transposed: "
                "vectors are rows here, x @ W"
            )
        raise ArtefactError(f"{path}: {error}{hint}") from None
    return OneLayer(Parameters(**found))


def _read_tensor(path: Path | str, file, key: str) -> np.ndarray:
    """A tensor; ArtefactError if it is a weight that is no real number, or of a strange type."""
    dtype = file.get_slice(key).get_dtype()
    if dtype in FLOATS or key not in (*NAMES, *NAMES.values()):
        with contextlib.suppress(TypeError, AttributeError):  # numpy has no such type
            return file.get_tensor(key)
    raise ArtefactError(f"{path}: {key} is {dtype}; allowed: {', '.join(FLOATS.values())}")


def _describe_damage(path: Path | str) -> str:
    """What a file is that cannot be opened: such files begin with eight bytes and a brace."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if file.read(9)[8:] == b"{":
            return "is cut off or damaged"
    return "is no safetensors file"


def _find_transposed(found: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The fewest matrices that have to be transposed for all shapes to fit; () if none do."""
    for count in range(1, len(found) + 1):
        for names in combinations(found, count):
            turned = {name: found[name].T for name in names}
            with contextlib.suppress(ValueError):
                check_parameters(Parameters(**(found | turned)))
                return names
    return ()
