"""The experiment's configuration: read, checked as a whole, and turned into typed objects.

Nothing runs on a config with a mistake in it. All mistakes are reported at once, each with file,
line, key, value, and what is allowed. config/README.md explains the keys to users;
`python -m gamecircuits.pipeline.config --schema` prints the JSON schema for editors, and
`python -m gamecircuits.pipeline.config FILE` checks a file.
"""

import contextlib
import json
import math
import os
import re
import sys
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gamecircuits.analysis.contexts import MAX_EXHAUSTIVE_VOCAB_SIZE
from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.experiments.experiment import EXPERIMENTS, Experiment
from gamecircuits.games.game import GAMES, Game
from gamecircuits.kinds import Registry, suggest
from gamecircuits.training.averaging import make_average
from gamecircuits.training.trial import Trial, check_space, draw_trial, group_trials
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS, Construction

KeyPath = tuple[str | int, ...]
MAX_SHARDS = 300  # all are named in one command line
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}")  # of variants and averages: ema_0.99
PATH = re.compile(r"(?!-)[A-Za-z0-9_./-]{1,80}")
OTHER_TABLES = re.compile(  # names in tables/ and figures/ that experiments must not take
    "metrics|config|claims|claims_summary|diagnosis|branching_factor|game_lengths"
    "|length_generalization|displacement|attention_entropy"
    "|(circuits|diagnosis|predictions|legality|filmstrip)_.*"
    "|(search|training_(curves|effects|dynamics|scatter|mechanisms|circuits))_.*",
    flags=re.IGNORECASE,
)
# Of a search: ends of its tables' names.
PARTS = ("_trials", "_dynamics", "_noise", "_circuits")
PARTS += ("_effects", "_mechanisms", "_moderators")
TRAINED = "trained"  # a kind of models that is no construction
START = "start"  # in place of an average: the weights before training
SOURCES = {"benchmarks", "config", "docs", "profiles", "src", "tests", "workflow"}


class ConfigError(GamecircuitsError):
    """All problems of a config, one line each, in the order of the file."""


# The typed config. Field descriptions go into the JSON schema.


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Share = Annotated[float, Field(ge=0, le=1)]


class Splits(Strict):
    """Shares of all distinct games, up to symmetry, for training, validation and test."""

    train: Share = Field(default=0.8, description="share of the games to train on")
    validation: Share = Field(default=0.1, description="share of the games to choose models by")
    test: Share = Field(default=0.1, description="share of the games to report results on")

    @model_validator(mode="after")
    def _check_sum(self):
        shares = (self.train, self.validation, self.test)
        if not math.isclose(sum(shares), 1, abs_tol=1e-9):
            found = " + ".join(f"{share:g}" for share in shares)
            raise PydanticCustomError("sum", f"train + validation + test = {found} must be 1")
        return self


class GameEntry(Strict):
    """A game and how many of its random plays to generate; further keys are those of the kind."""

    kind: str = Field(description="which rules: a file in src/gamecircuits/games")
    num_games: int = Field(default=10000, ge=1, le=10**10, description="random games to generate")
    games_per_shard: int = Field(
        default=1_000_000, ge=1, le=10**8, description="games in one parquet file"
    )
    splits: Splits = Field(
        default=Splits(), description="sides that games fall on by a hash of their moves"
    )


class ModelEntry(Strict):
    """A model; further keys are those of the kind."""

    kind: str = Field(description="a file in src/gamecircuits/transformer/constructions")


class TrainedEntry(ModelEntry):
    """The weights of a trial of a search."""

    kind: Literal["trained"] = Field(description="The weights of a trial of a search.")
    search: str = Field(description="name of an entry of searches")
    variant: str | None = Field(default=None, description="of the search; its first by default")
    number: int = Field(default=0, ge=0, description="of the trial, from 0")
    average: str | None = Field(
        default=None,
        description="of the weights, the search's first by default; start: before training",
    )


