"""Stage: the weights of one trained model, from those of its group."""

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.model import Norm
from gamecircuits.transformer.weights import read_trained_model, write_model


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
    norm: Norm,
) -> None:
    """Write one of a group's models as a file of its own."""
    trained = f"{variant}/{number}/{average}"
    extracted = read_trained_model(weights, trained, norm)
    subject = f"model {name}: {trained} of the search {search}"
    if not all(np.isfinite(w).all() for w in (*extracted.parameters, extracted.gain)):
        raise GamecircuitsError(f"{subject} diverged in training; choose another trial")
    try:
        extracted.tables()
    except ValueError as error:  # scores whose exponentials underflow
        raise GamecircuitsError(f"{subject} cannot be used ({error}); choose another") from None
    write_model(model, extracted, job)
