"""Stage: the tables of a search's groups as one of each, the effects of its remedies, and what
these do to the mechanism."""

import sys
from pathlib import Path

import pandas as pd

from gamecircuits.pipeline.run.command import run_stage
from gamecircuits.storage.parquet import read_job, read_table
from gamecircuits.storage.tables import to_parquet, write_results
from gamecircuits.training.effects import get_effects, get_moderators
from gamecircuits.training.mechanisms import get_mechanisms


def collect_search(
    job: str,
    settings: dict,
    metrics: list[str],
    output: str,
    trials: str,
    dynamics: str,
    noise: str,
    circuits: str,
    effects: str,
    mechanisms: str,
    moderators: str,
    effects_csv: str,
    mechanisms_csv: str,
    moderators_csv: str,
) -> None:
    """Join the groups' tables, in the order of the config, and compare the remedies."""
    variants, averages = dict(settings["variants"]), settings["averages"]
    orders = {"variant": list(variants), "average": averages}

    def join(name: str) -> pd.DataFrame:
        tables = [read_table(Path(path).with_name(name)).to_pandas() for path in metrics]
        table = pd.concat([part for part in tables if len(part)] or tables, ignore_index=True)
        if table.empty:  # then it has no columns, either
            return table
        places = {"number": table["number"]}
        for key, names in orders.items():
            if key in table:
                places[key] = table[key].map({name: place for place, name in enumerate(names)})
        order = pd.DataFrame(places)[[k for k in ("variant", "number", "average") if k in places]]
        return table.loc[order.sort_values(list(order), kind="stable").index].reset_index(drop=True)

    joined = join("metrics.parquet")
    others = {"trials": trials, "dynamics": dynamics, "noise": noise, "circuits": circuits}
    tables = {name: join(f"{name}.parquet") for name in others}
    contents = {path: to_parquet(tables[name]) for name, path in others.items()}
    length = settings["length"]
    found = get_effects(joined, length, variants, averages, settings["trials"])
    moved = get_mechanisms(tables | {"metrics": joined}, length, list(variants), averages)
    for_whom = get_moderators(joined, tables["trials"], length, list(variants), averages)
    for table, path, csv in [
        (found, effects, effects_csv),
        (moved, mechanisms, mechanisms_csv),
        (for_whom, moderators, moderators_csv),
    ]:
        table.insert(0, "search", settings["search"])
        contents[path] = to_parquet(table)
        contents[csv] = table.to_csv(index=False, lineterminator="\n").encode()
    write_results(job, joined, output, others=contents)


def main(argv=None) -> int:
    outputs = ("output", "trials", "dynamics", "noise", "circuits", "effects", "mechanisms")
    outputs += ("moderators", "effects_csv", "mechanisms_csv", "moderators_csv")
    return run_stage(collect_search, argv, inputs={"metrics": read_job}, outputs=outputs)


if __name__ == "__main__":
    sys.exit(main())
