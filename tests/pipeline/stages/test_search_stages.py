"""A tiny search through its stages, as the workflow runs them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pipeline_tools import do, do_all
from safetensors.numpy import load_file

from gamecircuits.explorer.page import read_data
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.plan import Plan
from gamecircuits.pipeline.run.workflow import Workflow
from gamecircuits.pipeline.stages.collect_search import join
from gamecircuits.storage.tables import write_frame
from gamecircuits.training.baselines import join_baselines, measure_games

SEARCH = {
    "game": "g",
    "length": 2,
    "steps": 8,
    "checkpoints": 4,
    "trials": 2,
    "test_games": 20,
    "space": {"batch_size": 4, "d_model": 4, "d_k": 4, "d_v": 4, "learning_rate": [0.01, 0.02]},
    "variants": {
        "plain": {},
        "hot": {"learning_rate": 1e18},
        "small": {"init_scale": 0.1, "attention_dropout": 0.5},
    },
    "averages": {"last": {"kind": "last"}, "ema": {"kind": "ema", "decay": 0.5}},
}
GAME = {"kind": "mnk", "rows": 2, "columns": 3, "in_a_row": 2, "num_games": 10}


HYPOTHESES = {
    "weak": {
        "search": "s",
        "measure": "x_mean",
        "variant": "small",
        "versus": {"variant": "plain"},
    },
    "lost": {"search": "lost", "measure": "kl_divergence", "length": "twice", "average": "ema"},
    "some": {
        "search": "s",
        "measure": "illegal_token_rate",
        "length": "longest",
        "versus": {"average": "ema"},
        "where": {"learning_rate": 0.01},
    },
}
STAGES = (
    *("train_trials", "measure_trials", "collect_search", "plot_search"),
    *("check_hypotheses", "plot_hypotheses"),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Plan and folder of a search of which a part diverges."""
    folder = tmp_path_factory.mktemp("search")
    lost = SEARCH | {"variants": {"hot": {"learning_rate": 1e30, "weight_decay": 1e30}}}
    short = lost | {"steps": 1, "checkpoints": 1, "trials": 1}
    searches = {"s": SEARCH, "lost": lost, "last_step": short}
    stated = {"claim": "It is so.", "between": [-1e9, 1e9]}
    hypotheses = {name: stated | entry for name, entry in HYPOTHESES.items()}
    config = {"games": {"g": GAME}, "searches": searches, "hypotheses": hypotheses}
    (folder / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    plan = Plan(load_config(folder / "c.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        do_all(plan, *STAGES)
    return folder, plan


def read(folder: Path, search: str, table: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"results/searches/{search}/{table}.parquet")


def test_weights_are_also_measured_at_other_strengths(results):
    """At the factor that dropout has, 2, and without dropout at 1: as trained."""
    folder, _ = results
    keys = ["variant", "number", "average", "metric", "length"]
    scaled = read(folder, "s", "scaled").query("strength == 'rescaled'")
    factors = scaled.groupby("variant")["factor"].unique()
    assert {variant: list(found) for variant, found in factors.items()} == {
        "plain": [1],
        "small": [2],
    }
    both = scaled.merge(read(folder, "s", "metrics"), on=keys, suffixes=("", "_trained"))
    assert len(both) == len(scaled)
    differs = (both["mean"] != both["mean_trained"]).groupby(both["variant"]).any()
    assert differs.to_dict() == {"plain": False, "small": True}
    assert (
        (both["validation"] == both["validation_trained"]).groupby(both["variant"]).all()["plain"]
    )


def read_curves(folder: Path, search: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"results/figures/searches/{search}/curves.parquet")


def test_every_file_of_the_plan_is_there(results):
    folder, plan = results
    planned = [path for job in plan.jobs if job.stage.name in STAGES for path in job.files]
    assert all((folder / path).stat().st_size for path in planned)
    assert {Path(path).stem for path in planned} >= {"weights", "metrics", "effects", "curves"}
    assert list((folder / "results/checkpoints").glob("*")) == []


def test_tables_are_in_the_order_of_the_config_and_tell_what_diverged(results):
    folder, _ = results
    trials, metrics = read(folder, "s", "trials"), read(folder, "s", "metrics")
    assert trials["variant"].tolist() == [v for v in SEARCH["variants"] for _ in range(2)]
    assert (trials["diverged_at"].notna() == (trials["variant"] == "hot")).all()
    assert metrics["variant"].unique().tolist() == ["plain", "small"]
    assert metrics["average"].unique().tolist() == ["last", "ema"]
    learning_rates = trials.pivot(index="number", columns="variant", values="learning_rate")
    assert (learning_rates["plain"] == learning_rates["small"]).all()  # of the same draw
    curves = read_curves(folder, "s")
    assert curves.groupby("variant")["diverged"].all().to_dict() == {
        "plain": False, "hot": True, "small": False,
    }  # fmt: skip


def test_lengths_are_those_at_which_games_go_on(results):
    """Two of three columns in a row win so early that no game takes all six squares."""
    metrics = read(results[0], "s", "metrics")
    assert metrics["length"].max() < 5
    assert metrics.loc[metrics["metric"] == "total_variation", "count"].min() > 0
    effects = read(results[0], "s", "effects")
    assert (
        effects.loc[effects["eval_length"] == "longest", "length"].unique()
        == metrics["length"].max()
    )


def test_tables_by_length_go_with_the_metrics(results):
    """Games of two in a row: some are over early, but the length settles what is legal."""
    folder, _ = results
    metrics = read(folder, "s", "metrics")
    baselines = read(folder, "s", "baselines")
    assert baselines["baseline"].unique().tolist() == ["games", "uniform", "untrained"]
    untrained = baselines[baselines["baseline"] == "untrained"]
    assert untrained["num_trials"].eq(2).all()  # of the first variant
    counts = metrics.groupby("length")["count"].max()
    assert (baselines["count"].to_numpy() == counts[baselines["length"]].to_numpy()).all()
    attention = read(folder, "s", "attention")
    keys = ["variant", "number", "average", "length"]
    both = attention.merge(metrics[metrics["metric"] == "attention_entropy"], on=keys)
    assert len(both) == len(attention) == len(metrics.drop_duplicates(keys))
    np.testing.assert_allclose(both["entropy"], both["mean"], atol=1e-12)  # of the same few games
    assert read(folder, "s", "matched").empty
    assert read(folder, "s", "illegal").empty  # what was not played is legal


def test_weights_are_those_that_were_measured(results):
    folder, plan = results

    def load(variant: str, file: str) -> dict[str, np.ndarray]:
        group = plan.config.searches["s"].group_of(variant, 0)
        return load_file(folder / plan.job("train_trials", search="s", group=group).writes[file])

    weights, trajectory = load("plain", "weights"), load("plain", "trajectory")
    assert weights["plain/0/last/W_E"].shape == (6, 4)
    assert trajectory["steps"].tolist() == [2, 4, 6, 8]
    assert trajectory["plain/0/loss"].shape == (8,)
    for part in ("W_E", "W_Q", "W_K", "W_V", "W_O", "W_U"):
        on_the_way = trajectory[f"plain/0/{part}"]
        assert (on_the_way[-1] == weights[f"plain/0/last/{part}"]).all()
        assert (on_the_way[-1] != weights[f"plain/0/start/{part}"]).any()
    assert not np.isfinite(load("hot", "weights")["hot/0/last/W_E"]).all()


def test_a_search_that_diverged_as_a_whole_is_recorded_as_such(results):
    folder, _ = results
    trials = read(folder, "lost", "trials")
    assert trials["diverged_at"].notna().all()
    assert len(trials) == 2
    for table in ("metrics", "effects", "mechanisms", "moderators"):
        assert read(folder, "lost", table).empty
    assert read_curves(folder, "lost")["diverged"].all()


def test_games_are_a_baseline_where_no_start_can_be_used(tmp_path):
    game = make_game(kind="set_complement", vocab_size=5)
    tokens = game.play(9, np.random.default_rng(0))
    games = measure_games(tokens, game.get_valid_next_token_mask(tokens), [1, 2])
    paths = [str(tmp_path / f"{n}.parquet") for n in range(2)]
    for path in paths:
        write_frame(games, "{}", path)
    table = join_baselines(join(paths, {"variant": ["plain"]}))
    assert table["mean"].tolist() == games["mean"].tolist()
    assert (table["num_trials"] == 0).all()


def test_a_trial_that_diverges_in_its_last_step_is_told(results):
    """Its losses are all finite: each is that before its step."""
    trials = read(results[0], "last_step", "trials")
    assert trials["diverged_at"].tolist() == [1.0]


def test_the_page_shows_each_search_from_its_own_files(results, monkeypatch):
    """Searches have steps of their own, however few checkpoints another one has."""
    folder, plan = results
    monkeypatch.chdir(folder)
    for job in plan.jobs:
        if job.stage.name not in (*STAGES, "make_page"):
            do(job)
    do(plan.job("make_page"))
    courses = read_data(Path("results/index.html").read_text(encoding="utf-8"))["courses"]
    steps = {course["name"]: course["steps"].tolist() for course in courses}
    assert steps == {"s": [0, 2, 4, 6, 8], "lost": [0, 2, 4, 6, 8], "last_step": [0, 1]}


def test_hypotheses_are_judged_by_the_tables_of_their_searches(results):
    folder, plan = results
    table = pd.read_parquet(folder / "results/tables/hypotheses.parquet").set_index("hypothesis")
    assert list(table.index) == list(HYPOTHESES)
    dynamics = read(folder, "s", "dynamics")
    x = dynamics[dynamics["step"] == 8].pivot(index="number", columns="variant", values="x_mean")
    assert table.loc["weak", "mean"] == pytest.approx((x["small"] - x["plain"]).mean())
    assert table.loc["lost", ["num_trials", "num_missing"]].tolist() == [0, 2]
    draws = [plan.config.searches["s"].trials["plain", n].learning_rate for n in range(2)]
    assert table.loc["some", "num_trials"] == draws.count(0.01)
    assert table["verdict"].to_dict() == {
        "weak": "supported", "lost": "undecided", "some": "supported",
    }  # fmt: skip
    figure = pd.read_parquet(folder / "results/figures/hypotheses/forest.parquet")
    assert figure["hypothesis"].tolist() == list(HYPOTHESES)


def test_the_end_of_a_run_counts_the_verdicts(results, monkeypatch):
    folder, plan = results
    monkeypatch.chdir(folder)
    flow = Workflow(["c.yaml"], {}, is_main=True, makes_report=False)
    flow.plan = plan  # made before variables of the environment were fixed
    told = flow.describe_results()
    assert told.startswith("Of the hypotheses, 2 supported, 1 undecided.\n")
    assert "  results/figures/hypotheses/forest.png   what was claimed" in told
    other = Workflow(["c.yaml"], {"seed": 1}, is_main=True, makes_report=False)
    assert "hypotheses," not in other.describe_results(), "these were judged with seed 0"


def test_a_changed_hypothesis_trains_nothing_anew(results):
    folder, _ = results
    text = (folder / "c.yaml").read_text().replace("- 1000000000.0", "- 1.0")
    (folder / "other.yaml").write_text(text)
    old, new = (
        {job.text: job.stage.name for job in Plan(load_config(folder / name)).jobs}
        for name in ("c.yaml", "other.yaml")
    )
    changed = {new[text] for text in new.keys() - old.keys()}
    assert changed == {"check_hypotheses", "plot_hypotheses", "describe_run", "make_page"}
