"""Reading a configuration: one or more YAML files and values from the command line."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gamecircuits.pipeline.config.check import check_config
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.config.yaml_lines import (
    ConfigError,
    iter_key_paths,
    lay_over,
    read_yaml,
    retype,
)
from gamecircuits.pipeline.provenance import SOURCE

DEFAULT_CONFIG = str(SOURCE.parent / "config/config.yaml")


def check_overrides(words: Iterable[str]) -> None:
    """Raise ConfigError unless the words KEY=VALUE of --config can be used: each key once.

    Snakemake takes the last of several values of a key, and has no dotted keys.
    """
    seen: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise ConfigError(f"--config: {word!r} is not KEY=VALUE; quote values with spaces")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", key):
            raise ConfigError(f"--config: {key!r} is no key that a configuration can have")
        if "." in key:
            first, *others = key.split(".")
            nested = "".join(f"{{{part}: " for part in others) + value + "}" * len(others)
            raise ConfigError(f"--config: {key} has dots; write '{first}={nested}'")
        if key in seen:
            raise ConfigError(f"--config: {key} stands twice, as {seen[key]} and {word}")
        seen[key] = word


def load_config(*paths: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read YAML files, later ones laid over earlier ones, then `overrides`, and check the whole.

    Raises:
        ConfigError: naming every problem found.
    """
    source = read_yaml(paths[0])
    for path in paths[1:]:
        top = read_yaml(path)
        source.values = lay_over(source.values, top.values)
        source.places |= top.places
        source.problems += top.problems
    if overrides:
        overrides = retype(overrides)
        source.values = lay_over(source.values, overrides)
        for key, value in iter_key_paths(overrides):
            if not isinstance(value, Mapping):  # replaced as a whole
                source.places = {p: at for p, at in source.places.items() if p[: len(key)] != key}
            source.places[key] = "--config"
    return check_config(source)
