"""Stage: the table of one experiment on the theory."""

import sys

from gamecircuits.experiments.experiment import make_experiment
from gamecircuits.pipeline.run.command import run_stage, say
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_results


def run_experiment(job: str, settings: dict, output: str) -> None:
    """Run one of gamecircuits.experiments and write what it measured."""
    experiment = make_experiment(**settings["experiment"])
    rng = get_rng(settings["seed"], f"experiment {settings['name']}")
    write_results(job, experiment.run(rng, say), output)


def main(argv=None) -> int:
    return run_stage(run_experiment, argv)


if __name__ == "__main__":
    sys.exit(main())
