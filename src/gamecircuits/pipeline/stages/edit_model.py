"""Stage: whether a model uses the board that probes read: edits of its residual stream."""

from gamecircuits.audits.activations import list_sites
from gamecircuits.audits.edit_effects import summarise_edits
from gamecircuits.audits.edits import edit_model as edit
from gamecircuits.audits.probes import name_probe, read_probes
from gamecircuits.pipeline.run.progress import log
from gamecircuits.pipeline.stages._audit import open_audit, write_tables
from gamecircuits.randomness import get_rng

FEATURE = "owner"  # of squares, which edits change


def edit_model(
    model: str,
    probes: str,
    tables: list[str],
    *,
    job: str,
    name: str,
    trained_length: int | None,
    game: dict,
    audit: dict,
) -> None:
    """Edit one model of an audit.

    Args:
        audit: further arguments of `open_audit`.
    """
    opened = open_audit(model, game, **audit)
    fitted = read_probes(probes)
    of_labels = {
        labels: {
            site: fitted[name_probe(site, FEATURE, labels)] for site in list_sites(opened.model)
        }
        for labels in ("true", "random")
    }
    found = edit(
        *opened,
        of_labels["true"],
        random_probes=of_labels["random"],
        trained_length=trained_length,
        rng=get_rng(audit["seed"], f"edits of {name} in audit {audit['name']}"),
        say=log,
    )
    effects = summarise_edits(found.cases)
    write_tables({**found._asdict(), "effects": effects}, tables, job)
