"""Stage: whether a model uses the board that probes read: edits of its residual stream."""

from gamecircuits.audits import edits
from gamecircuits.audits.activations import list_sites
from gamecircuits.audits.edit_effects import summarise_edits
from gamecircuits.audits.probes import name_probe, read_probes
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables

FEATURE = "owner"  # of squares, which edits change


def edit_model(
    model: str,
    probes: str,
    tables: list[str],
    *,
    job: str,
    game: dict,
    audit: dict,
    trained_length: int | None,
) -> None:
    """Edit one model of an audit."""
    read, rules, games, rng = open_audit(model, game, audit, "edits")
    fitted, sites = read_probes(probes), list_sites(read)
    true, random = (
        {site: fitted[name_probe(site, FEATURE, labels)] for site in sites}
        for labels in ("true", "random")
    )
    found = edits.edit_model(
        read,
        rules,
        games,
        true,
        random_probes=random,
        trained_length=trained_length,
        rng=rng,
        say=log,
    )
    effects = summarise_edits(found.cases)
    write_tables({**found._asdict(), "effects": effects}, tables, job)
