"""Stage: which heads, MLPs and neurons of a model predict the legal tokens."""

from gamecircuits.audits import attribution
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables


def attribute_model(
    model: str,
    tables: list[str],
    *,
    job: str,
    game: dict,
    audit: dict,
    trained_length: int | None,
) -> None:
    """Attribute the predictions of one model of an audit, on its test games."""
    read, rules, games, rng = open_audit(model, game, audit, "attribution")
    found = attribution.attribute_model(
        read, rules, games.test, trained_length=trained_length, rng=rng, say=log
    )
    write_tables(found._asdict(), tables, job)
