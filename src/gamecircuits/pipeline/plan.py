"""From a config to jobs: which file each stage writes, and the job text that must have made it.

The rules in workflow/rules take their parameters and file names from here. `find_stale` compares
what exists with what should, so that a run does not depend on Snakemake's own records alone.
"""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import yaml

from gamecircuits.claims.claim import claim_modules
from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.game import GAMES
from gamecircuits.pipeline.config import PARTS, Config
from gamecircuits.pipeline.provenance import describe_job
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import changed_siblings
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS
from gamecircuits.transformer.weights import read_model, read_model_job

# The file of each stage that carries the job; others may be written with it.
CARRIERS = {
    "generate_games": "games/{game}/{shard}.parquet",
    "compute_masks": "masks/{game}/{shard}.parquet",
    "measure_branching": "branching/{game}.parquet",
    "measure_legality": "legality/{game}.parquet",
    "construct_model": "models/{model}.safetensors",
    "extract_model": "models/{model}.safetensors",  # each model is made by one of the two
    "diagnose_model": "tables/diagnosis_{model}.parquet",
    "evaluate_model": "metrics/{evaluation}/{model}.parquet",
    "collect_metrics": "tables/metrics.parquet",
    "write_config": "tables/config.parquet",
    "plot_metrics": "tables/{figure}.parquet",
    "plot_games": "tables/{figure}.parquet",
    "plot_legality": "tables/legality_{game}.parquet",
    "plot_filmstrip": "tables/filmstrip_{game}.parquet",
    "plot_circuits": "tables/circuits_{model}.parquet",
    "plot_predictions": "tables/predictions_{game}.parquet",
    "check_claims": "tables/claims.parquet",
    "confirm_claims": "tables/claims_summary.parquet",
    "run_experiment": "experiments/{experiment}.parquet",
    "plot_experiment": "tables/{experiment}.parquet",
    "train_trials": "searches/{search}/{group}/trials.parquet",
    "measure_trials": "searches/{search}/{group}/metrics.parquet",
    "collect_search": "tables/search_{search}.parquet",
    "plot_search": "tables/training_{search_figure}_{search}.parquet",
}
SHOWN_VERSIONS = ("numpy", "pandas", "pyarrow", "matplotlib", "safetensors", "snakemake")
MAX_VERIFIED = 1 << 24  # bytes; larger files are verified by the stages that read them
SEARCH_FIGURES = (
    *("curves", "effects", "dynamics", "mechanisms"),
    *("circuits", "scatter"),
)
METRIC_FIGURES = ("length_generalization", "displacement", "attention_entropy")
GAME_FIGURES = ("branching_factor", "game_lengths")


