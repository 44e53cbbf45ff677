"""Models on disk: safetensors with TransformerLens's names for the weights."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.errors import ArtefactError
from gamecircuits.provenance import check_origin, repair_command, write_atomically
from gamecircuits.transformer.model import Model, Parameters, check_parameters

NAMES = {
    "W_E": "embed.W_E",
    "W_Q": "blocks.0.attn.W_Q",
    "W_K": "blocks.0.attn.W_K",
    "W_V": "blocks.0.attn.W_V",
    "W_O": "blocks.0.attn.W_O",
    "W_U": "unembed.W_U",
}
HEAD_AXIS = ("W_Q", "W_K", "W_V", "W_O")  # on disk these have a leading axis of one head


def write_model(path: Path | str, model: Model, job: str) -> None:
    """Write weights, norm, gain and the job that made them."""
    check_parameters(model.parameters)
    tensors = {
        NAMES[name]: np.ascontiguousarray(matrix[None] if name in HEAD_AXIS else matrix)
        for name, matrix in model.parameters._asdict().items()
    }
    # One metadata entry: with several, safetensors writes them in an order that varies.
    about = {"norm": model.norm, "gain": model.gain, "job": job}
    metadata = {"gamecircuits": json.dumps(about, sort_keys=True)}
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))


def _read(path: Path | str) -> tuple[dict, Parameters]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = (file.metadata() or {}).get("gamecircuits", "{}")
            matrices = {name: file.get_tensor(key) for name, key in NAMES.items()}
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist; make it with:  snakemake '{path}'") from None
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{path} is damaged ({error}); {repair_command(path)}") from error
    squeezed = {n: matrix[0] if n in HEAD_AXIS else matrix for n, matrix in matrices.items()}
    return json.loads(metadata), Parameters(**squeezed)


def read_model_job(path: Path | str) -> str | None:
    """The job text that a model file carries, None when it carries none."""
    return _read(path)[0].get("job")


def read_model(path: Path | str, stage: str = "construct_model", **settings) -> Model:
    """Read a model that `stage` made with these settings."""
    about, parameters = _read(path)
    check_origin(path, about.get("job"), stage, **settings)
    return Model(parameters, about["norm"], about["gain"])


def cast(model: Model, dtype: str) -> Model:
    """The model with its weights in another floating-point type."""
    return model._replace(parameters=Parameters(*(m.astype(dtype) for m in model.parameters)))
