"""Parameters of games, constructions, experiments, trials and averages: each stated at its field.

    num_brackets: Annotated[int, Interval(ge=1, le=2048), "kinds of brackets k"] = 2

Range, meaning, type and default stand there and nowhere else: checks, error texts, the editors'
schema and the tables of config/README.md follow. The constraints are those of annotated_types,
which pydantic knows too; pydantic itself would cost every job 50 ms.
"""

import inspect
import operator
import re
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from numbers import Integral, Real
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import GroupedMetadata, Interval

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import suggest

VocabSize = Annotated[int, Interval(ge=2, le=4096), "number of tokens V"]  # of games and models
TESTS = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "multiple_of": lambda value, factor: value % factor == 0,
    "min_length": lambda value, least: len(value) >= least,
}
RANGES = {  # by the constraints that stand in a range
    ("ge", "le"): " from {} to {}",
    ("ge", "lt"): " from {} to below {}",
    ("gt", "le"): " above {}, up to {}",
    ("gt", "lt"): " above {} and below {}",
    ("ge",): " from {}",
    ("gt",): " above {}",
    ("le",): " up to {}",
    ("lt",): " below {}",
    (): "",
}


class Parameter(NamedTuple):
    """A field that the configuration sets; `default` is dataclasses.MISSING where it must."""

    name: str
    annotation: Any
    default: Any
    description: str

    @property
    def allowed(self) -> str:
        """What completes "allowed: ..." in messages."""
        return describe_allowed(self.annotation)


@cache
def get_parameters(cls: type) -> dict[str, Parameter]:
    """Parameters of a dataclass by name.

    Meanings stand in the annotation, or else under "Attributes:" in the docstring.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    documented = _read_attributes(cls.__doc__ or "")
    found = {}
    for field in fields(cls):
        if field.init:
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            hint = hints[field.name]
            text = find_text(hint) or documented.get(field.name, "")
            found[field.name] = Parameter(field.name, hint, default, text)
    return found


def _read_attributes(docstring: str) -> dict[str, str]:
    section = inspect.cleandoc(docstring).partition("Attributes:")[2]  # Python 3.13 cleans it too
    entries = re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {
        name.strip(): re.sub(r"\s+", " ", text)
        for names, text in entries
        for name in names.split(",")
    }


def find_text(annotation: Any) -> str:
    """The meaning in an annotation: the text in Annotated, also of one that may be None."""
    if get_origin(annotation) is Annotated:
        texts = [part for part in annotation.__metadata__ if isinstance(part, str)]
        return "; ".join(filter(None, [find_text(get_args(annotation)[0]), *texts]))
    if is_union(annotation):
        return next(filter(None, map(find_text, get_args(annotation))), "")
    return ""


def is_union(annotation: Any) -> bool:
    """Whether the annotation is a union such as `int | None`."""
    return get_origin(annotation) in (Union, UnionType)


def check_fields(instance: Any) -> None:
    """Raise ParameterError at the first annotated field whose value is not allowed.

    Fields without Annotated are checked by nobody but the configuration, by their type.
    """
    cls: type = type(instance)
    if not is_dataclass(cls):
        return
    for name, parameter in get_parameters(cls).items():
        value = getattr(instance, name)
        is_stated = get_origin(parameter.annotation) is Annotated
        if is_stated and value is not parameter.default:
            check_value(name, value, parameter.annotation)


def check_value(name: str, value: Any, annotation: Any) -> None:
    """Raise ParameterError unless the annotation allows the value."""
    if not fits(annotation, value):
        allowed = describe_allowed(annotation)
        hint = suggest(value, allowed.split(", ")) if isinstance(value, str) else ""
        raise ParameterError(name, value, allowed + hint)


def fits(annotation: Any, value: Any) -> bool:
    """Whether the value has the type and keeps the constraints of the annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = {} if value is None else get_limits(annotation)
        return fits(arguments[0], value) and all(TESTS[n](value, at) for n, at in limits.items())
    if is_union(annotation):
        return any(fits(part, value) for part in arguments)
    if origin is Literal:  # 1 == True
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(arguments[0], item) for item in value)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            fits(arguments[0], key) and fits(arguments[1], item) for key, item in value.items()
        )
    if annotation is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if annotation is float:
        return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    return value is None if annotation is type(None) else isinstance(value, annotation)


@cache
def get_limits(annotation: Any) -> dict[str, Any]:
    """Constraints of an Annotated by their names in annotated_types: {"ge": 2, "le": 4096}."""
    limits: dict[str, Any] = {}
    for part in getattr(annotation, "__metadata__", ()):
        for constraint in part if isinstance(part, GroupedMetadata) else [part]:
            limits |= {n: getattr(constraint, n) for n in TESTS if hasattr(constraint, n)}
    return limits


def describe_allowed(annotation: Any) -> str:
    """Type and range in words: "an integer from 2 to 4096", "uniform, balanced"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        text, limits = describe_allowed(arguments[0]), get_limits(annotation)
        if limits.get("multiple_of") == 2:
            text = text.replace("an integer", "an even integer")
        if limits.get("min_length"):
            text = text.replace("a list", "a list that is not empty")
        ends = tuple(name for name in ("ge", "gt", "le", "lt") if name in limits)
        return text + RANGES[ends].format(*(show_number(limits[name]) for name in ends))
    if is_union(annotation):
        return " or ".join(describe_allowed(part) for part in arguments if part is not type(None))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is list:
        return f"a list, each {describe_allowed(arguments[0])}"
    names = {int: "an integer", float: "a number", str: "text", bool: "true, false"}
    return names.get(annotation, "a mapping")


def show_number(value: Any) -> str:
    """A number as people write it: 1e30, 0.001, 4096."""
    if isinstance(value, float):
        return re.sub(r"e(-?)\+?0*", r"e\1", f"{value:g}")
    return str(value)
