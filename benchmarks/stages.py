"""Hot paths of the pipeline at any size, for guard.py and growth.py.

Each function prepares its inputs and returns a function of no argument that does the work. Calling
that again does the same work again.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import numpy as np
import yaml

Run = Callable[[], object]
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
OTHELLO = {"kind": "othello", "board_size": 8}


def sets(vocab_size: int) -> dict:
    """Rules of set complement."""
    return {"kind": "set_complement", "vocab_size": vocab_size}


def _make_game(rules: dict):
    from gamecircuits.games.game import make_game

    return make_game(**rules)


def _make_model(vocab_size: int):
    from gamecircuits.transformer.constructions.construction import make_construction

    return make_construction("balanced", vocab_size=vocab_size).model()


def play(games: int, rules: dict) -> Run:
    """Random games."""
    game, rng = _make_game(rules), np.random.default_rng(0)
    return lambda: game.play(games, rng)


def mask(games: int, rules: dict) -> Run:
    """Masks of given games."""
    game = _make_game(rules)
    tokens = game.play(games, np.random.default_rng(0))
    return lambda: game.get_valid_next_token_mask(tokens)


def mask_packed(games: int, vocab_size: int) -> Run:
    """The same as bits, of set complement."""
    from gamecircuits.games.masks import get_packed_valid_next_token_mask

    tokens = _make_game(sets(vocab_size)).play(games, np.random.default_rng(0))
    return lambda: get_packed_valid_next_token_mask(tokens, vocab_size)


def _generate(folder: str, games: int, rules: dict) -> Path:
    """A shard of games, as the pipeline writes it."""
    from gamecircuits.games.datasets import play_batches, tokens_to_table
    from gamecircuits.games.splits import assign_splits
    from gamecircuits.storage.parquet import write_parquet

    game, path = _make_game(rules), Path(folder, "shard-00000.parquet")
    batches = play_batches(game, games, np.random.default_rng(0))
    tables = (tokens_to_table(t, assign_splits(t, game.symmetries, SHARES)) for t in batches)
    write_parquet(path, tables, "{}")
    return path


def write(games: int) -> Run:
    """Games of Othello played, split and written."""
    folder = tempfile.TemporaryDirectory()
    return lambda: _generate(folder.name, games, OTHELLO)


def read(games: int) -> Run:
    """Games of Othello read."""
    from gamecircuits.games.datasets import iter_games

    folder, game = tempfile.TemporaryDirectory(), _make_game(OTHELLO)
    path = _generate(folder.name, games, OTHELLO)

    def run():
        assert folder
        return sum(len(tokens) for tokens in iter_games(path, game))

    return run


def evaluate_all(vocab_size: int) -> Run:
    """Every context of set complement."""
    from gamecircuits.analysis.evaluation import evaluate_exhaustively

    model = _make_model(vocab_size)
    return lambda: evaluate_exhaustively(model, threads=1)


def evaluate_games(games: int, vocab_size: int) -> Run:
    """Sampled games of set complement at all lengths, in batches of 256."""
    from gamecircuits.analysis.evaluation import evaluate_by_length

    game, model = _make_game(sets(vocab_size)), _make_model(vocab_size)
    rng, lengths = np.random.default_rng(0), np.arange(1, vocab_size)
    some = game.play(256, rng)
    masks = game.get_valid_next_token_mask(some)

    def batches():
        for start in range(0, games, 256):
            size = min(256, games - start)
            yield some[:size], masks[:size]

    return lambda: evaluate_by_length(model, batches(), lengths, games)


def logits(games: int, vocab_size: int) -> Run:
    """Logits after every prefix."""
    from gamecircuits.transformer.circuits import token_logits

    parameters = _make_model(vocab_size).parameters
    tokens = _make_game(sets(vocab_size)).play(games, np.random.default_rng(0))
    return lambda: token_logits(parameters, tokens)


def diagnose(vocab_size: int) -> Run:
    from gamecircuits.analysis.diagnosis import diagnose

    model = _make_model(vocab_size)
    return lambda: diagnose(model)


def train(trials: int, vocab_size: int, length: int, steps: int = 50, **hyperparameters) -> Run:
    """Seconds that `steps` steps of all trials take, without compilation."""
    from gamecircuits.training import program
    from gamecircuits.training.architectures.one_layer import OneLayerTrial
    from gamecircuits.training.averaging import Ema, Last

    game = _make_game(sets(vocab_size))
    d, batch, repeats = 2 * vocab_size, 32, 4
    games = game.play(steps * batch, np.random.default_rng(0)).reshape(steps, batch, vocab_size)
    trial = OneLayerTrial(d_model=d, d_k=d, d_v=d, batch_size=batch, **hyperparameters)

    def run() -> float:
        clock = [time.process_time()]

        def log(text: str) -> None:
            if text.startswith("step"):
                clock.append(time.process_time())

        program.train(
            game, [trial] * trials, range(trials), [Last(), Ema(0.99)],
            lambda *_: (batch for _ in range(repeats) for batch in games),
            length=length, num_steps=steps * repeats, num_checkpoints=repeats, seed=0,
            name="benchmark", log=log,
        )  # fmt: skip
        assert len(clock) == repeats + 1, "a time for each call of the program"
        return min(np.diff(clock)[1:])

    return run


def _plan(config: dict) -> Run:
    from gamecircuits.pipeline.config.load import load_config
    from gamecircuits.pipeline.plan import Plan

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "config.yaml")
    path.write_text(yaml.safe_dump({"results": f"{folder.name}/results", **config}), "utf-8")

    def run():
        assert folder
        plan = Plan(load_config(path))
        plan.write_tasks(plan.find_stale())
        return len(plan.jobs)

    return run


def plan_shards(shards: int) -> Run:
    """The plan of so many shards of a game, and its tasks."""
    return _plan({"games": {"g": {**sets(8), "num_games": shards, "games_per_shard": 1}}})


def plan_models(models: int) -> Run:
    """The plan of so many models, each evaluated on a game, and its tasks."""
    names = {f"m{n}": {"kind": "balanced", "vocab_size": 8} for n in range(models)}
    evaluations = {"e": {"game": "g", "models": list(names)}}
    return _plan({"games": {"g": sets(8)}, "models": names, "evaluations": evaluations})


def seconds(run: Run, least: float) -> float:
    """The fastest of several calls, after one that is not timed; of runs that say it, as they say.

    Time is the processor's, so that other processes' turns are not counted.

    Args:
        least: seconds that the calls take together, unless one takes longer.
    """
    found, begin = [], None
    while begin is None or time.process_time() - begin < least:
        start = time.process_time()
        said = run()
        took = time.process_time() - start
        if isinstance(said, float):  # compilation is not in it
            return said
        del said  # else two results are in memory, and the next call pays for new pages
        if begin is not None:
            found.append(took)
        begin = begin or time.process_time()
    return min(found)
