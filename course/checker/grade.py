"""The teacher's side: a folder of submissions, and what each has solved."""

import csv
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checker.answer import Limits
from checker.course import PROBLEMS
from checker.isolation import find_isolation
from checker.run import Run, is_unwritten
from checker.wrong import NotLoaded, Wrong, clean

COURSE = Path(__file__).resolve().parents[1]
NAME = "qualifying_problems.py"
TABLE = "grades.csv"
MAX_BYTES = 1 << 20  # of a submission
DEADLINE = 180.0  # seconds for all problems of a submission
FORMULA = tuple("=+-@")  # how a cell begins that a spreadsheet would compute
FACTS = {"time": "{:.1f}", "width": "{}", "minimal width": "{}", "open": "{:.3f}"}
PARSE = "import ast, sys; ast.parse(open(sys.argv[1], 'rb').read())"


def grade_folder(folder, seed=None, seconds=10.0):
    """Check all submissions of a folder, print a table, and write it as CSV.

    Args:
        folder: its files NAME.py, or NAME/qualifying_problems.py in it, are the submissions.
        seed: of the random inputs, the same for all.
        seconds: the most that a call may take.

    Returns:
        the exit status.
    """
    if not folder.is_dir():
        print(f"{folder} is no folder")
        return 2
    folder = folder.resolve()
    submissions = find_submissions(folder)
    if not submissions:
        print(f"{folder} has no submissions: NAME.py, or NAME/{NAME}")
        return 2
    seed = secrets.randbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="course-") as place:
        hidden = (folder, COURSE, COURSE.parent / "src")
        prefix, words = find_isolation(hidden, (sys.prefix, sys.base_prefix, place))
        print(f"{len(submissions)} submissions, seed {seed}; {words}\n")
        width = max(len(name) for name in submissions)
        print(f"{'name':{width}}  solved  " + "  ".join(f"{fact:>13}" for fact in FACTS))
        rows = []
        for number, (name, file) in enumerate(submissions.items()):
            limits = Limits(seconds, memory=2 << 30, guard=True, prefix=prefix)
            outcomes = grade(file, Path(place) / str(number), seed, limits)
            rows.append(make_row(name, outcomes))
            facts = "  ".join(f"{rows[-1][fact]:>13}" for fact in FACTS)
            print(f"{name:{width}}  {rows[-1]['solved']:>3}/{len(PROBLEMS)}  {facts}")
            for text in explain(outcomes):
                print(f"{'':{width}}    {text}")
    return write_table(rows, folder / TABLE)


def write_table(rows, path):
    """Write rows as CSV; the exit status."""
    try:
        with open(path, "w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        print(f"\ncould not write {path}: {error.strerror}")
        return 1
    print(f"\nAll messages: {path}")
    return 0


def find_submissions(folder):
    """Files by name: NAME.py, or NAME/qualifying_problems.py."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py":  # NAME.py beside a folder NAME keeps its suffix
            found[clean(path.name if path.stem in found else path.stem)] = path
        elif (path / NAME).exists():
            found[clean(path.name)] = path / NAME
    return found


def grade(file, place, seed, limits):
    """Outcomes of all problems by their numbers, or what is wrong with the file."""
    place.mkdir()
    try:
        run = Run(copy_submission(file, place), seed, limits)
        begin, outcomes = time.monotonic(), {}
        for number in range(1, len(PROBLEMS) + 1):
            if time.monotonic() - begin > DEADLINE:
                break
            outcomes[number] = run.outcome(number)
            if isinstance(outcomes[number].wrong, NotLoaded):
                return outcomes[number].wrong
        return outcomes
    except Wrong as wrong:
        return wrong
    finally:
        shutil.rmtree(place, ignore_errors=True)  # out of reach of the next one


def copy_submission(file, place):
    """A copy in a folder, with model.py beside; `Wrong` if that is no plain file."""
    if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
        raise Wrong("is no plain file")
    if file.stat().st_size > MAX_BYTES:
        raise Wrong(f"is larger than {MAX_BYTES >> 20} MiB")
    shutil.copyfile(COURSE / "model.py", place / "model.py")
    shutil.copyfile(file, place / NAME)
    command = [sys.executable, "-I", "-c", PARSE, str(place / NAME)]
    try:  # what breaks a parser breaks it there
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        raise Wrong("takes more than 30 s to be parsed") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Wrong(f"is no Python: {clean(lines[-1]) if lines else 'the parser crashes'}")
    return place / NAME


def make_row(name, outcomes):
    """A row of the table: strings."""
    broken = isinstance(outcomes, Wrong)
    found = {} if broken else outcomes
    facts = {}
    for outcome in found.values():
        facts |= outcome.facts
    row = {"name": name, "solved": sum(outcome.solved for outcome in found.values())}
    row |= {fact: form.format(facts[fact]) if fact in facts else "" for fact, form in FACTS.items()}
    for number, problem in enumerate(PROBLEMS, start=1):
        outcome = found.get(number)
        if broken:
            text = outcomes.message
        elif outcome is None:
            text = f"not tried: {DEADLINE:.0f} s were over"
        else:
            text = "solved" if outcome.solved else outcome.wrong.message
        row[f"{number} {problem.name}"] = text
    return {key: f" {text}" if str(text)[:1] in FORMULA else text for key, text in row.items()}


def explain(outcomes):
    """What is wrong with written answers, a line each; the same message once."""
    if isinstance(outcomes, Wrong):
        return [outcomes.message.replace("\n", "; ")]
    lines = {}
    for number, outcome in outcomes.items():
        if not outcome.solved and not is_unwritten(outcome):
            lines.setdefault(outcome.wrong.message.replace("\n", "; "), []).append(str(number))
    texts = [f"{', '.join(numbers)}: {message}" for message, numbers in lines.items()]
    if len(outcomes) < len(PROBLEMS):
        texts.append(f"from {len(outcomes) + 1} on not tried: {DEADLINE:.0f} s were over")
    return texts
