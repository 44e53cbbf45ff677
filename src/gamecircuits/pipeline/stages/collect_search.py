"""Stage: the tables of a search's groups as one of each, the effects of its remedies, and what
these do to the mechanism."""

import pandas as pd

from gamecircuits.storage.tables import read_frame, write_frame
from gamecircuits.training.choices import KEYS
from gamecircuits.training.effects import get_effects, get_moderators
from gamecircuits.training.mechanisms import get_mechanisms


def collect_search(
    metrics_of_groups: list[str],
    trials_of_groups: list[str],
    dynamics_of_groups: list[str],
    noise_of_groups: list[str],
    circuits_of_groups: list[str],
    metrics: str,
    trials: str,
    dynamics: str,
    noise: str,
    circuits: str,
    effects: list[str],
    mechanisms: list[str],
    moderators: list[str],
    *,
    job: str,
    search: str,
    length: int,
    num_trials: int,
    variants: list,
    averages: list[str],
) -> None:
    """Join the groups' tables, in the order of the config, and compare the remedies.

    Args:
        variants: pairs of a name and its hyperparameters.
    """
    order = {"variant": [name for name, _ in variants], "average": averages}
    joined = {
        "metrics": join(metrics_of_groups, order),
        "trials": join(trials_of_groups, order),
        "dynamics": join(dynamics_of_groups, order),
        "noise": join(noise_of_groups, order),
        "circuits": join(circuits_of_groups, order),
    }
    names = order["variant"]
    compared = {
        "effects": get_effects(joined["metrics"], length, dict(variants), averages, num_trials, {}),
        "mechanisms": get_mechanisms(joined, length, names, averages),
        "moderators": get_moderators(joined["metrics"], joined["trials"], length, names, averages),
    }
    for table in compared.values():
        table.insert(0, "search", search)
    write_frame(joined["metrics"], job, metrics)
    write_frame(joined["trials"], job, trials)
    write_frame(joined["dynamics"], job, dynamics)
    write_frame(joined["noise"], job, noise)
    write_frame(joined["circuits"], job, circuits)
    write_frame(compared["effects"], job, *effects)
    write_frame(compared["mechanisms"], job, *mechanisms)
    write_frame(compared["moderators"], job, *moderators)


def join(paths: list[str], order: dict[str, list[str]]) -> pd.DataFrame:
    """The tables in one, by variant, number and average, names in the given order."""
    tables = [read_frame(path) for path in paths]
    table = pd.concat([part for part in tables if len(part)] or tables, ignore_index=True)
    if table.empty:  # then it has no columns, either
        return table
    places = {"number": table["number"]}
    for key, names in order.items():
        if key in table:
            places[key] = table[key].map({name: place for place, name in enumerate(names)})
    keys = [key for key in (*KEYS, "average") if key in places]
    index = pd.DataFrame(places)[keys].sort_values(keys, kind="stable").index
    return table.loc[index].reset_index(drop=True)
