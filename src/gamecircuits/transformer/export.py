"""Folders that other software reads: the weights under its names, and its configuration."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
from safetensors.numpy import save

from gamecircuits.errors import GamecircuitsError
from gamecircuits.kinds import suggest
from gamecircuits.storage.files import write_files
from gamecircuits.transformer.formats import hugging_face, transformer_lens
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer

WRITTEN: dict[str, ModuleType] = {
    "hugging_face": hugging_face,
    "transformer_lens": transformer_lens,
}
FILES = ("model.safetensors", "config.json")


def export_model(model: OneLayer | GPT, name: str, folder: Path | str) -> None:
    """Write `model.safetensors` and `config.json` of the format of this name.

    `hugging_face` is for GPT2LMHeadModel.from_pretrained, `transformer_lens` for
    TransformerBridge.boot_native, and HookedTransformer before version 4.

    Raises:
        GamecircuitsError: an unknown format, or a model that it cannot hold, with the reason.
    """
    if name not in WRITTEN:
        raise GamecircuitsError(
            f"unknown format {name!r}; known: {', '.join(WRITTEN)}{suggest(name, [*WRITTEN])}"
        )
    tensors, config = WRITTEN[name].write(model)
    content = save({n: np.ascontiguousarray(t) for n, t in tensors.items()}, {"format": "pt"})
    contents = content, (json.dumps(config, indent=2) + "\n").encode()
    write_files({Path(folder) / file: c for file, c in zip(FILES, contents, strict=True)})
