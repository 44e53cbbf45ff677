"""Entries of models that are files of weights: read, and checked, when the configuration is."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from gamecircuits.analysis.diagnosis import get_circuits
from gamecircuits.errors import GamecircuitsError
from gamecircuits.parameters import VocabSize, describe_allowed, fits
from gamecircuits.pipeline.config.entries import FileEntry
from gamecircuits.pipeline.config.named import NamedGame
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.vocabulary import adapt_vocabulary, list_conventions

Model = OneLayer | GPT


def read_weights_file(entry: FileEntry, game: NamedGame | None) -> tuple[Model, dict[str, Any]]:
    """A model, and the settings of the job that imports it, with the SHA-256 of its file.

    Raises:
        GamecircuitsError: it cannot be used; the message completes "path = ...: ".
    """
    path = entry.path
    if os.path.exists(path) and not os.path.isfile(path):
        raise GamecircuitsError("is not a file")
    model = read_any_model(path, entry.num_heads, entry.norm)
    settings = {
        "kind": entry.kind,
        "path": path,
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        **entry.model_dump(include={"num_heads", "norm"}, exclude_none=True),
    }
    model, adapted = _adapt(model, entry, game)
    model = model.cast(np.float64)
    _check_size(model)
    if entry.figures and isinstance(model, OneLayer):
        try:
            get_circuits(model)
        except GamecircuitsError as error:
            raise GamecircuitsError(f"{error}; allowed with figures: false") from None
    return model, settings | adapted


def _adapt(model: Model, entry: FileEntry, game: NamedGame | None) -> tuple[Model, dict[str, Any]]:
    """The model with the game's tokens, and what was done; nothing where it has them."""
    is_told = entry.vocabulary is not None or entry.transposed
    if is_told and entry.game is None:
        raise GamecircuitsError("vocabulary and transposed need the key game, which is missing")
    if game is None:
        return model, {}
    size = model.vocab_size
    if not is_told and size == game.game.vocab_size:
        return model, {}
    names = [entry.vocabulary] if entry.vocabulary else list_conventions(size, game.game)
    if len(names) > 1:
        raise GamecircuitsError(
            f"the model's {size} tokens may be read in {len(names)} ways; give vocabulary: "
            f"{' or '.join(names)}"
        )
    [convention] = names
    adapted = adapt_vocabulary(model, game.game, convention, is_transposed=entry.transposed)
    told = {"vocabulary": convention, "transposed": entry.transposed, "game": game.settings}
    return adapted, told


def _check_size(model: Model) -> None:
    size = model.vocab_size
    if not fits(VocabSize, size):
        raise GamecircuitsError(f"has {size} tokens; allowed: {describe_allowed(VocabSize)}")
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(model.logits(np.arange(size)[:, None])).all():
            raise GamecircuitsError("has weights so large that logits are not finite")
