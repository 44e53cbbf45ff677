"""Results of runs of GPTs, such as no training gave: what docs/othello.md is tried on."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from gamecircuits.pipeline.config.named import Config, NamedSearch
from gamecircuits.storage.tables import write_frame
from gamecircuits.training.choices import AS_TRAINED, JUDGED
from gamecircuits.training.grid import get_factors
from gamecircuits.training.hypotheses import judge_hypotheses

LONGEST = {"othello": 31, "connect_four": 41}
METRICS = (*JUDGED, "displacement")


def write_results(results: Path, config: Config, sign: float = 1, seed: int = 0) -> None:
    """A folder of results with all tables that the page reads.

    Args:
        sign: of what each level and each average of the weights changes.
        seed: of the noise of trials.
    """
    searches = {name: make_search(s, sign, seed) for name, s in config.searches.items()}
    for name, tables in searches.items():
        for table, frame in tables.items():
            write_frame(frame, "", results / f"searches/{name}/{table}.parquet")
        for stage, group in product(
            ("train_trials", "measure_trials"), config.searches[name].groups
        ):
            log = results / f"logs/{stage}/{name}-{group}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("step 1\ndone in 36.0 s, 290 MiB at most\n")
    if config.hypotheses:
        about = {
            name: {"length": search.entry.length, "averages": list(search.entry.averages),
                   "levels": list(search.levels.items())}
            for name, search in config.searches.items()
        }  # fmt: skip
        stated = [hypothesis.settings for hypothesis in config.hypotheses.values()]
        judged = {
            name: tables | {"metrics": tables["metrics"].assign(strength=AS_TRAINED)}
            for name, tables in searches.items()
        }
        table = judge_hypotheses(stated, judged, about)
        (results / "tables").mkdir()
        write_frame(table, "", results / "tables/hypotheses.csv")


def make_search(named: NamedSearch, sign: float, seed: int) -> dict[str, pd.DataFrame]:
    """Tables of a search: what is not seen does not depend on the other tables."""
    rng = np.random.default_rng(seed)
    entry, trained = named.entry, named.entry.length
    variants, averages, draws = list(entry.variants), list(entry.averages), range(entry.trials)
    longest = LONGEST.get(named.game.kind, 63)
    ends = [trained // 4, trained // 2, 3 * trained // 4, trained, trained + 1, trained + 2]
    lengths = sorted({*ends, trained + 4, (trained + longest) // 2, 2 * trained, longest})
    lengths = [length for length in lengths if length <= longest]
    keys = ["variant", "number", "average", "length", "metric"]
    cells = list(product(variants, draws, averages, lengths, METRICS))
    metrics = pd.DataFrame(cells, columns=keys)
    place = {name: n for n, name in enumerate(variants)}
    shift = metrics["variant"].map(place) / len(variants) - 0.5
    shift = shift - 0.5 * metrics["average"].map(averages.index) / len(averages)
    beyond = (metrics["length"] - trained).clip(lower=0) / longest
    noise = rng.normal(size=(entry.trials, 1)).repeat(len(metrics), axis=1)
    noise = 0.01 * noise[metrics["number"], np.arange(len(metrics))]
    noise = noise + 0.002 * rng.normal(size=len(metrics))
    mean = 0.3 + 0.4 * beyond + 0.2 * sign * shift + noise
    metrics = metrics.assign(count=9, mean=mean.clip(0.01, 0.99), validation=0.1)
    metrics = metrics.assign(standard_form=np.nan)
    models = metrics[metrics["metric"] == METRICS[0]][keys[:-1]].reset_index(drop=True)
    shift = models["variant"].map(place) / len(variants)
    late = 1 + 0.1 * models["number"]  # no two draws are alike
    attention = pd.concat(
        models.assign(layer=layer, head=head, count=9,
                      share_of_uniform=0.9 - 0.2 * sign * shift * late - 0.1 * layer)
        for layer in range(next(iter(named.trials.values())).num_layers) for head in range(2)
    )  # fmt: skip
    illegal = pd.concat(
        models.assign(part=part, count=9, mass=0.1, displacement=5 / models["length"] ** power)
        for part, power in (("seen", 0.5), ("unseen", 0.1))
    )
    plain = metrics[metrics["metric"].isin(JUDGED)]
    matched = plain[[*keys, "count", "mean"]].assign(
        matched_mean=plain["mean"] - 0.05, reference_mean=0.3, overlap=0.8, effective_count=7.0
    )
    baselines = [
        {"baseline": baseline, "length": length, "metric": metric, "count": 9, "std": np.nan}
        | {"mean": 6 - length / 10 if metric == "num_legal" else 0.8, "num_trials": 0}
        for baseline, of_baseline in {
            "games": ("num_legal", "floor"), "uniform": JUDGED, "untrained": JUDGED
        }.items()
        for metric in of_baseline for length in lengths
    ]  # fmt: skip
    first = models[models["average"] == averages[0]]
    noise = first[["variant", "number", "length"]].assign(
        count=9, num_legal=6 - first["length"] / 10, bias=0.2,
        noise=0.1 + 0.05 * sign * late[first.index] * first["variant"].map(place) / len(variants),
        variance=0.01, squared_bias=0.02,
    )  # fmt: skip
    trials = pd.DataFrame(product(variants, draws), columns=["variant", "number"])
    shares = {
        f"entropy_share_{layer}_{at}": 0.8 - 0.1 * sign * trials["variant"].map(place) / 40
        for layer in range(2) for at in ("trained", "longest")
    }  # fmt: skip
    return {
        "metrics": metrics, "matched": matched, "baselines": pd.DataFrame(baselines),
        "attention": attention, "illegal": illegal, "noise": noise, "scaled": metrics[:0],
        "trials": trials.assign(diverged_at=np.nan), "dynamics": trials.assign(step=1, **shares),
        "effects": pd.DataFrame(product(variants, averages), columns=["variant", "average"]),
        "factors": get_factors(metrics, trained, named.levels, averages, entry.trials),
    }  # fmt: skip
