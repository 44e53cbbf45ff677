"""Stage: the weights of one trained model, from those of its group."""

import sys

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job
from gamecircuits.transformer.circuits import TokenTables
from gamecircuits.transformer.weights import find_beside, read_trained_model, write_model


def extract_model(job: str, settings: dict, trials: list[str], output: str) -> None:
    """Write one of the models beside a group's trials as a file of its own."""
    path = find_beside(*trials, "weights.safetensors")
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
    return run_stage(extract_model, argv, inputs={"trials": read_job})


if __name__ == "__main__":
    sys.exit(main())
