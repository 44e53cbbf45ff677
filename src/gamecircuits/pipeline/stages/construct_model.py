"""Stage: the weights of a construction."""

import sys

from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import write_model


def construct_model(job: str, settings: dict, output: str) -> None:
    """Write a constructed model as safetensors."""
    write_model(output, make_construction(**settings["construction"]).model(), job)


def main(argv=None) -> int:
    return run_stage(construct_model, argv)


if __name__ == "__main__":
    sys.exit(main())