class Plan:
    """All jobs of a config. Wildcards are the names in CARRIERS."""

    def __init__(self, config: Config):
        self.config = config
        self.games = config.games
        self.evaluated = [
            (evaluation.name, model.name)
            for evaluation in config.evaluations.values()
            for model in evaluation.models
        ]
        self._jobs: dict[tuple, str] = {}

    def path(self, stage: str, **wildcards: str) -> str:
        """The carrier of a stage's job; wildcards that are not given stay in braces."""
        pattern = CARRIERS[stage]
        for name, value in wildcards.items():
            pattern = pattern.replace(f"{{{name}}}", value)
        return f"{self.config.results}/{pattern}"

    def outputs(self, stage: str, **wildcards: str) -> list[str]:
        """All files of a stage: the carrier first, then those that are written with it."""
        carrier = self.path(stage, **wildcards)
        stem = Path(carrier).stem
        if stage.startswith("plot_") or stage == "diagnose_model":
            images = [f"{self.config.results}/figures/{stem}.{kind}" for kind in ("png", "svg")]
            return [carrier, str(Path(carrier).with_suffix(".csv")), *images]
        if stage == "check_claims":
            csv = str(Path(carrier).with_suffix(".csv"))
            return [carrier, csv, f"{self.config.results}/claims.html"]
        if stage in ("train_trials", "measure_trials"):
            others = {
                "train_trials": ("weights.safetensors", "trajectory.safetensors"),
                "measure_trials": ("dynamics.parquet", "noise.parquet", "circuits.parquet"),
            }[stage]
            return [carrier, *(str(Path(carrier).with_name(name)) for name in others)]
        if stage == "collect_search":
            tables = [Path(carrier).with_stem(f"{stem}{part}") for part in PARTS]
            summaries = [table.with_suffix(".csv") for table in tables[-3:]]
            return [carrier, *map(str, [*tables, *summaries])]
        if stage in ("collect_metrics", "confirm_claims"):
            return [carrier, str(Path(carrier).with_suffix(".csv"))]
        if stage == "write_config":
            return [carrier, f"{self.config.results}/config.html"]
        return [carrier]

    def job(self, stage: str, **wildcards: str) -> str:
        """The job text of a stage for these wildcards."""
        key = (stage, *sorted(wildcards.items()))
        if key not in self._jobs:
            settings, modules, inputs = getattr(self, f"_{stage}")(**wildcards)
            self._jobs[key] = describe_job(stage, settings, modules, inputs)
        return self._jobs[key]

    def instances(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Every (stage, wildcards) of the config."""
        for game in self.games.values():
            for shard in game.shards:
                yield "generate_games", {"game": game.name, "shard": shard}
                yield "compute_masks", {"game": game.name, "shard": shard}
            yield "measure_branching", {"game": game.name}
            if isinstance(game.game, BitboardGame):
                for stage in ("measure_legality", "plot_legality", "plot_filmstrip"):
                    yield stage, {"game": game.name}
        for figure in GAME_FIGURES:
            yield "plot_games", {"figure": figure}
        yield "write_config", {}
        for model in self.config.models:
            yield self.maker(model), {"model": model}
            yield "plot_circuits", {"model": model}
            yield "diagnose_model", {"model": model}
        for game in self.games:
            if self.models_on(game):
                yield "plot_predictions", {"game": game}
        for evaluation, model in self.evaluated:
            yield "evaluate_model", {"evaluation": evaluation, "model": model}
        if self.config.claims:
            yield "check_claims", {}
            yield "confirm_claims", {}
        for experiment in self.config.experiments:
            yield "run_experiment", {"experiment": experiment}
            yield "plot_experiment", {"experiment": experiment}
        for search, named in self.config.searches.items():
            for group in named.group_names:
                yield "train_trials", {"search": search, "group": group}
                yield "measure_trials", {"search": search, "group": group}
            yield "collect_search", {"search": search}
            for figure in SEARCH_FIGURES:
                yield "plot_search", {"search_figure": figure, "search": search}
        if self.evaluated:
            yield "collect_metrics", {}
            for figure in METRIC_FIGURES:
                yield "plot_metrics", {"figure": figure}

    def files(self, *stages: str) -> list[str]:
        """Outputs of all jobs of the given stages, of all stages by default."""
        return [
            path
            for stage, wildcards in self.instances()
            if not stages or stage in stages
            for path in self.outputs(stage, **wildcards)
        ]

    def models_on(self, game: str) -> list[str]:
        """Names of the models that some evaluation measures on the game, in the config's order."""
        on = {
            model.name
            for evaluation in self.config.evaluations.values()
            for model in evaluation.models
            if evaluation.game.name == game
        }
        return [name for name in self.config.models if name in on]

    def maker(self, model: str) -> str:
        """The stage that makes a model."""
        return "extract_model" if self.config.models[model].is_trained else "construct_model"

    def trained_in(self, model: str) -> dict[str, str]:
        """Search and group of a trained model."""
        about = self.config.models[model].settings
        search = self.config.searches[about["search"]]
        group = search.group_of(about["variant"], about["number"])
        return {"search": search.name, "group": group}

    def all_shards(self, stage: str, game: str) -> list[str]:
        return [self.path(stage, game=game, shard=shard) for shard in self.games[game].shards]

    def is_exhaustive(self, evaluation: str) -> bool:
        return self.config.evaluations[evaluation].contexts == "all"

    def threads(self, evaluation: str) -> int:
        """Threads worth giving to an evaluation: several only where it takes minutes."""
        vocab_size = self.config.evaluations[evaluation].game.game.vocab_size
        return 8 if self.is_exhaustive(evaluation) and vocab_size >= 19 else 1

    # Of every stage: settings, modules that it loads by name, and the jobs of its inputs.

    def _generate_games(self, game: str, shard: str):
        named, number = self.games[game], int(shard.removeprefix("shard-"))
        settings = {
            "name": game,
            "seed": self.config.seed,
            "shard": number,
            "num_games": named.games_in_shard(number),
            "games_per_shard": named.games_per_shard,
            "splits": named.splits,
            "game": named.settings,
        }
        return settings, [GAMES.module(named.kind)], {}

    def _compute_masks(self, game: str, shard: str):
        named, number = self.games[game], int(shard.removeprefix("shard-"))
        settings = {"game": named.settings, "num_games": named.games_in_shard(number)}
        inputs = {"games": [self.job("generate_games", game=game, shard=shard)]}
        return settings, [GAMES.module(named.kind)], inputs

    def _jobs_of_dataset(self, game: str) -> dict[str, list[str]]:
        shards = self.games[game].shards
        return {
            "games": [self.job("generate_games", game=game, shard=shard) for shard in shards],
            "masks": [self.job("compute_masks", game=game, shard=shard) for shard in shards],
        }

    def _measure_branching(self, game: str):
        named = self.games[game]
        settings = {"name": game, "game": named.settings, "num_games": named.num_games}
        return settings, [GAMES.module(named.kind)], self._jobs_of_dataset(game)

    def _measure_legality(self, game: str):
        named = self.games[game]
        settings = {"name": game, "game": named.settings}
        inputs = {"games": self._jobs_of_dataset(game)["games"]}
        return settings, [GAMES.module(named.kind)], inputs

    def _plot_games(self, figure: str):
        jobs = [self.job("measure_branching", game=game) for game in self.games]
        return {"figure": figure}, [f"gamecircuits.figures.games.{figure}"], {"branching": jobs}

    def _plot_legality(self, game: str):
        named = self.games[game]
        inputs = {"legality": [self.job("measure_legality", game=game)]}
        return {"game": named.settings}, [GAMES.module(named.kind)], inputs

    def _plot_filmstrip(self, game: str):
        named = self.games[game]
        settings = {"name": game, "game": named.settings}
        inputs = {"games": [self.job("generate_games", game=game, shard=named.shards[0])]}
        return settings, [GAMES.module(named.kind)], inputs

    def _write_config(self):
        python = ".".join(map(str, sys.version_info[:3]))
        versions = {"python": python, **{name: version(name) for name in SHOWN_VERSIONS}}
        text = yaml.safe_dump(self.config.raw, sort_keys=False, default_flow_style=None, width=100)
        return {"config": text, "versions": versions}, [], {}

    def _construct_model(self, model: str):
        named = self.config.models[model]
        return {"construction": named.settings}, [CONSTRUCTIONS.module(named.kind)], {}

    def _extract_model(self, model: str):
        about = self.config.models[model].settings
        search, trial = self.config.searches[about["search"]], (about["variant"], about["number"])
        settings = {"model": model, **about, "norm": search.trials[trial].norm}
        return settings, [], {"trials": [self.job("train_trials", **self.trained_in(model))]}

    def _job_of_model(self, model: str) -> str:
        return self.job(self.maker(model), model=model)

    def _diagnose_model(self, model: str):
        settings = {"model": model, "seed": self.config.seed}
        return settings, [], {"model": [self._job_of_model(model)]}

    def _plot_circuits(self, model: str):
        return {"model": model}, [], {"model": [self._job_of_model(model)]}

    def _plot_predictions(self, game: str):
        named, models = self.games[game], self.models_on(game)
        settings = {"name": game, "game": named.settings, "models": models}
        inputs = {
            "games": [self.job("generate_games", game=game, shard=named.shards[0])],
            "models": [self._job_of_model(model) for model in models],
        }
        return settings, [GAMES.module(named.kind)], inputs

    def _evaluate_model(self, evaluation: str, model: str):
        named, chosen = self.config.evaluations[evaluation], self.config.models[model]
        settings = {
            "evaluation": evaluation,
            "contexts": named.contexts,
            "lengths": list(named.lengths),
            "dtype": named.dtype,
            "name": named.game.name,
            "game": named.game.settings,
            "model": model,
            "kind": chosen.kind,
            "construction": None if chosen.is_trained else chosen.settings,
        }
        modules = [] if chosen.is_trained else [CONSTRUCTIONS.module(chosen.kind)]
        inputs = {"model": [self._job_of_model(model)], "games": [], "masks": []}
        if not self.is_exhaustive(evaluation):
            settings["num_games"] = named.game.num_games
            modules.append(GAMES.module(named.game.kind))
            inputs |= self._jobs_of_dataset(named.game.name)
        return settings, modules, inputs

    def _collect_metrics(self):
        jobs = [self.job("evaluate_model", evaluation=e, model=m) for e, m in self.evaluated]
        return {}, [], {"metrics": jobs}

    def _check_claims(self):
        settings = {"seed": self.config.seed, **self.config.claims.model_dump()}
        return settings, claim_modules(), {}

    def _confirm_claims(self):
        return {}, [], {"claims": [self.job("check_claims")]}

    def _run_experiment(self, experiment: str):
        named = self.config.experiments[experiment]
        settings = {
            "seed": self.config.seed,
            "name": experiment,
            "experiment": named.settings,
        }
        return settings, [EXPERIMENTS.module(named.kind)], {}

    def _plot_experiment(self, experiment: str):
        kind = self.config.experiments[experiment].kind
        inputs = {"experiment": [self.job("run_experiment", experiment=experiment)]}
        return {"kind": kind}, [f"gamecircuits.figures.experiments.{kind}"], inputs

    def all_groups(self, stage: str, search: str) -> list[str]:
        names = self.config.searches[search].group_names
        return [self.path(stage, search=search, group=group) for group in names]

    def games_of_search(self, search: str) -> list[str]:
        """Shards that the search reads: none if its games are played anew."""
        named = self.config.searches[search]
        from_dataset = named.entry.data == "dataset"
        return self.all_shards("generate_games", named.game.name) if from_dataset else []

    def _describe_group(self, search: str, group: str) -> tuple[dict, list[str], dict]:
        """What training a group and measuring it have in common."""
        named = self.config.searches[search]
        settings = {
            "search": search,
            "seed": self.config.seed,
            "game": named.game.settings,
            "trials": [
                {"variant": variant, "number": number, **asdict(named.trials[variant, number])}
                for variant, number in named.groups[int(group.removeprefix("group-"))]
            ],
            "length": named.entry.length,
        }
        games = []
        if named.entry.data == "dataset":
            settings["num_games"] = named.game.num_games
            games = self._jobs_of_dataset(named.game.name)["games"]
        else:
            settings["splits"] = named.game.splits
        return settings, [GAMES.module(named.game.kind)], {"games": games}

    def _train_trials(self, search: str, group: str):
        settings, modules, inputs = self._describe_group(search, group)
        entry = self.config.searches[search].entry
        settings |= {"steps": entry.steps, "checkpoints": entry.checkpoints}
        settings["averages"] = list(entry.averages.items())
        return settings, modules, inputs

    def _measure_trials(self, search: str, group: str):
        settings, modules, inputs = self._describe_group(search, group)
        entry = self.config.searches[search].entry
        settings |= {"test_games": entry.test_games, "averages": list(entry.averages)}
        inputs["trials"] = [self.job("train_trials", search=search, group=group)]
        return settings, modules, inputs

    def _collect_search(self, search: str):
        named = self.config.searches[search]
        jobs = [
            self.job("measure_trials", search=search, group=group) for group in named.group_names
        ]
        settings = {
            "search": search,
            "length": named.entry.length,
            "trials": named.entry.trials,
            "variants": list(named.entry.variants.items()),  # in order, which a dict would lose
            "averages": list(named.entry.averages),
        }
        return settings, [], {"metrics": jobs}

    def _plot_search(self, search_figure: str, search: str):
        named, module = (
            self.config.searches[search],
            f"gamecircuits.figures.searches.{search_figure}",
        )
        settings = {
            "search": search,
            "figure": search_figure,
            "game": named.game.name,
            "length": named.entry.length,
        }
        return settings, [module], {"search": [self.job("collect_search", search=search)]}

    def _plot_metrics(self, figure: str):
        module = f"gamecircuits.figures.metrics.{figure}"
        return {"figure": figure}, [module], {"metrics": [self.job("collect_metrics")]}


def _snakemake_tracks(path: str, job: str | None) -> bool:
    """Whether Snakemake's record of how the file was made is there and names the file's own job.

    Then it sees by itself what has changed since.
    """
    name = base64.urlsafe_b64encode(path.encode()).decode()
    try:
        record = json.loads(Path(".snakemake/metadata", name).read_text())
        return repr(job) in record["params"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _leftover_shards(plan: Plan) -> Iterator[str]:
    """Shards of the config's games beyond its number of games: readers would take them for its."""
    for stage in ("generate_games", "compute_masks"):
        for game in plan.games:
            planned = set(plan.all_shards(stage, game))
            folder = Path(plan.path(stage, game=game, shard="x")).parent
            found = map(str, sorted(folder.glob("shard-*.parquet")))
            yield from (path for path in found if path not in planned)


def find_stale(plan: Plan) -> dict[str, str]:
    """Existing results that must not be used, with the reason.

    These are files that are damaged or were changed by hand, files made by another config or other
    code, unless Snakemake knows that too, and shards that the config does not have.
    """
    stale = dict.fromkeys(_leftover_shards(plan), "left from a config with more shards")
    for stage, wildcards in plan.instances():
        carrier, *others = plan.outputs(stage, **wildcards)
        if not Path(carrier).exists():
            continue
        try:
            is_model = carrier.endswith(".safetensors")
            job = (read_model_job if is_model else read_job)(carrier)
            if Path(carrier).stat().st_size <= MAX_VERIFIED:
                (read_model if is_model else read_table)(carrier)  # against its checksums
            if others:
                changed = changed_siblings(carrier, others)
                stale |= dict.fromkeys(changed, "damaged or changed by hand")
        except ValueError:  # an error of ours, or metadata that cannot be decoded
            stale[carrier] = "damaged"
            continue
        if job != plan.job(stage, **wildcards) and not _snakemake_tracks(carrier, job):
            stale[carrier] = "made by another config or other code"
    return stale
