"""Training: against a float64 twin with gradients by differences, alone and in groups."""

import threading
from dataclasses import replace
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from twins import legal_after

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.splits import SPLITS, assign_splits
from gamecircuits.training import program
from gamecircuits.training.architectures import one_layer
from gamecircuits.training.architectures.gpt import GptTrial
from gamecircuits.training.architectures.one_layer import OneLayerTrial
from gamecircuits.training.averaging import Bema, Earlier, Ema, Last, PowerEma
from gamecircuits.training.checkpoint import Checkpoint
from gamecircuits.training.streams import iter_dataset, iter_split
from gamecircuits.transformer import gpt
from gamecircuits.transformer.circuits import forward_by_products, token_logits
from gamecircuits.transformer.gpt_weights import from_names
from gamecircuits.transformer.model import Parameters, forward

STRIP = {"rows": 1, "columns": 5, "in_a_row": 2}  # games of 3, 4 and 5 moves
SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}
AVERAGES = [
    Last(), Ema(0.8), PowerEma(0.7, 2.0), Bema(0.5, 0.3, 2.0, 1.0, every=2), Earlier(0.7),
    Bema(0.5, 0.3, burn_in=0.5),
]  # fmt: skip
SMALL = OneLayerTrial(d_model=4, d_k=3, d_v=2, batch_size=8, learning_rate=0.02, warmup=0.3)
DROPPING = replace(SMALL, embedding_dropout=0.3, attention_dropout=0.2, residual_dropout=0.4)
SMALL_DROPPING = replace(DROPPING, learning_rate=0.01, residual_dropout=0.1)


def train(*trials, game=("mnk", STRIP), averages=AVERAGES, numbers=None, batches=None, **options):
    defaults = {"length": 4, "num_steps": 6, "num_checkpoints": 6, "seed": 0, "name": "test"}
    kind, settings = game
    played = make_game(kind, **settings)

    def open_games(batch_size, rng):
        return iter(batches) if batches is not None else iter_split(
            played, "train", batch_size, SHARES, rng
        )  # fmt: skip

    return program.train(
        played, trials, numbers or range(len(trials)), averages, open_games, **defaults | options
    )


# --- the twin ---


def twin_parameters(trial, vector, V=5):
    d, d_k, d_v = trial.d_model, trial.d_k, trial.d_v
    shapes = [(V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d)] + [(d, V)] * (not trial.tied)
    matrices = []
    for shape in shapes:
        matrices.append(vector[: np.prod(shape)].reshape(shape))
        vector = vector[np.prod(shape) :]
    (gain,) = vector
    return Parameters(*matrices, *[matrices[0].T] * trial.tied), gain


def twin_loss(trial, vector, tokens):
    """Prefix by prefix; `forward` on numpy has its own tests."""
    parameters, gain = twin_parameters(trial, vector)
    if trial.normalizer == "rms":
        gain *= 2  # √d_model
    losses = []
    logits = forward(parameters, np.maximum(tokens, 0), norm=trial.norm, gain=gain)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    for row, log_probabilities in zip(tokens.tolist(), logs, strict=True):
        for s in range(len(row) - 1):
            legal = sorted(legal_after("mnk", STRIP, row[: s + 1]))
            if legal:
                wanted = legal if trial.targets == "exact" else [row[s + 1]]
                losses.append(-log_probabilities[s, wanted].mean())
    return np.mean(losses)


