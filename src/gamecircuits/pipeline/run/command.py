"""The command line that all stages share: a job, the files to read, the files to write."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.pipeline.provenance import check_origin, code_digest
from gamecircuits.pipeline.run.lock import lock_job

DRAWN = ("output", "csv", "images")  # what the stages that draw a figure write


def say(message: str) -> None:
    """Progress, on standard error: the workflow keeps it in the stage's log."""
    print(message, file=sys.stderr, flush=True)


def run_stage(
    stage: Callable,
    argv: Sequence[str] | None,
    *,
    inputs: Mapping[str, Callable[[str], str | None]] | None = None,
    outputs: Sequence[str] = ("output",),
    options: Sequence[str] = (),
) -> int:
    """Parse the command line, check the inputs, run the stage, and return the exit status.

    Args:
        stage: called as stage(job, settings, **arguments); its docstring is the help text. Inputs
            arrive as lists of paths.
        argv: arguments; those of the process by default.
        inputs: options that name files to read, and the function that reads such a file's job. They
            must have been made by the jobs that this stage's own job names.
        outputs: options that name files to write; "images" takes several.
        options: options that are passed on as text.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m gamecircuits.pipeline.stages.{stage.__name__}", description=stage.__doc__
    )
    parser.add_argument("--job", required=True, help="JSON of stage, settings, inputs and code")
    for name in inputs or {}:
        parser.add_argument(f"--{name}", nargs="*", default=[])
    for name in (*outputs, *options):
        parser.add_argument(f"--{name}", required=True, nargs="+" if name == "images" else None)
    arguments = vars(parser.parse_args(argv))
    job = arguments.pop("job")
    about = json.loads(job)
    try:
        lock_job()
        if code_digest(about["stage"], about.get("modules", []))[0] != about["code"]:
            raise ArtefactError("the source was changed after this job was planned; run again")
        for name, read_job in (inputs or {}).items():
            for path, wanted in zip(arguments[name], about["inputs"][name], strict=True):
                check_origin(path, read_job(path), wanted)
        stage(job, about["settings"], **arguments)
    except GamecircuitsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
