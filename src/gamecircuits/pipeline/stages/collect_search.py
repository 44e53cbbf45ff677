"""Stage: the tables of a search's groups as one of each, the effects of its remedies, and what
these do to the mechanism."""

import numpy as np
import pandas as pd

from gamecircuits.storage.tables import read_frame, write_frame
from gamecircuits.training.baselines import join_baselines
from gamecircuits.training.choices import KEYS
from gamecircuits.training.effects import (
    find_earlier,
    get_effects,
    get_moderators,
    join_strengths,
)
from gamecircuits.training.grid import get_factors
from gamecircuits.training.mechanisms import get_mechanisms


def collect_search(
    metrics_of_groups: list[str],
    scaled_of_groups: list[str],
    trials_of_groups: list[str],
    dynamics_of_groups: list[str],
    noise_of_groups: list[str],
    circuits_of_groups: list[str],
    matched_of_groups: list[str],
    baselines_of_groups: list[str],
    attention_of_groups: list[str],
    illegal_of_groups: list[str],
    metrics: str,
    scaled: str,
    trials: str,
    dynamics: str,
    noise: str,
    circuits: str,
    matched: str,
    baselines: str,
    attention: str,
    illegal: str,
    effects: list[str],
    mechanisms: list[str],
    moderators: list[str],
    factors: list[str],
    *,
    job: str,
    search: str,
    length: int,
    num_trials: int,
    variants: list,
    averages: list,
    levels: list,
    architecture: str,
) -> None:
    """Join the groups' tables, in the order of the config, and compare the remedies.

    Args:
        variants: pairs of a name and its hyperparameters.
        averages: pairs of a name and the average's settings.
        levels: pairs of a factor and the names of its levels.
        architecture: what was trained.
    """
    names, of_averages = [name for name, _ in variants], [name for name, _ in averages]
    order = {"variant": names, "average": of_averages}
    tables = {
        "metrics": (metrics_of_groups, metrics),
        "scaled": (scaled_of_groups, scaled),
        "trials": (trials_of_groups, trials),
        "dynamics": (dynamics_of_groups, dynamics),
        "noise": (noise_of_groups, noise),
        "circuits": (circuits_of_groups, circuits),
        "matched": (matched_of_groups, matched),
        "baselines": (baselines_of_groups, baselines),
        "attention": (attention_of_groups, attention),
        "illegal": (illegal_of_groups, illegal),
    }
    joined = {name: join(of_groups, order) for name, (of_groups, _) in tables.items()}
    joined["baselines"] = join_baselines(joined["baselines"])
    metrics_of_all = join_strengths(joined["metrics"], joined["scaled"])
    earlier = find_earlier(dict(averages))
    compared = {
        "effects": get_effects(
            metrics_of_all, length, dict(variants), of_averages, num_trials, earlier
        ),
        "mechanisms": get_mechanisms(joined, length, names, of_averages, architecture),
        "moderators": get_moderators(metrics_of_all, joined["trials"], length, names, of_averages),
        "factors": get_factors(joined["metrics"], length, dict(levels), of_averages, num_trials),
    }
    for table in (joined["baselines"], *compared.values()):
        table.insert(0, "search", search)
    for name, (_, path) in tables.items():
        write_frame(joined[name], job, path)
    write_frame(compared["effects"], job, *effects)
    write_frame(compared["mechanisms"], job, *mechanisms)
    write_frame(compared["moderators"], job, *moderators)
    write_frame(compared["factors"], job, *factors)


def join(paths: list[str], order: dict[str, list[str]]) -> pd.DataFrame:
    """The tables in one, by variant, number and average, names in the given order."""
    tables = [read_frame(path) for path in paths]
    table = pd.concat([part for part in tables if len(part)] or tables, ignore_index=True)
    if table.empty:  # then it has no columns, either
        return table
    if "number" not in table:  # baselines of games alone: no start could be used
        table = table.assign(number=np.nan)
    places = {"number": table["number"]}
    for key, names in order.items():
        if key in table:
            places[key] = table[key].map({name: place for place, name in enumerate(names)})
    keys = [key for key in (*KEYS, "average") if key in places]
    index = pd.DataFrame(places)[keys].sort_values(keys, kind="stable").index
    return table.loc[index].reset_index(drop=True)
