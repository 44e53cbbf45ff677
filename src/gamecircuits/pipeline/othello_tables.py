"""Tables of docs/othello.md, made from the tables of searches of GPTs.

A search here is what `read_search` returns: its tables by name. `named` is the same search in the
configuration. Intervals are Student's 95 % intervals over draws.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gamecircuits.figures.searches import matched
from gamecircuits.pipeline.config.named import Config, NamedSearch
from gamecircuits.pipeline.page import AGAIN, join_runs, split_runs
from gamecircuits.storage.tables import read_frame
from gamecircuits.training.choices import AS_TRAINED, JUDGED
from gamecircuits.training.effects import describe_mean, get_half_width
from gamecircuits.training.eval_lengths import name_all_lengths
from gamecircuits.training.grid import ALL, BETWEEN, find_variants, get_factors
from gamecircuits.training.mechanisms import QUANTITIES, get_quantities

TABLES = (  # of a search, that the page is made from
    *("metrics", "matched", "baselines", "attention", "illegal", "dynamics", "noise", "trials"),
    *("effects", "factors"),
)
METRICS = ("illegal_token_rate", "total_variation")  # by level
AVERAGES = ("last", "ema_0.99")  # by length
AT = ("trained", "halfway", "longest")  # lengths at which levels are compared
BEYOND = ("trained", "twice", "longest")  # the same of languages
KEYS = {  # columns of each table that are the same in another run
    "runs": ["search"],
    "factors": ["search", "factor", "level", "average", "eval_length", "length", "metric"],
    "lengths": ["search", "model", "average", "length"],
    "mechanisms": ["search", "factor", "level", "quantity", "layer", "length", "unit", "meaning"],
}
AGAIN_OF = {  # columns of another run that are shown; of the other tables all
    "runs": ["seed", "num_diverged", "hours"],
    "lengths": ["illegal_token_rate", "illegal_token_rate_low", "illegal_token_rate_high"],
}
SHARE = "attention_share"  # entropy of attention by layer
VARIANT = "variant"  # the only factor of a search without a grid
INSIDE = (  # quantities of the mechanism
    *("entropy_share_trained", "entropy_share_longest", "seen_exponent", "unseen_exponent"),
    *("noise_trained", "noise_longest", "bias_trained", "bias_longest"),
)
Search = Mapping[str, pd.DataFrame]


def read_search(results: Path, name: str) -> dict[str, pd.DataFrame]:
    """The tables of a search in a folder of results."""
    return {table: read_frame(results / f"searches/{name}/{table}.parquet") for table in TABLES}


def _list_values(name: str, table: pd.DataFrame) -> list[str]:
    """Columns of one of the tables in which another run is shown beside the first."""
    return AGAIN_OF.get(name) or _list_others(name, table)


def _list_others(name: str, table: pd.DataFrame) -> list[str]:
    """Columns of the first run that are no keys."""
    return [c for c in table if c not in KEYS[name] and not c.endswith(AGAIN)]


def join_tables(name: str, first: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """One of the tables with another run beside the first."""
    return join_runs(first, again, KEYS[name], _list_values(name, first))


def split_again(name: str, joined: pd.DataFrame) -> pd.DataFrame:
    """What is shown of the other run, as `join_tables` takes it."""
    return split_runs(joined, KEYS[name], _list_values(name, joined))[1]


def make_tables(
    searches: Mapping[str, Search], config: Config, results: Path
) -> dict[str, pd.DataFrame]:
    """Tables of a run of OthelloGPT, by name."""
    named = config.searches
    lengths = [make_lengths(tables, named[name]) for name, tables in searches.items()]
    mechanisms = [make_mechanisms(tables, named[name]) for name, tables in searches.items()]
    return {
        "runs": make_runs(searches, config, results),
        "factors": make_factors(searches, named, AT),
        "lengths": pd.concat(lengths, ignore_index=True),
        "mechanisms": pd.concat(mechanisms, ignore_index=True),
    }


def make_language_tables(
    searches: Mapping[str, Search], config: Config, results: Path
) -> dict[str, pd.DataFrame]:
    """Tables of a run of languages, by name."""
    factors = make_factors(searches, config.searches, BEYOND)
    first, averaged = AVERAGES
    is_total = factors["metric"] == "total_variation"
    is_shown = (factors["average"] == first) | ((factors["average"] == averaged) & is_total)
    return {
        "language_runs": make_runs(searches, config, results),
        "languages": factors[is_shown],
    }


# What was run.


def make_runs(searches: Mapping[str, Search], config: Config, results: Path) -> pd.DataFrame:
    """One row per search: game, sizes, numbers of trials, seed, hours that all its jobs took."""
    rows = []
    for name, tables in searches.items():
        search, diverged = config.searches[name], tables["trials"]["diverged_at"].notna()
        trial, game = next(iter(search.trials.values())), search.game
        row = {"search": name, "game": game.kind, "vocab_size": game.game.vocab_size}
        row |= {"num_variants": len(search.entry.variants), "num_draws": search.entry.trials}
        row |= {"trained": search.entry.length, "longest": tables["metrics"]["length"].max()}
        row |= {"steps": search.entry.steps, "test_games": search.entry.test_games}
        sizes = ("batch_size", "learning_rate", "num_layers", "num_heads", "d_model", "d_mlp")
        row |= {size: getattr(trial, size) for size in sizes}
        row |= {"seed": config.seed, "num_diverged": diverged.sum()}
        rows.append(row | {"hours": _sum_hours(results, search)})
    return pd.DataFrame(rows)


def _sum_hours(results: Path, search: NamedSearch) -> float:
    """What the logs of training and measuring say; NaN if one is missing."""
    seconds = []
    for stage in ("train_trials", "measure_trials"):
        for group in search.groups:
            log = results / f"logs/{stage}/{search.name}-{group}.log"
            text = log.read_text(encoding="utf-8") if log.is_file() else ""
            found = re.findall(r"^done in ([\d.]+) s", text, flags=re.MULTILINE)
            seconds.append(float(found[-1]) if found else np.nan)
    return float(np.sum(seconds)) / 3600


# Levels of the factors.


def make_factors(
    searches: Mapping[str, Search], named: Mapping[str, NamedSearch], at: Iterable[str]
) -> pd.DataFrame:
    """What each level does over all levels of the other factors.

    The rows of `factors` with `given` all, of METRICS, at the lengths named. The variants of a
    search without a grid are the levels of its only factor.
    """
    tables = []
    for name, tables_of_search in searches.items():
        search, rows = named[name], tables_of_search["factors"]
        if not search.levels:
            metrics, entry = tables_of_search["metrics"], search.entry
            levels = {VARIANT: list(entry.variants)}
            rows = get_factors(metrics, entry.length, levels, list(entry.averages), entry.trials)
        rows = rows[(rows["given"] == ALL) & rows["metric"].isin(METRICS)]
        tables.append(rows[rows["eval_length"].isin(list(at))].assign(search=name))
    table = pd.concat(tables, ignore_index=True)
    unused = re.compile("given|pairs_.*")
    values = [n for n in _list_others("factors", table) if not unused.fullmatch(n)]
    return table[[*KEYS["factors"], *values]]


# By length.


def choose_variants(named: NamedSearch) -> list[str]:
    """Variants that are shown by length: all without a grid.

    Else the first one, and those with each level of the first factor, the first levels of the
    others and the last one of the last. Results do not choose.
    """
    variants = list(named.entry.variants)
    if not named.levels:
        return variants
    first, *others = (list(levels) for levels in named.levels.values())
    ends = [levels[0] for levels in others[:-1]] + [levels[-1] for levels in others[-1:]]
    return list(dict.fromkeys([variants[0], *(BETWEEN.join([n, *ends]) for n in first)]))


def make_lengths(tables: Search, named: NamedSearch) -> pd.DataFrame:
    """One row per model, average and length.

    Models are the variants of `choose_variants`, with AVERAGES of their weights, and the baselines,
    without average. Of games there are num_legal and floor. Of the others mean, low and high of
    JUDGED; of the first average also `difference`, of the illegal token rate from its mean over
    the lengths in training, `matched`, the same with as many legal tokens, and their `overlap`.
    """
    keys = ["variant", "average", "length"]
    metrics = tables["metrics"]
    is_shown = metrics["variant"].isin(choose_variants(named)) & metrics["average"].isin(AVERAGES)
    metrics = metrics[is_shown]
    table = metrics.groupby(keys, sort=False)["number"].nunique().rename("num_trials").to_frame()
    for metric in JUDGED:
        rows = metrics[metrics["metric"] == metric]
        table = table.join(_describe(rows, keys, "mean", metric))
    by_itself = matched.make_table(dict(tables), named.entry.length)
    by_itself = by_itself.assign(average=by_itself["first"]).dropna(subset="length")
    for value, name in [("difference",) * 2, ("matched_difference", "matched")]:
        table = table.join(_describe(by_itself, keys, value, name))
    table = table.join(by_itself.groupby(keys)["overlap"].mean())
    table = table.reset_index().rename(columns={"variant": "model"})
    baselines = tables["baselines"].rename(columns={"baseline": "model"})
    means = baselines.pivot(index=["model", "length"], columns="metric", values="mean")
    table = pd.concat([table, means.reset_index()], ignore_index=True)
    table = table.assign(search=named.name)
    return table[[*KEYS["lengths"], *_list_others("lengths", table)]]


def _describe(rows: pd.DataFrame, keys: list[str], value: str, name: str) -> pd.DataFrame:
    """Mean over trials of a value, and its interval, by the keys: columns NAME, _low, _high."""
    found = rows.groupby(keys, sort=False)[value].agg(["count", "mean", "std"])
    half = get_half_width(found["std"], found["count"])
    ends = {f"{name}_low": found["mean"] - half, f"{name}_high": found["mean"] + half}
    return pd.DataFrame({name: found["mean"], **ends})


# Mechanisms.


def make_mechanisms(tables: Search, named: NamedSearch) -> pd.DataFrame:
    """Quantities of the mechanism by level of each factor, or by variant without a grid.

    One row per level and quantity of INSIDE, and of SHARE one per layer and length of AT: mean over
    draws of the mean over all variants with the level, and difference from the first level in
    variants that are otherwise the same.
    """
    variants = list(named.entry.variants)
    levels: Mapping[str, Iterable[str]] = named.levels or {VARIANT: variants}
    rows = []
    for about, wide in _list_quantities(tables, named):
        for factor, names in levels.items():
            of_levels = [wide[find_variants(level, named.levels)] for level in names]
            for level, values in zip(names, of_levels, strict=True):
                row = {"search": named.name, "factor": factor, "level": level} | about
                found = values.mean(axis=1).dropna().to_numpy()
                row |= {"num_trials": len(found)}
                row |= dict(zip(("mean", "low", "high"), describe_mean(found), strict=True))
                if values is not of_levels[0]:
                    apart = (values - of_levels[0].to_numpy()).mean(axis=1).dropna().to_numpy()
                    ends = zip(("difference", "low", "high"), describe_mean(apart), strict=True)
                    row |= {f"{name}_vs_level": value for name, value in ends}
                rows.append(row)
    table = pd.DataFrame(rows)
    return table[[*KEYS["mechanisms"], *_list_others("mechanisms", table)]]


def _list_quantities(tables: Search, named: NamedSearch) -> Iterable[tuple[dict, pd.DataFrame]]:
    """What each quantity is, and its values by draw and variant."""
    variants, averages = list(named.entry.variants), list(named.entry.averages)
    metrics = tables["metrics"].assign(strength=AS_TRAINED)
    of_trials = get_quantities({**tables, "metrics": metrics}, named.entry.length, averages)
    for quantity in INSIDE:
        about = {"quantity": quantity, "layer": np.nan, "length": np.nan}
        unit, meaning, _ = QUANTITIES[quantity]
        about |= {"unit": unit or np.nan, "meaning": meaning}  # as a table is read
        yield about, of_trials[quantity].unstack("variant").reindex(columns=variants)
    attention = tables["attention"]
    attention = attention[attention["average"] == averages[0]]
    lengths = name_all_lengths(named.entry.length, int(metrics["length"].max()))
    for length in dict.fromkeys(lengths[at] for at in AT):
        at_length = attention[attention["length"] == length]
        for layer, rows in at_length.groupby("layer"):
            about = {"quantity": SHARE, "layer": layer + 1, "length": length}
            about |= {"unit": "of ln length", "meaning": "entropy of attention, mean over heads"}
            wide = rows.groupby(["number", "variant"])["share_of_uniform"].mean().unstack("variant")
            yield about, wide.reindex(columns=variants)
