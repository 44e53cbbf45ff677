"""The graph of jobs: every stage, what it reads, what it writes, and for which names it runs.

Read from top to bottom it is the whole pipeline. The function of each stage, of the same name, is
in gamecircuits.pipeline.stages; everything else (rules, jobs, targets, the list of files in
results/README.md) follows from these records. This module decides which jobs there are, and not
what they do, so it is in no job's code.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import yaml

from gamecircuits.claims.claim import claim_modules
from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.explorer.page import digest_files, list_assets, read_theory
from gamecircuits.figures.palette import colour_of, colours_of
from gamecircuits.figures.searches._made_for import is_made_for
from gamecircuits.games.game import GAMES, token_dtype
from gamecircuits.games.set_complement import SetComplement
from gamecircuits.kinds import list_modules
from gamecircuits.pipeline.captions import make_renderer
from gamecircuits.pipeline.config.limits import (
    Need,
    list_needs_of_measuring,
    list_needs_of_training,
)
from gamecircuits.pipeline.config.named import Config, NamedAudit, NamedGame, NamedModel
from gamecircuits.pipeline.stage import STAGES, File, Names, Stage, Work, figure, file_of, stage
from gamecircuits.storage.files import record_path
from gamecircuits.training.trial import ARCHITECTURES
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS

SHOWN_VERSIONS = ("numpy", "pandas", "pyarrow", "matplotlib", "safetensors", "snakemake")


MAX_VARIANTS = 8  # of a search, that the page shows in training
KINDS = {"game": GAMES, "construction": CONSTRUCTIONS, "experiment": EXPERIMENTS}


def find_loads(settings: Mapping) -> list[str]:
    """Modules that a stage loads by name, since its settings say so."""
    kinds = [(KINDS[key], values) for key, values in settings.items() if key in KINDS]
    found = [kind.module(v["kind"]) for kind, v in kinds if isinstance(v, Mapping)]
    return [*found, settings["figure"]] if "figure" in settings else found


def _figures(family: str) -> list[str]:
    return list_modules(f"gamecircuits.figures.{family}")


# Games. They are made and read in batches, so memory does not grow with their number.

BATCH_MEMORY = 650  # MiB
ROW = 8  # bytes of a row of a file beside its tokens or masks


def _play_time(named: NamedGame, num_games: int) -> float:
    """Seconds to play games, or to find their masks: a million moves take one."""
    return 2 + 1e-6 * num_games * named.game.max_length


def _shards(config: Config) -> list[Names]:
    return [{"game": g.name, "shard": shard} for g in config.games.values() for shard in g.shards]


def _games(config: Config) -> list[Names]:
    return [{"game": name} for name in config.games]


def _board_games(config: Config) -> list[Names]:
    # Imported here, as it brings numba, for which whoever only names stages need not wait.
    from gamecircuits.games._bitboard_game import BitboardGame

    return [{"game": g.name} for g in config.games.values() if isinstance(g.game, BitboardGame)]


def _all_shards(config: Config, made_by: str, game: str) -> list[File]:
    return [file_of(made_by, game=game, shard=shard) for shard in config.games[game].shards]


@stage("games", writes={"games": "games/{game}/{shard}.parquet"}, each=_shards)
def generate_games(config: Config, game: str, shard: str) -> Work:
    """Random games, one row each; `split` says on which side of the split a game falls"""
    named, number = config.games[game], int(shard.removeprefix("shard-"))
    settings = {
        "name": game,
        "seed": config.seed,
        "shard": number,
        "num_games": named.games_in_shard(number),
        "games_per_shard": named.games_per_shard,
        "splits": named.splits,
        "game": named.settings,
    }
    num_games, rules = named.games_in_shard(number), named.game
    seconds = _play_time(named, num_games)
    size = num_games * (rules.max_length * token_dtype(rules.vocab_size).itemsize + ROW)
    return Work(settings=settings, memory=BATCH_MEMORY, seconds=seconds, size=size)


@stage("masks", writes={"masks": "masks/{game}/{shard}.parquet"}, each=_shards)
def compute_masks(config: Config, game: str, shard: str) -> Work:
    """Legal next tokens after every prefix, row for row with `games/`"""
    named, number = config.games[game], int(shard.removeprefix("shard-"))
    num_games, rules = named.games_in_shard(number), named.game
    return Work(
        reads={"games": file_of("generate_games", game=game, shard=shard)},
        settings={"game": named.settings, "num_games": num_games},
        memory=BATCH_MEMORY,
        seconds=_play_time(named, num_games),
        size=num_games * (rules.max_length * -(-rules.vocab_size // 8) + ROW),
    )


@stage("metrics", writes={"branching": "branching/{game}.parquet"}, each=_games)
def measure_branching(config: Config, game: str) -> Work:
    """How many tokens are legal at each ply, and in how many games"""
    named = config.games[game]
    reads = {
        "games": _all_shards(config, "generate_games", game),
        "masks": _all_shards(config, "compute_masks", game),
    }
    settings = {"name": game, "game": named.settings, "num_games": named.num_games}
    seconds = _play_time(named, named.num_games)
    return Work(reads, settings, memory=BATCH_MEMORY, seconds=seconds)


@stage("metrics", writes={"legality": "legality/{game}.parquet"}, each=_board_games)
def measure_legality(config: Config, game: str) -> Work:
    """How often each square of a board is legal, by ply"""
    named = config.games[game]
    reads = {"games": _all_shards(config, "generate_games", game)}
    settings = {"name": game, "game": named.settings}
    seconds = _play_time(named, named.num_games)
    return Work(reads, settings, memory=BATCH_MEMORY, seconds=seconds)


@stage(
    "figures",
    writes=figure("figures/{figure}"),
    each=lambda config: [{"figure": name} for name in _figures("games")],
    shown="Games",
)
def plot_games(config: Config, figure: str) -> Work:
    """Figures of all games: how many tokens are legal, how long games are"""
    settings = {"figure": f"gamecircuits.figures.games.{figure}"}
    reads = {"branching": [file_of("measure_branching", game=game) for game in config.games]}
    return Work(reads, settings, caption=f"games/{figure}.rst")


@stage("figures", writes=figure("figures/boards/{game}"), each=_board_games, shown="Games")
def plot_board(config: Config, game: str) -> Work:
    """One game on its board, and how often each square is legal, by stage of the game"""
    named = config.games[game]
    return Work(
        reads={
            "games": file_of("generate_games", game=game, shard=named.shards[0]),
            "legality": file_of("measure_legality", game=game),
        },
        settings={"name": game, "game": named.settings},
        caption="boards/board.rst",
    )


# Training. A group is the trials of a search that one job trains together.

TABLES = ("metrics", "scaled", "trials", "dynamics", "noise", "circuits")  # of trials
BY_LENGTH = ("matched", "baselines", "attention", "illegal")  # further tables
SUMMARIES = ("effects", "mechanisms", "moderators", "factors")  # of a search, compared
ENOUGH_TRIALS = 12  # of a variant, for a figure of single trials to tell something


def _groups(config: Config) -> list[Names]:
    return [
        {"search": search.name, "group": group}
        for search in config.searches.values()
        for group in search.groups
    ]


def _searches(config: Config) -> list[Names]:
    return [{"search": name} for name in config.searches]


def _add_up(needs: list[Need]) -> float:
    """MiB that jobs need together for their largest arrays; measured are up to twice as many."""
    return sum(need.size for need in needs) / 2**20


def _describe_group(config: Config, search: str, group: str) -> Work:
    """What training a group and measuring it have in common."""
    named = config.searches[search]
    settings = {
        "search": search,
        "seed": config.seed,
        "game": named.game.settings,
        "architecture": named.entry.architecture,
        "group": [
            {"variant": variant, "number": number, **asdict(named.trials[variant, number])}
            for variant, number in named.groups[group]
        ],
        "length": named.entry.length,
        "splits": named.game.splits,
        "num_games": None,
    }
    games = []
    if named.entry.data == "dataset":
        settings |= {"splits": None, "num_games": named.game.num_games}
        games = _all_shards(config, "generate_games", named.game.name)
    loads = [ARCHITECTURES.module(named.entry.architecture)]
    return Work({"games": games}, settings, loads)


@stage(
    "training",
    writes={
        "trials": "searches/{search}/{group}/trials.parquet",
        "weights": "searches/{search}/{group}/weights.safetensors",
        "trajectory": "searches/{search}/{group}/trajectory.safetensors",
    },
    scratch={"checkpoint": "checkpoints/{search}-{group}.safetensors"},
    each=_groups,
)
def train_trials(config: Config, search: str, group: str) -> Work:
    """Trials that were trained together: hyperparameters; weights before, on the way and after"""
    work, named = _describe_group(config, search, group), config.searches[search]
    entry, trials = named.entry, [named.trials[key] for key in named.groups[group]]
    averages = list(entry.averages.items())  # in order, which a dict would lose
    settings = {"steps": entry.steps, "checkpoints": entry.checkpoints, "averages": averages}
    rows = sum(trial.batch_size * entry.length for trial in trials)
    cells = rows * max(named.count_products(trial) for trial in trials)
    return Work(
        work.reads,
        work.settings | settings,
        work.loads,
        memory=600 + 2 * _add_up(list_needs_of_training(named, named.groups[group])),
        seconds=10 + 2e-9 * entry.steps * cells,
    )


@stage(
    "training",
    writes={
        table: f"searches/{{search}}/{{group}}/{table}.parquet"
        for table in (*TABLES, *BY_LENGTH)
        if table != "trials"
    },
    each=_groups,
)
def measure_trials(config: Config, search: str, group: str) -> Work:
    """Metrics of these trials, beside baselines; their course, noise, attention and circuits"""
    work, named = _describe_group(config, search, group), config.searches[search]
    entry = named.entry
    names = {"search": search, "group": group}
    trained = {key: file_of("train_trials", key, **names) for key in ("weights", "trajectory")}
    first, numbers = next(iter(entry.variants)), [number for _, number in named.groups[group]]
    groups = [named.group_of(first, number) for number in numbers]
    compared = list(dict.fromkeys(groups))
    references = [file_of("train_trials", "weights", search=search, group=g) for g in compared]
    settings = {
        "test_games": entry.test_games,
        "averages": list(entry.averages),
        "reference": {
            "variant": first,
            "files": [compared.index(g) for g in groups],
            "trials": [asdict(named.trials[first, number]) for number in numbers],
        },
    }
    cells = entry.checkpoints * entry.test_games * named.game.game.max_length
    cells *= max(map(named.count_products, named.trials.values())) // 32
    return Work(
        {**work.reads, **trained, "references": references},
        work.settings | settings,
        work.loads,
        memory=250 + 1.6 * _add_up(list_needs_of_measuring(named)),
        seconds=5 + len(named.groups[group]) * (1 + 1e-7 * cells),
    )


@stage(
    "training",
    writes={table: f"searches/{{search}}/{table}.parquet" for table in (*TABLES, *BY_LENGTH)}
    | {
        table: [f"searches/{{search}}/{table}.{suffix}" for suffix in ("parquet", "csv")]
        for table in SUMMARIES
    },
    each=_searches,
)
def collect_search(config: Config, search: str) -> Work:
    """The same of a whole search; and its remedies: effects, for whom, by which mechanism"""
    named = config.searches[search]
    reads = {
        f"{table}_of_groups": [
            file_of(
                "train_trials" if table == "trials" else "measure_trials",
                table,
                search=search,
                group=group,
            )
            for group in named.groups
        ]
        for table in (*TABLES, *BY_LENGTH)
    }
    settings = {
        "search": search,
        "architecture": named.entry.architecture,
        "length": named.entry.length,
        "num_trials": named.entry.trials,
        "levels": list(named.levels.items()),
        "variants": list(named.entry.variants.items()),
        "averages": list(named.entry.averages.items()),
    }
    return Work(reads, settings)


@stage(
    "figures",
    "training",
    writes=figure("figures/searches/{search}/{figure}"),
    each=lambda config: [
        {"search": search, "figure": name}
        for search, named in config.searches.items()
        for name in _figures("searches")
        if is_made_for(name, named.entry.architecture)
        if name != "scatter" or named.entry.trials >= ENOUGH_TRIALS
    ],
    shown="Training",
)
def plot_search(config: Config, search: str, figure: str) -> Work:
    """Figures of a search: curves, paired effects, mechanism, circuits, and if many all trials"""
    named = config.searches[search]
    tables = [table for table in (*TABLES, "effects") if table != "scaled"]
    if named.entry.architecture != "one_layer":  # whose figures show strengths instead
        tables += BY_LENGTH
    settings = {
        "figure": f"gamecircuits.figures.searches.{figure}",
        "game": named.game.name,
        "kind": named.game.kind,
        "length": named.entry.length,
    }
    return Work(
        reads={table: file_of("collect_search", table, search=search) for table in tables},
        settings=settings,
        caption=f"searches/{figure}.rst",
    )


def _once(things: object) -> list[Names]:
    """One job without a name if there are any such things."""
    return [{}] if things else []


def _gridded(config: Config) -> list[str]:
    return [search.name for search in config.searches.values() if search.levels]


@stage(
    "figures",
    "training",
    writes=figure("figures/grids/{figure}"),
    each=lambda config: [{"figure": name} for name in _figures("grids") if _gridded(config)],
    shown="Training",
)
def plot_grids(config: Config, figure: str) -> Work:
    """All searches with a grid, by the levels of their first factors"""
    named = [config.searches[name] for name in _gridded(config)]
    reads: dict[str, File | list[File]] = {
        table: [file_of("collect_search", table, search=search.name) for search in named]
        for table in ("metrics", "baselines")
    }
    searches = [  # in order, which a dict would lose
        [
            search.name,
            {
                "game": search.game.name,
                "length": search.entry.length,
                "levels": list(search.levels.items()),
            },
        ]
        for search in named
    ]
    settings = {"figure": f"gamecircuits.figures.grids.{figure}", "searches": searches}
    return Work(reads, settings, caption=f"grids/{figure}.rst")


@stage(
    "training",
    writes={"paths": ["tables/hypotheses.parquet", "tables/hypotheses.csv"]},
    each=lambda config: _once(config.hypotheses),
)
def check_hypotheses(config: Config) -> Work:
    """What the searches say of each hypothesis: supported, contradicted or undecided"""
    named = {h.search.name: h.search for h in config.hypotheses.values()}
    reads: dict[str, File | list[File]] = {
        table: [file_of("collect_search", table, search=search) for search in named]
        for table in ("metrics", "scaled", "dynamics", "noise", "illegal")
    }
    searches = [  # in order, which a dict would lose
        [
            name,
            {
                "length": search.entry.length,
                "averages": list(search.entry.averages),
                "levels": list(search.levels.items()),
            },
        ]
        for name, search in named.items()
    ]
    stated = [hypothesis.settings for hypothesis in config.hypotheses.values()]
    return Work(reads, {"searches": searches, "hypotheses": stated})


@stage(
    "figures",
    "training",
    writes=figure("figures/hypotheses/{figure}"),
    each=lambda config: [{"figure": name} for name in _figures("hypotheses") if config.hypotheses],
    shown="Training",
)
def plot_hypotheses(config: Config, figure: str) -> Work:
    """The hypotheses with their regions, intervals and verdicts"""
    settings = {"figure": f"gamecircuits.figures.hypotheses.{figure}"}
    reads = {"hypotheses": file_of("check_hypotheses")}
    return Work(reads, settings, caption=f"hypotheses/{figure}.rst")


# Models. Each is made by one of three stages, by its origin.

MAKERS = {"construction": "construct_model", "trial": "extract_model", "file": "import_model"}


def _models(config: Config, *origins: str) -> list[Names]:
    return [{"model": m.name} for m in config.models.values() if m.origin in origins]


def _drawn_models(config: Config) -> list[Names]:
    return [{"model": model.name} for model in config.models.values() if model.figures]


def _model(config: Config, model: str) -> File:
    return file_of(MAKERS[config.models[model].origin], model=model)


@stage(
    "models",
    writes={"model": "models/{model}.safetensors"},
    each=lambda config: _models(config, "construction"),
)
def construct_model(config: Config, model: str) -> Work:
    """Weights of a construction"""
    named = config.models[model]
    settings = {"construction": named.settings}
    return Work(settings=settings)


@stage(
    "models",
    writes={"model": "models/{model}.safetensors"},
    each=lambda config: _models(config, "trial"),
)
def extract_model(config: Config, model: str) -> Work:
    """Weights of one trial of a search"""
    wanted = config.models[model].settings
    search = config.searches[wanted["search"]]
    group = search.group_of(wanted["variant"], wanted["number"])
    trial = search.trials[wanted["variant"], wanted["number"]]
    return Work(
        reads={"weights": file_of("train_trials", "weights", search=search.name, group=group)},
        settings={
            "name": model,
            "search": search.name,
            "variant": wanted["variant"],
            "number": wanted["number"],
            "average": wanted["average"],
            "architecture": search.entry.architecture,
            "trial": asdict(trial),
        },
        loads=[ARCHITECTURES.module(search.entry.architecture)],
    )


@stage(
    "models",
    writes={"model": "models/{model}.safetensors"},
    each=lambda config: _models(config, "file"),
)
def import_model(config: Config, model: str) -> Work:
    """Weights from a file that something else wrote, or that a function in a file returns"""
    return Work(settings=config.models[model].settings)


@stage(
    "theory",
    writes={"paths": ["diagnoses/{model}.parquet", "diagnoses/{model}.csv"]},
    each=_drawn_models,
)
def diagnose_model(config: Config, model: str) -> Work:
    """Strengths, illegal token rate, displacements of a model: measured, predicted, certified"""
    chosen = config.models[model]
    game = config.find_game(chosen)
    complement = {"kind": "set_complement", "vocab_size": chosen.vocab_size}
    settings = {
        "name": model,
        "seed": config.seed,
        "game_name": game.name if game else "set_complement",
        "game": game.settings if game else complement,
    }
    return Work({"model": _model(config, model)}, settings)


@stage("figures", writes=figure("figures/models/{model}"), each=_drawn_models, shown="Models")
def plot_model(config: Config, model: str) -> Work:
    """Circuits of a model, and what it does by length"""
    reads = {
        "model": _model(config, model),
        "diagnosis": file_of("diagnose_model", model=model),
    }
    chosen = config.models[model]
    trained_length = config.find_trained_length(chosen)
    settings = {"name": model, "kind": chosen.kind, "trained_length": trained_length}
    return Work(reads, settings, caption="models/anatomy.rst")


def _deep_models(config: Config) -> list[Names]:
    """Drawn models of several layers."""
    return [
        {"model": model.name}
        for model in config.models.values()
        if model.figures and not model.is_one_layer and config.find_game(model)
    ]


@stage("figures", writes=figure("figures/attention/{model}"), each=_deep_models, shown="Models")
def plot_attention(config: Config, model: str) -> Work:
    """What the heads of a model's first layer attend to, by pairs of tokens and by distance"""
    chosen = config.models[model]
    game = config.find_game(chosen)
    assert game is not None  # see _deep_models
    return Work(
        reads={
            "model": _model(config, model),
            "games": file_of("generate_games", game=game.name, shard=game.shards[0]),
        },
        settings={
            "name": model,
            "game": game.settings,
            "trained_length": config.find_trained_length(chosen),
        },
        caption="models/attention.rst",
    )


