"""Models on disk: safetensors with TransformerLens's names for the weights."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.storage.files import REPAIR, write_atomically
from gamecircuits.transformer.formats.one_layer import NAMES
from gamecircuits.transformer.gpt import GPT, Design
from gamecircuits.transformer.gpt_weights import (
    check_weights,
    from_names,
    join_heads,
    name_weights,
    split_heads,
)
from gamecircuits.transformer.model import Parameters, check_parameters
from gamecircuits.transformer.one_layer import OneLayer

ONE_LAYER = ("norm", "gain", "sink")  # what the weights do not tell
DESIGN = tuple(field.name for field in dataclasses.fields(Design))  # the same of a GPT


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


def check_finite(model: OneLayer | GPT) -> None:
    """Raise GamecircuitsError at a weight that is NaN or infinite."""
    parameters = model.parameters
    named = parameters._asdict() if isinstance(parameters, Parameters) else name_weights(parameters)
    for name, weight in named.items():
        if len(bad := np.argwhere(~np.isfinite(weight))):
            place = tuple(bad[0].tolist())
            raise GamecircuitsError(
                f"{name} has weights that are not finite, the first {weight[place]} at {place}"
            )


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
