"""Run jobs of a plan in this process, as the workflow does in one of its own."""

import json

from gamecircuits.pipeline.plan import Job, Plan
from gamecircuits.pipeline.run.job import run_job


def do(job: Job) -> Job:
    """Run one job; what it reads must be there."""
    run_job(json.loads(job.describe(None)))
    return job


def do_all(plan: Plan, *stages: str) -> None:
    """Run all jobs of the stages, in the order of the plan, which is that of the graph."""
    for job in plan.jobs:
        if job.stage.name in stages:
            do(job)
