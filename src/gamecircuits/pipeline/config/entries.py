"""The sections of a configuration and their keys: types, ranges, defaults and meanings.

The keys of kinds, hyperparameters and averages stand at their own fields; see `entry_model`.
"""

import math
from dataclasses import MISSING
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from gamecircuits.errors import GamecircuitsError
from gamecircuits.parameters import Parameter, VocabSize, get_parameters
from gamecircuits.training.averaging import DEFAULT_AVERAGES
from gamecircuits.training.choices import COMPARED, STRENGTHS
from gamecircuits.training.hypotheses import LENGTHS, MEASURES
from gamecircuits.transformer.vocabulary import Convention

MAX_SHARDS = 10_000  # each is two jobs, and Snakemake plans about a thousand a second
MAX_GROUPS = 2000

if TYPE_CHECKING:
    Measure = str
    Length = str
    Strength = str
else:  # the names stand elsewhere, where a type checker cannot read them
    Measure, Length, Strength = (Literal[tuple(names)] for names in (MEASURES, LENGTHS, STRENGTHS))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Share = Annotated[float, Interval(ge=0, le=1)]


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
        default=1_000_000,
        ge=1,
        le=10**8,
        description="games in one parquet file; a shard is one job, and a game has at most "
        f"{MAX_SHARDS:,}",
    )
    splits: Splits = Field(
        default=Splits(),
        description="shares of the distinct games; mirror images on a board are one",
    )


class ModelEntry(Strict):
    """A model; further keys are those of the kind."""

    kind: str = Field(
        description="which model: a file in src/gamecircuits/transformer/constructions, trained, "
        "or file"
    )
    figures: bool = Field(default=True, description="whether to diagnose it and draw its figure")
    game: str | None = Field(
        default=None,
        description="entry of games that it is diagnosed on, and whose tokens those of a file are; "
        "the default is given below",
    )


class TrainedEntry(ModelEntry):
    """The weights of a trial of a search."""

    kind: Literal["trained"] = Field(description="The weights of a trial of a search.")
    search: str = Field(description="name of an entry of searches")
    variant: str | None = Field(
        default=None, description="variant of the search; its first by default"
    )
    number: int = Field(default=0, ge=0, description="number of the trial")
    average: str | None = Field(
        default=None,
        description="average of the weights; the search's first by default; start: before training",
    )


class FileEntry(ModelEntry):
    """The weights in a file, or those that a function in a Python file returns."""

    kind: Literal["file"] = Field(
        description="The weights in a file, or those that a function in a Python file returns."
    )
    path: str = Field(
        min_length=1,
        description="a .safetensors file, a state dict of torch.save, or a .py file with a "
        "function that returns weights; relative to the working directory",
    )
    num_heads: int | None = Field(
        default=None, ge=1, description="number of heads, where the weights do not tell"
    )
    norm: Literal["none", "layer", "rms"] | None = Field(
        default=None,
        description="norm whose weights were folded into others, where the weights do not tell",
    )
    vocabulary: Convention | None = Field(
        default=None,
        description="order of its tokens, where their number and the game do not tell",
    )
    transposed: bool = Field(
        default=False, description="whether it numbers the game's squares column by column"
    )
    trained_length: int | None = Field(
        default=None, ge=1, description="longest prefix that it met in training, if that is known"
    )
    function: str | None = Field(
        default=None, description="name of a function in a .py file: function(vocab_size)"
    )
    vocab_size: VocabSize | None = Field(
        default=None, description="number of tokens V, with function; weights tell theirs"
    )
    arguments: dict[str, object] = Field(
        default={}, description="further arguments of the function, by name"
    )


