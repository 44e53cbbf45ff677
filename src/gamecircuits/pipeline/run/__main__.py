"""Run the pipeline: `python -m gamecircuits.pipeline.run [report] [SNAKEMAKE ARGUMENTS]`.

Beyond calling snakemake, this names the line of a YAML error in a file given by --configfile, takes
targets in any place, and with `report` writes report.html once every result is there.
"""

import subprocess
import sys

from snakemake.cli import get_argument_parser, parse_config

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.config.yaml_lines import read_yaml
from gamecircuits.pipeline.graph import PARTS
from gamecircuits.pipeline.run.workflow import DEFAULT_CONFIG

TAKE_MANY = ("--config", "-C", "--configfile", "--configfiles")  # and would swallow a target


def main(argv: list[str]) -> int:
    wants_report = argv[:1] == ["report"]
    arguments = targets_first(argv[wants_report:])
    options, _ = get_argument_parser().parse_known_args(arguments)
    config_files = options.configfile or [DEFAULT_CONFIG]
    try:
        for path in config_files:
            read_yaml(path)  # snakemake itself would not say which line is wrong
        if wants_report:
            config = load_config(*config_files, overrides=parse_config(options.config))
    except GamecircuitsError as error:
        print(error, file=sys.stderr)
        return 1
    snakemake = [sys.executable, "-m", "snakemake", *arguments]
    status = _call(snakemake)
    if wants_report and status == 0 and not options.dryrun:
        path = f"{config.results}/report.html"
        status = _call([*snakemake, "--report", path])
        if status == 0:
            print(f"The report is {path}; open it in a browser.")
    return status


def targets_first(arguments: list[str]) -> list[str]:
    """The arguments with targets at the end in front, if an option would take them for its own."""
    end = len(arguments)
    while end and arguments[end - 1] in (*PARTS, "all"):
        end -= 1
    given = [word for word in arguments[:end] if word.startswith("-")]
    if end < len(arguments) and given and given[-1] in TAKE_MANY:
        return [*arguments[end:], *arguments[:end]]
    return arguments


def _call(command: list[str]) -> int:
    """Run a command; on Ctrl-C it is the command that cleans up, so wait until it has."""
    process = subprocess.Popen(command)
    was_interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            was_interrupted = True
    if was_interrupted:
        print("Interrupted. What is finished stays; the same command goes on.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