def twin_train(trial, start, batches):
    """AdamW as in its paper, with gradients by central differences."""
    weights = start.astype(float)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    decayed = np.arange(len(weights)) < len(weights) - 1  # the gain, at the end, does not decay
    rates = trial.get_learning_rates(len(batches))
    trajectory, losses = [], []
    for t, (tokens, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        losses.append(twin_loss(trial, weights, tokens))
        steps = 1e-5 * np.eye(len(weights))
        gradient = np.array([
            (twin_loss(trial, weights + h, tokens) - twin_loss(trial, weights - h, tokens)) / 2e-5
            for h in steps
        ])  # fmt: skip
        gradient *= min(1, trial.clip_norm / np.linalg.norm(gradient))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        update = first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        update = update if trial.optimizer == "adamw" else gradient
        weights = weights - rate * (update + trial.weight_decay * decayed * weights)
        trajectory.append(weights)
    return np.array(trajectory), np.array(losses)


GPT = GptTrial(
    d_model=6, d_mlp=5, num_layers=2, batch_size=8, learning_rate=0.02, warmup=0.3, clip_norm=0.5
)
GPT_DROPPING = replace(GPT, embedding_dropout=0.3, attention_dropout=0.2, residual_dropout=0.4)


def twin_train_gpt(trial, weights, batches):
    """AdamW on the weights by name, in float64, with JAX's gradient of `forward`."""
    design = gpt.Design(trial.num_heads, "layer" if trial.norm == "none" else trial.norm,
                        trial.placement, trial.positions)  # fmt: skip

    def loss(weights, tokens, wanted):
        logits = gpt.forward(from_names(weights), jnp.maximum(tokens[:, :-1], 0), design)
        chosen = jax.nn.log_softmax(logits) * wanted
        return -chosen.sum() / wanted.sum()

    first, second = ({n: np.zeros_like(w) for n, w in weights.items()} for _ in range(2))
    iterates, losses, T = [weights], [], len(batches)
    for t, tokens in enumerate(batches):
        wanted = np.zeros((*tokens[:, 1:].shape, 5))
        for n, s in zip(*np.nonzero(tokens[:, 1:] != PAD), strict=True):
            legal = sorted(legal_after("mnk", STRIP, tokens[n, : s + 1].tolist()))
            wanted[n, s, legal if trial.targets == "exact" else tokens[n, s + 1]] = 1
        wanted /= np.maximum(wanted.sum(axis=-1, keepdims=True), 1)
        found, slope = jax.value_and_grad(loss)(iterates[-1], tokens, wanted)
        length = np.sqrt(sum((g**2).sum() for g in slope.values()))
        rate = trial.learning_rate * min((t + 1) / 2, 1)  # two steps of six are warm-up
        if trial.schedule == "cosine" and t >= 2:
            rate *= (1 + np.cos(np.pi * (t - 2) / (T - 2))) / 2
        weights = {}
        for name, weight in iterates[-1].items():
            g = np.asarray(slope[name]) * min(1, trial.clip_norm / length)
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            root = np.sqrt(second[name] / (1 - 0.999 ** (t + 1))) + 1e-8
            step = first[name] / (1 - 0.9 ** (t + 1)) / root if trial.optimizer == "adamw" else g
            is_decayed = "W_" in name and "embed.W_E" not in name and "W_pos" not in name
            weights[name] = weight - rate * (step + trial.weight_decay * is_decayed * weight)
        iterates.append(weights)
        losses.append(float(found))
    return iterates, losses


@pytest.mark.parametrize("changes", [
    {"schedule": "cosine", "weight_decay": 0.5},
    {"placement": "after", "positions": "rotary", "targets": "exact", "d_model": 8},
    {"norm": "rms", "positions": "sinusoidal", "tied": True, "biases": False},
    {"norm": "none", "d_mlp": 0, "positions": "none", "optimizer": "sgd", "learning_rate": 0.5},
], ids=str)  # fmt: skip
def test_training_a_gpt_equals_its_twin(changes):
    """Games come in six parts. Averages of the twin are sums over its iterates."""
    trial = replace(GPT, **changes)
    games = make_game("mnk", **STRIP).play(6 * 8, np.random.default_rng(3)).reshape(6, 8, 5)
    averages = [Last(), Ema(0.8), Earlier(0.5)]  # of an age of (1/2)/(1 − 1/2) = 1 step
    run = train(trial, batches=games, averages=averages)
    start = trial.from_vector(run.start[0], 5, 5)
    with jax.enable_x64(True):
        double = {name: weight.astype(float) for name, weight in start.items()}
        iterates, losses = twin_train_gpt(trial, double, games)
    np.testing.assert_allclose(run.losses[0], losses, rtol=2e-5)
    shares = 0.8 ** np.arange(5, -1, -1) / sum(0.8 ** np.arange(6))
    found = trial.from_vector(run.averages[0], 5, 5)
    on_the_way = trial.from_vector(run.trajectory[0], 5, 5)
    for name in start:
        if name.endswith("b_K") and trial.positions != "rotary":
            continue  # scores do not depend on it: Adam follows the rounding of a gradient of 0
        steps = np.array([weights[name] for weights in iterates[1:]])
        np.testing.assert_allclose(on_the_way[name], steps, rtol=0, atol=1e-4, err_msg=name)
        wanted = [steps[-1], np.tensordot(shares, steps, 1), steps[-2]]
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-4, err_msg=name)
    moved = {name: np.abs(iterates[-1][name] - start[name]).max() for name in start}
    assert min(moved.values()) > 0
    assert max(moved.values()) > 0.02


