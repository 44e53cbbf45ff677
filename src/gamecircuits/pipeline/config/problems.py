"""The problems of a configuration: noted with key, value and what is allowed, shown by line."""

import re
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError

from gamecircuits.errors import ParameterError
from gamecircuits.kinds import find_nearest, list_names, suggest
from gamecircuits.parameters import describe_allowed, is_union
from gamecircuits.pipeline.config.entries import TopLevel, annotate
from gamecircuits.pipeline.config.yaml_lines import ConfigError, KeyPath, Source, dotted, shorten

MAX_PROBLEMS = 30  # that are shown
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
IN_NAME = "59 letters, digits and _"  # after the first letter
PERIODIC = re.compile(r"(.+)\1{19}$")  # Snakemake takes these for endless
NOTHING = {"na", "nan", "none", "null"}  # in tables, readers take these for missing values
TYPES = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "bool_type": "true or false",
}
OUT_OF_RANGE = {"greater_than_equal", "greater_than", "less_than_equal", "less_than"}
OUT_OF_RANGE |= {"multiple_of", "finite_number"}


class Problems:
    """Collects problems; `made` holds the entries of the sections that were read, by name."""

    def __init__(self, source: Source):
        self.source = source
        self.problems = list(source.problems)
        self.top: TopLevel | None = None
        self.made: dict[str, dict[str, Any]] = {}

    # Problems.

    def report(
        self, path: KeyPath, message: str, value: Any = ..., at: KeyPath | None = None
    ) -> None:
        """Note a problem of a key; it is shown at the place of `at`, or else of the key itself."""
        at = at or path
        while at and at not in self.source.places:
            at = at[:-1]
        shown = "" if value is ... else f" = {shorten(value)}"
        text = f"{dotted(path) or 'config'}{shown}: {message}"
        self.problems.append((path, self.source.places[at], text))

    def report_parameter(self, path: KeyPath, error: ParameterError) -> None:
        self.report((*path, error.key), f"allowed: {error.allowed}", error.value)

    def report_unknown(self, path: KeyPath, known: Collection[str]) -> None:
        there = self.keys_at(path[:-1])
        hint = suggest(path[-1], [key for key in known if key not in there])
        self.report(path, f"unknown key{hint}; known: {', '.join(known)}")

    def keys_at(self, path: KeyPath) -> Collection[str]:
        """The keys of the mapping at a path of keys, none if there is no mapping."""
        values = self.source.values
        for key in path:
            values = values.get(key) if isinstance(values, Mapping) else None
        return values if isinstance(values, Mapping) else ()

    def is_misspelt(self, path: KeyPath, known: Collection[str]) -> bool:
        """Whether a missing key is meant by an unknown one, which is reported anyway."""
        there = self.keys_at(path[:-1])
        absent = [key for key in known if key not in there]
        return any(find_nearest(key, absent) == path[-1] for key in there if key not in known)

    def error(self) -> ConfigError:
        """The first problem of each key, in the order of the file."""

        def order(problem: tuple[str, str]) -> tuple[str, int]:
            file, _, line = problem[0].rpartition(":")
            return (file, int(line)) if line.isdigit() else (problem[0], 0)

        first: dict[KeyPath, tuple[str, str]] = {}
        for path, *problem in self.problems:
            first.setdefault(path, (problem[0], problem[1]))
        lines = [f"{place}: {message}" for place, message in sorted(first.values(), key=order)]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        if more := len(lines[MAX_PROBLEMS:]):
            lines[MAX_PROBLEMS:] = [f"and {more} more"]
        return ConfigError(f"{count} in the configuration:\n  " + "\n  ".join(lines))

    # Types and ranges.

    def fit(self, model: type[BaseModel], value: Any, path: KeyPath) -> Any:
        """The value as an instance of a pydantic model, None if it has a problem."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                self._translate(model, problem, path)
            return None

    def _translate(self, model: type[BaseModel], problem: Mapping, path: KeyPath) -> None:
        kind, value, where = problem["type"], problem["input"], path + tuple(problem["loc"])
        *outer, key = problem["loc"] or [None]
        if kind == "missing":
            fields = _model_at(model, outer).model_fields
            if not self.is_misspelt(where, fields):
                message = f"the key {key!r} is missing ({fields[key].description})"
                self.report(where[:-1], message, at=where)  # there it was removed, if it was
        elif kind == "extra_forbidden":
            self.report_unknown(where, list(_model_at(model, outer).model_fields))
        elif kind in TYPES:
            self.report(where, f"must be {TYPES[kind]}", value)
        elif kind in ("too_short", "string_too_short"):
            self.report(where, "must not be empty", value)
        elif kind == "literal_error" or kind in OUT_OF_RANGE:
            allowed = describe_allowed(_annotation_at(model, problem["loc"]))
            hint = suggest(value, allowed.split(", ")) if kind == "literal_error" else ""
            if str(value) in allowed.split(", ") and isinstance(value, str):
                hint = ", without quotes"
            self.report(where, f"allowed: {allowed}{hint}", value)
        else:
            self.report(where, problem["msg"], value)

    # Names.

    def check_names(
        self, path: KeyPath, names: Collection[str], pattern: re.Pattern, rest: str
    ) -> list[str]:
        """The names that can be used in file names and tables; the others are reported.

        Args:
            rest: what may follow a letter, in words.
        """
        usable: list[str] = []
        seen: dict[str, str] = {}
        for name in names:
            if (first := seen.setdefault(name.lower(), name)) != name:
                message = f"differs from {first!r} in case alone; on some systems files would clash"
                self.report((*path, name), message)
            if not pattern.fullmatch(name):
                message = f"names start with a letter and go on with at most {rest}"
                self.report((*path, name), message)
            elif PERIODIC.search(name):
                message = "ends in twenty times the same; choose another name"
                self.report((*path, name), message)
            elif name.lower() in NOTHING:
                message = "means a missing value to those who read tables; choose another name"
                self.report((*path, name), message)
            else:
                usable.append(name)
        return usable

    def section(self, name: str) -> Mapping[str, Any]:
        """A section as it was read, empty if it is no mapping."""
        values = self.source.values.get(name)
        return values if isinstance(values, Mapping) else {}

    def read(self, section: str, make: Callable[[str, Any], Any]) -> dict[str, Any]:
        """Make the entries of a section that have usable names."""
        values, self.made[section] = self.section(section), {}
        for name in self.check_names((section,), values, NAME, IN_NAME):
            before = len(self.problems)
            found = make(name, values[name])
            if found is not None and len(self.problems) == before:
                self.made[section][name] = found
        return self.made[section]

    def look_up(self, path: KeyPath, wanted: str, noun: str, known: Collection[str]) -> None:
        """Report a name that is not among the known ones."""
        if wanted not in known:
            message = f"no such {noun}; known: {list_names(known)}"
            self.report(path, message + suggest(wanted, known), wanted)

    def find(self, path: KeyPath, wanted: str, noun: str, section: str) -> Any:
        """An entry of another section; None if there is none or it has a problem of its own."""
        if section in self.source.values or not self.is_misspelt((section,), TopLevel.model_fields):
            self.look_up(path, wanted, noun, self.section(section))
        return self.made[section].get(wanted)


def _annotation_at(annotation: Any, path: Sequence[str | int]) -> Any:
    """The annotation that keys and indices lead to from a model, None if there is none."""
    if not path:
        return annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _annotation_at(arguments[0], path)
    if is_union(annotation):
        found = (_annotation_at(part, path) for part in arguments)
        return next((part for part in found if part is not None), None)
    if origin in (list, dict):
        return _annotation_at(arguments[-1], path[1:])
    field = getattr(annotation, "model_fields", {}).get(path[0])
    return field and _annotation_at(annotate(field), path[1:])


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    found = _annotation_at(model, path)
    parts = typing.get_args(found) if is_union(found) else [found]
    return next(part for part in parts if hasattr(part, "model_fields"))
