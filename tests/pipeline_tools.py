"""Run jobs of a plan in this process, as the workflow does in its own; what is ours by name."""

import json

from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Job, Plan
from gamecircuits.pipeline.run.job import run_job

OURS = {
    "generate_games",
    "compute_masks",
    "measure_branching",
    "measure_legality",
    "plot_games",
    "plot_board",
    "train_trials",
    "measure_trials",
    "collect_search",
    "plot_search",
    "check_hypotheses",
    "plot_hypotheses",
    "plot_grids",
    "construct_model",
    "extract_model",
    "import_model",
    "diagnose_model",
    "plot_model",
    "evaluate_model",
    "collect_metrics",
    "plot_metrics",
    "plot_predictions",
    "check_claims",
    "confirm_claims",
    "run_experiment",
    "plot_experiment",
    "describe_run",
}

KINDS = (
    "balanced", "minimal", "attention_norm", "untrained", "harmonic", "tied", "residual_norm",
    "sink", "self_sink", "block", "frame",
)  # fmt: skip


def keep_ours(jobs: set[str]) -> set[str]:
    """The jobs, as stage:names, without those of stages that somebody added."""
    return {job for job in jobs if job.split(":")[0] not in STAGES or job.split(":")[0] in OURS}


def do(job: Job) -> Job:
    """Run one job; what it reads must be there."""
    run_job(json.loads(job.describe(None)))
    return job


def do_all(plan: Plan, *stages: str) -> None:
    """Run all jobs of the stages, in the order of the plan, which is that of the graph."""
    for job in plan.jobs:
        if job.stage.name in stages:
            do(job)