# Audits: what models of several layers know of a game, whether they use it, which parts do it.

AUDITED = {  # part of an audit: the stage that finds it, and that stage's tables
    "probes": ("probe_model", ("by_length", "overall", "by_place", "fits", "by_game", "beliefs")),
    "edits": ("edit_model", ("cases", "choices", "counts", "example", "effects")),
    "attribution": (
        "attribute_model",
        ("attributed", "squares", "ablated", "neurons", "paths"),
    ),
    "first_layer": ("read_first_layer", ("heads", "circuit", "lengths", "rescaled", "layers")),
}
DRAWN = {"beliefs": "probes"} | {part: part for part in AUDITED}  # figure: the part it is of
COLLECTED = {  # table of an audit: the part and the table that it joins
    "probes": ("probes", "overall"),
    "edits": ("edits", "effects"),
    "attribution": ("attribution", "attributed"),
    "ablation": ("attribution", "ablated"),
    "heads": ("first_layer", "heads"),
    "first_layer": ("first_layer", "lengths"),
    "rescaled": ("first_layer", "rescaled"),
}


def _has(audit: NamedAudit, what: str, model: NamedModel | None = None) -> bool:
    """Whether an audit has the part or figure, of this model or any."""
    from gamecircuits.games._bitboard_game import BitboardGame  # brings numba

    game, models = audit.game.game, [model] if model else audit.models
    if what == "edits":  # between sublayers
        return isinstance(game, BitboardGame) and any(m.num_sublayers > 1 for m in models)
    if what == "beliefs":
        return isinstance(game, BitboardGame)
    if what == "first_layer":  # where each token fills a place
        has_squares = isinstance(game, BitboardGame) and game.num_squares == game.vocab_size
        is_fit = has_squares or isinstance(game, SetComplement)
        return is_fit and any(m.num_sublayers > 0 for m in models)
    return True


