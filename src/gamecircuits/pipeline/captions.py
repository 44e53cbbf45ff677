"""Captions of figures: templates beside the figures' code, filled with the configuration."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import jinja2

from gamecircuits.pipeline.provenance import PACKAGE, SOURCE

FOLDERS = (SOURCE / PACKAGE / "figures", SOURCE.parent / "workflow/report")


def make_renderer(config: Mapping[str, Any]) -> Callable[[str, Mapping[str, str]], str]:
    """A function from a template's name and the names of a job to the caption.

    Args:
        config: the configuration as read.
    """
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDERS))

    def render(caption: str, names: Mapping[str, str]) -> str:
        named = SimpleNamespace(config=config, wildcards=names)
        return templates.get_template(caption).render(snakemake=named)

    return render