def _check_lengths(value: Any) -> Any:
    if value != "all" and not (
        isinstance(value, list)
        and value
        and all(isinstance(length, int) and not isinstance(length, bool) for length in value)
        and all(a < b for a, b in zip([0, *value], value, strict=False))
    ):
        raise PydanticCustomError(
            "lengths", "allowed: all, or ascending positive integers like [1, 2, 4]"
        )
    return value


class EvaluationEntry(Strict):
    """Models measured on one game, by the length of the prefix."""

    game: str = Field(description="name of an entry of games")
    models: list[str] = Field(min_length=1, description="names of entries of models")
    contexts: Literal["sampled", "all"] = Field(
        default="sampled",
        description="sampled: the prefixes of the generated games; all: every (set, last token) "
        "context of set_complement",
    )
    lengths: Annotated[
        Literal["all"] | list[Annotated[int, Field(ge=1)]], BeforeValidator(_check_lengths)
    ] = Field(default="all", description="prefix lengths to measure: all, or ascending integers")
    dtype: Literal["float64", "float32"] = Field(
        default="float64", description="floating-point type of weights and logits"
    )


class ExperimentEntry(Strict):
    """An experiment on the theory; further keys are those of the kind."""

    kind: str = Field(description="a file in src/gamecircuits/experiments")


def _check_distinct(values: list) -> list:
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "must not name anything twice")
    return values


class ClaimsEntry(Strict):
    """Concrete instances on which every statement of the theory is evaluated."""

    vocab_sizes: Annotated[
        list[Annotated[int, Field(ge=4, le=14)]], AfterValidator(_check_distinct)
    ] = Field(
        default=[4, 5, 6, 8, 10], min_length=1, description="V, 4 to 14; all contexts of each"
    )
    instances: int = Field(
        default=2, ge=1, le=1000, description="random instances of each claim and V"
    )


DEFAULT_AVERAGES = {
    "last": {"kind": "last"},
    "ema_0.9": {"kind": "ema", "decay": 0.9},
    "ema_0.99": {"kind": "ema", "decay": 0.99},
    "ema_0.999": {"kind": "ema", "decay": 0.999},
    "power_ema": {"kind": "power_ema"},
    "bema": {"kind": "bema"},
}


class SearchEntry(Strict):
    """A random search over ways of training, on short prefixes of one game."""

    game: str = Field(description="name of an entry of games; trained on its training split")
    data: Literal["stream", "dataset"] = Field(
        default="stream",
        description="stream: games played anew for every trial; dataset: the generated games, "
        "epoch after epoch",
    )
    length: int = Field(ge=1, description="longest prefix that is continued in training")
    steps: int = Field(default=4000, ge=1, le=10**7, description="of the optimiser")
    checkpoints: int = Field(
        default=40,
        ge=1,
        le=10_000,
        description="times at which a trial is looked at; divides steps",
    )
    trials: int = Field(default=8, ge=1, le=10_000, description="random draws from the space")
    trials_per_job: int = Field(default=8, ge=1, le=4096, description="trained at once")
    test_games: int = Field(
        default=1000, ge=1, le=10**6, description="games of the test split to evaluate on"
    )
    space: dict[str, Any] = Field(
        default={}, description="hyperparameters: a value, a list, or {low, high, scale}"
    )
    variants: dict[str, dict[str, Any]] = Field(
        default={"plain": {}},
        min_length=1,
        description="hyperparameters that each draw is trained with, by name; the first is the "
        "one that others are compared with",
    )
    averages: dict[str, dict[str, Any]] = Field(
        default=DEFAULT_AVERAGES, min_length=1, description="of the weights, by name"
    )


