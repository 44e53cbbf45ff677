"""Stage: the tables of a search's groups as one of each, and the effects of its remedies."""

import sys
from pathlib import Path

import pandas as pd

from gamecircuits.errors import GamecircuitsError
from gamecircuits.parquet import read_job, read_table
from gamecircuits.results import to_parquet, write_results
from gamecircuits.stages.command import run_stage
from gamecircuits.training.effects import get_effects


def collect_search(
    job: str,
    settings: dict,
    metrics: list[str],
    output: str,
    trials: str,
    dynamics: str,
    noise: str,
    effects: str,
    csv: str,
) -> None:
    """Join the groups' tables, in the order of the config, and compare the remedies."""
    orders = {key: settings[f"{key}s"] for key in ("variant", "average")}

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
    if joined.empty or settings["averages"][0] not in joined["average"].to_numpy():
        raise GamecircuitsError("all trials of the search diverged; lower the learning rate")
    found = get_effects(joined, settings["length"], *orders.values())
    found.insert(0, "search", settings["search"])
    others = {trials: "trials.parquet", dynamics: "dynamics.parquet", noise: "noise.parquet"}
    contents = {path: to_parquet(join(name)) for path, name in others.items()}
    contents[effects] = to_parquet(found)
    contents[csv] = found.to_csv(index=False, lineterminator="\n").encode()
    write_results(job, joined, output, others=contents)


def main(argv=None) -> int:
    outputs = ("output", "trials", "dynamics", "noise", "effects", "csv")
    return run_stage(collect_search, argv, inputs={"metrics": read_job}, outputs=outputs)


if __name__ == "__main__":
    sys.exit(main())
