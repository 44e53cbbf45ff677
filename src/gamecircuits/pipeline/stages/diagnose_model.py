"""Stage: a model read in the terms of the theory, and its predictions beside its behaviour."""

import sys

from gamecircuits.analysis.diagnosis import diagnose
from gamecircuits.figures.models.diagnosis import draw
from gamecircuits.figures.style import render
from gamecircuits.pipeline.run.command import DRAWN, run_stage, say
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_results
from gamecircuits.transformer.weights import read_model, read_model_job


def diagnose_model(
    job: str, settings: dict, model: list[str], output: str, csv: str, images: list[str]
) -> None:
    """Diagnose one model of set complement."""
    rng = get_rng(settings["seed"], f"diagnosis of {settings['model']}")
    table = diagnose(read_model(*model), rng, say).table
    table.insert(0, "model", settings["model"])
    figure = draw(table, settings["model"])
    write_results(job, table, output, csv=csv, others=render(figure, images, job))


def main(argv=None) -> int:
    return run_stage(diagnose_model, argv, inputs={"model": read_model_job}, outputs=DRAWN)


if __name__ == "__main__":
    sys.exit(main())