class TopLevel(Strict):
    """Configuration of a gamecircuits experiment."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="root of all randomness")
    results: str = Field(default="results", min_length=1, description="folder for all results")
    games: dict[str, Any] = Field(min_length=1, description="games by name")
    models: dict[str, Any] = Field(default={}, description="models by name")
    evaluations: dict[str, Any] = Field(default={}, description="evaluations by name")
    experiments: dict[str, Any] = Field(default={}, description="experiments on the theory by name")
    searches: dict[str, Any] = Field(default={}, description="searches over training by name")
    claims: ClaimsEntry | None = Field(
        default=None, description="evaluate every statement of the theory; left out: do not"
    )


@dataclass(frozen=True)
class NamedGame:
    name: str
    kind: str
    settings: dict  # kind and constructor arguments: what its masks depend on
    game: Game
    num_games: int
    games_per_shard: int
    splits: dict[str, float]  # shares of SPLITS

    @property
    def shards(self) -> list[str]:
        return [f"shard-{n:05d}" for n in range(-(-self.num_games // self.games_per_shard))]

    def games_in_shard(self, shard: int) -> int:
        return min(self.games_per_shard, self.num_games - shard * self.games_per_shard)


@dataclass(frozen=True)
class NamedModel:
    name: str
    kind: str
    settings: dict
    vocab_size: int
    construction: Construction | None  # None: it is trained

    figures: bool = True

    @property
    def origin(self) -> str:
        return "construction" if self.construction else "trial"


@dataclass(frozen=True)
class NamedEvaluation:
    name: str
    game: NamedGame
    models: tuple[NamedModel, ...]
    contexts: str
    lengths: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class NamedExperiment:
    name: str
    kind: str
    settings: dict
    experiment: Experiment


@dataclass(frozen=True)
class NamedSearch:
    name: str
    game: NamedGame
    entry: SearchEntry
    trials: dict[tuple[str, int], Trial]  # by (variant, number)
    groups: dict[str, list[tuple[str, int]]]  # of trials; each is a job

    def group_of(self, variant: str, number: int) -> str:
        """Name of the group that a trial is trained in."""
        return next(name for name, group in self.groups.items() if (variant, number) in group)


@dataclass(frozen=True)
class Config:
    seed: int
    results: str
    games: dict[str, NamedGame]
    models: dict[str, NamedModel]
    evaluations: dict[str, NamedEvaluation]
    experiments: dict[str, NamedExperiment]
    searches: dict[str, NamedSearch]
    claims: ClaimsEntry | None
    raw: dict  # as read, for the report


# Reading YAML with line numbers.


class _Loader(yaml.SafeLoader):
    """YAML as people expect it: 1e-3 is a number; yes, 1:30, 016 and 2020-02-02 are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9]\d{0,30})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?$|[-+]?\d+[eE][-+]?\d+$|[-+]?\.inf$|\.nan$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true$|false$|True$|False$"), list("tTfF")
)


@dataclass
class Source:
    """Values of one or more YAML files laid over each other, and the line where each key stands."""

    values: Any
    places: dict[KeyPath, str]
    problems: list[tuple[str, str]]  # (place, message)