# Kinds that are no construction.
OTHER_MODELS: dict[str, type[ModelEntry]] = {"trained": TrainedEntry, "file": FileEntry}


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
    models: list[str] = Field(
        min_length=1, description="names of entries of models, whose vocabulary is the game's"
    )
    contexts: Literal["sampled", "all", "orbits"] = Field(
        default="sampled",
        description="sampled: the prefixes of the generated games; all: every (set, last token) "
        "context of set_complement, up to V = 28; orbits: the same at any V by way of one context "
        "of each kind, for models that hardly tell tokens apart, as most constructions",
    )
    lengths: Annotated[
        Literal["all"] | list[Annotated[int, Interval(ge=1)]], BeforeValidator(_check_lengths)
    ] = Field(default="all", description="prefix lengths to measure: all, or ascending integers")
    dtype: Literal["float64", "float32"] = Field(
        default="float64", description="floating-point type of weights and logits"
    )


class AuditEntry(Strict):
    """What models of several layers know of a game, whether they use it, and which parts do it."""

    game: str = Field(
        description="name of an entry of games: one whose positions consist of something, such as "
        "the squares of a board"
    )
    models: list[str] = Field(
        min_length=1,
        description="names of entries of models of several layers; the others are compared with "
        "the first",
    )
    fit_games: int = Field(
        default=1000, ge=10, le=10**6, description="games of the split train to fit probes on"
    )
    test_games: int = Field(
        default=300,
        ge=10,
        le=10**6,
        description="games of the split validation to choose edits on, and as many of the split "
        "test to report on",
    )


class AverageEntry(Strict):
    """An average of the weights; further keys are those of the kind."""

    kind: str


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
        list[Annotated[int, Interval(ge=4, le=14)]], AfterValidator(_check_distinct)
    ] = Field(
        default=[4, 5, 6, 8, 10],
        min_length=1,
        description="sizes V; all contexts of each (V = 14 takes 2 GB and a minute per instance)",
    )
    instances: int = Field(
        default=2, ge=1, le=1000, description="random instances of each claim and size"
    )


class SearchEntry(Strict):
    """A random search over ways of training, on short prefixes of one game."""

    game: str = Field(
        description="name of an entry of games; training takes its split train, measuring test"
    )
    architecture: str = Field(
        default="one_layer",
        description="what is trained: a file in src/gamecircuits/training/architectures, which "
        "names the hyperparameters",
    )
    data: Literal["stream", "dataset"] = Field(
        default="stream",
        description="stream: games played anew for every trial; dataset: the generated games, "
        "epoch after epoch",
    )
    length: int = Field(ge=1, description="longest prefix that is continued in training")
    steps: int = Field(default=4000, ge=1, le=10**7, description="steps of the optimiser (AdamW)")
    checkpoints: int = Field(
        default=40,
        ge=1,
        le=10_000,
        description="times at which a trial is measured; divides steps",
    )
    trials: int = Field(default=8, ge=1, le=10_000, description="random draws from the space")
    trials_per_job: int = Field(
        default=8,
        ge=1,
        le=4096,
        description="trials trained at once, on one core; a search has at most "
        f"{MAX_GROUPS} such jobs",
    )
    test_games: int = Field(
        default=1000, ge=1, le=10**6, description="games of the test split to evaluate on"
    )
    space: dict[str, Any] = Field(
        default={},
        description="hyperparameters: a value, a list to choose from, or a range "
        "{low: 1e-4, high: 1e-2, scale: log}, linear unless given",
    )
    variants: dict[str, dict[str, Any]] = Field(
        default={"plain": {}},
        min_length=1,
        description="hyperparameters that take the place of the drawn ones, by name; the others "
        "are compared with the first",
    )
    grid: dict[str, dict[str, dict[str, Any]]] = Field(
        default={},
        description="factors, each with its levels by name and their hyperparameters; in place of "
        "variants: every combination of levels is one, and others are compared with the first",
    )
    averages: dict[str, dict[str, Any]] = Field(
        default=DEFAULT_AVERAGES,
        min_length=1,
        description="averages of the weights by name; the others are compared with the first",
    )


class VersusEntry(Strict):
    """What is subtracted in pairs; keys that are left out are those of the hypothesis."""

    variant: str | None = Field(default=None, description="variant or level of the search")
    average: str | None = Field(
        default=None, description="average of the search; for a metric only"
    )
    strength: Strength | None = Field(default=None, description="as above; for a metric only")


