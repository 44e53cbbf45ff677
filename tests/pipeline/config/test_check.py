import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from gpts import make_gpt
from safetensors.numpy import save_file
from snakemake.cli import parse_config

from gamecircuits.games.game import GAMES
from gamecircuits.pipeline.config.__main__ import main
from gamecircuits.pipeline.config.load import check_overrides, load_config
from gamecircuits.pipeline.config.yaml_lines import ConfigError
from gamecircuits.training.averaging import AVERAGES
from gamecircuits.transformer.constructions.construction import make_construction
from gamecircuits.transformer.weights import write_model

ROOT = Path(__file__).parents[3]
GOOD = """\
seed: 3
games:
  a:
    kind: set_complement
    vocab_size: 8
  w: {kind: windowed_complement, vocab_size: 8, window: 2, num_games: 50, games_per_shard: 20}
models:
  m:
    kind: balanced
    vocab_size: 8
    max_illegal_rate: 1e-3
evaluations:
  e: {game: a, models: [m], contexts: all}
  f: {game: w, models: [m], lengths: [1, 4]}
claims: {vocab_sizes: [4, 6]}
experiments:
  x: {kind: remedies, vocab_size: 8}
searches:
  s: {game: a, length: 3, space: {learning_rate: 1e-3}, variants: {v: {}}}
hypotheses:
  h: {claim: So., search: s, measure: total_variation, length: twice, between: [0, null]}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text, **overrides):
        Path("c.yaml").write_text(text, encoding="utf-8")
        return load_config("c.yaml", overrides=overrides)

    return load


def test_a_good_config(load):
    config = load(GOOD)
    assert (config.seed, config.results) == (3, "results")
    model = config.models["m"]
    settings = {"kind": "balanced", "vocab_size": 8, "max_illegal_rate": 0.001, "d_model": None}
    assert (model.settings, model.origin, model.figures) == (settings, "construction", True)
    assert config.games["w"].shards == ["shard-00000", "shard-00001", "shard-00002"]
    assert [config.games["w"].games_in_shard(n) for n in range(3)] == [20, 20, 10]
    assert config.evaluations["e"].lengths == tuple(range(1, 8))
    assert config.evaluations["f"].lengths == (1, 4)


def test_a_hypothesis_is_filled_from_its_search(load):
    settings = load(GOOD).hypotheses["h"].settings
    cell = {"variant": "v", "average": "last", "strength": "as_trained"}
    assert (settings["cell"], settings["versus"]) == (cell, None)
    assert (settings["numbers"], settings["between"]) == (list(range(8)), [0, None])
    text = GOOD.replace("space: {", "trials: 4, space: {schedule: [constant, cosine], ")
    text = text.replace("v: {}", "v: {}, w: {norm: attention}")
    text = text.replace("length: twice", "length: twice, variant: w, where: {schedule: cosine}")
    config = load(text.replace("between", "versus: {average: bema, variant: v}, between"))
    settings, trials = config.hypotheses["h"].settings, config.searches["s"].trials
    assert settings["cell"] == cell | {"variant": "w"}
    assert settings["versus"] == cell | {"average": "bema"}
    drawn = [n for n in range(4) if trials["v", n].schedule == "cosine"]
    assert settings["numbers"] == drawn != []
    with pytest.raises(ConfigError, match=r"h\.strength = 'matched': w has a norm, under which st"):
        load(text.replace("between", "strength: matched, between"))


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_the_configs_of_the_project(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    load_config(path)


BROKEN = [  # (replace, by, line, message)
    ("vocab_sizes: [4", "vocab_sizes: [3", 15, "vocab_sizes[0] = 3: allowed: an integer from 4 to"),
    ("[4, 6]", "[4, 4]", 15, "claims.vocab_sizes = [4, 4]: must not name anything twice"),
    ("[4, 6]", "[]", 15, "claims.vocab_sizes = []: must not be empty"),
    (
        *("vocab_sizes: [4", "vocab_size: [4", 15),
        "claims.vocab_size: unknown key; did you mean 'vocab_sizes'?; known: vocab_sizes, inst",
    ),
    ("claims: {vocab_sizes: [4, 6]}", "claims: true", 15, "claims = True: must be a mapping"),
    ("kind: remedies", "kind: remedy", 17, "allowed: averaging, certificate"),
    ("remedies, vocab_size: 8", "remedies, vocab_size: 3", 17, "vocab_size = 3: allowed: an integ"),
    ("  x: {kind", "  X: {kind: precision}\n  x: {kind", 18, "differs from 'X' in case alone"),
    ("seed: 3", "seed: -1", 1, "seed = -1: allowed: an integer from 0 to 9223372036854775807"),
    ("seed: 3", "seed: three", 1, "seed = 'three': must be an integer"),
    ("seed: 3", "sed: 3", 1, "sed: unknown key; did you mean 'seed'?; known: seed, results, games"),
    ("seed: 3", "seed: 3\nseed: 4", 2, "seed: the key stands twice, first at c.yaml:1"),
    ("seed: 3", "results: my results", 1, "results = 'my results': must be a folder's path of"),
    ("seed: 3", "results: a$b;c", 1, "results = 'a$b;c': must be a folder's path of letters"),
    ("seed: 3", "results: ../..", 1, "results = '../..': must not be the folder that you are in"),
    ("seed: 3", "seed: 1:30", 1, "seed = '1:30': must be an integer"),
    ("seed: 3", "seed: 016", 1, "seed = '016': must be an integer"),
    ("seed: 3", "seed: 2020-13-45", 1, "seed = '2020-13-45': must be an integer"),
    ("seed: 3", "seed: .nan", 1, "seed = nan: must be an integer"),
    ("seed: 3", "seed: true", 1, "seed = True: must be an integer"),
    ("seed: 3", "seed:", 1, "seed = None: must be an integer"),
    ("models:", "models: &m {x: *m}\nmore:", 7, "an alias stands in what it names"),
    ("seed: 3", "seed: [1, 2", 2, "not valid YAML"),
    ("seed: 3", "seed: 3\n\tx: 1", 2, "not valid YAML: found character '\\t'"),
    ("kind: set_complement", "kind: set_complment", 4,
     f"games.a.kind = 'set_complment': allowed: {', '.join(GAMES.kinds())}; "
     "did you mean 'set_complement'?"),
    ("    kind: set_complement\n", "", 3, "games.a: the key 'kind' is missing; allowed: "),
    ("vocab_size: 8\n  w", "vocab_sze: 8\n  w", 5, "games.a.vocab_sze: unknown key; did you mean"),
    ("    vocab_size: 8\n  w", "  w", 3, "games.a: the key 'vocab_size' is missing (number of"),
    ("vocab_size: 8\n  w", "vocab_size: '8'\n  w", 5, "a.vocab_size = '8': must be an integer"),
    ("vocab_size: 8\n  w", "vocab_size: 1\n  w", 5, "a.vocab_size = 1: allowed: an integer fr"),
    ("window: 2", "window: 8", 6, "allowed: an integer from 0 to vocab_size - 1 = 7"),
    (
        "window: 2",
        "window: 2, splits: {train: 0.9}",
        6,
        "games.w.splits = {'train': 0.9}: train + validation + test = 0.9 + 0.1 + 0.1 must be 1",
    ),
    (
        "window: 2",
        "window: 2, splits: {tran: 0.9}",
        6,
        "games.w.splits.tran: unknown key; did you mean 'train'?; known: train, validation, test",
    ),
    ("num_games: 50", "num_games: 0", 6, "num_games = 0: allowed: an integer from 1 to 10"),
    ("num_games: 50", "num_games: 999999", 6, "makes 50,000 shards of the games; at most 10,000"),
    ("num_games: 50", "num_games: 1.5", 6, "games.w.num_games = 1.5: must be an integer"),
    ("  a:", "  a b:", 3, "games.a b: names start with a letter"),
    ("  a:", "  7:", 3, "games.7: keys must be text, not 7; write it in quotes"),
    ("  w: {", "  w: 5 #", 6, "games.w = 5: must be a mapping of keys to values"),
    ("max_illegal_rate: 1e-3", "max_illegal_rate: 2", 11, "allowed: a number from 1e-300 to belo"),
    ("max_illegal_rate: 1e-3", "max_illegal_rate: low", 11, "= 'low': must be a number"),
    ("max_illegal_rate: 1e-3", "d_model: 13", 11,
     "models.m.d_model = 13: allowed: an integer from 14 to 16384 (balance needs width 2(V-1))"),
    ("    vocab_size: 8\n    max", "    vocab_size: 9\n    max", 13,
     "evaluations.e.models[0] = 'm': the model has vocab_size 9, the game a has 8; they must be"),
    ("game: a", "game: aa", 13, "evaluations.e.game = 'aa': no such entry of games; known: a, w"),
    ("models: [m], con", "models: [k], con", 13, "models[0] = 'k': no such entry of models"),
    ("models: [m], con", "models: [m, m], con", 13, "e.models[1] = 'm': is listed twice"),
    ("models: [m], con", "models: [], con", 13, "evaluations.e.models = []: must not be empty"),
    ("contexts: all", "contexts: al", 13, "allowed: sampled, all, orbits; did you mean 'all'?"),
    ("lengths: [1, 4]", "contexts: all", 14, "needs kind set_complement, but w is windowed_comp"),
    ("lengths: [1, 4]", "lengths: [1, 16]", 14,
     "evaluations.f.lengths[1] = 16: w has something to predict at lengths 1 to 15 only"),
    ("lengths: [1, 4]", "lengths: [4, 1]", 14, "allowed: all, or ascending positive integers"),
    ("lengths: [1, 4]", "lengths: [0, 1]", 14, "allowed: all, or ascending positive integers"),
    ("lengths: [1, 4]", "dtype: float16", 14, "allowed: float64, float32"),
    ("game: a, length", "game: b, length", 19, "searches.s.game = 'b': no such game; known: a, w"),
    ("length: 3", "length: 8", 19, "searches.s.length = 8: allowed: 1 to 7, so that a token follo"),
    ("length: 3", "length: 3, steps: 50", 19, "s.checkpoints = 40: must divide steps = 50"),
    ("{learning_rate: 1e-3}", "{rate: 1}", 19, "searches.s.space.rate: unknown key; known: targ"),
    ("1e-3}, var", "-1}, var", 19, "searches.s.space.learning_rate = -1: allowed: a number above"),
    ("1e-3}, var", "{low: 2}}, var", 19, "allowed: {low: ..., high: ..., scale: linear or log}"),
    ("{v: {}}", "{v: {norm: [none]}}", 19, "variants.v.norm = ['none']: a variant has one value"),
    ("length: 3", "length: 3, steps: 50", 19, "must divide steps = 50 (it is the default)"),
    ("{v: {}}", "{'a/b': {}}", 19, "variants.a/b: names start with a letter and go on with"),
    ("{v: {}}", "{v: {}}, averages: {'0': {kind: last}}", 19, "averages.0: names start with a l"),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: [1]}}", 19, "averages.e.kind = [1]: allowed: last"),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: bema, every: 3}}", 19,
     "averages.e.every = 3: allowed: what divides steps = 4000"),
    ("{learning_rate: 1e-3}", "{clip_norm: .inf, rate: 1}", 19, "clip_norm = inf: allowed: a numb"),
    ("{learning_rate: 1e-3}", "{clip_norm: .inf, rate: 1}", 19, "s.space.rate: unknown key; known"),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: ema}}", 19, "averages.e: the key 'decay' is miss"),
    ("{v: {}}", "{v: {}, V: {}}", 19, "variants.V: differs from 'v' in case alone"),
    ("{v: {}}", "{v: {}, NA: {}}", 19, "variants.NA: means a missing value"),
    ("{v: {}}", "{v: {norn: none}}", 19, "variants.v.norn: unknown key; did you mean 'norm'?"),
    ("{v: {}}", "{v: {learnign_rate: 1}}", 19, "did you mean 'learning_rate'?; known: targets, op"),
    ("length: 3", "length: 3, architecture: gtp", 19,
     "s.architecture = 'gtp': no such architecture; known: gpt, one_layer; did you mean 'gpt'?"),
    ("{learning_rate: 1e-3}", "{num_heads: 2}", 19,
     "searches.s.space.num_heads: is of architecture gpt; this search trains one_layer"),
    ("length: 3, space: {learning_rate: 1e-3}", "length: 3, architecture: gpt, space: {d_k: 2}", 19,
     "searches.s.space.d_k: is of architecture one_layer; this search trains gpt"),
    *(
        ("space: {learning_rate: 1e-3}, variants: {v: {}}", f"architecture: gpt, {about}", 19, told)
        for about, told in [
            ("space: {num_haeds: 2}", "s.space.num_haeds: unknown key; did you mean 'num_heads'?"),
            ("space: {num_heads: [3, 5]}", "s.space.num_heads = "),
            ("space: {d_model: 33}", "space.num_heads = 2: allowed: a divisor of d_model = 33"),
            ("space: {num_heads: 2}, variants: {v: {num_heads: 5}}",
             "searches.s.variants.v.num_heads = 5: allowed: a divisor of d_model = 64"),
            ("space: {}, variants: {u: {}, v: {positions: rotary, d_model: 6}}",
             "searches.s.variants.v.num_heads = 2: allowed: an even width of the heads"),
        ]
    ),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: emo}}", 19,
     f"{', '.join(AVERAGES)}; did you mean 'ema'?"),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: ema, decay: 2}}", 19,
     "averages.e.decay = 2: allowed: a number from 0 to 1"),
    ("{v: {}}", "{v: {}}, averages: {e: {kind: ema, decy: 1}}", 19,
     "averages.e.decy: unknown key; did you mean 'decay'?; known: kind, decay"),
    ("{v: {}}", "{v: {}}, averages: {e: {decay: 1}}", 19, "averages.e: the key 'kind' is missing"),
    ("1e-3}, var", "{low: '1', high: 2}}, var", 19, "learning_rate.low = '1': allowed: a number"),
    ("1e-3}, var", "[1, 2, x]}, var", 19, "learning_rate[2] = 'x': allowed: a number above 0"),
    ("{learning_rate: 1e-3}", "{d_model: 65536, d_k: 65536}", 19, "s.space = {'d_model': 65536, '"),
    ("a:\n    kind: set_complement", "a:\n    kind: othello\n    board_size: '8'", 5,
     "board_size = '8': allowed: 4, 6, 8, without quotes"),
    ("kind: set_complement", "kind: SetComplement", 4, "did you mean 'set_complement'?"),
    ("{v: {}}", "{v: {norm: attnetion}}", 19, "residual; did you mean 'attention'?"),
    ("  x: {kind", "  NaN: {kind", 17, "experiments.NaN: means a missing value to those who read"),
    ("  w: {", f"  {'ab' * 20}: {{", 6, "ab: ends in twenty times the same; choose another"),
    ("  w: {", "  None: {", 6, "games.None: means a missing value"),
    ("  m:\n", "  na: {kind: untrained, vocab_size: 8}\n  m:\n", 8, "models.na: means a missing v"),
    ("    max_illegal_rate: 1e-3", "    figures: 1", 11, "m.figures = 1: must be true or false"),
    ("seed: 3", "results: ''", 1, "results = '': must not be empty"),
    ("seed: 3", "results: .git/x", 1, "must not lie in .git, which belongs to other programs"),
    ("seed: 3", "results: c.yaml", 1, "results = 'c.yaml': must be a folder, but c.yaml is a file"),
    ("{v: {}}", "{v: {}}, averages: {start: {kind: last}}", 19,
     "searches.s.averages.start: means the weights before training; choose another name"),
    *(
        ("  m:\n", f"  t: {{kind: {about}}}\n  m:\n", 8, message)
        for about, message in [
            ("tained, search: s", "tied, trained, untrained; did you mean 'trained'?"),
            ("trained", "models.t: the key 'search' is missing (name of an entry of searches)"),
            ("trained, search: r", "models.t.search = 'r': no such search; known: s"),
            ("trained, search: s, variant: w", "variant = 'w': no such variant of s; known: v"),
            ("trained, search: s, average: ema_0.98", "bema, start; did you mean 'ema_0.99'?"),
            ("trained, search: s, number: 8", "number = 8: allowed: 0 to 7, the trials of s"),
            ("trained, search: s, numbr: 0", "t.numbr: unknown key; did you mean 'number'?"),
        ]
    ),
    *(
        ("total_variation, length: twice, between: [0, null]", about, 21, message)
        for about, message in [
            ("total_variation, between: [0, 1]",
             "hypotheses.h: the key 'length' is missing (total_variation needs it)"),
            ("x_mean, length: twice, between: [0, 1]",
             "h.length = 'twice': only with a metric: illegal_token_rate, total_variation"),
            ("x_mean, versus: {average: bema}, between: [0, 1]",
             "h.versus.average = 'bema': only with a metric"),
            ("x_maen, between: [0, 1]", "unseen_exponent; did you mean 'x_mean'?"),
            ("x_mean", "hypotheses.h: the key 'between' is missing (ends of the region that is"),
            ("x_mean, between: 1", "hypotheses.h.between = 1: must be a list"),
            ("x_mean, between: [a, 1]", "hypotheses.h.between[0] = 'a': must be a number"),
            ("x_mean, between: [1, 0]", "h.between = [1, 0]: allowed: two ascending numbers like"),
            ("x_mean, between: [1, 1]", "h.between = [1, 1]: allowed: two ascending numbers like"),
            ("x_mean, between: [1]", "h.between = [1]: allowed: two ascending numbers like [-0.2"),
            ("x_mean, between: [null, null]", "h.between = [None, None]: allowed: two ascending"),
            ("x_mean, between: [0, .nan]", "hypotheses.h.between[1] = nan: allowed: a number from"),
            ("x_mean, variant: w, between: [0, 1]", "h.variant = 'w': no such variant of s; known"),
            ("x_mean, versus: {}, between: [0, 1]", "h.versus: is what it would be subtracted fr"),
            ("x_mean, versus: {variant: w}, between: [0, 1]", "h.versus.variant = 'w': no such va"),
            ("x_mean, versus: {length: twice}, between: [0, 1]", "h.versus.length: unknown key; d"),
            ("total_variation, length: long, between: [0, 1]", "allowed: trained, twice, halfway"),
            ("x_mean, where: {schedule: cosine}, between: [0, 1]",
             "hypotheses.h.where.schedule = 'cosine': was never drawn; drawn: constant"),
            ("x_mean, where: {schedul: cosine}, between: [0, 1]", "did you mean 'schedule'?"),
        ]
    ),
    ("claim: So., search: s", "claim: So., search: r", 21, "search = 'r': no such search; kno"),
    ("claim: So., search", "search", 21, "hypotheses.h: the key 'claim' is missing (what is cl"),
    (GOOD, "", None, "must hold keys at the top level: seed, results, games"),
    (GOOD, "- 1", 1, "config = [1]: must hold keys at the top level"),
    (GOOD, "games: {}", 1, "games = {}: must not be empty"),
    (GOOD, "seed: 1", 1, "config: the key 'games' is missing (games by name)"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "message"), BROKEN)
def test_broken_configs_are_refused(load, old, new, line, message):
    assert old in GOOD
    with pytest.raises(ConfigError) as raised:
        load(GOOD.replace(old, new, 1))
    place = f"c.yaml:{line}: " if line else "c.yaml: "
    lines = [text.strip() for text in str(raised.value).splitlines()]
    assert any(text.startswith(place) and message in text for text in lines), raised.value


def test_all_problems_are_reported_in_the_order_of_the_file(load):
    text = GOOD
    chosen = ["seed: -1", "vocab_size: 1\n  w", "window: 8", "d_model: 13", "lengths: [4, 1]"]
    for old, new, *_ in (case for case in BROKEN if case[1] in chosen):
        text = text.replace(old, new, 1)
    with pytest.raises(ConfigError) as raised:
        load(text)
    first, *others = str(raised.value).splitlines()
    assert first == "5 problems in the configuration:"
    assert [int(re.match(r"  c.yaml:(\d+): ", line)[1]) for line in others] == [1, 5, 6, 11, 14]


def test_exhaustive_evaluation_has_a_limit(load):
    with pytest.raises(ConfigError, match=r"possible up to vocab_size 28; a has 29"):
        load(GOOD.replace("vocab_size: 8", "vocab_size: 29"))


def test_values_from_the_command_line(load):
    """--config; inside lists and mappings Snakemake makes text of numbers, which is undone."""
    overrides = {"seed": 7, "evaluations": {"f": {"lengths": ["2", "3"]}}}
    config = load(GOOD, **overrides)
    assert config.seed == 7
    assert config.evaluations["f"].lengths == (2, 3)
    with pytest.raises(ConfigError, match=r"--config: games\.a\.vocab_size = 'x': must be an int"):
        load(GOOD, games={"a": {"vocab_size": "x"}})
    with pytest.raises(ConfigError, match=r"--config: evaluations\.e\.models\[0\] = 'zz'"):
        load(GOOD, evaluations={"e": {"models": ["zz"]}})
    for odd in ("=", "<<", "2020-13-45", "9" * 5000):
        with pytest.raises(ConfigError, match=r"--config: games\.a\.kind"):
            load(GOOD, games={"a": {"kind": odd}})


def test_several_files_are_laid_over_each_other(load, tmp_path):
    load(GOOD)
    Path("top.yaml").write_text("seed: 4\ngames:\n  a:\n    vocab_size: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"top\.yaml:4: games\.a\.vocab_size = 1"):
        load_config("c.yaml", "top.yaml")
    with pytest.raises(ConfigError, match=r"absent\.yaml: there is no such config file"):
        load_config("absent.yaml")


def test_entries_are_removed_by_null_and_by_empty_mappings(load):
    """As Snakemake hands them over: inside lists and mappings null is text."""
    load(GOOD)
    assert not load(GOOD, experiments={}, claims=None).experiments
    config = load(GOOD, models={"m": {"max_illegal_rate": "null"}}, evaluations={"f": "null"})
    assert config.models["m"].settings["max_illegal_rate"] == 0.001
    assert list(config.evaluations) == ["e"]
    Path("top.yaml").write_text(
        "games: {w: null}\nevaluations: {f: null}\nclaims: {}\nseed: null", encoding="utf-8"
    )
    config = load_config("c.yaml", "top.yaml")
    assert list(config.games) == ["a"]
    assert (config.seed, config.claims.vocab_sizes) == (0, [4, 5, 6, 8, 10])
    with pytest.raises(ConfigError, match=r"--config: games = {}: must not be empty"):
        load(GOOD, games={})
    with pytest.raises(ConfigError, match=r"e\.game = 'a': no such entry of games; known: w"):
        load(GOOD, games={"a": "null"})
    with pytest.raises(ConfigError, match=r"--config: models\.mm = None: must be a mapping"):
        load(GOOD, models={"mm": "null"})  # there is nothing to remove
    Path("top.yaml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"top\.yaml: config = None: must hold keys at the top"):
        load_config("c.yaml", "top.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["games.a.num_games=3"], r"has dots; write 'games={a: {num_games: 3}}'"),
        (["seed=1", "seed=2"], "seed stands twice, as seed=1 and seed=2"),
        (["games={a:", "null}"], "'null}' is not KEY=VALUE"),
        (["seed"], "'seed' is not KEY=VALUE"),
        (["=3"], "'' is no key"),
        (["1=3"], "'1' is no key"),
        (["a b=3"], "'a b' is no key"),
        (["seed=01"], "seed=01 would be read as 1, in a file as '01'; use --configfile"),
        (["seed=1_000"], "read as 1000, in a file as '1_000'"),
        (["seed='7'"], "read as 7, in a file as '7'"),
        (["games={a: {vocab_size: '4'}}"], "read as .*4}}, in a file as .*'4'}}"),
        (["models={m: {kind: a, kind: b}}"], "m.kind: the key stands twice"),
        (["seed={"], "--config seed:1: not valid YAML"),
        (["games={a:1}"], "read as .*'a:1': ''}, in a file as"),
        (["seed=#3"], "'seed=#3' cannot be read"),
    ],
)
def test_words_of_the_command_line_that_snakemake_would_misread(words, message):
    with pytest.raises(ConfigError, match=message):
        check_overrides(words, parse_config)
    good = "seed=1 results=x=y models=null claims={} x_1=1e-3 x_2=true x_3=[1,a,null]"
    check_overrides([*good.split(), "games={a.b: 1}"], parse_config)


def test_one_problem_for_each_key_and_an_end_to_them(load):
    with pytest.raises(ConfigError) as raised:
        load(GOOD.replace("seed: 3", "7: 3"))
    assert str(raised.value).splitlines()[1:] == [
        "  c.yaml:1: 7: keys must be text, not 7; write it in quotes"
    ]
    with pytest.raises(ConfigError) as raised:
        load(GOOD + "".join(f"k{n}: 1\n" for n in range(1000)))
    lines = str(raised.value).splitlines()
    assert lines[0] == "1000 problems in the configuration:"
    assert (len(lines), lines[-1]) == (32, "  and 970 more")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "vocab_size: 8\n  w",
            "vocab_sze: 8\n  w",
            "c.yaml:5: games.a.vocab_sze: unknown key; did",
        ),
        ("games:", "game:", "c.yaml:2: game: unknown key; did you mean 'games'?"),
        ("models:", "modles:", "c.yaml:7: modles: unknown key; did you mean 'models'?"),
        (
            "evaluations:",
            "games: {}\nevaluations:",
            "c.yaml:12: games: the key stands twice, first",
        ),
        (
            "{v: {}}",
            "{v: {}}, averages: {e: {kind: ema, decy: 1}}",
            "c.yaml:19: searches.s.averages",
        ),
        (
            "size: 8\n  w",
            "size: 8\n    window: 2\n  w",
            "c.yaml:6: games.a.window: unknown key; kno",
        ),
    ],
)
def test_one_mistake_is_one_problem(load, old, new, line):
    """What follows from it is not shown, nor a hint at a key that stands there already."""
    with pytest.raises(ConfigError) as raised:
        load(GOOD.replace(old, new, 1))
    first, *others = str(raised.value).splitlines()
    assert first == "1 problem in the configuration:"
    assert others[0].startswith(f"  {line}")


def test_a_key_that_is_removed_is_missing_where_it_was_removed(load):
    with pytest.raises(ConfigError, match=r"--config: config: the key 'games' is missing"):
        load(GOOD, games=None)
    with pytest.raises(ConfigError, match=r"--config: games\.w: the key 'window' is missing"):
        load(GOOD, games={"w": {"window": "null"}})


def test_merge_keys_may_be_overridden(load):
    text = GOOD.replace("  a:\n", "  a: &a\n").replace(
        "  w: {", "  b: {<<: *a, vocab_size: 9}\n  w: {"
    )
    assert load(text).games["b"].game.vocab_size == 9
    with pytest.raises(ConfigError, match=r"c\.yaml:6: games\.b\.x: the key stands twice"):
        load(text.replace("vocab_size: 9}", "x: 1, x: 2}"))


def test_trained_models(load):
    """What is not said is the search's first; a model has the vocabulary of its search's game."""
    text = GOOD.replace("  m:\n", "  t: {kind: trained, search: s}\n  m:\n")
    text = text.replace("models: [m], len", "models: [m, t], len")
    model = load(text).models["t"]
    wanted = {"search": "s", "variant": "v", "number": 0, "average": "last"}
    assert model.settings == {"kind": "trained", **wanted}
    assert (model.vocab_size, model.origin) == (8, "trial")
    with pytest.raises(ConfigError, match="'t': the model has vocab_size 8, the game w has 9"):
        load(text.replace("complement, vocab_size: 8", "complement, vocab_size: 9"))
    with pytest.raises(ConfigError, match=r"^1 problem"):  # that of the search
        load(text.replace("length: 3", "length: 8"))


def test_a_model_from_a_file(load, tmp_path):
    """Its settings follow the content; what cannot be used is refused before anything runs."""
    text = GOOD.replace("  m:\n", "  f: {kind: file, path: 'my model.safetensors'}\n  m:\n")
    text = text.replace("models: [m], con", "models: [m, f], con")
    with pytest.raises(ConfigError, match=r"c\.yaml:8: models\.f\.path = .* does not exist"):
        load(text)
    path = tmp_path / "my model.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"models\.f\.path = .* is no safetensors file"):
        load(text)
    write_model(path, make_construction("minimal", vocab_size=8).model(), "{}")
    model = load(text).models["f"]
    assert (model.kind, model.origin, model.vocab_size) == ("file", "file", 8)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.settings == {"kind": "file", "path": path.name, "sha256": digest}
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(
        ConfigError, match=r"safetensors': is damaged \(its content is not what"
    ) as damaged:
        load(text)
    assert "delete" not in str(damaged.value)
    widths = {"W_E": (1, 8), "W_Q": (8, 1), "W_K": (8, 1), "W_V": (8, 1), "W_O": (1, 8)}
    for size, value, message in (
        (5000, 0.0, r"has 5000 tokens; allowed: an integer from 2 to 4096"),
        (1, 0.0, r"has 1 tokens; allowed"),
        (8, np.nan, "has weights that are not finite"),
        (8, 1e200, "has weights so large that logits are not finite"),
        (8, 1e75, "the products of the weights overflow: .*; allowed with figures: false"),
    ):
        shapes = widths | {"W_E": (size, 8), "W_U": (8, size)}
        save_file({key: np.full(shape, value) for key, shape in shapes.items()}, path)
        with pytest.raises(ConfigError, match=message):
            load(text)
    with pytest.raises(ConfigError, match=r"path = '\.': is not a file"):
        load(text.replace("'my model.safetensors'", "."))
    gpt = make_gpt(np.random.default_rng(0), V=8)
    write_model(path, gpt, "{}")
    with pytest.raises(ConfigError, match=r"needs models of one layer, and f is another"):
        load(text)
    text = text.replace("contexts: all", "contexts: sampled")
    whole = text.replace("safetensors'}", "safetensors', num_heads: 2, figures: false}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    settings = {"kind": "file", "path": path.name, "sha256": digest, "num_heads": 2}
    assert load(whole).models["f"].settings == settings
    gpt.parameters.blocks[1].mlp.b_in[3] = np.nan
    write_model(path, gpt, "{}")
    with pytest.raises(ConfigError, match="has weights that are not finite"):
        load(whole)
    save_file({"W_E": np.eye(9)}, path)
    with pytest.raises(ConfigError, match="no tensor W_Q"):
        load(text)
    write_model(path, make_construction("minimal", vocab_size=9).model(), "{}")
    with pytest.raises(ConfigError, match="'f': the model has vocab_size 9, the game a has 8"):
        load(text)


def test_functions_of_a_file(load, tmp_path):
    """Their settings follow the content; the file is read and never run."""
    own = "{kind: file, path: own.py, function: %s, vocab_size: 8, %s}\n"
    text = GOOD.replace("  w: {", "  own: " + own % ("rule", "arguments: {k: 1}") + "  w: {")
    text = text.replace("  m:\n", "  own: " + own % ("weights", "figures: false") + "  m:\n")
    text = text.replace("searches:\n", "searches:\n  own: {game: own, length: 3}\n")
    with pytest.raises(ConfigError, match=r"6: games\.own\.path = 'own\.py': allowed: a Python fi"):
        load(text)
    path, digests = tmp_path / "own.py", set()
    for end in ("", "# more\n"):
        path.write_text(f"raise RuntimeError\ndef rule(): ...\ndef weights(): ...\n{end}")
        config = load(text)
        game, model = config.games["own"], config.models["own"]
        digests.add(digest := hashlib.sha256(path.read_bytes()).hexdigest())
        settings = {"kind": "file", "path": "own.py", "vocab_size": 8, "sha256": digest}
        rule = {"function": "rule", "arguments": {"k": 1}, "max_length": None}
        assert game.settings == settings | rule
        assert model.settings == settings | {"function": "weights", "arguments": {}}
        assert (model.origin, model.vocab_size, model.figures) == ("file", 8, False)
    assert len(digests) == 2
    for old, new, message in (
        (
            "rule",
            "role",
            r"games\.own\.function = 'role': allowed: a function of own\.py: rule, weig",
        ),
        ("weights", "weight", r"models\.own\.function = 'weight': .* did you mean 'weights'\?"),
        ("weights, vocab_size: 8", "weights", r"models\.own: the key 'vocab_size' is missing"),
        ("function: weights, ", "", r"models\.own: the key 'function' is missing \(name of a func"),
        ("figures: false", "arguments: {a: .inf}", r"own\.arguments = {'a': inf}: allowed: finite"),
        ("k: 1", "k: .nan", r"games\.own\.arguments = {'k': nan}: allowed: finite numbers"),
        (
            "own.py, function: weights",
            "own.safetensors, function: weights",
            "safetensors': function, vocab_size and arguments are keys of .py files alone",
        ),
    ):
        with pytest.raises(ConfigError, match=r"^1 problem in") as error:
            load(text.replace(old, new))
        assert re.search(message, str(error.value)), str(error.value)


def test_figures_of_a_model_can_be_left_out(load):
    text = GOOD.replace("    kind: balanced\n", "    kind: balanced\n    figures: false\n")
    text = text.replace("  m:\n", "  t: {kind: trained, search: s, figures: false}\n  m:\n")
    models = load(text).models
    assert not any(model.figures for model in models.values())
    assert not any("figures" in model.settings for model in models.values())


def test_the_game_of_a_diagnosis(load):
    def find(text):
        config = load(text)
        game = config.find_game(config.models["m"])
        return game and game.name

    assert find(GOOD) is None  # evaluated on set complement, and on w
    on_w = GOOD.replace("  e: {game: a, models: [m], contexts: all}\n", "")
    assert find(on_w) == "w"
    assert find(on_w.replace("  f: {game: w, models: [m], lengths: [1, 4]}\n", "  {}\n")) is None
    with_key = GOOD.replace("    kind: balanced\n", "    kind: balanced\n    game: w\n")
    assert find(with_key) == "w"
    assert "game" not in load(with_key).models["m"].settings
    trained = "  m: {kind: trained, search: s}\n  o:\n"
    assert find(on_w.replace("  m:\n", trained)) is None  # its search is on a
    assert find(on_w.replace("  m:\n", trained).replace("s: {game: a", "s: {game: w")) == "w"
    small = GOOD.replace(
        "evaluations:", "  n: {kind: untrained, vocab_size: 4, game: w}\nevaluations:"
    )
    for text, message in (
        (small, "n.game = 'w': the model has vocab_size 4, the game w has 8; they must be equal"),
        (small.replace("game: w}\n", "game: v}\n"), "n.game = 'v': no such entry of games"),
    ):
        with pytest.raises(ConfigError, match=r"^1 problem in") as error:
            load(text)
        assert message in str(error.value)


def test_what_a_deeper_model_cannot_be_asked_is_refused_before_it_is_trained(load):
    """All contexts, and games that are longer than its positions reach."""
    text = GOOD.replace("  m:\n", "  t: {kind: trained, search: s}\n  m:\n")
    text = text.replace("space: {learning_rate: 1e-3}", "architecture: gpt, space: {}")
    load(text)
    with pytest.raises(ConfigError, match="needs models of one layer, and t is another; allowed"):
        load(text.replace("models: [m], contexts: all", "models: [m, t], contexts: all"))
    told = "the model has positions for 8 tokens, the game w has prefixes of 15"
    for longer in (
        text.replace("models: [m], lengths: [1, 4]", "models: [m, t]"),
        text.replace("search: s}", "search: s, game: w}"),
    ):
        with pytest.raises(ConfigError, match=told):
            load(longer)
        load(longer.replace("gpt, space: {}", "gpt, space: {positions: rotary}"))
        beside = longer.replace("{v: {}}", "{v: {positions: rotary}, w: {}}")
        load(beside)  # the model is of v
        with pytest.raises(ConfigError, match=told):
            load(beside.replace("search: s", "search: s, variant: w"))


def test_what_a_gpt_of_a_file_cannot_be_asked_is_refused_before_the_run(load, tmp_path):
    write_model(tmp_path / "gpt", make_gpt(np.random.default_rng(0), V=8, num_positions=9), "{}")
    text = GOOD.replace("  m:\n", "  g: {kind: file, path: gpt, figures: false}\n  m:\n")
    load(text)
    with pytest.raises(ConfigError, match="needs models of one layer, and g is another; allowed"):
        load(text.replace("models: [m], contexts: all", "models: [m, g], contexts: all"))
    told = "the model has positions for 9 tokens, the game w has prefixes of 15"
    longer = text.replace("models: [m], lengths: [1, 4]", "models: [m, g]")
    with pytest.raises(ConfigError, match=told):
        load(longer)
    rotary = make_gpt(np.random.default_rng(0), V=8, positions="rotary")
    write_model(tmp_path / "gpt", rotary, "{}")
    load(longer)


def test_the_tokens_of_a_file_are_those_of_its_game(load, tmp_path):
    """By their number alone where it tells, and else by a key; the job is told how."""
    entry = "  g: {kind: file, path: gpt, figures: false, game: b}\n  m:\n"
    board = "  b: {kind: othello, board_size: 4}\n  w: {"
    text = GOOD.replace("  m:\n", entry).replace("  w: {", board, 1)

    def save(num_tokens):
        write_model(tmp_path / "gpt", make_gpt(np.random.default_rng(0), V=num_tokens,
                                               num_positions=11), "{}")  # fmt: skip

    save(16)
    assert load(text).models["g"].settings.keys() == {"kind", "path", "sha256"}
    told = {"transposed": False, "game": {"kind": "othello", "board_size": 4}}
    save(18)
    model = load(text).models["g"]
    assert (model.vocab_size, model.context) == (16, 11)
    assert model.settings.items() >= {"vocabulary": "pad_tokens_pass", **told}.items()
    save(13)
    with pytest.raises(
        ConfigError, match=r"13 tokens may be read in 2 ways; .* pad_playable or pl"
    ):
        load(text)
    named = text.replace("game: b}", "game: b, vocabulary: playable_pad, transposed: true}")
    told = {"vocabulary": "playable_pad", **told, "transposed": True}
    assert load(named).models["g"].settings.items() >= told.items()
    for old, new, message in (
        ("playable_pad", "tokens", "tokens has 16 tokens in this game, and the model has 13; all"),
        ("playable_pad", "pad_first", "vocabulary = 'pad_first'"),
        ("game: b, ", "", "vocabulary and transposed need the key game, which is missing"),
        ("game: b, ", "game: c, ", r"models\.g\.game = 'c'"),
    ):
        with pytest.raises(ConfigError, match=r"^1 problem in") as error:
            load(named.replace(old, new))
        assert re.search(message, str(error.value)), str(error.value)


def test_orbits_of_a_trained_model_are_refused_before_it_is_trained(load):
    text = GOOD.replace("  m:\n", "  t: {kind: trained, search: s}\n  m:\n")
    text = text.replace("models: [m], contexts: all", "models: [m, t], contexts: orbits")
    assert load(text).evaluations["e"].contexts == "orbits"
    with pytest.raises(ConfigError, match=r"^1 problem in") as error:
        load(text.replace("vocab_size: 8", "vocab_size: 18"))
    message = "t is trained and tells its 18 tokens apart, which leaves more than 1,048,576 kinds"
    assert f"{message} of contexts; allowed: sampled" in str(error.value)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("{p: {}}", "grid.p: needs at least two levels"),
        ("{p: {x: {}}}", "grid.p: needs at least two levels"),
        ("{p: {x: null, y: {}}}", "grid.p.x = None: must be a mapping"),
        ("{p: {x: {d_mlp: [1, 2]}, y: {}}}", "a variant has one value for each"),
        ("{p: {x.1: {}, y: {}}}", "x.1: names start with a letter and go on with at most 29 lett"),
        ("{p/q: {x: {}, y: {}}}", "p/q: names start with a letter and go on with at most 59 lett"),
        ("{p: {all: {}, y: {}}}", "grid.p.all: is taken; choose another name"),
        ("{p: {x: {}, y: {}}, q: {y: {}, z: {}}}", "grid.q.y: is also a level of p; choose"),
        ("{p: {x: {}, y: {d_mlp: 0}}, q: {z: {d_mlp: 1}, u: {}}}", "q: and p set the same: d_mlp"),
        ("{p: {x: {}, y: {}}}, variants: {v: {}}", "grid: takes the place of variants"),
    ],
)
def test_grids_that_make_no_variants_are_refused(load, grid, message):
    text = GOOD.replace("space: {learning_rate: 1e-3}", "architecture: gpt, space: {}")
    assert [*load(text.replace("variants: {v: {}}", "grid: {p: {x: {}, y: {d_mlp: 0}}}"))
            .searches["s"].entry.variants] == ["x", "y"]  # fmt: skip
    with pytest.raises(ConfigError, match=r"^1 problem in") as error:
        load(text.replace("variants: {v: {}}", f"grid: {grid}"))
    assert message in str(error.value)


def test_hypotheses_on_deeper_models_ask_for_what_they_have(load):
    text = GOOD.replace("space: {learning_rate: 1e-3}", "architecture: gpt, space: {}")
    text = text.replace("variants: {v: {}}", "grid: {p: {x: {}, y: {d_mlp: 0}}}")
    text = text.replace("length: twice", "length: halfway, variant: y, versus: {variant: x}")
    assert load(text).hypotheses["h"].settings["versus"]["variant"] == "x"
    for strength in ("rescaled", "matched"):
        message = (
            rf"h\.strength = '{strength}': allowed: as_trained, since s trains no models of one"
        )
        with pytest.raises(ConfigError, match=message):
            load(text.replace("between:", f"strength: {strength}, between:"))
    with pytest.raises(
        ConfigError, match=r"h\.measure = 'x_mean': is of architecture one_layer; s"
    ):
        load(text.replace("total_variation, length: halfway", "x_mean"))


def test_a_variant_put_in_the_middle_renames_no_group(load):
    space = "space: {d_v: [2, 4]}, trials_per_job: 2"
    text = GOOD.replace("space: {learning_rate: 1e-3}", space)
    before = load(text.replace("{v: {}}", "{v: {}, w.1: {norm: attention}}")).searches["s"]
    after = load(text.replace("{v: {}}", "{v: {}, u: {}, w.1: {norm: attention}}")).searches["s"]
    assert {name: after.groups[name] for name in before.groups} == before.groups
    assert before.group_of("w.1", 0) == "w.1-0000"
    for name, keys in after.groups.items():
        assert all(after.group_of(*key) == name for key in keys)
        assert len({after.trials[key].static for key in keys}) == 1


def test_a_dataset_too_small_for_its_splits_is_refused(load):
    text = GOOD.replace("game: a, length", "game: w, data: dataset, length")
    load(text)
    with pytest.raises(ConfigError, match=r"of 2 games, the share 0\.1 of split valid"):
        load(text.replace("num_games: 50", "num_games: 2"))
    with pytest.raises(ConfigError, match=r"s\.game = 'w': has 12 different games, and"):
        load(text.replace("num_games: 50", "num_games: 12").replace("seed: 3", "seed: 4"))
    load(text.replace("data: dataset, ", "").replace("num_games: 50", "num_games: 2"))


SEARCH = "games: {a: {GAME}}\nsearches:\n  s: {game: a, length: 1, SEARCH}"


@pytest.mark.parametrize(
    ("game", "message"),
    [
        ("kind: set_complement, vocab_size: 3", "has 6 different games, and none of them"),
        ("kind: dyck, num_brackets: 1, max_depth: 1, length: 1024", "has 1 different games"),
        ("kind: mnk, rows: 2, columns: 2, in_a_row: 2", "has 24 different games, and none"),
        ("kind: mnk, rows: 3, columns: 3, in_a_row: 1", "its games are over after one token"),
        (
            "kind: othello, splits: {train: 0.9999999, validation: 0.0, test: 1.0e-7}",
            "needs games of all three splits",
        ),
        (
            "kind: flip_flop, length: 40, splits: {train: 0.9999998, validation: 1e-7, test: 1e-7}",
            "the share 1e-07 of split validation is none",
        ),
        ("kind: set_complement, vocab_size: 4", None),
        ("kind: mnk, rows: 3, columns: 3, in_a_row: 3", None),
    ],
)
@pytest.mark.parametrize("data", ["stream", "dataset"])
def test_a_search_needs_games_of_every_split(load, game, message, data):
    """Each of these would fail, or not, when its jobs look for games."""
    text = SEARCH.replace("GAME", game).replace("SEARCH", f"data: {data}")
    if message is None:
        assert load(text).searches
        return
    with pytest.raises(ConfigError, match=rf"c\.yaml:3: searches\.s\.game = 'a': .*{message}"):
        load(text)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("trials: 4096, trials_per_job: 4096", "trials_per_job = 4096: a job needs 16.3 GiB"),
        ("test_games: 1000000, checkpoints: 1", None),
        ("test_games: 1000000, checkpoints: 1, V: 256", "test_games = 1000000: a job needs 122.1"),
        ("checkpoints: 4000", "checkpoints = 4000: a job needs 60.1 GiB of memory for predictions"),
        ("space: {d_model: 65536, d_v: 65536}, trials_per_job: 1", "space = .*: a job needs"),
        (
            "architecture: gpt, space: {num_layers: 64, batch_size: 65536}",
            "space = .* backward pass",
        ),
        ("architecture: gpt, space: {num_layers: 64, batch_size: 8192}", None),
        ("trials: 2001, trials_per_job: 1", "trials_per_job = 1: makes 2,001 jobs; at most 2,000"),
        ("steps: 10000000, trials: 1000, trials_per_job: 1000", "steps = 10000000: a job needs 74"),
    ],
)
def test_a_search_must_fit_in_memory(load, search, message):
    search, _, size = search.partition(", V: ")
    game = f"kind: set_complement, vocab_size: {size or 64}"
    text = SEARCH.replace("GAME", game).replace("SEARCH", search)
    if message is None:
        assert load(text).searches
        return
    with pytest.raises(ConfigError, match=rf"c\.yaml:3: searches\.s\.{message}"):
        load(text)


def test_a_kind_cannot_take_a_key_of_its_section(load, monkeypatch, tmp_path):
    from gamecircuits.games import __path__

    code = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Own:\n    splits: int"
    (tmp_path / "own.py").write_text(code)
    monkeypatch.setattr("gamecircuits.games.__path__", [*__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match="Own must not have a field splits"):
        load(GOOD.replace("kind: set_complement", "kind: own"))


def test_an_experiment_needs_its_figure(load, monkeypatch, tmp_path):
    from gamecircuits.experiments import __path__

    source = (ROOT / "src/gamecircuits/experiments/remedies.py").read_text()
    (tmp_path / "cures.py").write_text(source.replace("class Remedies", "class Cures"))
    monkeypatch.setattr("gamecircuits.experiments.__path__", [*__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match=r"needs its figure: src/.*/cures\.py"):
        load(GOOD.replace("kind: remedies", "kind: cures"))


def test_a_kind_that_cannot_be_imported_is_named(load, monkeypatch, tmp_path):
    from gamecircuits.games import __path__

    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "halved.py").write_text("import no_such_library\n")
    (folder / "odd.py").write_text("class Even: pass\n")
    monkeypatch.setattr("gamecircuits.games.__path__", [*__path__, str(folder)])
    with pytest.raises(ConfigError, match=r"halved cannot be imported: No module named"):
        load(GOOD.replace("kind: set_complement", "kind: halved"))
    with pytest.raises(ConfigError, match=r"odd must define a class Odd"):
        load(GOOD.replace("kind: set_complement", "kind: odd"))
    assert load(GOOD).games  # kinds that are not used do no harm


def test_command_line(load, capsys):
    load(GOOD)
    assert main(["c.yaml"]) == 0
    Path("c.yaml").write_text("games: 3", encoding="utf-8")
    assert main(["c.yaml"]) == 1
    assert "c.yaml:1: games = 3: must be a mapping" in capsys.readouterr().err


def test_audits_are_of_deep_models_on_games_with_positions(load, tmp_path):
    write_model(tmp_path / "deep.safetensors", make_gpt(np.random.default_rng(0), V=8), "{}")
    text = GOOD.replace("evaluations:", "  d: {kind: file, path: deep.safetensors}\nevaluations:")
    audit = "audits: {x: {game: a, models: [d], fit_games: 20}}\n"
    config = load(text + audit)
    assert config.audits["x"].fit_games == 20
    assert config.models["d"].figures
    for old, new, problem in (
        ("[d]", "[d, m]", "audits.x.models[1] = 'm': has one layer, which its diagnosis reads"),
        ("[d]", "[d, d]", "audits.x.models[1] = 'd': is listed twice"),
        ("game: a", "game: w", "audits.x.game = 'w': positions of windowed_complement consist of"),
        ("fit_games: 20", "fit_games: 2", "audits.x.fit_games = 2: allowed: "),
        ("fit_games", "fitgames", "audits.x.fitgames: unknown key; did you mean 'fit_games'?"),
        ("[d]", "[e]", "audits.x.models[0] = 'e': no such entry of models"),
    ):
        with pytest.raises(ConfigError, match=re.escape(problem)):
            load(text + audit.replace(old, new))
    all_train = "vocab_size: 8\n    splits: {train: 1, validation: 0, test: 0}\n  w"
    splits = text.replace("vocab_size: 8\n  w", all_train)
    with pytest.raises(ConfigError, match=r"audits.x.game = 'a': needs games of all three splits"):
        load(splits + audit)
