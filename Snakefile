"""The pipeline: games -> masks -> evaluation of models -> tables and figures.

`snakemake` makes everything that config/config.yaml asks for. What each job depends on, and the
file that carries it, is worked out in src/gamecircuits/jobs.py.
"""

import os
import sys
from pathlib import Path

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))
os.environ["PYTHONPATH"] = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
PYTHON = sys.executable

from gamecircuits.config import load_config
from gamecircuits.errors import GamecircuitsError
from gamecircuits.jobs import METRIC_FIGURES, Plan, find_stale
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

try:
    PLAN = Plan(
        load_config(
            *(workflow.overwrite_configfiles or ["config/config.yaml"]),
            overrides=workflow.config_settings.config,
        )
    )
except GamecircuitsError as error:
    logger.error(str(error))
    sys.exit(1)

RESULTS = PLAN.config.results
config.clear()
config.update(PLAN.config.raw, results=RESULTS)  # for the captions of the report


wildcard_constraints:
    game="[A-Za-z][A-Za-z0-9_]*",
    model="[A-Za-z][A-Za-z0-9_]*",
    evaluation="(?!branching/)[A-Za-z][A-Za-z0-9_]*",
    figure="|".join(METRIC_FIGURES),
    shard=r"shard-\d+",


report: "workflow/report/workflow.rst"


include: "workflow/rules/games.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/figures.smk"


# Results that Snakemake's own records say nothing about are checked by what they carry.
if STALE := find_stale(PLAN):
    logger.warning(
        "These results are not used and will be made again:\n"
        + "\n".join(f"  {path}: {reason}" for path, reason in STALE.items())
    )
    workflow.dag_settings.forcerun = frozenset(workflow.dag_settings.forcerun) | set(STALE)


localrules:
    all,
    games,
    masks,
    models,
    metrics,
    figures,


rule all:
    default_target: True
    input:
        PLAN.files(),


rule games:
    input:
        PLAN.files("generate_games"),


rule masks:
    input:
        PLAN.files("compute_masks"),


rule models:
    input:
        PLAN.files("construct_model"),


rule metrics:
    input:
        PLAN.files("evaluate_model", "collect_metrics", "measure_branching"),


rule figures:
    input:
        PLAN.files("plot_metrics", "plot_branching_factor", "plot_circuits", "plot_predictions"),
