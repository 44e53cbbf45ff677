"""The command line of the course."""

import argparse
import inspect
import secrets
import subprocess
import sys
import textwrap
import time
import traceback
from pathlib import Path

from checker.course import PROBLEMS
from checker.grade import grade_folder
from checker.run import Run, is_unwritten
from checker.wrong import Wrong, format_wrong

COURSE = Path(__file__).resolve().parents[1]
FILE = COURSE / "qualifying_problems.py"
PAUSE = 0.3  # seconds between two looks at a file
MAX_PRINTED = 1000
OWN_TESTS = "--own-tests"  # what the checker calls a student's file with
NUMBERS = range(1, len(PROBLEMS) + 1)


def number(text):
    """A problem by its number or by the name of its function."""
    names = [problem.name for problem in PROBLEMS]
    if text in names:
        return names.index(text) + 1
    if text.isdecimal() and int(text) in NUMBERS:
        return int(text)
    raise argparse.ArgumentTypeError(f"no problem {text!r}; there are 1 to {len(PROBLEMS)}")


def seed(text):
    """A number that random inputs come from."""
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no seed; it is an integer, 0 or larger")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python3 qualifying_problems.py",
        description="The course: what is solved, and what is next.",
    )
    parser.add_argument("problem", type=number, nargs="?", help="this problem alone")
    parser.add_argument("--watch", action="store_true", help="check again each time you save")
    parser.add_argument("--hint", type=number, nargs="+", metavar="N", help="a hint; twice N: both")
    parser.add_argument("--solution", type=number, metavar="N", help="a solution, explained")
    parser.add_argument("--seed", type=seed, help="the random inputs of an earlier run")
    parser.add_argument("--file", type=Path, default=FILE, help="another file with answers")
    parser.add_argument(
        "--grade", type=Path, metavar="FOLDER", help="for teachers: check a folder of submissions"
    )
    return parser.parse_args(arguments)


def start(file, tests):
    """Check a student's file, from that file: in another process, where none of its code runs.

    Args:
        file: the student's file.
        tests: its tests by name.
    """
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == [OWN_TESTS]:
            sys.exit(run_tests(file, tests, arguments[1:]))
        command = [sys.executable, str(COURSE / "checker"), "--file", str(file), *arguments]
        sys.exit(subprocess.call(command))
    except KeyboardInterrupt:
        sys.exit(130)


def main(arguments=None):
    """Do what the arguments of the command line say."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    try:
        if options.hint:
            show_hints(options.hint)
        elif options.solution:
            show_solution(options.solution)
        elif options.grade:
            sys.exit(grade_folder(options.grade, options.seed))
        elif options.watch:
            watch(options.file, [word for word in arguments if word != "--watch"])
        else:
            sys.exit(0 if check(options) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # a reader like `head` has seen enough
        sys.stdout = None
        sys.exit(1)


def show_hints(numbers):
    """The first hint of a problem, and the second if it is asked for twice."""
    for hint, at in enumerate(numbers[:2]):
        problem = PROBLEMS[at - 1]
        print(f"{at} {problem.name}, hint {hint + 1} of 2:")
        print(textwrap.indent(textwrap.fill(problem.hints[hint], 90), "    "))


def show_solution(at):
    print(inspect.getsource(PROBLEMS[at - 1].reference), end="")


def watch(file, arguments):
    """Check the file now and after each change, until Ctrl-C."""
    known = None
    while True:
        found = get_time(file)
        if found not in (known, None):
            known = found
            print(f"\n{'-' * 40} {time.strftime('%H:%M:%S')}, Ctrl-C to stop")
            subprocess.call([sys.executable, str(COURSE / "checker"), *arguments])
        time.sleep(PAUSE)


def get_time(file):
    """When a file was changed; None while an editor is replacing it."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def check(options):
    """Check one problem, or all up to the first that is not solved; whether all is well."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    try:
        run = Run(options.file, seed)
    except OSError as error:
        print(f"{options.file}: {error.strerror}")
        return False
    except Wrong as wrong:
        print(wrong.message)
        return False
    numbers = [options.problem] if options.problem else NUMBERS
    solved = []
    for at in numbers:
        outcome = run.outcome(at)
        show_outcome(at, outcome, prints=len(numbers) == 1 or not outcome.solved)
        if not outcome.solved:
            break
        solved.append(at)
    names = [PROBLEMS[at - 1].name for at in solved if not run.outcome(at).replaced]
    command = [sys.executable, str(run.file), OWN_TESTS, *names]
    is_well = not names or subprocess.call(command) == 0
    if solved:
        explain(solved[-1])
    say_what_is_next(run, at, len(solved), len(numbers))
    return is_well and len(solved) == len(numbers)


def show_outcome(at, outcome, prints):
    name = PROBLEMS[at - 1].name
    if is_unwritten(outcome):
        print(f"{at:3} {name}: not written yet")
        return
    print(f"{at:3} {name}: {'solved' + say(outcome.facts) if outcome.solved else 'not yet'}")
    if outcome.replaced:
        print(f"    (with ours in place of your {' and '.join(outcome.replaced)})")
    if outcome.printed and prints:
        print("    your function printed:")
        print(textwrap.indent(outcome.printed[:MAX_PRINTED].rstrip(), "    | "))
    if not outcome.solved:
        print(format_wrong(outcome.wrong))


def say(facts):
    """Facts about an answer, in words."""
    words = {
        "time": ", {:.1f} times the time of the reference",
        "width": ", width {} for V = 8",
        "minimal width": ", width {} for V = 8",
        "open": ", at {:.3f} of the way from the bound (0) to the simple model (1)",
    }
    return "".join(words[key].format(value) for key, value in facts.items())


def run_tests(file, tests, names):
    """Run the tests of a student's file for some functions, up to the first that fails."""
    for name in names:
        test = tests.get(f"test_{name}")
        try:
            if test:
                test()
        except Exception as error:
            what = "fails" if isinstance(error, AssertionError) else f"stops with {error!r}"
            print(f"    nothing wrong was found in {name}, but test_{name} {what}")
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
            print(f"    line {frames[-1].lineno}: {frames[-1].line}" if frames else "")
            return 1
    return 0


def explain(at):
    problem = PROBLEMS[at - 1]
    print(f"\nAbout {problem.name}:")
    print(textwrap.indent(problem.explanation, "    "))


def say_what_is_next(run, at, solved, asked):
    problem = PROBLEMS[at - 1]
    line = run.source.line_of(problem.name)
    place = f"line {line} of {run.file.name}" if line else run.file.name
    print()
    if solved == asked:
        if asked > 1:
            print(f"All {asked} problems are solved. README.md says what comes then.")
    else:
        if asked > 1:
            print(f"{solved} of {asked} solved.", end=" ")
        print(
            f"Next: {at} {problem.name}, {place}; difficulty {problem.difficulty} of 5, about "
            f"{problem.minutes} minutes."
        )
        print(f"Stuck? Add --hint {at}, then --hint {at} {at}, then --solution {at}.", end=" ")
    print(f"(seed {run.seed})")
