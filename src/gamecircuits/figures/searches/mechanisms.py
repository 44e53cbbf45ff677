"""Figure: dispersion and noise by themselves, beside what theory says of them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    KEYS,
    draw_variants,
    finish,
    get_looks,
    join_trials,
    variant_keys,
)
from gamecircuits.figures.style import GREY, Style, key, new_figure, note, panel, readable
from gamecircuits.training.measure import PREDICTED

TITLES = (
    "dispersion: displacement by length",
    "noise of late iterates, dotted: bias",
    "illegal token rate, and what predicts it",
    "what averaging the weights changes",
)
COLUMNS = [*KEYS, "average", "quantity", "length", "num_legal", "value", PREDICTED]
HOLLOW: Style = {"linestyle": "none", "markersize": 3.4, "markerfacecolor": "white"}
SPREAD = 0.36  # of the variants beside an average
BEYOND = 5  # factors of change further than this are drawn as arrows at the edge
BIAS = "bias"  # in the place of an average of weights: the mean of predictions


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial, quantity, average and length.

    Displacement at every length, and illegal token rate as trained and at the longest length, of
    the first average, with what the standard form predicts; noise and bias of late iterates; and
    total_variation_kept (as trained) and displacement_kept (at the longest length): those of every
    average as shares of the first one's.
    """
    averages = list(tables["effects"]["average"].unique())
    metrics = tables["metrics"].rename(columns={"metric": "quantity", "mean": "value"})
    longest = metrics["length"].max()
    trained = min(length, longest)
    late = tables["noise"].reindex(columns=[*KEYS, "length", "num_legal", "noise", BIAS])
    late = late.melt([*KEYS, "length", "num_legal"], var_name="quantity")
    is_rate = metrics["quantity"] == "illegal_token_rate"
    is_rate &= metrics["length"].isin([trained, longest])
    is_shown = is_rate | (metrics["quantity"] == "displacement")
    parts = [metrics[is_shown & (metrics["average"] == averages[0])], late]

    bias = late[late["quantity"] == BIAS].assign(average=BIAS, quantity="total_variation")
    both = pd.concat([metrics, bias])
    for quantity, s in {"total_variation": trained, "displacement": longest}.items():
        rows = both[(both["quantity"] == quantity) & (both["length"] == s)]
        firsts = rows[rows["average"] == averages[0]].set_index(KEYS)["value"]
        wanted = firsts.reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy(float)
        kept = rows["value"] / np.where(wanted > 0, wanted, np.nan)
        values = {"quantity": f"{quantity}_kept", "value": kept, PREDICTED: np.nan}
        parts.append(rows.assign(**values).dropna(subset="value"))
    rows = pd.concat([part.reindex(columns=COLUMNS) for part in parts], ignore_index=True)
    return join_trials(rows, tables).assign(longest=longest, first=averages[0])


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """Dispersion, noise, prediction, averaging; variants in colour."""
    figure, grid = new_figure(2, 2, 9.4, 7.6)
    looks = get_looks(table["variant"])
    longest = int(table["longest"].iloc[0])
    trained = min(length, longest)
    for index, (axes, title) in enumerate(zip(grid.flat, TITLES, strict=True)):
        panel(axes, index, title, yscale="log")
    positive = table.assign(value=table["value"].where(table["value"] > 0))  # others have no place
    dispersion, noise, rates, averaging = grid.flat
    _draw_dispersion(dispersion, positive, looks)
    _draw_noise(noise, positive, looks)
    _draw_rates(rates, table, looks, (trained, longest))
    _draw_averaging(averaging, table, looks, trained, longest)
    explanation = "thin: every trial, thick: their median; variants in colour"
    finish(figure, game, length, explanation, variant_keys(table, looks))
    return figure


def _pick(table: pd.DataFrame, quantity: str, variant: str) -> pd.DataFrame:
    return table[(table["quantity"] == quantity) & (table["variant"] == variant)]


def _draw_dispersion(axes: Axes, table: pd.DataFrame, looks: dict[str, dict]) -> None:
    axes.set(xscale="log", xlabel="length s (tokens)", ylabel="displacement (nats)")
    draw_variants(axes, table, "displacement", "length", looks)
    for variant, look in looks.items():
        rows = _pick(table, "displacement", variant)
        predicted = rows.groupby("length")[PREDICTED].median()
        style: Style = {"color": look["color"], "marker": look["marker"], **HOLLOW}
        axes.plot(predicted.where(predicted > 0), zorder=2.5, **style)
    values = table.loc[table["quantity"] == "displacement", ["length", "value"]].dropna()
    if values.empty:
        return
    ends = np.array([values["length"].min(), values["length"].max()])
    start = 1.3 * values.loc[values["length"] == ends[0], "value"].max()
    axes.plot(ends, start * ends[0] / ends, color=GREY, linewidth=0.9)
    middle = np.sqrt(ends.prod())
    note(axes, "∝ 1/s", (middle, start * ends[0] / middle), (4, 2), fontsize=9)
    handle = key(marker="o", label="standard form predicts", **HOLLOW)
    axes.legend(handles=[handle], loc="lower left")


