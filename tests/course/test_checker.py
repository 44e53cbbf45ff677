"""The checker as students meet it: files, processes, the command line."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checker.answer import Limits
from checker.course import PROBLEMS
from checker.run import NAMES, Run, is_unwritten
from checker.source import Source
from checker.wrong import Wrong

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "course"
GUARD = '\nif __name__ == "__main__":'
STUBS, _, TESTS = (COURSE / "qualifying_problems.py").read_text("utf-8").partition(GUARD)
SOLVED = (COURSE / "solutions.py").read_text("utf-8")
QUICK = Limits(seconds=3.0)


def write(folder, text):
    """A student's file with model.py beside."""
    shutil.copy(COURSE / "model.py", folder)
    file = folder / "qualifying_problems.py"
    file.write_text(text, encoding="utf-8")
    return file


def wrong(folder, name, text, rest=SOLVED, seed=0):
    """What is said of a function, all others being solved."""
    outcome = Run(write(folder, f"{rest}\n\n{text}\n"), seed, QUICK).outcome(NAMES.index(name) + 1)
    assert not outcome.solved, text
    return outcome.wrong.message


def call(folder, *arguments, **environment):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=known | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def course(tmp_path):
    """A copy of the course, and nothing of the project beside it."""
    folder = tmp_path / "mein Kurs ü"
    shutil.copytree(COURSE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_unsolved_problems_are_not_written_yet(tmp_path):
    run = Run(write(tmp_path, STUBS), 0)
    for number in range(1, len(PROBLEMS) + 1):
        assert is_unwritten(run.outcome(number)), NAMES[number - 1]


def test_stubs_have_the_numbers_of_their_problems():
    numbers = re.findall(
        r"^def (\w+).*?written yet: problem (\d+)", STUBS, re.DOTALL | re.MULTILINE
    )
    assert numbers == [(name, str(number)) for number, name in enumerate(NAMES, start=1)]


def test_all_solved(course):
    text = f"{SOLVED}\n{GUARD}{TESTS}"
    (course / "qualifying_problems.py").write_text(text, encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = call("/", str(course / "qualifying_problems.py"), "--seed", "3", **ascii_only)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("solved") >= len(PROBLEMS)
    assert "All 21 problems are solved" in done.stdout
    assert "(seed 3)" in done.stdout


def test_the_first_unsolved_problem_is_shown(course):
    file = course / "qualifying_problems.py"
    done = call(course, str(file))
    assert done.returncode == 1
    assert done.stdout.startswith("  1 softmax: not written yet\n\n0 of 21 solved. Next: 1 softmax")
    assert not done.stderr

    wrong_answer = "def softmax(logits):\n    print('here')\n    return logits / logits.sum()"
    file.write_text(f"{SOLVED}\n\n{wrong_answer}\n{GUARD}{TESTS}", encoding="utf-8")
    done = call(course, "checker", "softmax")
    assert done.returncode == 1
    assert "| here" in done.stdout
    assert "expected:" in done.stdout
    assert not done.stderr


def test_hints_and_solutions(course):
    file = str(course / "qualifying_problems.py")
    assert PROBLEMS[0].hints[0][:40] in call(course, file, "--hint", "1").stdout
    assert PROBLEMS[0].hints[1][:40] in call(course, file, "--hint", "1", "1").stdout
    assert "keepdims" in call(course, file, "--solution", "softmax").stdout
    assert "there are 1 to 21" in call(course, file, "22").stderr
    assert "is no seed" in call(course, file, "--seed", "-1").stderr


@pytest.mark.skipif(os.name == "nt", reason="a child of Windows does not learn it")
def test_no_process_outlives_a_checker_that_is_killed(course):
    loop = "import os, pathlib\npathlib.Path('pid').write_text(f'{os.getpid()}.')\nwhile True: pass"
    (course / "qualifying_problems.py").write_text(loop, encoding="utf-8")
    pid, deadline = course / "pid", time.monotonic() + 30
    checker = subprocess.Popen([sys.executable, "checker"], cwd=course)
    while not (pid.exists() and pid.read_text().endswith(".")) and time.monotonic() < deadline:
        time.sleep(0.05)
    checker.kill()
    checker.wait()
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(int(pid.read_text()[:-1]), 0)
            time.sleep(0.05)
    assert time.monotonic() < deadline


def test_watch_runs_again_after_a_change(course):
    file = course / "qualifying_problems.py"
    process = subprocess.Popen(
        [sys.executable, "-u", str(course / "checker"), "--watch"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        lines = iter(process.stdout.readline, "")
        assert any("not written yet" in line for line in lines)
        file.write_text("def softmax(:", encoding="utf-8")  # Python itself complains of this
        time.sleep(1)
        file.write_text(f"{STUBS}\n{GUARD}{TESTS}".replace('problem 1"', 'other"', 1), "utf-8")
        assert any("not written yet" in line for line in lines)
    finally:
        process.terminate()
        process.wait()


def test_a_gap_blocks_nothing(tmp_path):
    text = STUBS + "\n\ndef get_illegal_rate(logits, mask):\n    import numpy as np\n"
    text += "    return np.where(mask, 0, softmax(logits)).sum(axis=-1)\n"
    outcome = Run(write(tmp_path, text), 0).outcome(8)
    assert outcome.solved
    assert outcome.replaced == ("softmax",)


ANSWERS = [
    (
        "softmax",
        "def later():\n    raise NotImplementedError\n\ndef softmax(x):\n    later()",
        "softmax calls later, which is not written yet",
    ),
    ("softmax", "softmax = None", "no function of this name"),
    ("softmax", "def softmax(x):\n    while True: pass", "no answer after 3 s"),
    ("softmax", "def softmax(x):\n    exit()", "calls exit()"),
    (
        "softmax",
        "def softmax(x):\n    import os; os._exit(0)",
        "the process of your function ended",
    ),
    ("softmax", "def softmax(x):\n    input()", "waits for input"),
    ("softmax", "def softmax(x):\n    return softmax(x)", "calls itself without end"),
    ("softmax", "def softmax(x):\n    return x / y", "name 'y' is not defined\nline "),
    ("softmax", "def softmax(x):\n    return list(x)", "returns a list"),
    ("softmax", "def softmax(x):\n    return np.matrix(x)", "an array of type matrix"),
    ("softmax", "def softmax(x):\n    return np.array(['a'] * 3)", "an array of type ndarray"),
    ("softmax", "def softmax(x):\n    return lambda: x", "a function"),
    ("softmax", "def softmax(x):\n    x -= 1\n    return x", "changes its argument"),
    ("softmax", "def softmax(x):\n    return np.ones((3000, 3000))", "an array of 68 MiB"),
    ("softmax", "def softmax(x):\n    return bytearray(10**13)", "out of memory"),
    (
        "softmax",
        "right, calls = softmax, []\ndef softmax(x):\n    calls.append(x)\n"
        "    return right(x) if len(calls) < 8 else x",
        "the same input gives another value",
    ),
    ("softmax", "from gamecircuits.games.masks import pack_mask", "the package has answers"),
    ("softmax", "from solutions import softmax", "write the answer in your own file"),
    ("softmax", "from checker.masks import solutions", "no part of an answer"),
    (
        "softmax",
        f"exec(open({str(COURSE / 'solutions.py')!r}).read())",
        "cannot read solutions",
    ),
    (
        "softmax",
        "import importlib, sys\nsys.meta_path.pop(0)\n"
        f"sys.path.append({str(ROOT / 'src')!r})\nimportlib.import_module('gamecircuits')",
        "cannot read gamecircuits",
    ),
    (
        "get_smallest_strength",
        "def get_smallest_strength(V, e):\n    return 10**400",
        "of more than",
    ),
    (
        "find_failing_context",
        "def find_failing_context(p):\n    return [0, [1]]",
        "one or two tokens",
    ),
    (
        "get_valid_next_token_mask",
        "import __main__\ndecode, known = __main__.decode, []\n\n"
        "def remember(value):\n    known.append(decode(value))\n    return known[-1]\n\n"
        "__main__.decode = remember\n\n"
        "def get_valid_next_token_mask(tokens, vocab_size):\n"
        "    assert (tokens == known[-2]).all(), 'not seen before'\n"
        "    here = tokens[..., None] == np.arange(vocab_size)\n"
        "    return ~np.logical_or.accumulate(here, axis=1) & (tokens != -1)[..., None]",
        "not seen before",
    ),
    ("get_logits", "def get_logits(p, t):\n    return forward(p, t)", "forward of model.py is the"),
    (
        "get_valid_next_token_mask",
        "def get_valid_next_token_mask(t, V):\n    here = t[..., None] == np.arange(V)\n"
        "    past = np.tri(t.shape[1], dtype=bool)[:, :, None]\n"
        "    return ~(here[:, None] & past).any(axis=2) & (t != -1)[..., None] & True",
        "times as slow as the reference",
    ),
]


@pytest.mark.parametrize(("name", "text", "message"), ANSWERS, ids=[a[2] for a in ANSWERS])
def test_what_may_happen_to_an_answer(tmp_path, name, text, message):
    assert message in wrong(tmp_path, name, text)


def test_no_answer_is_within_reach(tmp_path):
    """Neither modules, frames nor the collector of garbage lead to a reference."""
    search = """
import gc, sys
def softmax(x):
    here = [o for o in gc.get_objects() if callable(o) and o is not softmax]
    named = [o for o in here if getattr(o, "__name__", "") in ("softmax", "get_seen_mask")]
    frame, values = sys._getframe(), []
    while frame:
        values += frame.f_locals.values()
        frame = frame.f_back
    arrays = [v for v in values if isinstance(v, np.ndarray)]
    assert not named, named
    assert all(a is x or (a == x).all() for a in arrays), arrays
    assert not {"solutions", "checker"} & set(sys.modules)
    raise RuntimeError("nothing found")
"""
    header = "import numpy as np\n"
    assert "nothing found" in wrong(tmp_path, "softmax", search, rest=header)


def test_constants_and_the_seed_are_no_answers(tmp_path):
    constant = "def get_smallest_strength(V, e):\n    return 12.129153803503652"
    assert "less is enough" in wrong(tmp_path, "get_smallest_strength", constant)
    one = "def get_target(mask):\n    return np.array([[0, 0.5, 0, 0.5]])"
    assert "returns shape" in wrong(tmp_path, "get_target", one)
    strong = SOLVED.replace("x = get_smallest_strength(vocab_size, max_illegal_rate)", "x = 1000")
    assert "stronger than needed" in wrong(
        tmp_path, "get_set_complement_parameters", "", rest=strong
    )


LOOPS = [
    "for s in range(3): pass",
    "while False: pass",
    "[s for s in range(3)]",
    "sum(s for s in range(3))",
    "list(map(abs, [1]))",
    "np.vectorize(abs)(tokens)",
    "np.apply_along_axis(abs, 1, tokens)",
    "functools.reduce(abs, tokens)",
    "exec('1')",
    "get_valid_next_token_mask(tokens, 3)",
    "helper(tokens)",
    "Helper.loop(tokens)",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_loops_are_seen(tmp_path, loop):
    text = "def helper(t):\n    return [0 for _ in t]\n\n\n"
    text += "class Helper:\n    def loop(t):\n        return [0 for _ in t]\n\n\n"
    text += f"def get_valid_next_token_mask(tokens, vocab_size):\n    {loop}\n    return tokens\n"
    source = Source(write(tmp_path, text))
    with pytest.raises(Wrong, match="a loop in Python in line"):
        source.refuse_loops("get_valid_next_token_mask")


def test_no_loops_where_there_are_none(tmp_path):
    text = "def get_valid_next_token_mask(tokens, V):\n    return np.logical_or.reduce(tokens)\n"
    Source(write(tmp_path, text)).refuse_loops("get_valid_next_token_mask")
    Source(write(tmp_path, SOLVED)).refuse_loops("get_valid_next_token_mask")
