"""Stage: the table of one experiment on the theory."""

from gamecircuits.experiments.experiment import make_experiment
from gamecircuits.pipeline.run.progress import log
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_frame


def run_experiment(table: str, *, job: str, seed: int, name: str, experiment: dict) -> None:
    """Run one of gamecircuits.experiments and write what it measured."""
    rng = get_rng(seed, f"experiment {name}")
    write_frame(make_experiment(**experiment).run(rng, log), job, table)
