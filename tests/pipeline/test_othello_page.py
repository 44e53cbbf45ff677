"""The page on OthelloGPT: tables by other code, text that holds whatever the tables say."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy
from othello_results import write_results
from test_docs_images import JOB, save_png

from gamecircuits.pipeline import docs, othello_page, othello_tables
from gamecircuits.pipeline.page import Estimate, read_table

ROOT = Path(__file__).parents[2]
RESULTS = {"othello": ("othello", 1, 0), "turned": ("othello", -1, 0), "again": ("othello", 1, 1),
           "languages": ("languages", 1, 0)}  # fmt: skip
TEMPLATE = (ROOT / "docs" / othello_page.TEMPLATE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folders of results by name: a run, one with the other signs, one with another seed."""
    folder = tmp_path_factory.mktemp("results")
    for name, (run, sign, seed) in RESULTS.items():
        write_results(folder / name, docs.RUNS[run].load(), sign, seed)
    figure = save_png(np.full((40, 40, 4), 255, dtype=np.uint8), job=json.dumps(JOB))
    for run, file in docs.FIGURES.values():
        if run in RESULTS:
            for name in RESULTS:
                path = folder / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(figure)
    return folder


@pytest.fixture
def made(tmp_path, monkeypatch, results):
    """Docs without the page, and which results stand for which run."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    shutil.rmtree(tmp_path / "docs" / docs.OTHELLO, ignore_errors=True)
    monkeypatch.setattr(docs, "DOCS", tmp_path / "docs")
    stands = {"othello": "othello", "othello_again": "again", "languages": "languages"}

    def make(run, files):
        [name] = [name for name, other in docs.RUNS.items() if other is run]
        found = results / stands[name]
        assert [file for file in files if not (found / file).is_file()] == []
        return found

    monkeypatch.setattr(docs.Run, "make", make)
    return stands


def make_page(*parts: str) -> str:
    for part in parts:
        assert docs.main(["--only", part]) == 0
    return (docs.DOCS / "othello.md").read_text(encoding="utf-8")


def read_othello_tables() -> dict[str, pd.DataFrame]:
    return {path.stem: read_table(path) for path in (docs.DOCS / docs.OTHELLO).glob("*.csv")}


def get_interval(values: np.ndarray) -> list[float]:
    """Mean and Student's 95 % interval, by scipy."""
    mean, count = np.mean(values), len(values)
    ends = scipy.stats.t.interval(0.95, count - 1, mean, np.std(values, ddof=1) / count**0.5)
    return [mean, *ends]


def test_what_is_not_there_is_left_out(made, capsys):
    assert docs.main(["--check"]) == 0, "a page without tables is no old page"
    assert "othello/positions.png" not in docs.list_figures(docs.DOCS)
    text = make_page("othello")
    assert docs.main(["--check"]) == 0
    shown = set(re.findall(r"\]\((othello/\w+\.png)\)", " ".join(text.split())))
    assert shown == {f for f in docs.list_figures(docs.DOCS) if f.startswith(docs.OTHELLO)}
    assert all((docs.DOCS / file).is_file() for file in shown)
    for words in ("second run", "both runs", "## Languages", "## Agreement"):
        assert words not in text
    path = docs.DOCS / docs.OTHELLO / "factors.csv"
    path.write_text(path.read_text().replace("constant", "changed"))
    capsys.readouterr()
    with pytest.raises(ValueError, match="0 rows of the tables fit"):
        docs.main(["--check"])


def test_another_number_is_seen(made, capsys):
    make_page("othello")
    path = docs.DOCS / docs.OTHELLO / "lengths.csv"
    table = read_table(path)
    is_base = (table["model"] == "learned.norm_before.no_dropout.constant") & (
        table["length"] == 16
    )
    table.loc[is_base, "illegal_token_rate"] += 0.1
    docs.write_table(table, path)
    assert docs.main(["--check"]) == 1
    assert "docs/othello.md" in capsys.readouterr().err


def test_two_runs_and_languages(made):
    text = make_page("othello", "othello_again", "languages")
    for words in ("| second run |", "in both runs", "## Languages", "## Agreement of two runs"):
        assert words in text
    written = {path: path.read_bytes() for path in (docs.DOCS / docs.OTHELLO).glob("*.csv")}
    assert sum(map(len, written.values())) < 300_000
    assert make_page("othello") == text, "what the second run says stays"
    assert {path: path.read_bytes() for path in written} == written
    tables = read_othello_tables()
    assert tables["runs"]["seed_again"].eq(1).all()
    hypotheses = tables["hypotheses"]
    assert hypotheses["verdict_again"].notna().all()
    for claim in hypotheses["claim"]:
        assert claim in text
    found = re.search(r"exclude zero\. Of these, (\d+) have", " ".join(text.split()))
    factors = tables["factors"]
    same = 0
    for row in factors.to_dict("records"):
        for versus in ("level", "average"):
            low, high, new = (row[f"{n}_vs_{versus}{s}"] for n, s in
                              [("low", ""), ("high", ""), ("difference", "_again")])  # fmt: skip
            same += (low > 0 and new > 0) or (high < 0 and new < 0)
    assert int(found[1]) == same > 0