def _audited(config: Config, figure: str) -> list[Names]:
    """The models of all audits that have the figure."""
    return [
        {"audit": audit.name, "model": model.name}
        for audit in config.audits.values()
        for model in audit.models
        if _has(audit, figure, model)
    ]


def _describe_audit(config: Config, audit: str, model: str) -> Work:
    """What all stages of an audit are given."""
    named = config.audits[audit]
    settings = {
        "trained_length": config.find_trained_length(config.models[model]),
        "game": named.game.settings,
        "audit": {
            "name": audit,
            "model": model,
            "seed": config.seed,
            "splits": named.game.splits,
            "fit_games": named.fit_games,
            "test_games": named.test_games,
        },
    }
    return Work({"model": _model(config, model)}, settings, memory=1500, seconds=60)


def _audit_tables(part: str) -> list[str]:
    return [f"audits/{{audit}}/{{model}}/{part}/{name}.parquet" for name in AUDITED[part][1]]


def _audit_files(part: str, table: str | None = None, **names: str) -> list[File]:
    """Tables of one model: of this name, or all."""
    known, tables = AUDITED[part]
    wanted = [table] if table else tables
    return [file_of(known, "tables", f"/{name}.parquet", **names) for name in wanted]


@stage(
    "audits",
    writes={
        "tables": _audit_tables("probes"),
        "probes": "audits/{audit}/{model}/probes.safetensors",
    },
    each=lambda config: _audited(config, "probes"),
)
def probe_model(config: Config, audit: str, model: str) -> Work:
    """What linear probes and MLPs read of the positions, beside controls; the probes"""
    return _describe_audit(config, audit, model)


