"""What the documents say works."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from gpts import make_gpt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gamecircuits.errors import GamecircuitsError
from gamecircuits.explorer.page import digest_files, list_assets, read_data
from gamecircuits.games.game import make_game
from gamecircuits.pipeline import docs, page, training_page
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Plan
from gamecircuits.transformer.vocabulary import CONVENTIONS, list_conventions
from gamecircuits.transformer.weights import write_model

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    if not path.name.endswith(".template.md")  # pages are made from these
]


# Blocks of docs/extending.md that belong into a file that is there: before which line of it.
PLACES = {
    "src/gamecircuits/analysis/metrics.py": "}\n\n\ndef probabilities",
    "src/gamecircuits/training/trial.py": "\n    def __post_init__",
    "src/gamecircuits/training/program.py": "    return cross_entropy(logits, legal)",
    "src/gamecircuits/training/averaging.py": "def describe_average",
    "src/gamecircuits/pipeline/graph.py": "# Training. A group",
}
TRY = """
from pathlib import Path

import numpy as np
import yaml
from pipeline_tools import do_all
from safetensors.numpy import load_file

from gamecircuits.analysis.evaluation import evaluate_exhaustively
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.graph import STAGES
from gamecircuits.pipeline.plan import Plan
from gamecircuits.storage.tables import read_frame
from gamecircuits.training.averaging import Last, make_average
from gamecircuits.transformer.constructions.construction import make_construction

config = load_config("config.yaml")
game = config.games["no_repeat"].game
tokens = game.play(300, np.random.default_rng(0))
assert tokens.shape == (300, 20)
assert (tokens[:, 1:] != tokens[:, :-1]).all()
game.check(tokens)

small = make_construction("last_only", vocab_size=6)
table, lengths = evaluate_exhaustively(small.model()), np.arange(1, 6)
for metric, wanted in small.closed_form(lengths).items():
    rows = table[table["metric"] == metric]
    np.testing.assert_allclose(rows["min"], wanted.min, atol=1e-12, err_msg=metric)
    np.testing.assert_allclose(rows["max"], wanted.max, atol=1e-12, err_msg=metric)
rows = table[table["metric"] == "confidence"]
np.testing.assert_allclose(rows["mean"], 1 / (5 + np.exp(-10.0)))

plan = Plan(config)
do_all(plan, *(name for name in STAGES if name not in ("check_claims", "confirm_claims")))
for suffix in ("png", "svg", "parquet", "csv"):
    assert Path(f"results/figures/excess_loss.{suffix}").stat().st_size
readme = Path("results/README.md").read_text()
assert "figures/excess_loss.*" in readme
assert "| `openings/GAME.parquet` | How many games begin with each token |" in readme

trials = read_frame("results/searches/s/trials.parquet").set_index("variant")
assert trials.loc["smooth", "z_loss"] == 0.1
assert trials.loc["smooth", "final_loss"] > trials.loc["plain", "final_loss"] + 0.1
search = {"game": "g", "length": 3, "steps": 300, "checkpoints": 1, "trials": 1}
search |= {"architecture": "bag", "space": {"targets": "exact", "learning_rate": 0.05}}
search |= {"variants": {"plain": {}, "dropped": {"embedding_dropout": 0.9}}}
games = {"g": {"kind": "set_complement", "vocab_size": 6}}
Path("bag.yaml").write_text(yaml.safe_dump({"games": games, "searches": {"b": search}}))
plan = Plan(load_config("bag.yaml"))
do_all(plan, *STAGES)
metrics = read_frame("results/searches/b/metrics.parquet")
assert set(metrics["variant"]) == {"plain", "dropped"}
jobs = [plan.job("train_trials", search="b", group=f"{v}-0000") for v in ("plain", "dropped")]
plain, dropped = (read_frame(job.writes["trials"])["final_loss"][0] for job in jobs)
best = np.log([5, 4, 3]).mean()
assert best < plain < best + 0.05 < dropped
tables = load_file(jobs[0].writes["weights"])
assert tables["plain/0/last/table"].shape == (6, 6)