def test_a_gpt_has_the_same_bits_in_any_company():
    """Trials are trained one after the other."""
    company = [replace(GPT_DROPPING, residual_dropout=0.1), GPT_DROPPING]
    company.append(replace(GPT_DROPPING, learning_rate=0.1))
    together = train(*company)
    alone = train(company[1], numbers=[1])
    for name in ("start", "averages", "trajectory", "losses"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[1])
    assert np.abs(together.losses[0] - together.losses[1]).max() > 1e-3


@pytest.mark.parametrize("positions", ["learned", "random_offset"])
def test_positions_beyond_the_trained_length_are_trained_by_random_offsets_alone(positions):
    trial = replace(GPT, positions=positions, num_layers=1, weight_decay=1.0, batch_size=64)
    run = train(trial, length=2, num_checkpoints=1)
    ends = [trial.from_vector(of[0], 5, 5)["pos_embed.W_pos"] for of in run[:1]]
    ends.append(trial.from_vector(run.trajectory[0, -1], 5, 5)["pos_embed.W_pos"])
    has_moved = (ends[1] != ends[0]).all(axis=1).tolist()
    assert has_moved == [True, True, *[positions == "random_offset"] * 3]


@pytest.mark.parametrize("changes", [
    {"norm": "attention", "gain": 2.0}, {"norm": "residual", "gain": 3.0, "tied": True},
    {"norm": "residual", "normalizer": "rms"}, {"optimizer": "sgd", "learning_rate": 0.2},
    {"targets": "exact", "weight_decay": 2.0}, {"tied": True, "clip_norm": 1e-7, "d_k": 0},
    {"norm": "residual", "gain": 2.0, "targets": "exact", "clip_norm": 0.1, "weight_decay": 0.5},
], ids=str)  # fmt: skip
def test_training_equals_its_twin(changes):
    """clip_norm = 1e-7 is so small that Adam's ε, hence the scale of the gradient, matters."""
    trial = replace(SMALL, **changes)
    games = make_game("mnk", **STRIP).play(6 * 8, np.random.default_rng(3)).reshape(6, 8, 5)
    assert (games[:, :, 3] == PAD).any()
    run = train(trial, batches=games)
    trajectory, losses = twin_train(trial, run.start[0], games)
    assert run.checkpoints.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(run.losses[0], losses, rtol=2e-5)
    np.testing.assert_allclose(run.trajectory[0], trajectory, rtol=0, atol=1e-4)
    assert np.abs(trajectory[-1] - run.start[0]).max() > 3e-3


def test_averages_are_those_of_the_trajectory():
    run = train(DROPPING, replace(DROPPING, learning_rate=0.1), num_steps=7, num_checkpoints=7)
    for trial in range(2):
        iterates = [run.start[trial], *run.trajectory[trial]]
        for average, found in zip(AVERAGES, run.averages[trial], strict=True):
            wanted = iterates[0].astype(float)
            for theta, weight in zip(iterates[1:], average.get_weights(7), strict=True):
                wanted = (1 - weight) * wanted + weight * theta
            start = iterates[average.get_anchor(7)]
            wanted = wanted + average.get_correction(7) * (iterates[-1] - start)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


