"""Reading a configuration: one or more YAML files and values from the command line."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gamecircuits.pipeline.config.check import check_config
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.config.yaml_lines import (
    ConfigError,
    iter_key_paths,
    lay_over,
    parse_yaml,
    read_yaml,
    retype,
    shorten,
)
from gamecircuits.pipeline.provenance import SOURCE

DEFAULT_CONFIG = str(SOURCE.parent / "config/config.yaml")


def check_overrides(words: Sequence[str], parse: Callable[[list[str]], Mapping]) -> None:
    """Raise ConfigError unless the words KEY=VALUE of --config say what a file would say.

    Snakemake takes the last of several values of a key, has no dotted keys, and reads 01 as 1.

    Args:
        parse: Snakemake's reading of a list of words.
    """
    seen: dict[str, str] = {}
    if parts := [word for word in words if "=" not in word]:
        raise ConfigError(f"--config: {parts[0]!r} is not KEY=VALUE; quote values with spaces")
    for word in words:
        key, _, value = word.partition("=")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", key):
            raise ConfigError(f"--config: {key!r} is no key that a configuration can have")
        if "." in key:
            first, *others = key.split(".")
            nested = "".join(f"{{{part}: " for part in others) + value + "}" * len(others)
            raise ConfigError(f"--config: {key} has dots; write '{first}={nested}'")
        if key in seen:
            raise ConfigError(f"--config: {key} stands twice, as {seen[key]} and {word}")
        seen[key] = word
        meant = parse_yaml(value, f"--config {key}")
        for _, place, message in meant.problems:
            raise ConfigError(f"{place}: {message}")
        try:
            found = retype(parse([word])[key])
        except (
            ValueError,
            AssertionError,
        ):  # it has no value for a key of one letter, or a comment
            raise ConfigError(f"--config: {word!r} cannot be read; use --configfile") from None
        if repr(found) != repr(meant.values):
            raise ConfigError(
                f"--config: {word} would be read as {shorten(found)}, in a file as "
                f"{shorten(meant.values)}; use --configfile"
            )


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