def test_the_opposite_outcome_gives_the_opposite_sentences(made):
    """Of the same draws, with all effects turned round."""
    effects = {}
    for name in ("othello", "turned"):
        made["othello"] = name
        text = make_page("othello")
        check_words(text)
        start = text.partition("## In short")[0]
        effects[name] = re.findall(r"^- \*.*?: +(\w+)[.:]", " ".join(start.split()).replace(
            "- *", "\n- *"), flags=re.MULTILINE)  # fmt: skip
        verdicts = read_othello_tables()["hypotheses"].set_index("hypothesis")["verdict"]
        wanted = {"othello": ("contradicted", "supported"), "turned": ("supported", "contradicted")}
        assert (verdicts["rotary_beyond"], verdicts["dropout_trained"]) == wanted[name]
        section = text.partition("**Supported**")[2].partition("**Contradicted**")
        place = section[0] if verdicts["rotary_beyond"] == "supported" else section[2]
        assert "- Rotary positions help beyond trained lengths (`small`)" in place
    other = {"harms": "helps", "helps": "harms", "equal": "equal", "undecided": "undecided"}
    assert len(effects["othello"]) == 7
    assert effects["turned"] == [other[effect] for effect in effects["othello"]]
    assert {"harms", "helps"} <= set(effects["othello"])


def check_words(text: str) -> None:
    """Whether words in tables fit the numbers beside them."""
    number = r"([+−]?\d\.\d+)"
    lines = re.findall(
        rf"\[{number}, {number}\] \| (above zero|below zero|not clear of zero)", text
    )
    assert lines
    for low, high, words in lines:
        ends = [float(end.replace("−", "-")) for end in (low, high)]
        found = (
            "above zero" if ends[0] > 0 else "below zero" if ends[1] < 0 else "not clear of zero"
        )
        assert words == found
    for row in re.findall(r"^\|.*\| (?:helps|harms|equal) \|", text, flags=re.MULTILINE):
        differences = [float(x.replace("−", "-")) for x in re.findall(rf"\| {number} \[", row)]
        if row.endswith("equal |"):
            assert max(map(abs, differences)) <= 0.01
        else:
            assert {x > 0 for x in differences} == {row.endswith("harms |")}


def test_a_second_run_with_the_other_signs_is_told(made):
    made["othello_again"] = "turned"
    text = " ".join(make_page("othello", "othello_again").split())
    assert "**Not the same in both runs**" in text
    assert "Contradicted in the first run, supported in the second" in text
    found = re.search(r"Of these, (\d+) have the same sign in the second run, and (\d+) ex", text)
    assert int(found[2]) > 100 > int(found[1])


def test_effects_that_are_not_clear_are_undecided(made, results, monkeypatch):
    """One draw has no interval: every effect is undecided, and no sentence says more."""
    read = othello_tables.read_search

    def read_one_draw(folder, name):
        tables = read(folder, name)
        ends = tables["factors"].filter(regex="low|high").columns
        return tables | {"factors": tables["factors"].assign(**dict.fromkeys(ends, np.nan))}

    monkeypatch.setattr(othello_tables, "read_search", read_one_draw)
    start = " ".join(make_page("othello").partition("## In short")[0].split())
    for name in ("Positions", "Norms", "Dropout", "Schedule"):
        assert re.search(rf"- \*{name}\*, against `\w+`: undecided: ", start)


