"""The pipeline: games -> masks -> evaluation of models -> tables and figures.

`snakemake` makes everything that config/config.yaml asks for. What each job depends on, and the
file that carries it, is worked out in src/gamecircuits/jobs.py.
"""

import os
import sys
from pathlib import Path

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")])
)
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
ONLY_LOOKS = {"--unlock", "--touch", "--summary", "--detailed-summary", "--lint", "--dag"}
ONLY_LOOKS |= {"--rulegraph", "--filegraph", "--d3dag", "--list", "--list-rules", "--list-changes"}
config.clear()
config.update(PLAN.config.raw, results=RESULTS)  # for the captions of the report


wildcard_constraints:
    game="[A-Za-z][A-Za-z0-9_]*",
    model="[A-Za-z][A-Za-z0-9_]*",
    evaluation="[A-Za-z][A-Za-z0-9_]*",
    figure="|".join(METRIC_FIGURES),
    shard=r"shard-\d+",


report: "workflow/report/workflow.rst"


include: "workflow/rules/games.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/figures.smk"


# What files say of themselves is checked too: Snakemake's own records can be lost, and do not see
# damage. Files that must not be used are removed when this call is to run jobs, and only named when
# it is to do something else.
if STALE := find_stale(PLAN) if workflow.is_main_process else {}:
    found = "\n".join(f"  {path}: {reason}" for path, reason in STALE.items())
    if "--report" in sys.argv:
        raise WorkflowError(f"These results must be made again; run snakemake first:\n{found}")
    if workflow.output_settings.dryrun or ONLY_LOOKS.intersection(sys.argv):
        logger.warning(f"The next run will make these results again:\n{found}")
    else:
        logger.warning(f"Making these results again:\n{found}")
        for path in STALE:
            Path(path).unlink()


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
