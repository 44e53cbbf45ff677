"""Stage: the weights of a model from a file that something else wrote."""

from gamecircuits.errors import GamecircuitsError
from gamecircuits.storage.files import file_digest
from gamecircuits.transformer.weights import read_any_model, write_model


def import_model(model: str, *, job: str, kind: str, path: str, sha256: str) -> None:
    """Write the model under our names; its file must be the one that the plan saw."""
    if file_digest(path) != sha256:
        raise GamecircuitsError(f"{path} was changed after this job was planned; run again")
    write_model(model, read_any_model(path), job)