def read_yaml(path: Path | str) -> Source:
    """Read one file; YAML that cannot be parsed is a ConfigError with its line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    source = Source(None, {}, [])

    def place(node: yaml.Node) -> str:
        return f"{path}:{node.start_mark.line + 1}"

    def convert(node: yaml.Node, key_path: KeyPath) -> Any:
        source.places.setdefault(key_path, place(node))
        if isinstance(node, yaml.MappingNode):
            own = {id(key_node) for key_node, _ in node.value}
            loader.flatten_mapping(node)  # "<<: *other": the merged keys come first
            mapping, seen = {}, {}
            for key_node, value_node in node.value:
                key = loader.construct_object(key_node, deep=True)
                here = (*key_path, str(key))
                if not isinstance(key, str):
                    message = f"{_dotted(here)}: keys must be text, not {key!r}; write it in quotes"
                    source.problems.append((place(key_node), message))
                    key = str(key)
                if key in seen:
                    message = f"{_dotted(here)}: the key stands twice, first at {seen[key]}"
                    source.problems.append((place(key_node), message))
                if id(key_node) in own:
                    seen[key] = place(key_node)
                source.places[here] = place(key_node)
                mapping[key] = convert(value_node, here)
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [convert(item, (*key_path, index)) for index, item in enumerate(node.value)]
        return loader.construct_object(node, deep=True)

    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        source.values = convert(node, ()) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{line}: not valid YAML: {error.problem or error.context}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply, or in itself") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    source.places.setdefault((), str(path))
    return source


def _lay_over(base: Any, top: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(top, Mapping):
        return {**base, **{key: _lay_over(base.get(key), value) for key, value in top.items()}}
    return top


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


# Checking.


@cache
def entry_model(registry: Registry, base: type[BaseModel], kind: str) -> type[BaseModel]:
    """Pydantic model of one kind's config entry: the base's fields and the dataclass's."""
    cls = registry.type(kind)
    hints = typing.get_type_hints(cls)
    about = _attribute_docs(cls)
    definitions = {}
    for field in fields(cls):
        if field.init:
            default = {}
            if field.default is not MISSING:
                default = {"default": field.default}
            elif field.default_factory is not MISSING:
                default = {"default_factory": field.default_factory}
            description = about.get(field.name, "")
            definitions[field.name] = (hints[field.name], Field(description=description, **default))
    kind_field = (Literal[kind], Field(description=(cls.__doc__ or "").split("\n")[0]))
    return create_model(kind, __base__=base, kind=kind_field, **definitions)


def _attribute_docs(cls: type) -> dict[str, str]:
    """Descriptions from the "Attributes:" section of a docstring."""
    section = (cls.__doc__ or "").partition("Attributes:")[2]
    entries = re.findall(r"^ {8}([\w, ]+): (.*(?:\n {12}.*)*)", section, flags=re.MULTILINE)
    return {
        name.strip(): re.sub(r"\s+", " ", text)
        for names, text in entries
        for name in names.split(",")
    }


_TYPES = {
    "int_type": "an integer", "float_type": "a number", "string_type": "text",
    "list_type": "a list", "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values", "bool_type": "true or false",
}  # fmt: skip