weights = make_average("tail", share=0.5).get_weights(4)
np.testing.assert_allclose(weights, [1, 1, 1, 1 / 2])
np.testing.assert_array_equal(make_average("tail", share=0.0).get_weights(4), Last().get_weights(4))
assert set(read_frame("results/searches/s/metrics.parquet")["average"]) == {"last", "tail"}
"""


def read_examples() -> list[tuple[str, str]]:
    """The blocks of docs/extending.md, each with the path that stands last in the text before."""
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    found, path = [], ""
    for prose, language, code in re.findall(
        r"(.*?)^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE
    ):
        path = ([path, *re.findall(r"`((?:src|tests|config)/[\w/]+\.\w+)`", prose)])[-1]
        assert path.endswith({"python": ".py", "rst": ".rst", "yaml": ".yaml"}[language])
        found.append((path, code))
    return found


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the project in which everything of docs/extending.md was added, word for word."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for path, code in read_examples():
        file = folder / path
        if path in PLACES:
            text = file.read_text(encoding="utf-8")
            before, place, after = text.replace(code, "").partition(PLACES[path])
            assert place, f"{PLACES[path]!r} is not in {path}"
            gap = "\n\n" if code.startswith("@") else ""
            file.write_text(before + code + gap + place + after, encoding="utf-8")
        elif path.endswith(".yaml"):
            config = yaml.safe_load(code)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code, encoding="utf-8")
    config["games"]["no_repeat"]["num_games"] = 20
    config["models"] = {"mine": {"kind": "last_only", "vocab_size": 16}}
    config["evaluations"] = {"mine": {"game": "no_repeat", "models": ["mine"]}}
    search = {"game": "no_repeat", "length": 3, "steps": 4, "checkpoints": 2, "trials": 1}
    search["variants"] = {"plain": {}, "smooth": {"z_loss": 0.1}}
    search["averages"] = {"last": {"kind": "last"}, "tail": {"kind": "tail", "share": 0.2}}
    config["searches"] = {"s": search | {"space": {"d_model": 4, "d_k": 4, "d_v": 4}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def run_extended(folder: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(folder / "src"), str(ROOT / "tests")])
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_additions_of_extending_work(extended):
    """And all stages run with them."""
    run_extended(extended, "-c", TRY)


def test_the_test_of_extending_passes(extended):
    options = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")
    run_extended(extended, "-m", "pytest", *options, "tests/pipeline/stages")
    contract = str(ROOT / "tests/training/test_architectures.py")
    run_extended(extended, "-m", "pytest", *options, contract, "-k", "bag or Bag")


def test_the_first_five_files_of_extending_are_what_is_run():
    """The way from a game to its figure, as it is told, is that of the plan."""
    text = (DOCS / "extending.md").read_text(encoding="utf-8").partition("\n## What each")[0]
    files = re.findall(r"^\d\. `([\w/.]+)`", text, flags=re.MULTILINE)
    assert len(files) == 5
    package = "src/gamecircuits"
    for file in files:
        assert (ROOT / file.replace("KIND", "windowed_complement")).is_file(), file
    plan = Plan(load_config(ROOT / files[0]))
    figure = plan.job("plot_games", figure=Path(files[4]).stem)
    assert f"{plan.config.results}/figures/{Path(files[4]).stem}.png" in figure.files
    module = figure.work.settings["figure"].partition(".")[2].replace(".", "/")
    assert f"{package}/{module}.py" == files[4]
    read = {job.stage.name for _, job in figure.reads["branching"]}
    assert read == {Path(files[3]).stem}
    for stage in re.findall(r"`(\w+)`", text.partition("The way leads")[2].partition("4. ")[0]):
        assert stage in STAGES


def test_the_page_of_your_model_works(tmp_path, monkeypatch):
    """Its configuration and its Python, on a checkpoint with the padding first."""
    text = (DOCS / "your_model.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    sizes = {"V": 61, "d": 8, "num_layers": 1, "num_heads": 8, "d_k": 1, "d_v": 1}
    model = make_gpt(np.random.default_rng(0), num_positions=59, biases=False, **sizes)
    write_model("theirs.pth", model, "{}")
    Path("c.yaml").write_text(blocks["yaml"], encoding="utf-8")
    plan = Plan(load_config("c.yaml"))
    settings = plan.job("import_model", model="theirs").work.settings
    assert settings["vocabulary"] == "pad_playable"
    chosen = "gamecircuits.transformer.vocabulary.recognise_vocabulary"
    monkeypatch.setattr(chosen, lambda *_: "pad_playable")  # which these weights do not tell
    found: dict = {}
    exec(blocks["python"], found)
    assert found["logits"].shape == (10, 59, 64)


def test_the_conventions_of_the_page_are_those_there_are():
    text = (DOCS / "your_model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+), (\d+), (\d+) \| `(\w+)`", text, flags=re.MULTILINE)
    assert sorted(name for *_, name in rows) == sorted(CONVENTIONS)
    for *sizes, name in rows:
        for board_size, size in zip((8, 6, 4), sizes, strict=True):
            game = make_game("othello", board_size=board_size)
            assert name in list_conventions(int(size), game)


def test_the_error_of_the_readme_is_the_one_that_is_shown(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^ +(config/config.yaml:(\d+): .*\.(\w+) = (\d+): .*)$", text, re.MULTILINE)
    message, number, key, value = shown.groups()
    lines = (ROOT / "config/config.yaml").read_text(encoding="utf-8").splitlines()
    lines[int(number) - 1] = f"    {key}: {value}"
    (tmp_path / "config").mkdir()
    path = tmp_path / "config/config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(GamecircuitsError) as error:
        load_config(path)
    assert message in str(error.value).replace(f"{tmp_path}/", "")


def test_links_lead_somewhere():
    assert len(DOCUMENTS) >= 7
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            target, _, anchor = link.partition("#")
            if "://" in target:
                continue
            path = document.parent / target if target else document
            assert path.exists(), f"{document}: {link}"
            if anchor:
                assert anchor in get_anchors(path), f"{document}: {link}"


def get_anchors(document: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in headings}


def test_every_figure_is_shown_and_made_by_the_command():
    figures = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.png")}
    assert figures == set(docs.list_figures(DOCS)) | {"throughput.png"}
    texts = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert [name for name in figures if f"{name})" not in texts] == []


def test_the_page_has_the_assets_of_now_and_finds_its_images():
    """`run.py docs --only page` makes it anew."""
    page = (DOCS / docs.PAGE).read_text(encoding="utf-8")
    assert f'<meta name="assets" content="{digest_files(list_assets())}">' in page
    assert len(page) < 1_500_000
    data = read_data(page)
    assert data["is_copy"]
    assert data["figures"]
    for figure in data["figures"]:
        assert (DOCS / figure["image"]).is_file()


# The path of training.


def test_the_table_of_paths_is_that_of_the_trainings():
    """Section 10 of docs/theory.md, row by row from where the trainings ended."""
    table = pd.read_csv(DOCS / docs.PATHS)
    is_wide = table["d_model"] >= 1.5 * (table["vocab_size"] - 1)
    is_held_out = table["part"] == "held_out"
    chosen = {kind: is_wide & (table["kind"] == kind) for kind in table["kind"].unique()}
    chosen |= {
        "all of these": is_wide,
        "of these held out": is_wide & is_held_out,
        "narrow": ~is_wide,
        "narrow, held out": ~is_wide & is_held_out,
    }
    text = (DOCS / "theory.md").read_text(encoding="utf-8")
    for name, is_chosen in chosen.items():
        assert f"| {name} | {' | '.join(describe_paths(table[is_chosen]))} |" in text
    assert f"{table['run'].nunique()} trainings of {table['step'].max()} steps" in text


def describe_paths(rows: pd.DataFrame) -> list[str]:
    """Number of runs, then median and worst errors of each quantity."""
    cells = [str(rows["run"].nunique())]
    apart = (rows["predicted"] - rows["measured"]).abs()
    for quantity in ("x", "beta"):
        errors = 100 * (apart / rows["measured"].abs())[rows["quantity"] == quantity]
        decimals = 0 if errors.max() > 20 else 1
        cells.append(f"{errors.median():.{decimals}f}%, {errors.max():.{decimals}f}%")
    errors = apart[(rows["quantity"] == "alpha") & (rows["d_k"] > 0)]
    cells.append(f"{errors.median():.2f}, {errors.max():.2f}" if len(errors) else "–")
    for length in (rows["trained"], rows["vocab_size"] - 1):
        chosen = rows[(rows["quantity"] == "illegal_rate") & (rows["length"] == length)]
        errors = np.log(chosen["predicted"] / chosen["measured"]).abs()
        cells.append(f"{errors.median():.2f}, {errors.max():.2f}")
    errors = apart[rows["quantity"] == "longest_length"]
    cells.append(f"{(errors == 0).sum()} of {len(errors)}, {errors.max():.0f}")
    return cells


# The page on training.


def test_the_pages_are_what_their_tables_give(capsys):
    """Else run: python3 run.py docs"""
    pages = docs.render_pages(DOCS)
    assert "training.md" in pages
    for name, text in pages.items():
        assert text == (DOCS / name).read_text(encoding="utf-8"), name
    assert docs.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_sees_another_number(copied_docs, capsys):
    path = copied_docs / "training/effects.csv"
    table = page.read_table(path)
    table.loc[0, "mean"] += 0.1  # illegal token rate of v16, plain, last, trained
    page.write_table(table, path)
    assert docs.main(["--check"]) == 1
    assert "docs/training.md" in capsys.readouterr().err
    new = training_page.render_page(copied_docs).splitlines()
    old = (copied_docs / "training.md").read_text(encoding="utf-8").splitlines()
    [(one, other)] = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    before = f"{table.loc[0, 'mean'] - 0.1:.3f}"
    assert one.replace(before, f"{table.loc[0, 'mean']:.3f}", 1) == other


def test_every_decimal_of_the_training_page_is_from_a_table_or_a_config():
    """Results have decimals or percent signs; the template has expressions for them."""
    names = (training_page.TEMPLATE, "macros.template.md")
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in names)
    assert text.count("{{") > 80
    prose = re.sub(
        r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL
    )
    known = (ROOT / "config/search.yaml").read_text() + "95 % arXiv 2510.08341, rounds to 0.000"
    for number in re.findall(r"\d+\.\d+|\d+ ?%", prose):
        assert number in known, number


def test_tables_read_and_written_are_the_same_bytes(tmp_path):
    for name in ("effects", "mechanisms", "hypotheses"):
        path = DOCS / f"training/{name}.csv"
        page.write_table(page.read_table(path), tmp_path / "copy.csv")
        assert (tmp_path / "copy.csv").read_bytes() == path.read_bytes()


def make_difference(low: float, high: float) -> page.Estimate:
    """A difference whose own interval is half as wide as the corrected one."""
    middle, half = (low + high) / 2, (high - low) / 4
    ends = (middle, middle - half, middle + half)
    return page.Estimate(*ends, is_difference=True, adjusted=(low, high))


def test_effects_are_said_of_corrected_intervals():
    margin = page.MARGIN
    for low, high, effect in [
        (-0.3, -0.1, "helps"),
        (0.1, 0.3, "harms"),
        (-0.5, 0.1, "undecided"),
        (-0.3, 0.1, "undecided"),  # the interval itself excludes zero
        (-margin, margin, "equal"),
        (0.1 * margin, 0.2 * margin, "equal"),  # excludes zero, too
        (-1.1 * margin, 0, "undecided"),
        (0.1 * margin, 1.1 * margin, "harms"),
        (np.nan, np.nan, "undecided"),  # too few pairs
    ]:
        assert make_difference(low, high).effect == effect, (low, high)
    with pytest.raises(ValueError, match="only a difference with a corrected interval"):
        _ = page.Estimate(-0.2, -0.3, -0.1).effect


def test_effects_are_grouped_by_what_they_are():
    helps, harms = make_difference(-2, -1), make_difference(1, 2)
    assert page.describe_effects([helps, helps], [6, 12]) == "helps"
    assert page.describe_effects([helps, harms, helps], [6, 12, 15]) == ("helps: 6, 15; harms: 12")


def test_numbers_of_the_page():
    estimate = page.Estimate(0.12345, -0.5, 0.75, is_difference=True)
    assert str(estimate) == "+0.123"
    assert estimate.to(1) == "+0.1"
    assert estimate.interval(2) == "+0.12 [−0.50, +0.75]"
    assert page.Estimate(0.987).percent() == "99 %"
    with pytest.raises(ValueError, match="not in the tables"):
        str(page.Estimate(np.nan))
    searches = training_page.make_searches(*read_tables())
    assert [search.name for search in searches][:2] == ["v16", "v16_longer"]
    with pytest.raises(ValueError, match="0 rows"):
        searches[0].slope("no such variant")


def test_text_is_wrapped_and_tables_are_not():
    wrapped = page.wrap("- word" + " word" * 30 + "\n  end\n- next\n\n| cell" + " cell" * 30)
    lines = wrapped.splitlines()
    assert [line[:6] for line in lines] == ["- word", "  word", "- next", "", "| cell"]
    assert len(lines[0]) <= 100
    assert lines[1].endswith("word end")


# Hypotheses of two runs.

STATED = {
    "claim": "It is so.", "search": "v16", "measure": "x_mean", "compared": "plain", "unit": "nats",
    "region_low": -0.2, "region_high": 0.2,
}  # fmt: skip


def make_outcome(name: str, verdict: str, mean: float, half: float, **stated) -> dict:
    """A row of the table that check_hypotheses writes."""
    found = {"mean": mean, "low": mean - half, "high": mean + half, "verdict": verdict}
    found |= {"num_trials": 16, "num_missing": 0, "std": 1.0, "skewness": 0.0}
    return STATED | {"hypothesis": name} | found | stated


def test_sentences_of_hypotheses_are_made_from_their_rows(tmp_path):
    one_sided = {"region_low": np.nan, "region_high": 0.0, "unit": "probability"}
    first = [
        make_outcome("same", "supported", -0.131, 0.019, unit=np.nan),
        make_outcome("other", "supported", 0.1, 0.05),
        make_outcome("single", "undecided", 2.5, np.nan, **one_sided),
        make_outcome("changed", "contradicted", 2.5, 1.0, region_low=3.0, region_high=np.nan),
        make_outcome("lost", "undecided", np.nan, np.nan),
    ]
    again = [
        make_outcome("lost", "undecided", np.nan, np.nan),
        make_outcome("other", "undecided", 0.15, 0.1),
        make_outcome("same", "supported", -0.12, 0.02, unit=np.nan),
        make_outcome("changed", "contradicted", 2.5, 1.0, region_low=4.0, region_high=np.nan),
        make_outcome("new", "supported", 0.1, 0.05),
    ]
    joined = page.join_hypotheses(pd.DataFrame(first), pd.DataFrame(again))
    page.write_table(joined, tmp_path / "h.csv")
    table = page.read_table(tmp_path / "h.csv")
    sentences = {n: h.sentence for n, h in page.make_hypotheses(table).items()}
    assert sentences == {
        "same": "Supported in both runs: −0.131 [−0.150, −0.112], claimed between −0.2 and 0.2.",
        "other": "Supported in the first run, undecided in the second: 0.10 [0.05, 0.15] and "
        "0.15 [0.05, 0.25] nats, claimed between −0.2 and 0.2.",
        "single": "Undecided: 2.500, no interval, claimed at most 0.",
        "changed": "Contradicted: 2.5 [1.5, 3.5] nats, claimed at least 3.",
        "lost": "Undecided in both runs: no value, claimed between −0.2 and 0.2.",
    }
    split = page.split_hypotheses(table)
    assert split[1]["hypothesis"].tolist() == ["same", "other", "lost"]
    pd.testing.assert_frame_equal(page.join_hypotheses(*split), table)


@pytest.fixture
def copied_docs(tmp_path, monkeypatch):
    """A copy of docs/ that the command works on."""
    copy = tmp_path / "docs"
    shutil.copytree(DOCS, copy)
    monkeypatch.setattr(docs, "DOCS", copy)
    return copy


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Runs whose results are those of docs/; the files that they were asked for, by run."""
    asked: dict[str, list[str]] = {name: [] for name in docs.RUNS}
    effects, mechanisms = read_tables()

    def make(run: docs.Run, files: Iterable[str]) -> Path:
        [name] = [name for name, other in docs.RUNS.items() if other is run]
        asked[name] += files
        return tmp_path / "results"

    monkeypatch.setattr(docs.Run, "make", make)
    is_moderator = effects["hyperparameter"].notna()
    columns = effects[is_moderator].dropna(axis="columns", how="all").columns
    for search in docs.RUNS["search"].searches:
        folder = tmp_path / f"results/searches/{search}"
        folder.mkdir(parents=True)
        rows = effects[effects["search"] == search]
        is_drawn = rows["hyperparameter"].notna()
        of_all = rows[~is_drawn].drop(columns=["search", "hyperparameter", "value"])
        divergence = of_all.assign(metric="kl_divergence")
        pd.concat([of_all, divergence]).to_csv(folder / "effects.csv", index=False)
        drawn = rows.loc[is_drawn, columns].drop(columns=["search", "metric"])
        drawn.columns = [name.removesuffix("_vs_average") for name in drawn.columns]
        drawn = drawn.assign(versus="average", share_better=0.5)
        others = [
            drawn.assign(versus="variant"),
            drawn.assign(hyperparameter="weight_decay"),
            drawn.assign(eval_length="twice"),
        ]
        pd.concat([drawn, *others]).to_csv(folder / "moderators.csv", index=False)
        rows = mechanisms[mechanisms["search"] == search].dropna(subset="variant")
        rows = rows.drop(columns="search").rename(columns={"count": "num_trials"})
        rows.to_csv(folder / "mechanisms.csv", index=False)
    (tmp_path / "results/tables").mkdir()
    joined = page.read_table(DOCS / "training/hypotheses.csv")
    hypotheses, _ = page.split_hypotheses(joined)
    hypotheses.to_csv(tmp_path / "results/tables/hypotheses.csv", index=False)
    path = tmp_path / "results/figures/experiments/training_path.csv"
    path.parent.mkdir(parents=True)
    shutil.copy(DOCS / docs.PATHS, path)
    job = {"stage": "plot_games", "modules": ["gamecircuits.figures.games.branching_factor"]}
    figure = save_png(np.full((40, 40, 4), 255, dtype=np.uint8), job=json.dumps(job))
    for _, file in docs.FIGURES.values():
        path = tmp_path / "results" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(figure)
    return asked


