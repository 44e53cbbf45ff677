"""The pipeline: games -> masks -> evaluation of models -> tables and figures.

`snakemake` makes everything that config/config.yaml asks for. What each job depends on, and the
file that carries it, is worked out in src/gamecircuits/jobs.py.
"""

import os
import shutil
import sys
from pathlib import Path

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")])
)
PYTHON = sys.executable
ONLY_LOOKS = (  # options with which snakemake runs no jobs
    *("dryrun", "unlock", "touch", "summary", "detailed_summary", "lint", "archive"),
    *("dag", "rulegraph", "filegraph", "d3dag", "list_rules", "list_target_rules"),
    *("list_changes", "list_input_changes", "list_params_changes", "list_untracked"),
    *("cleanup_metadata", "delete_all_output", "delete_temp_output", "generate_unit_tests"),
)

from gamecircuits.pipeline.config import load_config
from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.plan import (
    GAME_FIGURES,
    METRIC_FIGURES,
    SEARCH_FIGURES,
    Plan,
    find_stale,
)
from gamecircuits.pipeline.run.lock import lock_run
from gamecircuits.pipeline.run.run_progress import RunProgress
from snakemake.cli import get_argument_parser
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
    evaluation="[A-Za-z][A-Za-z0-9_]*",
    experiment="|".join(PLAN.config.experiments) or "none",
    shard=r"shard-\d+",
    search="|".join(PLAN.config.searches) or "none",
    group=r"group-\d+",


report: "workflow/report/workflow.rst"


include: "workflow/rules/games.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/theory.smk"
include: "workflow/rules/training.smk"


# One thread of BLAS in every job: several would change last digits with the number of cores, and
# are slower on matrices as small as ours.
shell.prefix(
    "set -euo pipefail; export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1; "
)


# What files say of themselves is checked too: Snakemake's own records can be lost, and do not see
# damage. Files that must not be used are removed when this call is to run jobs, and only named when
# it is to do something else.
if workflow.is_main_process:
    options, _ = get_argument_parser().parse_known_args(sys.argv[1:])
    makes_report = options.report is not None
    runs_jobs = not makes_report and not any(getattr(options, o, None) for o in ONLY_LOOKS)
    if runs_jobs:
        try:
            lock_run(f"{RESULTS}/.lock", logger.warning)
        except GamecircuitsError as error:
            logger.error(str(error))
            sys.exit(1)
    if stale := find_stale(PLAN):
        found = "\n".join(f"  {path}: {reason}" for path, reason in stale.items())
        if makes_report:
            raise WorkflowError(f"These results must be made again; run snakemake first:\n{found}")
        if runs_jobs:
            logger.warning(f"These results are removed, and made again where wanted:\n{found}")
            for path in stale:
                Path(path).unlink()
        else:
            logger.warning(f"The next run will remove these results, and make them again:\n{found}")


onstart:
    if workflow.is_main_process and runs_jobs:
        logger.addHandler(RunProgress(PLAN, workflow.dag))


onerror:
    if shutil.disk_usage(RESULTS).free < 1 << 20:  # then logs are cut off, too
        logger.error(f"The disk of {RESULTS} is full; free space and run again")


localrules:
    all,
    games,
    masks,
    models,
    metrics,
    figures,
    theory,
    training,


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
        PLAN.files("construct_model", "extract_model"),


rule metrics:
    input:
        PLAN.files("evaluate_model", "collect_metrics", "measure_branching", "measure_legality"),


rule figures:
    input:
        PLAN.files(
            "plot_metrics",
            "plot_games",
            "plot_legality",
            "plot_filmstrip",
            "plot_circuits",
            "plot_predictions",
            "diagnose_model",
            "plot_experiment",
        ),


rule theory:
    input:
        PLAN.files(
            "check_claims",
            "confirm_claims",
            "diagnose_model",
            "run_experiment",
            "plot_experiment",
        ),


rule training:
    input:
        PLAN.files("train_trials", "measure_trials", "collect_search", "plot_search"),