class _Checker:
    def __init__(self, source: Source):
        self.source = source
        self.problems: list[tuple[str, str]] = list(source.problems)

    def report(self, path: KeyPath, message: str, value: Any = ...) -> None:
        at = path
        while at and at not in self.source.places:
            at = at[:-1]
        shown = "" if value is ... else f" = {_short(value)}"
        self.problems.append(
            (self.source.places[at], f"{_dotted(path) or 'config'}{shown}: {message}")
        )

    def fit(self, model: type[BaseModel], value: Any, path: KeyPath) -> BaseModel | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                self._translate(model, problem, path)
            return None

    def _translate(self, model: type[BaseModel], problem: dict, path: KeyPath) -> None:
        where = path + tuple(problem["loc"])
        value, kind, context = problem["input"], problem["type"], problem.get("ctx", {})
        for step in problem["loc"][:-1]:  # into a section that is a model of its own
            if isinstance(step, str) and step in model.model_fields:
                annotation = model.model_fields[step].annotation
                nested = [
                    part
                    for part in (annotation, *typing.get_args(annotation))
                    if isinstance(part, type) and issubclass(part, BaseModel)
                ]
                model = nested[0] if nested else model
        known = list(model.model_fields)
        if kind == "missing":
            about = model.model_fields[problem["loc"][-1]].description
            self.report(path, f"the key {problem['loc'][-1]!r} is missing ({about})")
        elif kind == "extra_forbidden":
            name = where[-1]
            self.report(where, f"unknown key{suggest(name, known)}; known: {', '.join(known)}")
        elif kind == "literal_error":
            allowed = context["expected"].replace("'", "").replace(" or ", ", ")
            self.report(where, f"allowed: {allowed}{suggest(value, allowed.split(', '))}", value)
        elif kind in _TYPES:
            self.report(where, f"must be {_TYPES[kind]}", value)
        elif kind == "too_short":
            self.report(where, "must not be empty", value)
        else:
            limits = {"greater_than_equal": "ge", "less_than_equal": "le"}
            if kind in limits:
                sign = "at least" if kind == "greater_than_equal" else "at most"
                self.report(where, f"must be {sign} {context[limits[kind]]}", value)
            else:
                self.report(where, problem["msg"], value)

    def entries(self, section: str, values: Mapping[str, Any]) -> Iterable[tuple[str, dict]]:
        """Entries of a section with usable names."""
        seen = {}
        for name, value in values.items():
            if (first := seen.setdefault(name.lower(), name)) != name:
                message = f"differs from {first!r} in case alone; on some systems files would clash"
                self.report((section, name), message)
            if not NAME.fullmatch(name):
                self.report(
                    (section, name),
                    "names start with a letter and go on with at most 59 letters, digits and _",
                )
            else:
                yield name, value

    def look_up(self, path: KeyPath, wanted: str, noun: str, known: Collection[str]) -> None:
        """Report a name that is not among the known ones."""
        if wanted not in known:
            message = f"no such {noun}; known: {', '.join(known) or 'none'}"
            self.report(path, message + suggest(wanted, known), wanted)

    def make(
        self,
        section: str,
        name: str,
        value: Any,
        registry: Registry,
        base: type[BaseModel],
        others: Iterable[str] = (),
    ):
        """(entry, instance, settings) of an entry with a kind, None when there is a problem.

        Args:
            others: kinds that are allowed too, but are made elsewhere.
        """
        path = (section, name)
        if not isinstance(value, Mapping):
            return self.report(path, "must be a mapping of keys to values", value)
        kinds, kind = sorted([*registry.kinds(), *others]), value.get("kind")
        if "kind" not in value:
            return self.report(path, f"the key 'kind' is missing; allowed: {', '.join(kinds)}")
        if kind not in kinds:
            return self.report(
                (*path, "kind"), f"allowed: {', '.join(kinds)}{suggest(kind, kinds)}", kind
            )
        try:
            model = entry_model(registry, base, kind)
        except GamecircuitsError as error:
            return self.report((*path, "kind"), str(error), kind)
        entry = self.fit(model, value, path)
        if entry is None:
            return None
        names = set(model.model_fields) - set(base.model_fields)
        arguments = {key: getattr(entry, key) for key in model.model_fields if key in names}
        try:
            instance = registry.make(kind, **arguments)
        except ParameterError as error:
            return self.report((*path, error.key), f"allowed: {error.allowed}", error.value)
        except GamecircuitsError as error:
            return self.report(path, str(error))
        return entry, instance, {"kind": kind, **arguments}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_config(source: Source) -> Config:
    """Return the config that the values describe, or raise ConfigError with every problem."""
    checker = _Checker(source)
    if not isinstance(source.values, Mapping):
        known = ", ".join(TopLevel.model_fields)
        checker.report((), f"must hold keys at the top level: {known}", source.values)
        raise _error(checker)
    top = checker.fit(TopLevel, source.values, ())
    sections = {
        section: values if isinstance(values := source.values.get(section), Mapping) else {}
        for section in ("games", "models", "evaluations", "experiments", "searches")
    }
    if top:
        parts = Path(os.path.normpath(top.results)).parts
        if not PATH.fullmatch(top.results) or not parts or parts in (("..",), ("/",)):
            message = "must be a folder's path of letters, digits and _ . - /, not starting with -"
            checker.report(("results",), message, top.results)
        elif ".." in parts or parts[0] in SOURCES:
            message = "must not be a folder of the project's source, nor lie above it"
            checker.report(("results",), message, top.results)

    games: dict[str, NamedGame] = {}
    for name, value in checker.entries("games", sections["games"]):
        if made := checker.make("games", name, value, GAMES, GameEntry):
            entry, game, settings = made
            size, splits = (entry.num_games, entry.games_per_shard), entry.splits.model_dump()
            games[name] = NamedGame(name, entry.kind, settings, game, *size, splits)
            if (count := -(-entry.num_games // entry.games_per_shard)) > MAX_SHARDS:
                message = f"makes {count} shards of the games; at most {MAX_SHARDS} are possible"
                checker.report(("games", name, "games_per_shard"), message, entry.games_per_shard)
    searches: dict[str, NamedSearch] = {}
    for name, value in checker.entries("searches", sections["searches"]):
        if name.lower().endswith(PARTS):
            message = f"must not end in {', '.join(PARTS)}: tables of other searches do"
            checker.report(("searches", name), message)
        entry = checker.fit(SearchEntry, value, ("searches", name))
        if entry and (found := _check_search(checker, name, entry, top, sections, games)):
            searches[name] = found
    models: dict[str, NamedModel] = {}
    for name, value in checker.entries("models", sections["models"]):
        if isinstance(value, Mapping) and value.get("kind") == TRAINED:
            if found := _check_trained(checker, name, value, sections, searches):
                models[name] = found
        elif made := checker.make("models", name, value, CONSTRUCTIONS, ModelEntry, [TRAINED]):
            entry, construction, settings = made
            size = construction.vocab_size
            models[name] = NamedModel(name, entry.kind, settings, size, construction)
    evaluations: dict[str, NamedEvaluation] = {}
    for name, value in checker.entries("evaluations", sections["evaluations"]):
        entry = checker.fit(EvaluationEntry, value, ("evaluations", name))
        if entry and (found := _check_evaluation(checker, name, entry, sections, games, models)):
            evaluations[name] = found
    experiments: dict[str, NamedExperiment] = {}
    for name, value in checker.entries("experiments", sections["experiments"]):
        if OTHER_TABLES.fullmatch(name):
            checker.report(("experiments", name), "another table has this name; choose a new one")
        if made := checker.make("experiments", name, value, EXPERIMENTS, ExperimentEntry):
            entry, experiment, settings = made
            if find_spec(f"gamecircuits.figures.experiments.{entry.kind}") is None:
                message = f"needs a figure: figures/experiments/{entry.kind}.py with draw(table)"
                checker.report(("experiments", name, "kind"), message, entry.kind)
            experiments[name] = NamedExperiment(name, entry.kind, settings, experiment)
    if checker.problems:
        raise _error(checker)
    return Config(
        top.seed,
        os.path.normpath(top.results),
        games,
        models,
        evaluations,
        experiments,
        searches,
        top.claims,
        raw=dict(source.values),
    )


def _check_search(
    checker: _Checker,
    name: str,
    entry: SearchEntry,
    top: TopLevel | None,
    sections: dict[str, Mapping],
    games: dict[str, NamedGame],
) -> NamedSearch | None:
    path, before = ("searches", name), len(checker.problems)
    checker.look_up((*path, "game"), entry.game, "game", sections["games"])
    named = games.get(entry.game)
    if named and entry.length >= named.game.max_length:
        message = f"allowed: 1 to {named.game.max_length - 1}, so that a token follows"
        checker.report((*path, "length"), message, entry.length)
    if named and not all(named.splits.values()):
        checker.report((*path, "game"), "needs games of all three splits", entry.game)
    if entry.steps % entry.checkpoints:
        is_default = "checkpoints" not in entry.model_fields_set
        message = f"must divide steps = {entry.steps}" + " (it is the default)" * is_default
        checker.report((*path, "checkpoints"), message, entry.checkpoints)
    spaces = {("space",): entry.space}
    spaces |= {("variants", variant): values for variant, values in entry.variants.items()}
    for where, space in spaces.items():
        for key, choice in space.items():
            try:
                check_space({key: choice})
            except ParameterError as error:
                at = (*path, *where) if error.key == "space" else (*path, *where, error.key)
                checker.report(at, f"allowed: {error.allowed}", error.value)
    for variant, values in entry.variants.items():
        if chosen := [key for key, value in values.items() if isinstance(value, (list, Mapping))]:
            message = "a variant has one value for each of its hyperparameters"
            checker.report((*path, "variants", variant, chosen[0]), message, values[chosen[0]])
    for average, values in entry.averages.items():
        try:
            made = make_average(**values)
            if entry.steps % getattr(made, "every", 1):
                raise ParameterError("every", made.every, f"what divides steps = {entry.steps}")
        except ParameterError as error:
            at = (*path, "averages", average, error.key)
            checker.report(at, f"allowed: {error.allowed}", error.value)
    for section, names in {"variants": entry.variants, "averages": entry.averages}.items():
        for wrong in (given for given in names if not LABEL.fullmatch(given)):
            message = "names start with a letter and go on with at most 59 letters, digits, _ and ."
            checker.report((*path, section, wrong), message)
    if START in entry.averages:
        message = "means the weights before training; choose another name"
        checker.report((*path, "averages", START), message)
    if top is None or named is None or len(checker.problems) > before:
        return None
    trials = {
        (variant, number): draw_trial(entry.space, top.seed, name, number, **values)
        for variant, values in entry.variants.items()
        for number in range(entry.trials)
    }
    grouped = group_trials(trials, entry.trials_per_job)
    groups = {f"group-{n:04d}": group for n, group in enumerate(grouped)}
    return NamedSearch(name, named, entry, trials, groups)


def _check_trained(
    checker: _Checker,
    name: str,
    value: Mapping,
    sections: dict[str, Mapping],
    searches: dict[str, NamedSearch],
) -> NamedModel | None:
    path, before = ("models", name), len(checker.problems)
    entry = checker.fit(TrainedEntry, value, path)
    if entry is None:
        return None
    checker.look_up((*path, "search"), entry.search, "search", sections["searches"])
    search = searches.get(entry.search)
    if search is None:  # or it has a problem of its own
        return None
    variants, averages = list(search.entry.variants), list(search.entry.averages)
    variant = variants[0] if entry.variant is None else entry.variant
    average = averages[0] if entry.average is None else entry.average
    checker.look_up((*path, "variant"), variant, f"variant of {search.name}", variants)
    checker.look_up((*path, "average"), average, f"average of {search.name}", [*averages, START])
    if entry.number >= search.entry.trials:
        message = f"allowed: 0 to {search.entry.trials - 1}, the trials of {search.name}"
        checker.report((*path, "number"), message, entry.number)
    if len(checker.problems) > before:
        return None
    settings = entry.model_dump() | {"variant": variant, "average": average}
    return NamedModel(name, entry.kind, settings, search.game.game.vocab_size, construction=None)


def _check_evaluation(
    checker: _Checker,
    name: str,
    entry: EvaluationEntry,
    sections: dict[str, Mapping],
    games: dict[str, NamedGame],
    models: dict[str, NamedModel],
) -> NamedEvaluation | None:
    path = ("evaluations", name)
    before = len(checker.problems)

    def look_up(key_path: KeyPath, wanted: str, section: str, found: Mapping):
        checker.look_up(key_path, wanted, f"entry of {section}", sections[section])
        return found.get(wanted)  # an entry with a problem of its own is None too

    game = look_up((*path, "game"), entry.game, "games", games)
    chosen = []
    for index, wanted in enumerate(entry.models):
        model = look_up((*path, "models", index), wanted, "models", models)
        if wanted in entry.models[:index]:
            checker.report((*path, "models", index), "is listed twice", wanted)
        if model and game and model.vocab_size != game.game.vocab_size:
            checker.report(
                (*path, "models", index),
                f"the model has vocab_size {model.vocab_size}, "
                f"the game {game.name} has {game.game.vocab_size}; they must be equal",
                wanted,
            )
        chosen.append(model)
    if not game:
        return None
    longest = game.game.max_length - 1  # after the last token there is nothing to predict
    if entry.contexts == "all":
        if game.kind != "set_complement":
            checker.report(
                (*path, "contexts"),
                f"needs kind set_complement, but {game.name} is {game.kind}; allowed: sampled",
                "all",
            )
        elif game.game.vocab_size > MAX_EXHAUSTIVE_VOCAB_SIZE:
            checker.report(
                (*path, "contexts"),
                f"possible up to vocab_size {MAX_EXHAUSTIVE_VOCAB_SIZE}; {game.name} has "
                f"{game.game.vocab_size}; allowed: sampled",
                "all",
            )
    lengths = range(1, longest + 1) if entry.lengths == "all" else entry.lengths
    for index, length in enumerate(lengths):
        if length > longest:
            checker.report(
                (*path, "lengths", index),
                f"{game.name} has something to predict at lengths 1 to {longest} only",
                length,
            )
    if longest < 1:
        checker.report((*path, "game"), "its games are too short to predict anything", game.name)
    if len(checker.problems) > before or not all(chosen):
        return None
    return NamedEvaluation(name, game, tuple(chosen), entry.contexts, tuple(lengths), entry.dtype)


def _error(checker: _Checker) -> ConfigError:
    def order(problem: tuple[str, str]) -> tuple[str, int]:
        file, _, line = problem[0].rpartition(":")
        return (file, int(line)) if line.isdigit() else (problem[0], 0)

    lines = [f"{place}: {message}" for place, message in sorted(checker.problems, key=order)]
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    return ConfigError(f"{count} in the configuration:\n  " + "\n  ".join(lines))


def load_config(*paths: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read one or more YAML files, later ones laid over earlier ones, then `overrides`.

    Raises:
        ConfigError: naming every problem found.
    """
    source = read_yaml(paths[0])
    for path in paths[1:]:
        top = read_yaml(path)
        source.values = _lay_over(source.values, top.values)
        source.places |= top.places
        source.problems += top.problems
    if overrides:
        overrides = _retype(overrides)
        source.values = _lay_over(source.values, overrides)
        for path, value in _key_paths(overrides):
            if not isinstance(value, Mapping):  # replaced as a whole
                source.places = {p: at for p, at in source.places.items() if p[: len(path)] != path}
            source.places[path] = "--config"
    return check_config(source)


def _retype(value: Any) -> Any:
    """Snakemake's --config makes text of all that stands inside a list or mapping; undo that."""
    if isinstance(value, Mapping):
        return {key: _retype(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_retype(item) for item in value]
    if isinstance(value, str) and value:
        loader = _Loader("")
        tag = loader.resolve(yaml.ScalarNode, value, (True, False))
        with contextlib.suppress(yaml.YAMLError):  # "<<" and the like stay text
            return loader.construct_object(yaml.ScalarNode(tag, value))
    return value


def _key_paths(values: Any, path: KeyPath = ()) -> Iterable[tuple[KeyPath, Any]]:
    if path:
        yield path, values
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _key_paths(value, (*path, key))


def json_schema() -> dict:
    """JSON schema of config files, for completion and checks in editors."""

    def section(registry: Registry, base: type[BaseModel], *others: type[BaseModel]) -> Any:
        models = (entry_model(registry, base, kind) for kind in registry.kinds())
        union = typing.Union[(*models, *others)]  # known only here
        return dict[str, Annotated[union, Field(discriminator="kind")]]

    def described(name: str, annotation: Any) -> tuple:
        field = TopLevel.model_fields[name]
        default = ... if field.is_required() else field.default
        return annotation, Field(default=default, description=field.description)

    whole = create_model(
        "Configuration",
        __base__=TopLevel,
        games=described("games", section(GAMES, GameEntry)),
        models=described("models", section(CONSTRUCTIONS, ModelEntry, TrainedEntry)),
        evaluations=described("evaluations", dict[str, EvaluationEntry]),
        experiments=described("experiments", section(EXPERIMENTS, ExperimentEntry)),
        searches=described("searches", dict[str, SearchEntry]),
    )
    return whole.model_json_schema()


def main(arguments: list[str]) -> int:
    if arguments == ["--schema"]:
        print(json.dumps(json_schema(), indent=2))
        return 0
    try:
        load_config(*(arguments or ["config/config.yaml"]))
    except GamecircuitsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