def save_png(pixels: np.ndarray, job: str) -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    info.add_text("Description", job)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info, dpi=(200, 200))
    return buffer.getvalue()


def read_tables() -> list[pd.DataFrame]:
    names = ("effects", "mechanisms")
    return [page.read_table(DOCS / f"training/{name}.csv") for name in names]


def test_the_tables_of_a_run_become_those_of_the_page(copied_docs, made):
    for name in ("effects", "mechanisms"):
        path = copied_docs / f"training/{name}.csv"
        table = page.read_table(path)
        if name == "effects":
            table["mean"] = 0.5
        page.write_table(table, path)
    (copied_docs / "training.md").write_text("stale")
    assert docs.main(["--only", "training"]) == 0
    names = [f"training/{part}.csv" for part in ("effects", "mechanisms", "hypotheses")]
    for name in (*names, "training.md"):
        assert (copied_docs / name).read_bytes() == (DOCS / name).read_bytes(), name
    assert Image.open(copied_docs / "training/circuits_v16.png").size == (40, 40)
    assert {name for name, files in made.items() if files} == {"search"}
    assert "searches/v16/moderators.csv" in made["search"]
    assert "figures/searches/v16/circuits.png" in made["search"]


def test_the_figures_of_other_pages_are_copied(copied_docs, made):
    assert docs.main(["--only", "figures"]) == 0
    assert {name for name, files in made.items() if files} == {"start", "default", "theory"}
    for copy in docs.list_figures(copied_docs):
        is_new = docs.FIGURES[copy][0] in ("start", "default", "theory")
        assert (Image.open(copied_docs / copy).size == (40, 40)) == is_new, copy


