"""Captions of figures: templates beside the figures' code, filled with the configuration."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import jinja2

from gamecircuits.pipeline.config.entries import OTHER_MODELS
from gamecircuits.pipeline.provenance import PACKAGE, SOURCE
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS

FOLDERS = (SOURCE / PACKAGE / "figures", SOURCE.parent / "workflow/report")


def make_renderer(config: Mapping[str, Any]) -> Callable[[str, Mapping[str, str]], str]:
    """A function from a template's name and the names of a job to the caption.

    Args:
        config: the configuration as read.
    """
    loader = jinja2.FileSystemLoader(FOLDERS)
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    templates.globals["summarize_kind"] = summarize_kind

    def render(caption: str, names: Mapping[str, str]) -> str:
        named = SimpleNamespace(config=config, wildcards=names)
        return templates.get_template(caption).render(snakemake=named)

    return render


def summarize_kind(kind: str) -> str:
    """What a kind of model is, in a sentence without its full stop."""
    if kind in OTHER_MODELS:
        text = OTHER_MODELS[kind].model_fields["kind"].description or ""
    else:
        text = CONSTRUCTIONS.summary(kind)
    return text.rstrip(".").replace(": ", ", ", 1)
