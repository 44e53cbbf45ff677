"""The command line that all stages share: a job, the files to read, the files to write."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from gamecircuits.errors import GamecircuitsError


def say(message: str) -> None:
    """Progress, on standard error: the workflow keeps it in the stage's log."""
    print(message, file=sys.stderr, flush=True)


def run_stage(stage: Callable, argv: Sequence[str] | None, **files: bool) -> int:
    """Parse the command line, run the stage, and return the exit status.

    Args:
        stage: called as stage(job, settings, **paths); its docstring is the help text.
        argv: arguments; those of the process by default.
        files: an option for each file that the stage reads or writes; True for several files.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m gamecircuits.stages.{stage.__name__}", description=stage.__doc__
    )
    parser.add_argument("--job", required=True, help="JSON of stage, settings and code version")
    for name, is_many in files.items():
        parser.add_argument(
            f"--{name}", required=not is_many, nargs="*" if is_many else None, default=[]
        )
    arguments = vars(parser.parse_args(argv))
    job = arguments.pop("job")
    try:
        stage(job, json.loads(job)["settings"], **arguments)
    except GamecircuitsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
