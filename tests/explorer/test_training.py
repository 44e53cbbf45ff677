import numpy as np
import pytest

from gamecircuits.analysis.diagnosis import diagnose, fit_at_length_1
from gamecircuits.analysis.evaluation import evaluate_by_length
from gamecircuits.explorer.training import (
    count_checkpoints,
    describe_course,
    describe_search,
    thin,
)
from gamecircuits.games.game import make_game
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights
from gamecircuits.transformer.one_layer import OneLayer

V, D = 5, 4


def make_trial(norm: str) -> OneLayerTrial:
    return OneLayerTrial(norm=norm, gain=3.0, d_model=D, d_k=3, d_v=3, init_scale=2.0)


def init(trial: OneLayerTrial, seed: int) -> Weights:
    return Weights(**trial.init_weights(V, V - 1, np.random.default_rng(seed)))


def make_model(norm: str, seed: int) -> OneLayer:
    trial = make_trial(norm)
    return trial.make_model(init(trial, seed)._asdict())


@pytest.fixture(scope="module")
def games() -> tuple[np.ndarray, np.ndarray]:
    game = make_game(kind="set_complement", vocab_size=V)
    tokens = game.play(30, np.random.default_rng(1))
    return tokens, game.get_valid_next_token_mask(tokens)


@pytest.mark.parametrize("norm", ["none", "attention", "residual"])
def test_a_course_is_what_the_models_do(norm, games):
    tokens, mask = games
    models = [make_model(norm, seed) for seed in range(4)]
    course = describe_course(models, tokens, mask)
    for n, model in enumerate(models):
        table = evaluate_by_length(model, [games], range(1, V), len(tokens))
        rates = table[table["metric"] == "illegal_token_rate"].set_index("length")["mean"]
        np.testing.assert_allclose(course["illegal"][n], rates, rtol=1e-5)
        diagnosis = diagnose(model)
        assert course["x"][n] == pytest.approx(diagnosis.value("mean_x"), rel=1e-4)
        assert course["beta"][n] == pytest.approx(diagnosis.value("mean_beta"), rel=1e-4)
        wanted = diagnosis.value("standard_form_residual")
        assert course["misfit"][n] == pytest.approx(wanted, rel=1e-4)
        form = fit_at_length_1(model)
        values = course["tables"]["values"][n] * course["factors"]["values"][n][:, None]
        np.testing.assert_allclose(np.diagonal(values), -form.x, rtol=1e-4)
    assert course["illegal"].shape == (4, V - 1), "after V tokens no game goes on"


def test_noise_is_the_distance_from_neighbours(games):
    tokens, mask = games
    model, other = make_model("none", 0), make_model("none", 1)
    assert describe_course([model] * 3, tokens, mask)["noise"].max() < 1e-12
    noise = describe_course([model, other], tokens, mask)["noise"]
    assert noise[0] == pytest.approx(noise[1])
    assert noise[0] > 0.01


def test_checkpoints_fit_into_the_budget():
    assert count_checkpoints(12, ["none", "residual"], 100, 1e9) == 41
    assert count_checkpoints(10, ["none"], 100, 12_000) == 10
    assert thin(41, 41).tolist() == list(range(41))
    assert thin(100, 3).tolist() == [0, 50, 99]
    assert thin(1, 1).tolist() == [0]


def write_files(trial: OneLayerTrial, models: list) -> tuple[dict, dict]:
    names = ["W_E", "W_Q", "W_K", "W_V", "W_O", "W_U", "gain"]
    stacked = [np.stack([w[n] for w in models]) for n in range(len(names))]
    trajectory = {f"a/0/{name}": part[1:] for name, part in zip(names, stacked, strict=True)}
    start = {f"a/0/start/{name}": part[0] for name, part in zip(names, stacked, strict=True)}
    return trajectory | {"steps": np.array([10, 20])}, start


def test_a_search_ends_where_training_diverged(games):
    trial = make_trial("none")
    iterates = [init(trial, n) for n in range(3)]
    iterates[2] = iterates[2]._replace(W_E=iterates[2].W_E * np.nan)
    files = {3: write_files(trial, iterates)}
    hyperparameters = vars(trial)
    shown = {"variant": "a", "number": 0, "colour": "#000", "file": 3}
    entry = {"name": "s", "game": "g", "length": 2, "variants": 3}
    entry["trials"] = [shown | {"hyperparameters": hyperparameters}]
    found = describe_search(entry, files, *games, budget=1e6)
    assert found["steps"].tolist() == [0, 10, 20]
    assert found["variants"][0]["tables"]["values"].shape == (2, V, V)
    assert "2 more" in found["left_out"]
    small = describe_search(entry, files, *games, budget=100)
    assert not small["variants"]
    assert "too large" in small["left_out"]