@stage(
    "audits",
    writes={"tables": _audit_tables("edits")},
    each=lambda config: _audited(config, "edits"),
)
def edit_model(config: Config, audit: str, model: str) -> Work:
    """What a model predicts after edits of the board in its residual stream, beside controls"""
    work = _describe_audit(config, audit, model)
    probes = file_of("probe_model", "probes", audit=audit, model=model)
    return replace(work, reads={**work.reads, "probes": probes})


@stage(
    "audits",
    writes={"tables": _audit_tables("attribution")},
    each=lambda config: _audited(config, "attribution"),
)
def attribute_model(config: Config, audit: str, model: str) -> Work:
    """What heads, MLPs and neurons add, predictions without them, and the paths between them"""
    return _describe_audit(config, audit, model)


@stage(
    "audits",
    writes={"tables": _audit_tables("first_layer")},
    each=lambda config: _audited(config, "first_layer"),
)
def read_first_layer(config: Config, audit: str, model: str) -> Work:
    """The first layer as a transformer that solves set complement; predicted and measured"""
    return _describe_audit(config, audit, model)


@stage(
    "audits",
    writes={
        "paths": [f"audits/{{audit}}/tables/{{table}}.{suffix}" for suffix in ("parquet", "csv")]
    },
    each=lambda config: [
        {"audit": audit.name, "table": table}
        for audit in config.audits.values()
        for table, (figure, _) in COLLECTED.items()
        if _has(audit, figure)
    ],
)
def collect_audit(config: Config, audit: str, table: str) -> Work:
    """A table of all models of an audit"""
    named, (figure, of_model) = config.audits[audit], COLLECTED[table]
    names = [model.name for model in named.models if _has(named, figure, model)]
    reads: dict[str, File | list[File]] = {
        "of_models": [
            file
            for name in names
            for file in _audit_files(figure, of_model, audit=audit, model=name)
        ]
    }
    return Work(reads, {"models": names})


