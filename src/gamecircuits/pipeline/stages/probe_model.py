"""Stage: what can be read of the game's positions in a model, by probes beside their controls."""

from gamecircuits.audits.probes import write_probes
from gamecircuits.audits.probing import probe_model as probe
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables
from gamecircuits.randomness import get_rng


def probe_model(
    model: str,
    tables: list[str],
    probes: str,
    *,
    job: str,
    name: str,
    trained_length: int | None,
    game: dict,
    audit: dict,
) -> None:
    """Probe one model of an audit.

    Args:
        audit: further arguments of `open_audit`.
    """
    opened = open_audit(model, game, **audit)
    rng = get_rng(audit["seed"], f"probes of {name} in audit {audit['name']}")
    found = probe(*opened, trained_length=trained_length, rng=rng, say=log)
    write_tables(found._asdict(), tables, job)
    write_probes(probes, found.probes, found.values, job)
