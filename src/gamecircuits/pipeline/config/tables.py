"""The tables of config/README.md, from the fields that they are about."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any

import yaml
from pydantic import BaseModel

from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.games.game import GAMES
from gamecircuits.kinds import Registry
from gamecircuits.parameters import Parameter, get_parameters, show_number
from gamecircuits.pipeline.config.entries import (
    OTHER_MODELS,
    AuditEntry,
    ClaimsEntry,
    EvaluationEntry,
    GameEntry,
    HypothesisEntry,
    ModelEntry,
    SearchEntry,
    Splits,
    TopLevel,
    VersusEntry,
    annotate,
)
from gamecircuits.training.averaging import AVERAGES, describe_average
from gamecircuits.training.trial import ARCHITECTURES, Trial
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS

TABLE = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
Kinds = dict[str, tuple[str, list[Parameter]]]  # by kind: what it is, and its parameters

LONGEST = 150  # characters of what is allowed, in a table


def fill_tables(text: str) -> str:
    """The text with the tables between its markers made anew."""
    tables = make_tables()
    return TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", text)


def make_tables() -> dict[str, str]:
    """Every table by the name in its marker."""
    entries: dict[str, type[BaseModel]] = {
        "configuration": TopLevel,
        "games": GameEntry,
        "splits": Splits,
        "models": ModelEntry,
        "evaluations": EvaluationEntry,
        "audits": AuditEntry,
        "claims": ClaimsEntry,
        "searches": SearchEntry,
        "hypotheses": HypothesisEntry,
        "versus": VersusEntry,
    }
    models = _read_kinds(CONSTRUCTIONS)
    for kind, other in OTHER_MODELS.items():
        own = [p for p in _read_model(other) if p.name not in ModelEntry.model_fields]
        models[kind] = other.model_fields["kind"].description or "", own
    averages = {
        kind: (describe_average(kind), [*get_parameters(cls).values()])
        for kind, cls in AVERAGES.items()
    }
    tables = {name: _tabulate_keys(_read_model(entry)) for name, entry in entries.items()}
    common = get_parameters(Trial)
    tables["hyperparameters"] = _tabulate_keys(common.values())
    for kind in ARCHITECTURES.kinds():
        its = get_parameters(ARCHITECTURES.type(kind)).values()
        tables[f"hyperparameters of {kind}"] = _tabulate_keys(
            parameter for parameter in its if parameter.name not in common
        )
    for name, kinds in [
        ("games", _read_kinds(GAMES)),
        ("models", models),
        ("experiments", _read_kinds(EXPERIMENTS)),
        ("averages", averages),
    ]:
        tables[f"kinds of {name}"] = _tabulate_kinds(kinds)
        tables[f"keys of {name}"] = _tabulate_keys_of_kinds(kinds)
    return tables


def _read_kinds(registry: Registry) -> Kinds:
    return {
        kind: (registry.summary(kind), [*get_parameters(registry.type(kind)).values()])
        for kind in registry.kinds()
    }


def _read_model(model: type[BaseModel]) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        default = MISSING if field.is_required() else field.default
        yield Parameter(name, annotate(field), default, field.description or "")


def _show_default(value: Any) -> str:
    value = value.model_dump() if isinstance(value, BaseModel) else value
    if value is MISSING:
        return "required"
    if value is None or value == {}:
        return "none"
    if isinstance(value, Mapping) and all(isinstance(item, Mapping) for item in value.values()):
        return ", ".join(f"`{name}`" for name in value)
    if isinstance(value, float):
        return f"`{show_number(float(f'{value:.4g}'))}`"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return f"`{text.replace('...', '').strip()}`"  # YAML ends a scalar with three dots


def _tabulate(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |\n" for row in lines)


def _tabulate_keys(parameters: Iterable[Parameter]) -> str:
    rows = (
        [f"`{p.name}`", _show_default(p.default), _show_allowed(p.allowed), p.description]
        for p in parameters
    )
    return _tabulate(["key", "default", "allowed", "meaning"], rows)


def _show_allowed(allowed: str) -> str:
    """What is allowed, but for lists of names that nobody would read in a table."""
    return allowed if len(allowed) <= LONGEST else f"one of {allowed.count(',') + 1} names"


def _tabulate_kinds(kinds: Kinds) -> str:
    def show(parameter: Parameter) -> str:
        if parameter.default is MISSING:
            return f"`{parameter.name}`"
        default = _show_default(parameter.default).replace("none", "optional")
        return f"`{parameter.name}` ({default.strip('`')})"

    rows = (
        [f"`{kind}`", text.rstrip("."), ", ".join(map(show, keys))]
        for kind, (text, keys) in kinds.items()
    )
    return _tabulate(["kind", "what it is", "keys (default)"], rows)


def _tabulate_keys_of_kinds(kinds: Kinds) -> str:
    """One row for a key that means the same in several kinds."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for kind, (_, parameters) in kinds.items():
        for p in parameters:
            found.setdefault((p.name, p.allowed, p.description), []).append(kind)
    rows = [
        [f"`{name}`", _list_kinds(users, kinds), allowed, text]
        for (name, allowed, text), users in found.items()
    ]
    rows.sort(key=lambda row: (row[0], -row[1].count(",")))
    return _tabulate(["key", "kinds", "allowed", "meaning"], rows)


def _list_kinds(users: list[str], kinds: Kinds) -> str:
    names = ", ".join(f"`{kind}`" for kind in users)
    others = ", ".join(f"`{kind}`" for kind in kinds if kind not in users)
    return f"all but {others}" if 0 < len(others) < len(names) else names