@stage(
    "audits",
    writes={"paths": [f"audits/{{audit}}/comparison.{suffix}" for suffix in ("parquet", "csv")]},
    each=lambda config: [
        {"audit": audit.name} for audit in config.audits.values() if len(audit.models) > 1
    ],
)
def compare_probes(config: Config, audit: str) -> Work:
    """How well probes read each model of an audit, less how well they read the first"""
    models = config.audits[audit].models
    reads: dict[str, File | list[File]] = {
        "by_game": [
            file
            for model in models
            for file in _audit_files("probes", "by_game", audit=audit, model=model.name)
        ]
    }
    settings = {
        "models": [model.name for model in models],
        "trained_lengths": [config.find_trained_length(model) for model in models],
    }
    return Work(reads, settings)


@stage(
    "figures",
    "audits",
    writes=figure("figures/audits/{audit}/{model}/{figure}"),
    each=lambda config: [
        {**names, "figure": figure}
        for figure in DRAWN
        for names in _audited(config, figure)
        if config.models[names["model"]].figures
    ],
    shown="Inside the models",
)
def plot_audit(config: Config, audit: str, model: str, figure: str) -> Work:
    """What an audit found of a model: probes, a game as they read it, edits, and so on"""
    game = config.audits[audit].game
    settings = {
        "figure": f"gamecircuits.figures.audits.{figure}",
        "name": model,
        "game": game.settings,
        "trained_length": config.find_trained_length(config.models[model]),
    }
    tables = _audit_files(DRAWN[figure], audit=audit, model=model)
    return Work({"tables": tables}, settings, caption=f"audits/{figure}.rst")


