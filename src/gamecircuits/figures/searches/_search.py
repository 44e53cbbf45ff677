"""What the figures of searches have in common: which trials and averages they show, and how."""

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from gamecircuits.figures.style import (
    FULL,
    Style,
    headline,
    key,
    looks_of,
    new_figure,
    plain_log_ticks,
    readable,
)
from gamecircuits.training.choices import KEYS, choose_middle
from gamecircuits.training.measure import PREDICTED

DIVERGED = "diverged"  # column: whether the first average of the trial cannot be measured
BAND = 0.14  # opacity of the quartiles


def forget_theory(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables of a search on another game than set complement: without the standard form."""
    of_theory = ["x_mean", "x_min", "x_max", "beta_mean", "misfit"]
    metrics = tables["metrics"].drop(columns=PREDICTED, errors="ignore")
    dynamics = tables["dynamics"].drop(columns=of_theory, errors="ignore")
    return tables | {"metrics": metrics, "dynamics": dynamics}


def has_theory(tables: dict[str, pd.DataFrame]) -> bool:
    """Whether the tables are of set complement, of which the theory speaks."""
    return PREDICTED in tables["metrics"]


def choose_averages(tables: dict[str, pd.DataFrame]) -> list[str]:
    """The first, the middle and the last average: chosen by place, so that results do not bias."""
    averages = list(tables["effects"]["average"].unique())  # all there are, in the config's order
    chosen = dict.fromkeys([averages[0], choose_middle(averages), averages[-1]])
    return [average for average in chosen if average is not None]


def join_trials(rows: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows of trials, and one row without values for each trial that has none.

    So the table beside a figure tells how many trials there were and how many diverged.
    """
    trials, metrics = tables["trials"][KEYS], tables["metrics"]
    is_first = metrics["average"] == choose_averages(tables)[0]
    measured = pd.MultiIndex.from_frame(metrics.loc[is_first, KEYS])
    diverged = ~pd.MultiIndex.from_frame(trials).isin(measured)
    return trials.assign(**{DIVERGED: diverged}).merge(rows, how="left", on=KEYS)


def get_looks(variants: Iterable[str]) -> dict[str, Style]:
    """Colour, marker and line of each variant."""
    return looks_of({variant: variant for variant in variants})


def count_trials(table: pd.DataFrame, variant: str) -> str:
    """Sample size of a variant: how many trials, and how many of them diverged."""
    trials = table[table["variant"] == variant].drop_duplicates("number")
    diverged = trials[DIVERGED].sum()
    total = "1 trial" if len(trials) == 1 else f"{len(trials)} trials"
    return total + (f", {diverged} diverged" if diverged else "")


def variant_keys(table: pd.DataFrame, looks: dict[str, Style], **style) -> list[Line2D]:
    """Entries of a legend: each variant with its sample size."""
    return [
        key(
            label=f"{readable(shorten(variant, 24))}, {count_trials(table, variant)}",
            **{**look, "markerfacecolor": "none", **style},
        )
        for variant, look in looks.items()
    ]


def draw_trials(
    axes: Axes, rows: pd.DataFrame, place: str, look: Style, value: str = "value"
) -> None:
    """The median of trials and a band from quartile to quartile; a marker if it is one point."""
    # Several lengths can have as many legal tokens: then their mean.
    wide = rows.groupby([place, "number"])[value].mean().unstack()
    low, middle, high = (wide.quantile(share, axis=1) for share in (0.25, 0.5, 0.75))
    style: Style = {"color": look["color"], "linestyle": look["linestyle"]}
    if len(wide) == 1:
        style["marker"] = look.get("marker", "o")
    if look.get("has_band", True):
        axes.fill_between(wide.index, low, high, color=look["color"], alpha=BAND, linewidth=0)
    axes.plot(wide.index, middle, **style, linewidth=look.get("linewidth", 1.2))


def draw_variants(
    axes: Axes, table: pd.DataFrame, quantity: str, place: str, looks: dict[str, Style], **style
) -> None:
    """Curves of one quantity of all variants."""
    of_quantity = table[(table["quantity"] == quantity) & table["value"].notna()]
    for variant, rows in of_quantity.groupby("variant", sort=False):
        draw_trials(axes, rows, place, looks[variant] | style)


def draw_nothing(game: str, length: int, explanation: str) -> Figure:
    """A figure that says why there is none."""
    figure, grid = new_figure(1, 1, FULL, 0.8)
    grid[0, 0].set_axis_off()
    finish(figure, game, length, explanation)
    return figure


def shorten(name: str, limit: int) -> str:
    """A name without its middle if it has more letters than that."""
    half = limit // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"


def _tick_plainly(axis: Axis, is_wide: bool) -> None:
    """Plain numbers on a logarithmic axis that spans few powers of ten.

    Args:
        is_wide: whether labels stand beside each other, so that there is room for few.
    """
    low, high = axis.get_view_interval()
    if axis.get_scale() != "log" or high > 300 * low:
        return
    plain_log_ticks(axis)
    if high < (10 if is_wide else 4) * low:
        axis.set_major_locator(MaxNLocator(4))
        axis.set_minor_locator(NullLocator())
    elif is_wide:
        axis.set_major_locator(LogLocator(subs=(1, 3) if high < 30 * low else (1,)))


def finish(
    figure: Figure,
    game: str,
    length: int,
    explanation: str,
    handles: Sequence[Artist] = (),
    ncols: int = 3,
    has_theory: bool = True,
) -> None:
    """Legend and title of a drawn figure; plain numbers where powers of ten would be too few.

    Args:
        has_theory: else the title says that the theory does not speak of the game.
    """
    for axes in figure.axes:
        _tick_plainly(axes.xaxis, is_wide=True)
        _tick_plainly(axes.yaxis, is_wide=False)
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=ncols)
    title = f"{readable(game)}, trained on prefixes of 1 to {length} tokens\n{explanation}"
    if not has_theory:
        title += "\nthe theory speaks of set complement; this is another game"
    headline(figure, title)