def test_tables_by_other_code(made, results):
    make_page("othello")
    tables = read_othello_tables()
    config = docs.RUNS["othello"].load()
    small = othello_tables.read_search(results / "othello", "small")
    metrics, base = small["metrics"], "learned.norm_before.no_dropout.constant"

    lengths = tables["lengths"].set_index(["search", "model", "average", "length"])
    row = lengths.loc[("small", base, "ema_0.99", 23)]
    rows = metrics[(metrics["variant"] == base) & (metrics["average"] == "ema_0.99")]
    values = rows[(rows["length"] == 23) & (rows["metric"] == "top1_legal")]["mean"]
    names = ["top1_legal", "top1_legal_low", "top1_legal_high"]
    np.testing.assert_allclose(row[names].astype(float), get_interval(values), rtol=1e-5)
    row, matched = lengths.loc[("small", base, "last", 23)], small["matched"]
    rates = matched[(matched["variant"] == base) & (matched["average"] == "last")]
    rates = rates[rates["metric"] == "illegal_token_rate"]
    apart, alike = [], []
    for _, of_draw in rates.groupby("number"):
        before = of_draw[of_draw["length"] <= 16]
        [at] = of_draw[of_draw["length"] == 23].to_dict("records")
        apart.append(at["mean"] - np.average(before["mean"], weights=before["count"]))
        alike.append(at["matched_mean"] - at["reference_mean"])
    for name, values in {"difference": apart, "matched": alike}.items():
        found = row[[name, f"{name}_low", f"{name}_high"]].astype(float)
        np.testing.assert_allclose(found, get_interval(values), rtol=1e-5)
    assert row["overlap"] == 0.8

    def find_level(level: str, of: pd.DataFrame) -> np.ndarray:
        is_level = [level in variant.split(".") for variant in of["variant"]]
        return of[is_level].groupby("number")["value"].mean().to_numpy()

    attention = small["attention"].rename(columns={"share_of_uniform": "value"})
    chosen = attention[(attention["average"] == "last") & (attention["length"] == 31)]
    chosen = chosen[chosen["layer"] == 1]
    mechanisms = tables["mechanisms"].set_index(["search", "level", "quantity"])
    rows = mechanisms.loc[("small", "rotary", "attention_share")]
    [row] = rows[(rows["layer"] == 2) & (rows["length"] == 31)].to_dict("records")
    wanted = get_interval(find_level("rotary", chosen))
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], wanted, rtol=1e-5)
    apart = find_level("rotary", chosen) - find_level("learned", chosen)
    np.testing.assert_allclose(row["difference_vs_level"], apart.mean(), rtol=1e-5)
    noise = small["noise"].rename(columns={"noise": "value"})
    noise = noise[noise["length"] == 16]
    row = mechanisms.loc[("small", "cosine", "noise_trained")]
    apart = find_level("cosine", noise) - find_level("constant", noise)
    np.testing.assert_allclose(row["difference_vs_level"], [apart.mean()], rtol=1e-5)

    factors = tables["factors"].set_index(["search", "level", "average", "eval_length", "metric"])
    row = factors.loc[("large", "norm_after", "last", "halfway", "total_variation")]
    large = othello_tables.read_search(results / "othello", "large")["metrics"]
    large = large[(large["length"] == 23) & (large["metric"] == "total_variation")]
    wide = large[large["average"] == "last"].pivot(index="number", columns="variant", values="mean")
    found = row[[f"{name}_vs_level" for name in ("difference", "low", "high")]].astype(float)
    np.testing.assert_allclose(
        found, get_interval(wide["norm_after"] - wide["norm_before"]), rtol=1e-5
    )

    runs = tables["runs"].set_index("search")
    groups = {name: len(search.groups) for name, search in config.searches.items()}
    np.testing.assert_allclose(runs["hours"], [2 * groups[n] * 36 / 3600 for n in runs.index])
    assert (runs["num_variants"] * runs["num_draws"]).sum() == 168


def test_every_decimal_of_the_template_is_published_or_from_a_config():
    prose = re.sub(
        r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|`[^`]*`|\]\([^)]*\)", "", TEMPLATE, flags=re.DOTALL
    )
    published = "2210.13382, 0.01 % (Li et al.), 0.03 %, 1.4 % (Wong), 2510.08341, 95 %"
    for number in re.findall(r"\d+\.\d+|\d+ ?%", prose):
        assert number in published, number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Estimate(np.nan), "–"),
        (Estimate(0.25), "0.250"),
        (Estimate(0.25, 0.2, 0.3), "0.250 [0.200, 0.300]"),
        (Estimate(0.25, np.nan, np.nan, is_difference=True), "+0.250"),
    ],
)
def test_numbers_that_are_not_there_are_dashes(number, text):
    assert othello_page.show(number) == text


def test_tallies_are_sentences():
    make = lambda low, high: Estimate(0, 0, 0, True, (low, high))  # noqa: E731
    changes = [make(-2, -1), make(-3, -2), make(1, 2), make(-1, 1)]
    assert othello_page.tally(changes) == "2 help, 1 harms, 1 is undecided"
    assert othello_page.tally([make(0, 0)] * 2) == "2 are equal"
