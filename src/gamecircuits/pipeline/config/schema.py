"""JSON schema of configurations, for completion and checks in editors."""

import typing
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import BaseModel, Field, create_model

from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.games.game import GAMES
from gamecircuits.kinds import Registry
from gamecircuits.pipeline.config.entries import (
    OTHER_MODELS,
    AuditEntry,
    AverageEntry,
    EvaluationEntry,
    ExperimentEntry,
    GameEntry,
    HypothesisEntry,
    ModelEntry,
    SearchEntry,
    Strict,
    TopLevel,
    define_field,
    entry_model,
)
from gamecircuits.training.averaging import AVERAGES, describe_average
from gamecircuits.training.trial import ARCHITECTURES, get_hyperparameters, has_range
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS


class Range(Strict):
    """A range to draw from."""

    low: float = Field(description="lowest value")
    high: float = Field(description="highest value")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="scale on which the draw is uniform"
    )


def make_schema() -> dict:
    """Schema of the whole configuration, with the keys of all kinds."""
    searches: Any = typing.Union[  # noqa: UP007 (known only here)
        tuple(_make_search(architecture) for architecture in ARCHITECTURES.kinds())
    ]
    whole = _redefine(
        TopLevel,
        games=_make_section(_entries(GAMES, GameEntry)),
        models=_make_section([*_entries(CONSTRUCTIONS, ModelEntry), *OTHER_MODELS.values()]),
        evaluations=dict[str, EvaluationEntry],
        audits=dict[str, AuditEntry],
        experiments=_make_section(_entries(EXPERIMENTS, ExperimentEntry)),
        searches=_by_name(searches),
        hypotheses=dict[str, HypothesisEntry],
    )
    return whole.model_json_schema()


def _entries(registry: Registry, base: type[BaseModel]) -> list[type[BaseModel]]:
    return [
        entry_model(registry.type(kind), base, kind, registry.summary(kind))
        for kind in registry.kinds()
    ]


def _make_section(models: typing.Iterable[type[BaseModel]]) -> Any:
    """Entries by name, each of one of the models, which its key `kind` tells."""
    union: Any = typing.Union[tuple(models)]  # noqa: UP007 (known only here)
    return _by_name(Annotated[union, Field(discriminator="kind")])


def _by_name(entry: Any) -> Any:
    """Entries of a type that is known at run time alone, by name."""
    return dict[str, entry]


def _redefine(model: type[BaseModel], **annotations: Any) -> type[BaseModel]:
    """The model with other annotations of some fields."""
    fields: dict[str, Any] = {}
    for name, annotation in annotations.items():
        field = model.model_fields[name]
        default = {} if field.is_required() else {"default": field.default}
        fields[name] = annotation, Field(description=field.description, **default)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def _require(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The model with a field that has no default."""
    field = model.model_fields[name]
    required: Any = (field.annotation, Field(description=field.description))
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **{name: required})


def _make_search(architecture: str) -> type[BaseModel]:
    """A search of one architecture, whose hyperparameters it may choose."""
    is_default = architecture == SearchEntry.model_fields["architecture"].default
    base = SearchEntry if is_default else _require(SearchEntry, "architecture")
    return _redefine(
        base,
        architecture=Literal[architecture],
        space=_make_space(architecture),
        variants=_by_name(_make_variant(architecture)),
        averages=_make_section(
            entry_model(cls, AverageEntry, kind, describe_average(kind))
            for kind, cls in AVERAGES.items()
        ),
    )


def _make_variant(architecture: str) -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: define_field(parameter)
        for name, parameter in get_hyperparameters(architecture).items()
    }
    about = "Hyperparameters that take the place of the drawn ones."
    return create_model("Variant", __base__=Strict, __doc__=about, **fields)


def _make_space(architecture: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, parameter in get_hyperparameters(architecture).items():
        one: Any
        one, field = define_field(parameter)
        choices = [one, Annotated[list[one], MinLen(1)], *[Range] * has_range(parameter)]
        fields[name] = typing.Union[tuple(choices)], field  # noqa: UP007
    about = "Of each hyperparameter a value, a list to choose from, or a range."
    return create_model("Space", __base__=Strict, __doc__=about, **fields)
