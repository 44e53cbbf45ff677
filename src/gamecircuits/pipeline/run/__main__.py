"""Run the pipeline: `python -m gamecircuits.pipeline.run [report] [SNAKEMAKE ARGUMENTS]`.

Beyond calling snakemake, this works in any folder and takes targets in any place. It names the line
of a YAML error in a file given by --configfile. With `report` it writes report.html once every
result is there.
"""

import os
import signal
import subprocess
import sys
from argparse import Action, Namespace
from pathlib import Path

from snakemake.cli import get_argument_parser, parse_config
from snakemake.exceptions import CliException

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG, check_overrides, load_config
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.config.yaml_lines import read_yaml
from gamecircuits.pipeline.graph import PARTS, STAGES
from gamecircuits.pipeline.provenance import SOURCE

TAKE_RULES = {"until", "omit_from", "forcerun", "allowed_rules", "prioritize", "target_jobs"}
MADE = {Path(pattern).suffix for stage in STAGES.values() for pattern in stage.patterns}
VALUES: dict[str | None, float] = {None: 1, "?": 1, "*": float("inf"), "+": float("inf")}  # nargs


def main(argv: list[str]) -> int:
    wants_report = argv[:1] == ["report"]
    arguments = targets_first(argv[wants_report:])
    try:
        options, _ = get_argument_parser().parse_known_args(arguments)
        check_overrides(options.config or (), parse_config)
        for path in options.configfile or [DEFAULT_CONFIG]:
            read_yaml(path)  # snakemake itself would not say which line is wrong
        project = find_project(options)
    except (CliException, GamecircuitsError) as error:
        print(error, file=sys.stderr)
        return 1
    # Options of ours come first: what follows "--" is a target.
    snakemake = [sys.executable, "-P", "-m", "snakemake", *project]
    status = _call([*snakemake, *arguments])
    if wants_report and status == 0 and not options.dryrun:
        path = os.path.join(options.directory or "", read_config(options).results, "report.html")
        shown = [] if options.targets else ["cards"]
        status = _call([*snakemake, "--report", path, *shown, *arguments])
        if status == 0:
            print(f"The report is {path}; open it in a browser.")
    return status


def read_config(options: Namespace) -> Config:
    files = options.configfile or [DEFAULT_CONFIG]
    return load_config(*files, overrides=parse_config(options.config))


def find_project(options: Namespace) -> list[str]:
    """Arguments that name this project's files, which may be elsewhere, and a folder to work in.

    Raises:
        GamecircuitsError: if neither the present folder can be written, nor another one is named.
    """
    found = []
    if options.snakefile is None:
        found += ["--snakefile", str(SOURCE.parent / "Snakefile")]
        if options.workflow_profile is None:
            found += ["--workflow-profile", str(SOURCE.parent / "profiles/default")]
    if options.directory is None and not os.access(".", os.W_OK):
        results = read_config(options).results
        if not os.path.isabs(results):
            raise GamecircuitsError(
                f"error: {os.getcwd()} cannot be written. Call run.py from another folder, or with "
                "--config results=FOLDER, an absolute path"
            )
        os.makedirs(results, exist_ok=True)
        found += ["--directory", results]
    return found


def targets_first(arguments: list[str]) -> list[str]:
    """The arguments with all targets in front, as an option may take what follows for its own."""
    options: dict[str, Action] = get_argument_parser()._option_string_actions
    targets: list[str] = []
    others: list[str] = []
    option: Action | None = None
    room: float = 0  # how many values may follow
    for number, word in enumerate(arguments):
        if word == "--":
            return [*targets, *others, *arguments[number:]]
        if word.startswith("-"):
            name, has_value, _ = word.partition("=")
            option = options.get(name)
            nargs = option.nargs if option else "*"
            room = 0 if has_value else nargs if isinstance(nargs, int) else VALUES[nargs]
            others.append(word)
        elif room and _is_value(word, option, others[-1]):
            room -= 1
            others.append(word)
        else:
            targets.append(word)
    return [*targets, *others]


def _is_value(word: str, option: Action | None, before: str) -> bool:
    """Whether the word belongs to the option, whose last value, or name, stands before it."""
    if option and (option.nargs is None or option.dest in TAKE_RULES):
        return True
    if option and option.nargs == "+" and before in option.option_strings:  # one at least
        return True
    if option and option.choices:
        return word in option.choices
    if word in (*PARTS, *STAGES, "all"):
        return False
    if option and option.dest == "configfile":
        return Path(word).suffix not in MADE and ("." in word or Path(word).is_file())
    return "=" in word or not (option and (option.dest == "config" or "=" in before))


def _call(command: list[str]) -> int:
    """Run a command; on Ctrl-C or SIGTERM it is the command that cleans up: wait until it has.

    A terminal sends Ctrl-C to both; SIGTERM comes here alone and is passed on.
    """
    process = subprocess.Popen(command)
    earlier = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    was_interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            was_interrupted = True
    signal.signal(signal.SIGTERM, earlier)
    if was_interrupted:
        print("Interrupted. What is finished stays; the same command goes on.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
