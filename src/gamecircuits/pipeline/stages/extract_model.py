"""Stage: the weights of one trained model, from those of its group."""

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.training.trial import ARCHITECTURES
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import read_trained_weights, write_model


def extract_model(
    weights: str,
    model: str,
    *,
    job: str,
    name: str,
    search: str,
    variant: str,
    number: int,
    average: str,
    architecture: str,
    trial: dict,
) -> None:
    """Write one of a group's models as a file of its own."""
    trained = f"{variant}/{number}/{average}"
    tensors = read_trained_weights(weights, trained)
    subject = f"model {name}: {trained} of the search {search}"
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise GamecircuitsError(f"{subject} diverged in training; choose another trial")
    extracted = ARCHITECTURES.make(architecture, **trial).from_tensors(tensors)
    if not isinstance(extracted, (OneLayer, GPT)):
        raise GamecircuitsError(f"{subject}: files of models hold models of one layer and GPTs")
    try:
        if isinstance(extracted, OneLayer):
            extracted.tables()
    except ValueError as error:  # scores whose exponentials underflow
        raise GamecircuitsError(f"{subject} cannot be used ({error}); choose another") from None
    write_model(model, extracted, job)