# Metrics.


def _models_on(config: Config, game: str) -> list[str]:
    """Models that some evaluation measures on the game, in the order of the config."""
    on = {
        model.name
        for evaluation in config.evaluations.values()
        for model in evaluation.models
        if evaluation.game.name == game
    }
    return [name for name in config.models if name in on]


def _predicted(config: Config) -> list[Names]:
    """Games on which a model is measured that is to be drawn."""
    found = {game: _models_on(config, game) for game in config.games}
    return [
        {"game": g} for g, models in found.items() if any(config.models[m].figures for m in models)
    ]


def _evaluated(config: Config) -> list[Names]:
    return [
        {"evaluation": evaluation.name, "model": model.name}
        for evaluation in config.evaluations.values()
        for model in evaluation.models
    ]


@stage("metrics", writes={"metrics": "metrics/{evaluation}/{model}.parquet"}, each=_evaluated)
def evaluate_model(config: Config, evaluation: str, model: str) -> Work:
    """All metrics of a model on a game, by length"""
    named, chosen = config.evaluations[evaluation], config.models[model]
    game, is_construction = named.game, chosen.origin == "construction"
    reads: dict[str, File | list[File]]
    reads = {"model": _model(config, model), "games": [], "masks": []}
    settings: dict[str, Any] = {
        "evaluation": evaluation,
        "contexts": named.contexts,
        "lengths": list(named.lengths),
        "dtype": named.dtype,
        "name": game.name,
        "game": game.settings,
        "named": model,
        "kind": chosen.kind,
        "construction": chosen.settings if is_construction else None,
        "trained": None,
    }
    if chosen.origin == "trial":
        settings["trained"] = [chosen.settings["variant"], config.find_trained_length(chosen)]
    threads, V = 1, game.game.vocab_size
    if named.contexts == "all":
        threads = 8 if V >= 23 else 1  # several only where it takes longer than to start them
        memory, seconds = 700, 2 + 6e-8 * V * 2**V / threads
    elif named.contexts == "orbits":
        memory, seconds = 600, 5
    else:
        memory, seconds = BATCH_MEMORY, 2 + _play_time(game, game.num_games) * (1 + V / 10)
        settings["num_games"] = game.num_games
        reads["games"] = _all_shards(config, "generate_games", game.name)
        reads["masks"] = _all_shards(config, "compute_masks", game.name)
    return Work(reads, settings, threads=threads, memory=memory, seconds=seconds)