def test_two_equal_runs_agree(copied_docs, made):
    """And the rest of the table stays."""
    assert docs.main(["--only", "replication"]) == 0
    assert set(made["search"]) == set(made["again"])
    table = page.read_table(copied_docs / "training/mechanisms.csv")
    old = page.read_table(DOCS / "training/mechanisms.csv")
    is_new = training_page.is_replication(table)
    pd.testing.assert_frame_equal(table[~is_new], old[~training_page.is_replication(old)])
    keys = ["search", "quantity", "unit", "meaning"]
    pd.testing.assert_frame_equal(table.loc[is_new, keys], old.loc[is_new, keys])
    counts = table[is_new].set_index(["search", "quantity"])["count"]
    effects, _ = read_tables()
    effects = effects[effects["hyperparameter"].isna() & (effects["strength"] == "as_trained")]
    for versus in ("vs_average", "vs_variant"):
        of_search = effects[f"low_{versus}"].notna().groupby(effects["search"]).sum()
        for search, count in of_search.items():
            assert counts[search, f"agree_{versus}"] == count > 0
    is_of_search = counts.index.get_level_values("quantity").str.startswith("agree_")
    assert counts["all", "agree"] == counts[is_of_search].sum()
    for quantity, rows in table[is_new].groupby("quantity"):
        wanted = 0 if quantity.startswith("contradicted") else 1
        assert set(rows["mean"].dropna()) == {wanted}, quantity
    path = copied_docs / "training/hypotheses.csv"
    hypotheses = page.read_table(path)
    for name in ("verdict", "mean", "low"):
        assert hypotheses[name].tolist() == hypotheses[f"{name}_again"].tolist()
    written = path.read_bytes()
    assert docs.main(["--only", "training"]) == 0  # which keeps the second run
    assert path.read_bytes() == written