def _check_region(ends: list) -> list:
    given = [end for end in ends if end is not None]
    if len(ends) != 2 or not given or given != sorted(set(given)):
        message = (
            "allowed: two ascending numbers like [-0.2, 0.2]; null in place of one is no limit"
        )
        raise PydanticCustomError("region", message)
    return ends


class HypothesisEntry(Strict):
    """A hypothesis: in which region the mean of a measure lies, over the draws of a search."""

    claim: str = Field(min_length=1, description="what is claimed, in one sentence")
    search: str = Field(description="name of an entry of searches")
    measure: Measure = Field(
        description=f"a metric ({', '.join(COMPARED)}), or a quantity of the mechanism "
        "(docs/formats.md has their names)"
    )
    variant: str | None = Field(
        default=None,
        description="variant of the search, its first by default; or a level of its grid: then the "
        "mean over all variants with it, within each draw",
    )
    average: str | None = Field(
        default=None,
        description="average of the search, its first by default; for a metric only",
    )
    length: Length | None = Field(
        default=None, description="length of the prefixes; a metric needs it"
    )
    strength: Strength | None = Field(
        default=None,
        description="weights as_trained (default), rescaled by the factor of dropout, or matched "
        "in mean x to the first variant and average; for a metric only",
    )
    versus: VersusEntry | None = Field(
        default=None,
        description="what is subtracted, in pairs of one draw: variant, average, strength, where "
        "they differ",
    )
    where: dict[str, Any] = Field(
        default={}, description="only draws with these values of hyperparameters"
    )
    between: Annotated[
        list[Annotated[float, Interval(ge=-1e30, le=1e30)] | None], AfterValidator(_check_region)
    ] = Field(description="ends of the region that is claimed; null is no limit")


class TopLevel(Strict):
    """Configuration of a run."""

    seed: int = Field(
        default=0,
        ge=0,
        le=2**63 - 1,
        description="root of all randomness; the same seed gives the same bytes",
    )
    results: str = Field(
        default="results",
        min_length=1,
        description="folder that everything is written to: a new or empty one, or one of earlier "
        "results (letters, digits and _ . - /)",
    )
    games: dict[str, Any] = Field(min_length=1, description="games by name")
    models: dict[str, Any] = Field(default={}, description="models by name")
    evaluations: dict[str, Any] = Field(default={}, description="evaluations by name")
    audits: dict[str, Any] = Field(default={}, description="audits of deeper models by name")
    experiments: dict[str, Any] = Field(default={}, description="experiments on the theory by name")
    searches: dict[str, Any] = Field(default={}, description="searches over training by name")
    hypotheses: dict[str, Any] = Field(
        default={}, description="hypotheses about the searches by name, stated before the run"
    )
    claims: ClaimsEntry | None = Field(
        default=None, description="evaluate every statement of the theory; left out: do not"
    )


def annotate(field: FieldInfo) -> Any:
    """The annotation of a model's field with its constraints."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def define_field(parameter: Parameter) -> tuple[Any, Any]:
    """A parameter as pydantic's `create_model` takes it."""
    default: dict[str, Any] = {} if parameter.default is MISSING else {"default": parameter.default}
    return parameter.annotation, Field(description=parameter.description, **default)


@cache
def entry_model(
    cls: type, base: type[BaseModel], kind: str, description: str = ""
) -> type[BaseModel]:
    """Model of one kind's entry: the keys of the section and the fields of the kind's dataclass."""
    parameters = get_parameters(cls)
    if taken := parameters.keys() & base.model_fields.keys():
        raise GamecircuitsError(
            f"{cls.__name__} must not have a field {taken.pop()}: {base.__doc__}"
        )
    definitions: dict[str, Any] = {"kind": (Literal[kind], Field(description=description))}
    definitions |= {name: define_field(parameter) for name, parameter in parameters.items()}
    return create_model(kind, __base__=base, **definitions)
