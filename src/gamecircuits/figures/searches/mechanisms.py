"""Figure: the course of training, dispersion and noise, beside what theory says of them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.layout import FLOWING
from gamecircuits.figures.searches._search import (
    KEYS,
    draw_variants,
    finish,
    get_looks,
    join_trials,
    variant_keys,
)
from gamecircuits.figures.style import FULL, GREY, Style, new_figure, note, panel, readable
from gamecircuits.training.measure import PREDICTED

PER_LINE, HEIGHT = 3, 1.85  # panels, and their height in inches
DIRECT = "direct_share"  # β over |x|: comparable under a norm, which each alone is not
COURSE = {  # quantity along training: title, label of the axis, its scale
    "loss": ("training loss", "cross-entropy (nats)", "linear"),
    "displacement_trained": ("displacement at {trained} tokens", "nats", "linear"),
    "illegal_token_rate_trained": ("illegal rate at {trained} tokens", "probability", "log"),
    "illegal_token_rate_longest": ("illegal rate at {longest} tokens", "probability", "log"),
    DIRECT: ("direct path over OV", "β/|x|, means of tokens", "linear"),
    "misfit": ("outside the standard form", "relative to mean |x|", "log"),
}
OF_THEORY = (DIRECT, "misfit")
NOISE, BIAS = "noise", "bias"  # BIAS also stands for an average: the mean of predictions
COLUMNS = [*KEYS, "average", "quantity", "step", "length", "num_legal", "value", PREDICTED]
HOLLOW: Style = {"linestyle": "none", "markersize": 3, "markerfacecolor": "white"}
DOTTED: Style = {"linestyle": (0, (1, 1.3)), "has_band": False, "linewidth": 1.0}
SPREAD = 0.38  # of the variants beside an average
WIDE = 4  # ratio of the largest to the smallest number that a logarithmic axis is for
BEYOND = 5  # factors of change further than this are drawn as arrows at the edge
KEPT: dict[str, Style] = {  # look of each quantity in the panel of averages
    "total_variation_kept": {"marker": "o"},
    "displacement_kept": {"marker": "s", "markerfacecolor": "white"},
}


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """One row per trial, quantity, average, and step or length.

    Quantities along training. Displacement at every length, and illegal token rate as trained and
    at the longest length, of the first average, with what the standard form predicts; noise and
    bias of late iterates; and total_variation_kept (as trained) and displacement_kept (at the
    longest length): those of every average as shares of the first one's. What the theory defines
    is missing where it does not speak of the game.
    """
    averages = list(tables["effects"]["average"].unique())
    metrics = tables["metrics"].rename(columns={"metric": "quantity", "mean": "value"})
    longest = metrics["length"].max()
    trained = min(length, longest)
    late = tables["noise"].reindex(columns=[*KEYS, "length", "num_legal", NOISE, BIAS])
    late = late.melt([*KEYS, "length", "num_legal"], var_name="quantity")
    is_rate = metrics["quantity"] == "illegal_token_rate"
    is_rate &= metrics["length"].isin([trained, longest])
    is_shown = is_rate | (metrics["quantity"] == "displacement")
    parts = [_get_course(tables), metrics[is_shown & (metrics["average"] == averages[0])], late]

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


def _get_course(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Quantities of COURSE, one row per trial, step and quantity."""
    dynamics = tables["dynamics"]
    if dynamics.empty:  # all trials diverged too soon
        return pd.DataFrame(columns=COLUMNS)
    if "x_mean" in dynamics:
        strength = dynamics["x_mean"].abs()
        dynamics = dynamics.assign(**{DIRECT: dynamics["beta_mean"] / strength})
        quantities = list(COURSE)
    else:
        quantities = [quantity for quantity in COURSE if quantity not in OF_THEORY]
    return dynamics.melt([*KEYS, "step"], quantities, "quantity")


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """The course of training, what is left at its end, and averages below; variants in colour."""
    looks = get_looks(table["variant"])
    longest = int(table["longest"].iloc[0])
    trained = min(length, longest)
    has_theory = (table["quantity"] == OF_THEORY[1]).any()
    table = table.assign(value=table["value"].replace([np.inf, -np.inf], np.nan))
    panels = _list_panels(table, looks, trained, longest, has_theory)
    averages = _list_averages(table)
    lines = -(-len(panels) // PER_LINE)
    rows = lines + bool(averages)
    figure, grid = new_figure(rows, PER_LINE, FULL, HEIGHT * rows + 1.1)
    figure.set_label(FLOWING)
    for index, (title, draw_panel) in enumerate(panels):
        panel(grid.flat[index], index, title)
        draw_panel(grid.flat[index])
    for axes in grid.flat[len(panels) : lines * PER_LINE]:
        axes.set_visible(False)
    if averages:
        for axes in grid[-1]:
            axes.remove()
        axes = figure.add_subplot(grid[0, 0].get_gridspec()[-1, :])
        title = f"what averages leave of the total variation at {trained} tokens (filled)"
        if (table["quantity"] == "displacement_kept").any():
            title += f" and of the displacement at {longest} (hollow)"
        panel(axes, len(panels), title)
        _draw_averaging(axes, table, looks, averages)
    explanation, handles = "medians of trials, with quartiles", variant_keys(table, looks)
    finish(figure, game, length, explanation, handles, has_theory=has_theory)
    return figure


def _list_panels(
    table: pd.DataFrame, looks: dict[str, Style], trained: int, longest: int, has_theory: bool
) -> list[tuple[str, Callable[[Axes], None]]]:
    """Title and drawing of each panel for which there is something to draw."""
    found = set(table.loc[table["value"].notna(), "quantity"])
    panels: list[tuple[str, Callable[[Axes], None]]] = []
    for quantity, (title, *_) in COURSE.items():
        if quantity in found:
            text = title.format(trained=trained, longest=longest)
            panels.append(
                (text, partial(_draw_course, table=table, quantity=quantity, looks=looks))
            )
    if "displacement" in found:
        draw_panel = partial(_draw_dispersion, table=table, looks=looks, has_theory=has_theory)
        title = "displacement, by standard form (hollow)" if has_theory else "displacement"
        panels.append((title, draw_panel))
    if NOISE in found:
        text = "late noise, bias (dotted)"
        panels.append((text, partial(_draw_noise, table=table, looks=looks)))
    rates = table[(table["quantity"] == "illegal_token_rate") & table[PREDICTED].notna()]
    if len(rates):
        lengths = (trained, longest)
        draw_rates = partial(_draw_rates, rates=rates, looks=looks, lengths=lengths)
        title = f"illegal rate predicted: at {trained} (hollow), {longest}"
        panels.append((title, draw_rates))
    return panels


def _positive(table: pd.DataFrame) -> pd.DataFrame:
    """Others have no place on a logarithmic axis."""
    return table.assign(value=table["value"].where(table["value"] > 0))


def _draw_course(axes: Axes, table: pd.DataFrame, quantity: str, looks: dict[str, Style]) -> None:
    _, label, scale = COURSE[quantity]
    axes.set(yscale=scale, ylabel=label, xlabel="step")
    rows = _positive(table) if scale == "log" else table
    draw_variants(axes, rows, quantity, "step", looks)
    if quantity == DIRECT:  # x begins near zero, so the first steps would hide the others
        late = table[(table["quantity"] == DIRECT) & (table["step"] > 0.1 * table["step"].max())]
        medians = late.groupby(["variant", "step"])["value"].median()
        if medians.notna().any():
            low, high = min(medians.min(), 0), max(medians.max(), 0)
            room = 0.1 * (high - low) or 0.1
            axes.set_ylim(low - room, high + room)


def _draw_dispersion(
    axes: Axes, table: pd.DataFrame, looks: dict[str, Style], has_theory: bool
) -> None:
    axes.set(xscale="log", yscale="log", xlabel="length s (tokens)", ylabel="nats")
    table = _positive(table)
    draw_variants(axes, table, "displacement", "length", looks)
    if not has_theory:
        return
    rows = table[table["quantity"] == "displacement"]
    for variant, look in looks.items():
        predicted = rows[rows["variant"] == variant].groupby("length")[PREDICTED].median()
        style: Style = {"color": look["color"], "marker": look["marker"], **HOLLOW}
        axes.plot(predicted.where(predicted > 0), zorder=2.5, **style)
    values = rows[["length", "value"]].dropna()
    if values.empty:
        return
    ends = np.array([values["length"].min(), values["length"].max()])
    start = 1.4 * (values["value"] * values["length"]).max() / ends[0]
    axes.plot(ends, start * ends[0] / ends, color=GREY, linewidth=0.9)
    middle = np.sqrt(ends.prod())
    note(axes, "∝ 1/s", (middle, start * ends[0] / middle), (4, 2))


def _draw_noise(axes: Axes, table: pd.DataFrame, looks: dict[str, Style]) -> None:
    """Against the number of legal tokens, or the length if that number is always the same."""
    late = _positive(table[table["quantity"].isin([NOISE, BIAS])])
    is_constant = late["num_legal"].nunique() == 1
    place, label = ("length", "length s (tokens)") if is_constant else ("num_legal", "legal tokens")
    is_wide = late[place].max() > WIDE * late[place].min()
    axes.set(xscale="log" if is_wide else "linear", yscale="log")
    axes.set(xlabel=label, ylabel="total variation")
    draw_variants(axes, late, NOISE, place, looks)
    draw_variants(axes, late, BIAS, place, looks, **DOTTED)


def _draw_rates(
    axes: Axes, rates: pd.DataFrame, looks: dict[str, Style], lengths: tuple[int, int]
) -> None:
    """Measured against predicted; every point is a trial, filled at the longer length."""
    axes.set(xscale="log", yscale="log", xlabel="predicted by the standard form")
    axes.set_ylabel("measured (probability)")
    axes.axline((0.1, 0.1), (1, 1), color=GREY, linewidth=0.9, zorder=1.5)
    for variant, look in looks.items():
        for s, filling in zip(lengths, ("none", look["color"]), strict=True):
            rows = rates[(rates["variant"] == variant) & (rates["length"] == s)]
            style = look | {"linestyle": "none", "markerfacecolor": filling, "markersize": 3}
            axes.plot(rows[PREDICTED], rows["value"], **style, markeredgewidth=0.7)


def _list_averages(table: pd.DataFrame) -> list[str]:
    """Averages but the first, which others are compared with, and the mean of predictions."""
    names = table.loc[table["quantity"].isin(KEPT), "average"].unique()
    return [name for name in names if name != table["first"].iloc[0]]


def _draw_averaging(
    axes: Axes,
    table: pd.DataFrame,
    looks: dict[str, Style],
    averages: list[str],
) -> None:
    """Medians of trials, and their quartiles; averages beside each other."""
    dots: Style = {"linestyle": "none", "markersize": 3.2}
    axes.set_yscale("log")
    axes.axhline(1, color=GREY, linewidth=0.9)
    axes.grid(axis="x", visible=False)
    rows = table[table["quantity"].isin(KEPT)]
    for quantity, look in KEPT.items():
        for m, (variant, other) in enumerate(looks.items()):
            style = look | dots | {"color": other["color"]}
            is_shown = (rows["quantity"] == quantity) & (rows["variant"] == variant)
            of_averages = rows[is_shown].groupby("average")["value"]
            low, middle, high = (
                of_averages.quantile(share).reindex(averages) for share in (0.25, 0.5, 0.75)
            )
            at = np.arange(len(averages)) + SPREAD * (2 * (m + 0.5) / len(looks) - 1)
            axes.vlines(at, low, high, style["color"], linewidth=0.9)
            axes.plot(at, middle, **style)
            for arrow, edge, is_beyond in [
                ("^", 0.92 * BEYOND, middle > BEYOND),
                ("v", 1.08 / BEYOND, middle < 1 / BEYOND),
            ]:
                edges = np.full(is_beyond.sum(), edge)
                axes.plot(at[is_beyond], edges, **style | {"marker": arrow})
    names = [readable(name).replace(" ", "\n", 1) for name in averages]
    names = ["mean of\npredictions" if name == BIAS else name for name in names]
    axes.set_xticks(range(len(averages)), names)
    axes.set(xlim=(-0.6, len(averages) - 0.4), ylim=(1 / BEYOND, BEYOND))
    axes.set_ylabel(f"relative to {readable(table['first'].iloc[0])}")
