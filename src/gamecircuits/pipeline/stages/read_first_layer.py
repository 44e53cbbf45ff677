"""Stage: the first layer of a model as a transformer that solves set complement."""

from gamecircuits.audits.bridge import read_first_layer as read
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables
from gamecircuits.randomness import get_rng


def read_first_layer(
    model: str,
    tables: list[str],
    *,
    job: str,
    name: str,
    trained_length: int | None,
    game: dict,
    audit: dict,
) -> None:
    """Read the first layer of one model of an audit in the terms of the theory.

    Args:
        audit: further arguments of `open_audit`.
    """
    opened = open_audit(model, game, **audit)
    rng = get_rng(audit["seed"], f"first layer of {name} in audit {audit['name']}")
    found = read(*opened, trained_length=trained_length, rng=rng, say=log)
    write_tables(found._asdict(), tables, job)