def test_a_run_depends_on_its_seed_alone():
    """Not on its company, to rounding; nor on how often it is looked at."""
    company = [replace(DROPPING, residual_dropout=0.1), DROPPING]
    company.append(replace(DROPPING, learning_rate=0.1))
    together, again = train(*company), train(*company)
    for found, wanted in zip(together, again, strict=True):
        np.testing.assert_array_equal(found, wanted)
    rare = train(*company, num_checkpoints=2)
    np.testing.assert_array_equal(rare.checkpoints, [3, 6])
    np.testing.assert_allclose(rare.trajectory, together.trajectory[:, [2, 5]], atol=1e-5)
    for number in (0, 1):
        alone = train(company[number], numbers=[number])
        np.testing.assert_array_equal(alone.start[0], together.start[number])
        np.testing.assert_allclose(alone.trajectory[0], together.trajectory[number], atol=1e-5)
        np.testing.assert_allclose(alone.losses[0], together.losses[number], atol=1e-5)
    assert np.abs(together.start[2] - together.start[0]).max() > 0.1
    with pytest.raises(ValueError, match="several programs"):
        train(SMALL, replace(SMALL, d_model=8))
    with pytest.raises(ValueError, match="several programs"):
        train(SMALL, DROPPING)


def test_a_trial_that_diverges_leaves_the_others_alone():
    steep = replace(SMALL, learning_rate=1e30)
    with_it, without = train(SMALL, steep), train(SMALL, SMALL)
    assert not np.isfinite(with_it.trajectory[1, -1]).all()
    for found, wanted in zip(with_it, without, strict=True):
        if found.shape[0] == 2:
            np.testing.assert_array_equal(found[0], wanted[0])


def test_only_games_of_the_training_split_are_used():
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)

    def take():
        rng = np.random.default_rng(0)
        return np.array(list(islice(iter_split(game, "train", 64, SHARES, rng), 100)))

    batches = take()
    np.testing.assert_array_equal(batches, take())
    games = batches.reshape(-1, 9)
    assert batches.shape == (100, 64, 9)
    assert len(np.unique(games, axis=0)) > 5500  # nothing is served twice
    split = assign_splits(games, game.symmetries, SHARES)
    assert (split == SPLITS.index("train")).all()


def test_games_of_a_dataset_are_each_taken_once_an_epoch(tmp_path):
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)
    tokens = game.play(500, np.random.default_rng(0))
    split = assign_splits(tokens, game.symmetries, SHARES)
    rng = np.random.default_rng(1)

    class Dataset:  # GameDataset has its own tests
        num_games = 500

        def batches(self, size, split=None, rng=None):
            chosen = rng.permutation(tokens[assign == SPLITS.index(split)])
            yield from ({"tokens": chosen[n : n + size]} for n in range(0, len(chosen), size))

    assign = split
    mine = tokens[split == SPLITS.index("train")]
    batches = np.array(list(islice(iter_dataset(Dataset(), "train", 7, rng), len(mine))))
    epochs = batches.reshape(7, *mine.shape)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(mine, axis=0))
    assert (epochs[0] != epochs[1]).any()


# --- interruptions ---


