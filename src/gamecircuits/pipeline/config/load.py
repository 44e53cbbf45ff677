"""Reading a configuration: one or more YAML files and values from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gamecircuits.pipeline.config.check import check_config
from gamecircuits.pipeline.config.named import Config
from gamecircuits.pipeline.config.yaml_lines import iter_key_paths, lay_over, read_yaml, retype


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