def test_a_run_with_the_other_signs_contradicts():
    effects, _ = read_tables()
    of_v16 = effects[(effects["search"] == "v16") & effects["hyperparameter"].isna()]
    turned = of_v16.copy()
    for versus in ("vs_average", "vs_variant"):
        columns = [f"{name}_{versus}" for name in ("difference", "low", "high")]
        turned[columns] = -of_v16[[columns[0], columns[2], columns[1]]]
    table = training_page.compare_runs({"v16": of_v16}, {"v16": turned})
    means = table[table["search"] == "all"].set_index("quantity")["mean"]
    assert means["same_sign"] == 0
    assert means["contradicted"] == 1
    assert 0 < means["agree"] < 1  # where the intervals are wide


def test_a_run_makes_only_what_is_asked_for(monkeypatch):
    commands = []
    monkeypatch.setattr(docs.subprocess, "run", lambda command, **_: commands.append(command))
    folder = docs.RUNS["again"].make(["searches/v16/effects.csv"])
    assert folder == ROOT / "results/search_again"
    assert commands[0][3:] == [
        *("results/search_again/searches/v16/effects.csv", "--configfile", "config/search.yaml"),
        *("--config", "seed=3", "results=results/search_again"),
    ]


def test_the_findings_of_the_readme_are_those_of_the_tables():
    """Numbers of "What training finds" that stand in docs/training too."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What training finds")[2]
    text = " ".join(text.split())
    folder = DOCS / training_page.FOLDER
    effects = page.read_table(folder / "effects.csv")
    effects = effects[effects["hyperparameter"].isna() & (effects["strength"] == "as_trained")]
    rows = effects.query(
        "search == 'v16' and average == 'last' and eval_length == 'longest'"
        " and metric == 'illegal_token_rate'"
    )
    rates = rows.set_index("variant")["mean"]
    assert f"{rates['attention_norm']:.2f} instead of {rates['plain']:.2f}" in text
    assert f"({rates['residual_norm']:.2f})" in text
    mechanisms = page.read_table(folder / "mechanisms.csv").query(
        "search == 'v16' and variant == 'plain'"
    )
    means = mechanisms.set_index("quantity")["mean"]
    assert f"{100 * means['unexplained_trained']:.0f} % of the total variation" in text
    errors = means[["prediction_error_trained", "prediction_error_beyond"]]
    assert errors.max() < 0.01, "with a mean error below 1 %"
    hypotheses = page.read_table(folder / "hypotheses.csv")
    assert f"{len(hypotheses)} hypotheses" in text
    supported = hypotheses.set_index("hypothesis").loc[
        ["little_dropout_matched", "dropout_matched", "more_dropout_matched", "dropout_harms",
         "average_after_cosine", "bema_matched", "few_games_embedding_dropout"]
    ]  # fmt: skip
    assert (supported[["verdict", "verdict_again"]] == "supported").all(axis=None)
    searches = load_config(ROOT / "config/search.yaml").searches
    assert f"{sum(len(s.trials) for s in searches.values())} trainings" in text
    paths = pd.read_csv(DOCS / docs.PATHS)
    wide = paths[(paths["quantity"] == "x") & (paths["d_model"] >= 1.5 * (paths["vocab_size"] - 1))]
    error = 100 * (wide["predicted"] / wide["measured"] - 1).abs().median()
    assert f"{error:.1f} % (median of {len(wide)} trainings)" in text
