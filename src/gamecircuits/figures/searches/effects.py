"""Figure: what each variant and each average of the weights changes, in pairs of trials."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    choose_averages,
    draw_nothing,
    finish,
    get_looks,
)
from gamecircuits.figures.style import GREY, Style, key, new_figure, note, panel, readable

METRICS = {  # name: marker, filling, distance from the middle of the row
    "total_variation": ("o", None, -0.17),
    "illegal_token_rate": ("s", "white", 0.17),
}
VERSUS = {"variant": "same draw", "average": "same trajectory", "earlier": "same trajectory"}
EVAL_LENGTHS = {"trained": "as in training", "twice": "twice that", "longest": "the longest"}
INTERVALS = {("adjusted_low", "adjusted_high"): 0.6, ("low", "high"): 1.8}  # widths of their lines
VALUES = ["pairs", "difference", "share_better", *(end for ends in INTERVALS for end in ends)]
ROW = 0.19  # inches


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """Paired differences; those of variants only for the averages that are shown elsewhere, too."""
    effects = tables["effects"][tables["effects"]["metric"].isin(METRICS)]
    averages = choose_averages(tables)
    baselines = {
        "variant": tables["trials"]["variant"].iloc[0],
        "average": averages[0],
        "earlier": "iterate of its age",
    }
    parts = []
    for versus, baseline in baselines.items():
        rows = effects[effects["average"].isin(averages)] if versus == "variant" else effects
        values = rows.reindex(columns=[f"{value}_vs_{versus}" for value in VALUES])
        names = rows[["variant", "average", "eval_length", "length", "metric"]]
        names = names.assign(versus=versus, baseline=baseline)
        parts.append(names.join(values.set_axis(VALUES, axis=1)))
    table = pd.concat(parts, ignore_index=True)
    return table[table["pairs"].notna()].reset_index(drop=True)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """Rows: variants against the first, averages against the first; columns: lengths."""
    eval_lengths = table.drop_duplicates("length", keep="last")["eval_length"].tolist()
    blocks = [rows for _, rows in table.groupby("versus", sort=False)]
    if not blocks:
        return draw_nothing(game, length, "one variant and one average: nothing to compare")
    places = [_place(rows) for rows in blocks]
    heights = [max(place.values()) + 1 for place in places]
    lines, columns = len(blocks), len(eval_lengths)
    size = (2.5 * columns + 2.2, ROW * sum(heights) + 1.7)
    figure, grid = new_figure(lines, columns, *size, height_ratios=heights, sharey="row")
    of_variants = table[table["versus"] == "variant"]  # the other baselines are averages
    looks = get_looks([*of_variants["baseline"], *table["variant"]])
    for line, (rows, place) in enumerate(zip(blocks, places, strict=True)):
        for column, eval_length in enumerate(eval_lengths):
            axes, part = grid[line, column], rows[rows["eval_length"] == eval_length]
            _draw_differences(axes, part, place, looks)
            title = f"{EVAL_LENGTHS[eval_length]}: {part['length'].iloc[0]} tokens"
            panel(axes, line * columns + column, "" if line else title)
            if line == lines - 1:
                axes.set_xlabel("difference (probability)\n← better          worse →")
        _label(grid[line, 0], grid[line, -1], part, place, looks)
    handles = [
        key(marker=marker, markerfacecolor=filling, label=readable(name))
        for name, (marker, filling, _) in METRICS.items()
    ]
    explanation = "mean differences in pairs of trials, with 95 % intervals (thin: corrected)"
    finish(figure, game, length, explanation, handles, ncols=2)
    return figure


def _place(rows: pd.DataFrame) -> dict[str | tuple[str, str], int]:
    """Height of each variant's heading and of its averages, from the top."""
    places: dict[str | tuple[str, str], int] = {}
    for variant, average in rows[["variant", "average"]].drop_duplicates().itertuples(index=False):
        places.setdefault(variant, len(places))
        places[variant, average] = len(places)
    return places


def _draw_differences(axes: Axes, rows: pd.DataFrame, place: dict, looks: dict) -> None:
    """Means with their intervals, and the line of no difference."""
    axes.axvline(0, color=GREY, linewidth=0.9)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    for row in rows.itertuples():
        marker, filling, shift = METRICS[row.metric]
        style: Style = {"color": looks[row.variant]["color"]}
        height = place[row.variant, row.average] + shift
        for (low, high), width in INTERVALS.items():
            ends = [getattr(row, low), getattr(row, high)]
            axes.plot(ends, [height, height], linewidth=width, **style)
        axes.plot(row.difference, height, marker=marker, markerfacecolor=filling, **style)


def _label(left: Axes, right: Axes, rows: pd.DataFrame, place: dict, looks: dict) -> None:
    """Names of the rows on the left, numbers of pairs on the right."""
    left.set_ylim(max(place.values()) + 0.6, -0.6)
    names = [readable(row if isinstance(row, str) else row[1]) for row in place]
    left.set_yticks(list(place.values()), names)
    for row, text in zip(place, left.get_yticklabels(), strict=True):
        if isinstance(row, str):
            text.set(color=looks[row]["color"], weight="bold")
    versus, baseline = rows[["versus", "baseline"]].iloc[0]
    left.set_ylabel(f"minus {readable(baseline)},\n{VERSUS[versus]}")
    style: Style = {"xycoords": right.get_yaxis_transform(), "va": "center"}
    note(right, "pairs", (1.03, 0), **style)
    for row in rows.drop_duplicates(["variant", "average"]).itertuples():
        note(right, f"{row.pairs:.0f}", (1.03, place[row.variant, row.average]), **style)
