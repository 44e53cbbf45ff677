"""Models on disk: safetensors with TransformerLens's names for the weights."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.errors import ArtefactError
from gamecircuits.storage.files import REPAIR, write_atomically
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
HEAD_AXIS = ("W_Q", "W_K", "W_V", "W_O")  # on disk these have a leading axis of one head


def write_model(path: Path | str, model: OneLayer, job: str) -> None:
    """Write weights, norm, gain, sink and the job that made them."""
    check_parameters(model.parameters)
    tensors = {
        NAMES[name]: np.ascontiguousarray(matrix[None] if name in HEAD_AXIS else matrix)
        for name, matrix in model.parameters._asdict().items()
    }
    # One metadata entry: with several, safetensors writes them in an order that varies.
    metadata = {"norm": model.norm, "gain": model.gain, "sink": model.sink, "job": job}
    metadata["sha256"] = _digest(tensors, metadata)
    entries = {"gamecircuits": json.dumps(metadata, sort_keys=True)}
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=entries))


def _digest(tensors: dict[str, np.ndarray], metadata: dict) -> str:
    """SHA-256 of all that makes the model: weights, norm, gain, sink and job."""
    stated = [metadata[key] for key in ("norm", "gain", "sink", "job")]
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


def read_model(path: Path | str) -> OneLayer:
    """A model, verified against its checksum."""
    with _opened(path) as (file, metadata):
        tensors = {key: file.get_tensor(key) for key in NAMES.values()}
        if metadata["sha256"] != _digest(tensors, metadata):
            raise ValueError("its content is not what was written")
        squeezed = {n: tensors[k][0] if n in HEAD_AXIS else tensors[k] for n, k in NAMES.items()}
        return OneLayer(
            Parameters(**squeezed), metadata["norm"], metadata["gain"], metadata["sink"]
        )


def read_trained_model(path: Path | str, name: str, norm: Norm) -> OneLayer:
    """The model `name` (VARIANT/NUMBER/AVERAGE) among the weights of a search's group."""
    with _opened(path) as (file, _):
        matrices = [file.get_tensor(f"{name}/{matrix}") for matrix in Parameters._fields]
        return OneLayer(Parameters(*matrices), norm, float(file.get_tensor(f"{name}/gain")))


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
