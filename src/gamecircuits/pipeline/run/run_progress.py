"""How far all games of a run are: Snakemake itself counts jobs, and only in a terminal."""

import logging
from functools import partial

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run.progress import Progress

PAUSE = 5  # seconds between lines, at least
MANY = 500_000  # games; with fewer, the other jobs of a run take longer than they do


class RunProgress(logging.Handler):
    """Follows a run by Snakemake's own messages, and says where it is in between."""

    def __init__(self, plan: Plan, dag):
        super().__init__()
        self.count = {}  # by job: what to do when it is finished
        to_run = set(dag.needrun_jobs())
        for rule in ("generate_games", "compute_masks"):
            games = {}
            for job in (job for job in dag.jobs if job.rule.name == rule):
                number = int(job.wildcards.shard.removeprefix("shard-"))
                games[job] = plan.games[job.wildcards.game].games_in_shard(number)
            if sum(games.values()) < MANY:
                continue
            done = sum(games[job] for job in games.keys() - to_run)
            say = partial(logger.info, f"{rule}: %s")
            progress = Progress(sum(games.values()), say, done=done, pause=PAUSE)
            self.count |= {job.jobid: partial(progress.add, games[job]) for job in games}

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.JOB_FINISHED and record.job_id in self.count:
            self.count[record.job_id]()