@pytest.mark.parametrize(
    "trials",
    [
        (DROPPING, SMALL_DROPPING),
        (replace(GPT_DROPPING, num_layers=1, d_mlp=0, positions="random_offset"),) * 2,
    ],
    ids=["one_layer", "gpt"],
)
def test_an_interrupted_run_goes_on_and_ends_with_the_same_bits(tmp_path, trials):
    path = tmp_path / "checkpoint.safetensors"
    whole = train(*trials, num_checkpoints=3)
    said = []

    def stop(text):
        said.append(text)
        if text.startswith("step 4"):
            raise KeyboardInterrupt

    def go_on(job, log):
        checkpoint = Checkpoint(path, job, interval=0)
        return train(*trials, num_checkpoints=3, checkpoint=checkpoint, log=log)

    with pytest.raises(KeyboardInterrupt):
        go_on("job", stop)
    assert path.exists()
    for job, first in [("job", "goes on after step 2 of 6"), ("other job", "step 2 of 6")]:
        said.clear()
        for found, wanted in zip(go_on(job, said.append), whole, strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert said[0].startswith(first)
    path.write_bytes(path.read_bytes()[:100])
    assert Checkpoint(path, "other job").load() == {}


def test_steps_are_handed_over_in_parts_that_fit_into_memory(monkeypatch):
    exact = replace(SMALL, targets="exact")
    whole = train(exact, num_checkpoints=1)
    monkeypatch.setattr(program, "MAX_BYTES", 2 * 8 * 5 * (2 + 5))  # of two steps
    parts = train(exact, num_checkpoints=1)
    np.testing.assert_allclose(parts.trajectory, whole.trajectory, atol=1e-6)
    assert parts.losses.shape == (1, 6)


# --- games made ahead ---


def test_games_are_served_in_their_order_and_no_further():
    """Of every trial, one step after the other; none is played that no step takes."""
    games = make_game("mnk", **STRIP).play(6 * 8, np.random.default_rng(3)).reshape(6, 8, 5)
    run = train(SMALL, batches=list(games))
    turned = train(SMALL, batches=list(games[::-1]), num_checkpoints=1)
    assert len(list(program._make_ahead(lambda: 0, 0))) == 0
    asked = iter(range(9))
    assert list(program._make_ahead(lambda: next(asked), 6)) == list(range(6))
    assert next(asked) == 6
    np.testing.assert_allclose(run.losses[0, 0], twin_loss(SMALL, run.start[0], games[0]), 1e-5)
    np.testing.assert_allclose(turned.losses[0, 0], twin_loss(SMALL, run.start[0], games[5]), 1e-5)


@pytest.mark.parametrize("fails", ["games", "log"])
def test_an_error_reaches_the_caller_and_leaves_no_thread(fails):
    games = make_game("mnk", **STRIP).play(8, np.random.default_rng(3))

    def play(served):
        for _ in range(served):
            yield games
        raise GamecircuitsError(f"no game {served}")

    def stop(text):
        if fails == "log":
            raise GamecircuitsError("no log")

    before = set(threading.enumerate())
    served, message = (3, "no game 3") if fails == "games" else (99, "no log")
    with pytest.raises(GamecircuitsError, match=message):
        train(SMALL, batches=play(served), log=stop)
    assert set(threading.enumerate()) == before


# --- dropout ---


def test_each_site_drops_its_share_where_forward_says(monkeypatch):
    """A share of the entries is dropped and the others scaled: the mean over keys is no dropout."""
    seen = {}

    def record(parameters, tokens, *, norm, gain, drop):
        for site, shape in [("embedding", (4, 3, 4)), ("attention", (4, 3, 3)),
                            ("residual", (4, 3, 4))]:  # fmt: skip
            seen[site] = drop(site, jnp.ones(shape))
        return jnp.zeros((*tokens.shape, 5))

    monkeypatch.setattr(one_layer, "forward", record)
    weights = SMALL.init_weights(5, 4, np.random.default_rng(0))
    rates = dict(zip(program.SITES, (0.25, None, 0.5), strict=True))

    def drop(key):
        tokens = jnp.zeros((4, 4), int)
        program._loss(lambda vector: weights, SMALL, None, tokens, None, rates, key)
        return dict(seen)

    found = jax.vmap(drop)(jax.random.split(jax.random.key(0), 4000))
    for site, rate in rates.items():
        values = np.asarray(found[site])
        if rate is None:
            assert (values == 1).all()
        else:
            assert set(np.unique(values)) == {np.float32(0), np.float32(1 / (1 - rate))}
            np.testing.assert_allclose(values.mean(axis=0), 1, atol=0.08)  # of every entry
            pairs = np.corrcoef(values.reshape(4000, -1).T) - np.eye(values[0].size)
            assert np.abs(pairs).max() < 0.08
    sites = [np.asarray(found[site]).reshape(4000, -1)[:, 0] for site in ("embedding", "residual")]
    assert abs(np.corrcoef(sites)[0, 1]) < 0.08


def test_forward_drops_where_its_docstring_says():
    parameters, _ = twin_parameters(SMALL, np.random.default_rng(0).standard_normal(81))
    W_E, W_Q, W_K, W_V, W_O, W_U = parameters
    tokens = np.array([[0, 3, 1]])
    rng = np.random.default_rng(1)
    factors = {"embedding": rng.random((1, 3, 4)), "attention": rng.random((1, 3, 3)),
               "residual": rng.random((1, 3, 4))}  # fmt: skip
    products = forward_by_products(
        parameters, tokens, drop=lambda site, values: factors[site] * values
    )
    found = forward(parameters, tokens, drop=lambda site, values: factors[site] * values)
    residual = W_E[tokens[0]] * factors["embedding"][0]
    scores = np.exp(residual @ W_Q @ (residual @ W_K).T / 3**0.5) * np.tri(3)
    pattern = scores / scores.sum(axis=1, keepdims=True) * factors["attention"][0]
    attended = pattern @ residual @ W_V @ W_O * factors["residual"][0]
    np.testing.assert_allclose(found[0], (residual + attended) @ W_U, rtol=1e-12)
    np.testing.assert_allclose(products, found, rtol=1e-12)


def test_dropping_all_attention_of_a_position_has_a_gradient():
    """The first position has one weight alone; without it the norm is that of zeros."""
    run = train(replace(SMALL, norm="attention", attention_dropout=0.5))
    assert np.isfinite(run.trajectory).all()


# --- learning ---


@pytest.mark.parametrize(
    "norm",
    ["residual", *(pytest.param(norm, marks=pytest.mark.slow) for norm in ("none", "attention"))],
)
def test_set_complement_is_learned(norm):
    game = ("set_complement", {"vocab_size": 6})
    trial = OneLayerTrial(
        norm=norm, gain=3.0, learning_rate=0.02, schedule="cosine", targets="exact"
    )
    run = train(trial, game=game, length=3, num_steps=300, num_checkpoints=1)
    best = np.log([5, 4, 3]).mean()
    assert run.losses[0, 0] > best + 0.2
    assert best - 1e-5 < run.losses[0, -20:].mean() < best + 0.02
    model = trial.make_model(trial.from_vector(run.averages[0, 0], 6, 5))
    tokens = make_game("set_complement", vocab_size=6).play(50, np.random.default_rng(0))[:, :3]
    single = Parameters(*(jnp.asarray(matrix, jnp.float32) for matrix in model.parameters))
    np.testing.assert_allclose(
        token_logits(model.parameters, tokens, norm=norm, gain=model.gain),
        forward(single, jnp.asarray(tokens), norm=norm, gain=model.gain), atol=2e-4,
    )  # fmt: skip
    assert isinstance(model.parameters.W_E, np.ndarray)
    assert model.parameters.W_E.dtype == np.float64


@pytest.mark.slow
def test_a_gpt_learns_the_legal_moves_of_othello():
    """Illegal mass at the lengths of training; a uniform guess has 0.8 at them."""
    settings = {"board_size": 4}
    trial = GptTrial(batch_size=128, learning_rate=2e-3, schedule="cosine", targets="exact")
    run = train(
        trial, game=("othello", settings), averages=[Last()], length=6, num_steps=600,
        num_checkpoints=1,
    )  # fmt: skip
    game = make_game("othello", **settings)
    tokens = game.play(300, np.random.default_rng(0))
    mask = game.get_valid_next_token_mask(tokens)[:, :6]
    vector = run.averages[0, 0]
    model = trial.make_model(trial.from_vector(vector, game.vocab_size, game.max_length))
    chances = probabilities(model.logits(tokens[:, :6]))
    illegal = np.where(mask, 0, chances).sum(axis=-1).mean(axis=0)
    assert illegal.max() < 0.1
