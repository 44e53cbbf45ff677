"""Stage: which heads, MLPs and neurons of a model predict the legal tokens."""

from gamecircuits.audits.attribution import attribute_model as attribute
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables
from gamecircuits.randomness import get_rng


def attribute_model(
    model: str,
    tables: list[str],
    *,
    job: str,
    name: str,
    trained_length: int | None,
    game: dict,
    audit: dict,
) -> None:
    """Attribute the predictions of one model of an audit, on its test games.

    Args:
        audit: further arguments of `open_audit`.
    """
    opened = open_audit(model, game, **audit)
    rng = get_rng(audit["seed"], f"attribution of {name} in audit {audit['name']}")
    tokens = opened.games.test
    found = attribute(
        opened.model, opened.game, tokens, trained_length=trained_length, rng=rng, say=log
    )
    write_tables(found._asdict(), tables, job)