@stage(
    "metrics",
    writes={"paths": ["tables/metrics.parquet", "tables/metrics.csv"]},
    each=lambda config: _once(config.evaluations),
)
def collect_metrics(config: Config) -> Work:
    """The metrics of all evaluations in one table"""
    return Work({"metrics": [file_of("evaluate_model", **names) for names in _evaluated(config)]})


@stage(
    "figures",
    writes=figure("figures/{figure}"),
    each=lambda config: [{"figure": name} for name in _figures("metrics") if config.evaluations],
    shown="Length generalization",
)
def plot_metrics(config: Config, figure: str) -> Work:
    """Metrics against length, a figure each"""
    settings = {"figure": f"gamecircuits.figures.metrics.{figure}"}
    reads = {"metrics": file_of("collect_metrics")}
    return Work(reads, settings, caption=f"metrics/{figure}.rst")


@stage(
    "figures",
    writes=figure("figures/predictions/{game}"),
    each=_predicted,
    shown="What the models see",
)
def plot_predictions(config: Config, game: str) -> Work:
    """One game token by token, with the predictions of all its models"""
    named, models = config.games[game], _models_on(config, game)
    has_board = {"game": game} in _board_games(config)
    return Work(
        reads={
            "games": file_of("generate_games", game=game, shard=named.shards[0]),
            "models": [_model(config, model) for model in models],
        },
        settings={
            "name": game,
            "game": named.settings,
            "names": models,
            "trained_lengths": [config.find_trained_length(config.models[m]) for m in models],
        },
        caption=f"models/{'board_' if has_board else ''}predictions.rst",
    )


# Theory.


@stage(
    "theory",
    writes={"paths": ["tables/claims.parquet", "tables/claims.csv"], "page": "claims.html"},
    each=lambda config: _once(config.claims),
    shown="Theory",
)
def check_claims(config: Config) -> Work:
    """Every statement of docs/theory.md on random instances: predicted, measured, tolerance"""
    assert config.claims is not None  # see `each`
    settings = {"seed": config.seed, **config.claims.model_dump()}
    contexts = [V * 2**V for V in config.claims.vocab_sizes]  # and twice as many
    return Work(
        settings=settings,
        loads=claim_modules(),
        caption="claims.rst",
        memory=250 + 8e-3 * max(contexts),
        seconds=10 + 3e-4 * config.claims.instances * sum(contexts),
    )


@stage(
    "theory",
    writes={"paths": ["tables/claims_summary.parquet", "tables/claims_summary.csv"]},
    each=lambda config: _once(config.claims),
)
def confirm_claims(config: Config) -> Work:
    """One row for each claim; there only if all hold"""
    return Work({"claims": file_of("check_claims")})


def _experiments(config: Config) -> list[Names]:
    return [{"experiment": name} for name in config.experiments]


@stage("theory", writes={"table": "experiments/{experiment}.parquet"}, each=_experiments)
def run_experiment(config: Config, experiment: str) -> Work:
    """What an experiment on the theory measured"""
    named = config.experiments[experiment]
    settings = {"seed": config.seed, "name": experiment, "experiment": named.settings}
    return Work(settings=settings, memory=900, seconds=400)  # whatever its kind and parameters


@stage(
    "figures",
    "theory",
    writes=figure("figures/experiments/{experiment}"),
    each=_experiments,
    shown="Theory",
)
def plot_experiment(config: Config, experiment: str) -> Work:
    """The figure of an experiment"""
    kind = config.experiments[experiment].kind
    settings = {"figure": f"gamecircuits.figures.experiments.{kind}"}
    reads = {"table": file_of("run_experiment", experiment=experiment)}
    return Work(reads, settings, caption=f"experiments/{kind}.rst")


# The run itself.


def _name_figures(known: Stage, config: Config) -> list[str]:
    """Patterns of a stage's files, in which figures, which no config names, have their names."""
    names = dict.fromkeys(n["figure"] for n in known.each(config) if "figure" in n)
    return [
        pattern.replace("{figure}", name) for name in names or [""] for pattern in known.patterns
    ]


