"""Command: draw a figure of a finished run for a paper, at true size.

python3 run.py figure NAME [--models A,B] [--width 3.4] [--format pdf]
"""

import argparse
import importlib
import sys
from pathlib import Path

import pandas as pd
from snakemake.cli import parse_config
from snakemake.exceptions import CliException

from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.figures.layout import render
from gamecircuits.figures.models.predictions import TARGET
from gamecircuits.figures.style import COLUMN, FULL
from gamecircuits.kinds import list_names, suggest
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG, check_overrides, load_config
from gamecircuits.pipeline.plan import Job, Plan
from gamecircuits.pipeline.provenance import STAGES
from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import read_frame

CHOICES = {"models": "model", "variants": "variant", "evaluations": "evaluation", "games": "game"}
FORMATS = ("pdf", "svg", "png")
SIZES = {"width": (2, 20), "height": (1, 40)}  # inches


def list_figures(plan: Plan) -> dict[str, Job]:
    """The jobs that draw, by the name of their figure: its path below `figures`."""
    folder = f"{plan.config.results}/figures/"
    return {
        path.removeprefix(folder).removesuffix(".png"): job
        for job in plan.jobs
        for path in job.files
        if path.startswith(folder) and path.endswith(".png")
    }


def find_figure(name: str, known: dict[str, Job]) -> str:
    """The whole name of a figure, of which the last part is enough if it is the only one.

    Raises:
        GamecircuitsError: if there is none of this name, or several.
    """
    if name in known:
        return name
    same = [figure for figure in known if figure.rpartition("/")[2] == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise GamecircuitsError(f"several figures are called {name!r}: {list_names(same)}")
    hint = suggest(name, [*known, *(figure.rpartition("/")[2] for figure in known)])
    raise ParameterError("figure", name, list_names(known) + hint)


def read_current(plan: Plan, job: Job, command: str) -> pd.DataFrame:
    """The table of a figure.

    Raises:
        GamecircuitsError: if it is not there, or made by other code or another configuration.
    """
    path = next(path for path in job.files if path.endswith(".parquet"))
    image = next(path for path in job.files if path.endswith(".png"))
    if reason := plan.why_not_current(job):
        raise GamecircuitsError(f"{reason}; make it: {command} {image}")
    return read_frame(path)


def restrict(table: pd.DataFrame, option: str, wanted: list[str]) -> pd.DataFrame:
    """The rows of the chosen models, variants, evaluations or games.

    Raises:
        GamecircuitsError: if the table has none of them, or no such one.
    """
    column = CHOICES[option]
    if column not in table:
        able = [name for name, column in CHOICES.items() if column in table]
        raise GamecircuitsError(
            f"{option} cannot be chosen in this figure; what can: {list_names(able)}"
        )
    known = [str(name) for name in table[column].dropna().unique()]
    for name in wanted:
        if name not in known:
            shown = [name for name in known if name != TARGET]
            raise ParameterError(option, name, list_names(shown) + suggest(name, shown))
    return table[table[column].isin([*wanted, TARGET])].reset_index(drop=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py figure",
        description="Draw a figure of a finished run for a paper: text of 7 to 8 points, and the "
        "figure as wide as is asked for. The same command gives the same bytes.",
    )
    parser.add_argument("name", help="path below results/figures without its ending, or its end")
    for option in CHOICES:
        parser.add_argument(f"--{option}", metavar="A,B", help=f"only these {option}")
    parser.add_argument(
        "--width", type=float, default=FULL, help=f"in inches; {FULL}: a page, {COLUMN}: a column"
    )
    parser.add_argument("--height", type=float, help="in inches; fits the panels by default")
    parser.add_argument("--format", choices=FORMATS, help="pdf by default, or as --out ends")
    parser.add_argument("--out", help="file to write; the figure's name here by default")
    parser.add_argument("--configfile", nargs="+", default=[DEFAULT_CONFIG], help="of the run")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="of the run")
    return parser.parse_args(arguments)


def choose_file(options: argparse.Namespace, name: str) -> Path:
    """Where to write.

    Raises:
        GamecircuitsError: if format and ending disagree, or there is no such format.
    """
    out = Path(options.out or f"{name.rpartition('/')[2]}.{options.format or FORMATS[0]}")
    ending = out.suffix.removeprefix(".")
    if ending not in FORMATS or options.format not in (None, ending):
        allowed = options.format or ", ".join(FORMATS)
        raise ParameterError("out", options.out, f"a file that ends in: {allowed}")
    return out


def draw(options: argparse.Namespace) -> Path:
    """Draw the figure that the options ask for; the file.

    Raises:
        GamecircuitsError: if there is no such figure, or not now.
    """
    for key, (low, high) in SIZES.items():
        value = getattr(options, key)
        if value is not None and not low <= value <= high:
            raise ParameterError(key, value, f"{low} to {high} inches")
    check_overrides(options.config, parse_config)
    plan = Plan(load_config(*options.configfile, overrides=parse_config(options.config)))
    figures = list_figures(plan)
    name = find_figure(options.name, figures)
    job, out = figures[name], choose_file(options, name)
    table = read_current(plan, job, _repeat(options))
    for option in CHOICES:
        if chosen := getattr(options, option):
            table = restrict(table, option, chosen.split(","))
    if table.empty:
        raise GamecircuitsError("no row of the table fits all these choices")
    stage = importlib.import_module(f"{STAGES}.{job.stage.name}")
    figure = stage.redraw(table, **job.work.settings)
    size = options.width, options.height
    write_files(render(figure, [str(out)], job.text, *size))
    return out


def _repeat(options: argparse.Namespace) -> str:
    """The command that makes the results of this run."""
    command = ["python3 run.py"]
    if options.configfile != [DEFAULT_CONFIG]:
        command += ["--configfile", *options.configfile]
    if options.config:
        command += ["--config", *options.config]
    return " ".join(command)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        print(draw(options))
    except (GamecircuitsError, CliException, OSError) as error:
        print(f"error: {error}".replace("error: error: ", "error: "), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
