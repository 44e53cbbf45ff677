"""Stage: the weights of one trained model, from those of its group."""

import sys
from pathlib import Path

import numpy as np

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.parquet import read_job
from gamecircuits.provenance import repair_command
from gamecircuits.results import changed_siblings
from gamecircuits.stages.command import run_stage
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.weights import read_trained_model, write_model


def extract_model(job: str, settings: dict, metrics: list[str], output: str) -> None:
    """Write one of the models beside a group's metrics as a file of its own."""
    (carrier,) = metrics
    path = str(Path(carrier).with_name("weights.safetensors"))
    if changed_siblings(carrier, [path]):
        raise ArtefactError(f"{path} is damaged; {repair_command(path)}")
    name = "/".join(str(settings[key]) for key in ("variant", "number", "average"))
    model = read_trained_model(path, name, settings["norm"])
    about = f"model {settings['model']}: {name} of the search {settings['search']}"
    if not all(np.isfinite(weights).all() for weights in (*model.parameters, model.gain)):
        raise GamecircuitsError(f"{about} diverged in training; choose another trial")
    try:
        TokenTables(model)
    except ValueError as error:  # scores whose exponentials underflow
        raise GamecircuitsError(f"{about} cannot be used ({error}); choose another trial") from None
    write_model(output, model, job)


def main(argv=None) -> int:
    return run_stage(extract_model, argv, inputs={"metrics": read_job})


if __name__ == "__main__":
    sys.exit(main())
