"""Stage: a model read in the terms of the theory, and its predictions beside its behaviour."""

from gamecircuits.analysis.diagnosis import diagnose
from gamecircuits.figures.models.diagnosis import draw
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._write import write_figure
from gamecircuits.randomness import get_rng
from gamecircuits.transformer.weights import read_model


def diagnose_model(model: str, files: list[str], *, job: str, name: str, seed: int) -> None:
    """Diagnose one model of set complement."""
    table = diagnose(read_model(model), get_rng(seed, f"diagnosis of {name}"), log).table
    table.insert(0, "model", name)
    write_figure(draw(table, name), table, job, files)
