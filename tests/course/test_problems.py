"""Every problem: its solution passes, and each known mistake is told its own reason."""

import re
from pathlib import Path

import numpy as np
import pytest

import model
import solutions
from checker.course import PROBLEMS
from checker.theory import make_standard_model
from checker.wrong import Wrong
from gamecircuits.analysis.standard_form import fit_standard_form
from gamecircuits.games.masks import get_valid_next_token_mask
from gamecircuits.games.mnk import Mnk
from gamecircuits.games.windowed_complement import WindowedComplement
from gamecircuits.theory.strength import gain_min, x_min
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.model import Parameters, attention_pattern, forward
from gamecircuits.transformer.weights import write_model

COURSE = Path(__file__).parents[2] / "course"
NUMBERS = range(1, len(PROBLEMS) + 1)
MISTAKES = [(n, i) for n in NUMBERS for i in range(len(PROBLEMS[n - 1].mistakes))]


class Local:
    """An answer that is called here, without a process of its own."""

    def __init__(self, problem, function):
        self.function, self.names = function, problem.arguments

    def __call__(self, *arguments):
        copies = (np.copy(a) if type(a) is np.ndarray else a for a in arguments)
        with np.errstate(all="ignore"):
            try:
                return self.function(*copies)
            except Exception as error:
                raise Wrong(f"stops with {error!r}") from error


def draw(rng, V=5, d=4, d_k=3, d_v=2):
    shapes = ((V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, V))
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("number", NUMBERS)
def test_solutions_pass(number):
    problem = PROBLEMS[number - 1]
    for seed in range(10):
        problem.check(Local(problem, problem.reference), np.random.default_rng(seed))


@pytest.mark.parametrize(("number", "index"), MISTAKES)
def test_mistakes_are_named(number, index):
    problem = PROBLEMS[number - 1]
    mistake = problem.mistakes[index]
    for seed in range(3):
        with pytest.raises(Wrong) as caught:
            problem.check(Local(problem, mistake.function), np.random.default_rng(seed))
        assert mistake.message in caught.value.message


@pytest.mark.parametrize("d_k", [0, 1, 3])
def test_the_model_is_that_of_the_package(d_k):
    rng = np.random.default_rng(0)
    weights = draw(rng, d_k=d_k)
    tokens = rng.permuted(np.tile(np.arange(5), (3, 1)), axis=1)
    ours, theirs = Parameters(*weights), model.Parameters(*weights)
    for found, expected in (
        (model.attention_pattern(theirs, tokens), attention_pattern(ours, tokens)),
        (model.forward(theirs, tokens), forward(ours, tokens)),
        (model.forward(theirs, tokens, 2.5), forward(ours, tokens, norm="attention", gain=2.5)),
        (solutions.get_logits(theirs, tokens), forward(ours, tokens)),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_solutions_agree_with_the_package():
    rng = np.random.default_rng(1)
    tokens = rng.permuted(np.tile(np.arange(6), (50, 1)), axis=1)
    tokens[np.arange(6) >= rng.integers(1, 7, 50)[:, None]] = -1
    mask = solutions.get_valid_next_token_mask(tokens, 6)
    np.testing.assert_array_equal(mask, get_valid_next_token_mask(tokens, 6))

    windowed = WindowedComplement(vocab_size=6, window=3, max_length=10)
    tokens = windowed.play(50, rng)[:, :9]  # the last token ends that game, not this one
    mask = solutions.get_windowed_mask(tokens, 6, 3)
    np.testing.assert_array_equal(mask, windowed.get_valid_next_token_mask(tokens))

    tic_tac_toe = Mnk(rows=3, columns=3, in_a_row=3)
    tokens = tic_tac_toe.play(500, rng)
    mask = solutions.get_tic_tac_toe_mask(tokens)
    np.testing.assert_array_equal(mask, tic_tac_toe.get_valid_next_token_mask(tokens))

    for V, rate in ((2, 0.1), (9, 1e-6), (40, 0.03)):
        assert solutions.get_smallest_strength(V, rate) == pytest.approx(x_min(V, rate))
        assert solutions.get_attention_norm_gain(V, rate) == pytest.approx(gain_min(V, rate))

    parameters = make_standard_model(rng, 6, noise=0.2)
    B, D = solutions.get_circuits(parameters)
    x, beta, misfit = solutions.read_model(parameters)
    form = fit_standard_form(D, B)
    np.testing.assert_allclose(x, form.x)
    np.testing.assert_allclose(beta, form.beta)
    assert misfit / x.mean() == pytest.approx(form.residual())


def bisect_strength(vocab_size, max_illegal_rate):
    low, high, s = 0.0, 1e4, np.arange(1, vocab_size)
    for _ in range(80):
        x = (low + high) / 2
        odds = s * np.exp(-x / s) / (vocab_size - s)
        low, high = (low, x) if (odds / (1 + odds)).max() <= max_illegal_rate else (x, high)
    return high


def turn_simplex(vocab_size):
    n = vocab_size - 1
    rotation = np.linalg.qr(np.random.default_rng().normal(size=(n, n)))[0]
    return solutions.make_simplex(vocab_size) @ rotation


def build_wider(vocab_size, max_illegal_rate):
    """One-hot, not a simplex; a list; strength in W_V; queries that are zero."""
    identity, zeros = np.eye(vocab_size), np.zeros((vocab_size, vocab_size))
    x, zero = solutions.get_smallest_strength(vocab_size, max_illegal_rate), np.zeros
    return [
        np.hstack([identity, zeros]),
        zero((2 * vocab_size, 1)),
        zero((2 * vocab_size, 1)),
        np.vstack([-x * identity, zeros]),
        np.hstack([zeros, identity]),
        np.vstack([zeros, identity]),
    ]


def build_minimal(vocab_size, max_illegal_rate):
    """A small b, a turned simplex."""
    found = solutions.get_minimal_set_complement_parameters(vocab_size, max_illegal_rate)
    H = turn_simplex(vocab_size)
    return found._replace(W_E=H, W_O=10 * found.W_O, W_U=-0.1 * H.T)


@pytest.mark.parametrize(
    ("number", "function"),
    [
        (14, bisect_strength),
        (15, turn_simplex),
        (16, lambda parameters: np.array(solutions.find_failing_context(parameters))),
        (17, build_wider),
        (18, build_minimal),
    ],
)
def test_other_right_answers_pass(number, function):
    problem = PROBLEMS[number - 1]
    problem.check(Local(problem, function), np.random.default_rng(0))


def test_the_readme_reads_a_model(tmp_path):
    text = (COURSE / "README.md").read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    written = make_construction("minimal", vocab_size=5, beta=2.0).model()
    write_model(tmp_path / "m.safetensors", written, "{}")
    found = names["load"](tmp_path / "m.safetensors")
    for name, matrix in found._asdict().items():
        np.testing.assert_array_equal(matrix, getattr(written.parameters, name))
    np.testing.assert_allclose(solutions.read_model(found)[1], 2.0)


def test_every_problem_has_what_a_student_needs():
    for problem in PROBLEMS:
        assert len(problem.hints) == 2
        assert problem.explanation
        assert len(problem.mistakes) >= 4
        told = problem.explanation + "".join(problem.hints)
        assert told.isascii(), "a terminal of any encoding shows it"
