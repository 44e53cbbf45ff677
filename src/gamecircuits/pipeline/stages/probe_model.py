"""Stage: what can be read of the game's positions in a model, by probes beside their controls."""

from gamecircuits.audits import probing
from gamecircuits.audits.probes import write_probes
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables


def probe_model(
    model: str,
    tables: list[str],
    probes: str,
    *,
    job: str,
    game: dict,
    audit: dict,
    trained_length: int | None,
) -> None:
    """Probe one model of an audit."""
    read, rules, games, rng = open_audit(model, game, audit, "probes")
    found = probing.probe_model(read, rules, games, trained_length=trained_length, rng=rng, say=log)
    write_tables(found._asdict(), tables, job)
    write_probes(probes, found.probes, found.values, job)
