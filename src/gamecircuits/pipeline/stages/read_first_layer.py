"""Stage: the first layer of a model as a transformer that solves set complement."""

from gamecircuits.audits import bridge
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables


def read_first_layer(
    model: str,
    tables: list[str],
    *,
    job: str,
    game: dict,
    audit: dict,
    trained_length: int | None,
) -> None:
    """Read the first layer of one model of an audit in the terms of the theory."""
    read, rules, games, rng = open_audit(model, game, audit, "first layer")
    found = bridge.read_first_layer(
        read, rules, games, trained_length=trained_length, rng=rng, say=log
    )
    write_tables(found._asdict(), tables, job)
