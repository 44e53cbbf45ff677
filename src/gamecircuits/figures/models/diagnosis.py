"""Figure: the diagnosis of a model, its strengths and its predicted and measured behaviour."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.style import (
    COLOURS,
    GREY,
    HOLLOW,
    Style,
    count_contexts,
    headline,
    integer_ticks,
    key,
    new_figure,
    panel,
    readable,
)

FLOOR = 1e-8  # of the axis of rates


def draw(table: pd.DataFrame, model: str) -> Figure:
    """Strengths by token, illegal token rate and displacements by length.

    Args:
        table: as in gamecircuits.diagnosis.Diagnosis.
    """
    figure, grid = new_figure(1, 3, 10.4, 3.5)
    whole = table[table["length"].isna() & table["token"].isna()].set_index("quantity")
    _draw_strengths(grid[0, 0], table, whole)
    _draw_rates(grid[0, 1], table)
    _draw_displacements(grid[0, 2], table, whole)
    handles = [
        key(marker="o", label="measured", **HOLLOW),
        key(label="predicted from x, β, attention"),
    ]
    if table["certified"].notna().any():  # not under a norm
        handles.append(key(linestyle="--", label="certified by lengths 1 and 2"))
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    size = ", ".join(
        f"{name} = {whole.loc[key, 'measured']:.0f}"
        for name, key in (("V", "vocab_size"), ("d", "d"), ("d_v", "d_v"), ("d_k", "d_k"))
    )
    headline(figure, f"{readable(model)}: {size}")
    return figure


def _draw_strengths(axes: Axes, table: pd.DataFrame, whole: pd.DataFrame) -> None:
    for index, (name, label) in enumerate((("x", "x: OV circuit"), ("beta", "β: direct path"))):
        rows = table[table["quantity"] == name]
        style: Style = {"color": COLOURS[index], "marker": "os"[index], "linestyle": "none"}
        axes.plot(rows["token"].astype(int), rows["measured"], markersize=3.4, label=label, **style)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.margins(y=0.18)
    strengths = table.loc[table["quantity"].isin(["x", "beta"]), "measured"]
    if strengths.abs().max() < 1e-9:  # rounding is nothing to look at
        axes.set_ylim(-1, 1)
    axes.legend(loc="best")
    residual = whole.loc["standard_form_residual", "measured"]
    rank = whole.loc["ov_rank", "measured"]
    shown = "0" if residual < 1e-12 else f"{100 * residual:.2g} %"
    panel(axes, 0, f"strengths by token\noutside the standard form {shown}, OV rank {rank:.0f}")
    axes.set(xlabel="token", ylabel="strength (nats)")
    integer_ticks(axes, table.loc[table["quantity"] == "x", "token"].astype(int))


def _draw_rates(axes: Axes, table: pd.DataFrame) -> None:
    rates = table[table["quantity"] == "illegal_token_rate"]
    worst = table[table["quantity"] == "highest_illegal_token_rate"]
    lengths = rates["length"].astype(int)
    axes.set(yscale="log", ylim=(FLOOR, 2))
    axes.plot(lengths, rates["predicted"], color=COLOURS[0])
    axes.plot(lengths, worst["predicted"], color=COLOURS[1], linewidth=1)
    axes.plot(lengths, worst["certified"], color="black", linestyle="--", linewidth=1)
    for rows, colour, marker, label in (
        (rates, COLOURS[0], "o", "mean"),
        (worst, COLOURS[1], "^", "worst context"),
    ):
        style: Style = {"color": colour, "marker": marker, "markersize": 4.4, **HOLLOW}
        axes.plot(lengths, rows["measured"], label=label, **style)
    axes.legend(loc="best")
    axes.set(xlabel="length s (tokens)", ylabel="illegal token rate (probability)")
    counts = table[table["quantity"] == "contexts"]
    are_all = (counts["measured"] == counts["predicted"]).all()
    contexts = count_contexts(counts["measured"].sum(), are_all)
    panel(axes, 1, f"illegal token rate\n{contexts}")
    integer_ticks(axes, lengths)


def _draw_displacements(axes: Axes, table: pd.DataFrame, whole: pd.DataFrame) -> None:
    for index, (name, label) in enumerate(
        (("last_displacement", "last token"), ("other_displacement", "tokens before it"))
    ):
        rows = table[table["quantity"] == name]
        lengths, colour = rows["length"].astype(int), COLOURS[2 + index]
        axes.plot(lengths, rows["predicted"], color=colour)
        axes.plot(lengths, rows["certified"], color=colour, linestyle="--", linewidth=1)
        style: Style = {"color": colour, "marker": "oD"[index], "markersize": 4.6 - index}
        axes.plot(lengths, rows["measured"], label=label, **style, **HOLLOW)
    is_shown = table["quantity"].isin(["last_displacement", "other_displacement"])
    shown = table.loc[is_shown, ["measured", "predicted"]]
    low, high = np.nanmin(shown.to_numpy()), np.nanmax(shown.to_numpy())
    if low > 0:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * 1.6)
    else:
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(1.5 * low - 0.2, 1.5 * high + 0.2)
    axes.legend(loc="best")
    axes.set(xlabel="length s (tokens)", ylabel="lowest displacement (nats)")
    failure = whole["measured"].get("first_failure_found", np.nan)
    note = "" if np.isnan(failure) else f"\nfails at length {failure:.0f}"
    panel(axes, 2, f"displacement in the worst context{note}")
    integer_ticks(axes, table.loc[table["quantity"] == "last_displacement", "length"].astype(int))
