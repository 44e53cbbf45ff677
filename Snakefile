"""The pipeline: games -> masks -> evaluation of models -> tables and figures.

`snakemake` makes everything that config/config.yaml asks for. The rules follow from the stages in
src/gamecircuits/pipeline/graph.py: one rule for each stage, of the same name, and one target for
each part of the pipeline (games, masks, models, metrics, figures, theory, training).
`snakemake --list-rules` names them all.
"""

import gc
import os
import sys
from pathlib import Path

PYTHON = sys.executable
SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))
os.environ |= {  # of jobs, whatever the locale: their logs are UTF-8, their modules ours
    "PYTHONPATH": os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")])),
    "PYTHONSAFEPATH": "1",
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
}

from gamecircuits.pipeline.run.caches import provide_caches

provide_caches()

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.cluster import choose_status_command, leave_job_step
from gamecircuits.pipeline.run.heartbeat import follow
from gamecircuits.pipeline.run.workflow import Epilogue, Workflow
from snakemake.cli import get_argument_parser
from snakemake.logging import logger

gc.freeze()  # what is imported stays; looking through it again and again would cost a quarter

if not workflow.is_main_process and (arguments := leave_job_step(sys.argv[1:])):
    os.execv(PYTHON, [PYTHON, "-m", "snakemake", *arguments])

GIVEN, _ = get_argument_parser().parse_known_args()
HEARTBEAT = follow(logger) if workflow.is_main_process else None

try:
    FLOW = Workflow(
        workflow.overwrite_configfiles,
        workflow.config_settings.config,
        is_main=workflow.is_main_process,
        makes_report=GIVEN.report is not None,
    )
    if workflow.is_main_process:
        FLOW.check_targets(GIVEN)
    if not GIVEN.dryrun:
        logger.addHandler(Epilogue(FLOW, logger))
    for message in FLOW.prepare(GIVEN.targets):
        logger.warning(message)
except GamecircuitsError as error:
    logger.error(str(error))
    sys.exit(1)

config.clear()
config.update(results=FLOW.results, captions=FLOW.captions())  # for the report


report: "workflow/report/workflow.rst"


def is_grouped():
    """Whether short jobs are to go together: the profile of a cluster says how many."""
    return bool(workflow.group_settings.group_components)


for stage in FLOW.stages:

    # The task, which the plan writes, says all about the job: what it reads and writes, its
    # settings and its code. It is newer than results that are not what they should be.
    rule:
        name:
            stage.name
        input:
            task=lambda names, stage=stage: FLOW.job(stage, names).task,
            files=lambda names, stage=stage: FLOW.job(stage, names).inputs,
        output:
            **FLOW.outputs(stage, report),
        log:
            FLOW.log(stage),
        wildcard_constraints:
            **FLOW.wildcard_constraints(stage),
        priority: lambda names, stage=stage: FLOW.priority(stage, names)
        group:
            lambda names, stage=stage: FLOW.group(stage, names) if is_grouped() else None
        threads: lambda names, stage=stage: FLOW.job(stage, names).work.threads
        resources:
            **FLOW.resources(stage),
        shell:
            "exec {PYTHON:q} -m gamecircuits.pipeline.run.job"
            " {input.task:q} {threads} > {log:q} 2>&1"


for part in FLOW.parts:

    rule:
        name:
            part
        input:
            FLOW.plan.files(part),
        localrule: True


rule cards:
    input:
        FLOW.list_cards(),
    localrule: True


rule all:
    default_target: True
    input:
        FLOW.plan.files(),
    localrule: True


onstart:
    try:
        choose_status_command(workflow.executor_settings, logger.warning)
        FLOW.begin(logger, HEARTBEAT, workflow.logger_manager.get_log_handlers())
    except GamecircuitsError as error:
        logger.error(str(error))
        sys.exit(1)


onsuccess:
    logger.info(FLOW.describe_results())
