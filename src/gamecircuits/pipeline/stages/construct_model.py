"""Stage: the weights of a construction."""

from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import write_model


def construct_model(model: str, *, job: str, construction: dict) -> None:
    """Write a constructed model as safetensors."""
    write_model(model, make_construction(**construction).model(), job)