def _draw_noise(axes: Axes, table: pd.DataFrame, looks: dict[str, dict]) -> None:
    axes.set(xscale="log", xlabel="legal tokens (mean)", ylabel="total variation (probability)")
    draw_variants(axes, table, "noise", "num_legal", looks)
    draw_variants(axes, table, BIAS, "num_legal", looks, medians_only=True)
    late = table[table["quantity"].isin(["noise", BIAS])]
    medians = late.groupby(["quantity", "variant", "num_legal"])["value"].median()
    if medians.notna().any():  # single trials may go on below
        axes.set_ylim(medians.min() / 1.5, 1.2 * medians.max())


def _draw_rates(
    axes: Axes, table: pd.DataFrame, looks: dict[str, dict], lengths: tuple[int, int]
) -> None:
    """Measured against predicted; every point is a trial, filled at the longer length."""
    axes.set(xscale="log", xlabel="predicted by the standard form (probability)")
    axes.set_ylabel("measured (probability)")
    rates = table[(table["quantity"] == "illegal_token_rate") & table[PREDICTED].notna()]
    if rates.empty:
        text = "a norm everywhere: nothing is predicted"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=GREY)
        return
    axes.axline((0.1, 0.1), (1, 1), color=GREY, linewidth=0.9, zorder=1.5)
    for variant, look in looks.items():
        for s, filling in zip(lengths, ("none", look["color"]), strict=True):
            rows = rates[(rates["variant"] == variant) & (rates["length"] == s)]
            style = look | {"linestyle": "none", "markerfacecolor": filling}
            axes.plot(rows[PREDICTED], rows["value"], **style)
    hollow, filled = ({"linestyle": "none", "markerfacecolor": f} for f in ("none", GREY))
    handles = [
        key(marker="o", label=f"at {lengths[0]} tokens", **hollow),
        key(marker="o", label=f"at {lengths[1]} tokens", **filled),
    ]
    axes.legend(handles=handles, loc="upper left")


def _draw_averaging(
    axes: Axes, table: pd.DataFrame, looks: dict[str, dict], trained: int, longest: int
) -> None:
    """Medians of trials, and their quartiles; averages beside each other."""
    first = table["first"].iloc[0]
    dots: Style = {"linestyle": "none", "markersize": 3.8}
    kept: dict[str, Style] = {  # look and label of each quantity
        "total_variation_kept": {"marker": "o", "label": f"total variation at {trained} tokens"},
        "displacement_kept": {
            "marker": "s",
            "label": f"displacement at {longest} tokens",
            "markerfacecolor": "white",
        },
    }
    rows = table[table["quantity"].isin(kept)]
    averages = [name for name in rows["average"].unique() if name not in (first, BIAS)]
    places = [*averages, BIAS]
    axes.axhline(1, color=GREY, linewidth=0.9)
    axes.grid(axis="x", visible=False)
    for quantity, look in kept.items():
        for m, (variant, other) in enumerate(looks.items()):
            style = look | dots | {"color": other["color"], "label": None}
            of_averages = _pick(rows, quantity, variant).groupby("average")["value"]
            low, middle, high = (
                of_averages.quantile(share).reindex(places) for share in (0.25, 0.5, 0.75)
            )
            at = np.arange(len(places)) + SPREAD * (2 * (m + 0.5) / len(looks) - 1)
            axes.vlines(at, low, high, style["color"], linewidth=0.9)
            axes.plot(at, middle, **style)
            for arrow, edge, is_beyond in [
                ("^", 0.92 * BEYOND, middle > BEYOND),
                ("v", 1.08 / BEYOND, middle < 1 / BEYOND),
            ]:
                edges = np.full(is_beyond.sum(), edge)
                axes.plot(at[is_beyond], edges, **style | {"marker": arrow})
    labels = [readable(name) for name in averages] + ["mean of\npredictions"]
    axes.set_xticks(range(len(places)), labels, rotation=30, ha="right")
    axes.set(xlim=(-0.6, len(places) - 0.4), ylim=(1 / BEYOND, BEYOND))
    axes.set_ylabel(f"relative to {readable(first)}")
    axes.legend(handles=[key(**dots, **look) for look in kept.values()], loc="upper left")