def _flatten(values: Mapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Values by the dotted names of their keys."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


@stage(
    "figures",
    writes={"page": "config.html", "readme": "README.md", "table": "tables/config.parquet"},
    shown="Configuration",
)
def describe_run(config: Config) -> Work:
    """The configuration, the libraries' versions, and what each file holds"""
    python = ".".join(map(str, sys.version_info[:3]))
    return Work(
        caption="config.rst",
        settings={
            "config": yaml.safe_dump(
                config.raw, sort_keys=False, default_flow_style=None, width=100
            ),
            "values": dict(_flatten(config.raw)),
            "versions": {"python": python} | {name: version(name) for name in SHOWN_VERSIONS},
            "files": [
                [_name_figures(known, config), known.holds]
                for known in STAGES.values()
                if list(known.each(config))
            ],
        },
    )


# The page. It is made last: it shows what all other stages have made.


def _describe_figures(config: Config) -> tuple[list[File], list[dict]]:
    """The images of all figures, and what the page says of each."""
    files, entries, render = [], [], make_renderer(config.raw)
    for known in STAGES.values():
        images = [path for path in known.patterns if path.endswith(".png")]
        for names in known.each(config) if images and known.shown else []:
            caption = known.work(config, **names).caption
            assert caption is not None  # what is shown has one
            files.append(file_of(known.name, suffix=".png", **names))
            entries.append(
                {
                    "path": images[0].removesuffix(".png").format_map(names),
                    "section": known.shown,
                    "caption": render(caption, names),
                    "record": record_path("", known.name, known.label.format_map(names))[1:],
                }
            )
    return files, entries


def _describe_searches(config: Config) -> tuple[list[Names], list[dict]]:
    """The groups of the trials that the page shows, the first of each variant; its searches."""
    groups: list[Names] = []
    entries = []
    for named in config.searches.values():
        if named.entry.architecture != "one_layer":  # the page shows strengths
            continue
        trials = []
        colours = colours_of(named.entry.variants)
        for variant in list(named.entry.variants)[:MAX_VARIANTS]:
            group = {"search": named.name, "group": named.group_of(variant, 0)}
            if group not in groups:
                groups.append(group)
            values = asdict(named.trials[variant, 0])
            place = {"variant": variant, "number": 0, "file": groups.index(group)}
            look = {"colour": colours[variant], "hyperparameters": values}
            trials.append(place | look)
        entries.append(
            {
                "name": named.name,
                "game": named.game.name,
                "length": named.entry.length,
                "variants": len(named.entry.variants),
                "trials": trials,
            }
        )
    return groups, entries


@stage("page", writes={"page": "index.html"})
def make_page(config: Config) -> Work:
    """The page to look at and play with: models, games, figures, claims; opens without network"""
    models, games = list(config.models.values()), list(config.games.values())
    figures, figure_entries = _describe_figures(config)
    groups, search_entries = _describe_searches(config)
    settings = {
        "title": "gamecircuits",
        "assets": digest_files(list_assets()),
        "theory": hashlib.sha256(read_theory().encode()).hexdigest(),
        "model_entries": [_describe_for_page(config, m) for m in models],
        "game_entries": [{"name": g.name, "settings": g.settings} for g in games],
        "figure_entries": figure_entries,
        "search_entries": search_entries,
        "diagnosed": [names["model"] for names in _drawn_models(config)],
    }
    reads: dict[str, File | list[File]] = {
        "models": [_model(config, model.name) for model in models],
        "games": [file_of("generate_games", game=g.name, shard=g.shards[0]) for g in games],
        "figures": figures,
        "diagnoses": [file_of("diagnose_model", **names) for names in _drawn_models(config)],
        "claims": [file_of("check_claims", **names) for names in _once(config.claims)],
        "effects": [file_of("collect_search", "effects", **n) for n in _searches(config)],
        "hypotheses": [file_of("check_hypotheses", **n) for n in _once(config.hypotheses)],
        "trajectories": [file_of("train_trials", "trajectory", **group) for group in groups],
        "weights": [file_of("train_trials", "weights", **group) for group in groups],
        "run": file_of("describe_run", "table"),
    }
    loads = [GAMES.module(game.kind) for game in games]
    return Work(reads, settings, loads=list(dict.fromkeys(loads)), memory=700, seconds=10)


def _describe_for_page(config: Config, model: NamedModel) -> dict:
    is_trained = model.origin == "trial"
    return {
        "name": model.name,
        "kind": model.kind,
        "origin": model.origin,
        "games": [game for game in config.games if model.name in _models_on(config, game)],
        "trained_length": config.find_trained_length(model),
        "colour": colour_of(model.settings["variant"] if is_trained else model.kind),
    }


PARTS = list(dict.fromkeys(part for known in STAGES.values() for part in known.parts))
