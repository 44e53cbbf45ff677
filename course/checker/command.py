"""The command line of the course."""

import argparse
import inspect
import os
import secrets
import subprocess
import sys
import textwrap
import time
import traceback
from pathlib import Path

from checker.course import PROBLEMS
from checker.run import Run, is_unwritten
from checker.wrong import Wrong, format_wrong

COURSE = Path(__file__).resolve().parents[1]
FILE = COURSE / "qualifying_problems.py"
PAUSE = 0.3  # seconds between two looks at a file
MAX_PRINTED = 1000
NUMBERS = range(1, len(PROBLEMS) + 1)


def number(text):
    """A problem by its number or by the name of its function."""
    names = [problem.name for problem in PROBLEMS]
    if text in names:
        return names.index(text) + 1
    if text.isdecimal() and int(text) in NUMBERS:
        return int(text)
    raise argparse.ArgumentTypeError(f"no problem {text!r}; there are 1 to {len(PROBLEMS)}")


def parse(arguments, file):
    parser = argparse.ArgumentParser(
        prog=f"python3 {Path(file).name}", description="The course: what is solved, what is next."
    )
    parser.add_argument("problem", type=number, nargs="?", help="this problem alone")
    parser.add_argument("--watch", action="store_true", help="check again each time you save")
    parser.add_argument("--hint", type=number, nargs="+", metavar="N", help="a hint; twice N: both")
    parser.add_argument("--solution", type=number, metavar="N", help="a solution, explained")
    parser.add_argument("--seed", type=int, help="the random inputs of an earlier run")
    parser.add_argument(
        "--grade", type=Path, metavar="FOLDER", help="for teachers: check a folder of submissions"
    )
    return parser.parse_args(arguments)


def main(file=FILE, tests=None, arguments=None):
    """Do what the arguments say.

    Args:
        file: the student's file.
        tests: its tests by name, if they are at hand; otherwise it is run as a script.
        arguments: of the command line.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments, file)
    try:
        if options.hint:
            show_hints(options.hint)
        elif options.solution:
            show_solution(options.solution)
        elif options.grade:
            from checker.grade import grade_folder

            sys.exit(grade_folder(options.grade, options.seed))
        elif options.watch:
            watch(file, [word for word in arguments if word != "--watch"])
        elif tests is None:
            sys.exit(subprocess.call([sys.executable, str(file), *arguments]))
        else:
            sys.exit(0 if check(file, tests, options) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def show_hints(numbers):
    """The first hint of a problem, and the second if it is asked for twice."""
    for hint, at in enumerate(numbers[:2]):
        problem = PROBLEMS[at - 1]
        print(f"{at} {problem.name}, hint {hint + 1} of 2:")
        print(textwrap.indent(textwrap.fill(problem.hints[hint], 90), "    "))


def show_solution(at):
    print(inspect.getsource(PROBLEMS[at - 1].reference), end="")


def watch(file, arguments):
    """Run the file now and after each change, until Ctrl-C."""
    known, process = None, None
    try:
        while True:
            try:
                found = os.stat(file).st_mtime_ns
            except OSError:  # an editor is replacing it
                found = known
            if found != known:
                known = found
                if process and process.poll() is None:
                    process.terminate()
                    process.wait()
                print(f"\n{'-' * 40} {time.strftime('%H:%M:%S')}, Ctrl-C to stop")
                process = subprocess.Popen([sys.executable, str(file), *arguments])
            time.sleep(PAUSE)
    finally:
        if process and process.poll() is None:
            process.terminate()


def check(file, tests, options):
    """Check one problem, or all up to the first that is not solved; whether all is well."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    run = Run(file, seed)
    numbers = [options.problem] if options.problem else NUMBERS
    solved = 0
    for at in numbers:
        problem, outcome = PROBLEMS[at - 1], run.outcome(at)
        wrong = outcome.wrong
        if not wrong and not outcome.replaced:
            wrong = run_test(tests.get(f"test_{problem.name}"), file)
        if is_unwritten(outcome):
            print(f"{at:3} {problem.name}: not written yet")
        else:
            print(f"{at:3} {problem.name}: {'not yet' if wrong else 'solved' + say(outcome.facts)}")
        if outcome.replaced:
            print(f"    (with ours in place of your {' and '.join(outcome.replaced)})")
        if outcome.printed and wrong:
            show_printed(outcome.printed)
        if wrong:
            if not is_unwritten(outcome):
                print(format_wrong(wrong))
            break
        solved += 1
    if solved:
        explain(numbers[solved - 1])
    say_what_is_next(run, at, solved, len(numbers), seed)
    return solved == len(numbers)


def say(facts):
    """Facts about an answer, in words."""
    words = {
        "time": ", {:.1f} times the time of the reference",
        "width": ", width {} for V = 8",
        "minimal width": ", width {} for V = 8",
        "open": ", at {:.3f} of the way from the bound (0) to the simple model (1)",
    }
    return "".join(words[key].format(value) for key, value in facts.items())


def run_test(test, file):
    """Run a test of the student's file; what is wrong, or None."""
    if test is None:
        return None
    try:
        test()
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        place = f"\nline {frames[-1].lineno}: {frames[-1].line}" if frames else ""
        what = "fails" if isinstance(error, AssertionError) else f"stops with {error!r}"
        return Wrong(f"nothing wrong was found, but {test.__name__} {what}{place}")
    return None


def show_printed(printed):
    print("    your function printed:")
    print(textwrap.indent(printed[:MAX_PRINTED].rstrip(), "    | "))


def explain(at):
    problem = PROBLEMS[at - 1]
    print(f"\nAbout {problem.name}:")
    print(textwrap.indent(problem.explanation, "    "))


def say_what_is_next(run, at, solved, asked, seed):
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
        print(f"Stuck? --hint {at}, --hint {at} {at}, --solution {at}.", end=" ")
    print(f"(seed {seed})")
