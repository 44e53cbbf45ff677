"""Figure: what each variant and each average of the weights changes, in pairs of trials."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import (
    choose_averages,
    draw_nothing,
    finish,
    get_looks,
    shorten,
)
from gamecircuits.figures.style import FULL, GREY, Style, key, new_figure, note, panel, readable

METRICS = {  # name: marker, filling, distance from the middle of the row
    "total_variation": ("o", None, -0.17),
    "illegal_token_rate": ("s", "white", 0.17),
}
VERSUS = {"variant": ", same draw", "average": ", same run", "earlier": ""}
EVAL_LENGTHS = {"trained": "as in training", "twice": "twice that", "longest": "the longest"}
HEADING, OF_ONE = "heading", "second line of it"  # of a block, in the place of a variant
INTERVALS = {("adjusted_low", "adjusted_high"): 0.6, ("low", "high"): 1.6}  # widths of their lines
VALUES = ["pairs", "difference", "share_better", *(end for ends in INTERVALS for end in ends)]
MANY = 8  # of more variants, one average each
ROW, ROOM = 0.15, 0.6  # inches of a row; rows of space above and below all


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """Paired differences of the averages that the other figures show, too."""
    averages = choose_averages(tables)
    effects = tables["effects"]
    is_shown = effects["metric"].isin(METRICS) & effects["average"].isin(averages)
    effects = effects[is_shown]
    baselines = {
        "variant": tables["trials"]["variant"].iloc[0],
        "average": averages[0],
        "earlier": "iterate of its age",
    }
    parts = []
    for versus, baseline in baselines.items():
        values = effects.reindex(columns=[f"{value}_vs_{versus}" for value in VALUES])
        names = effects[["variant", "average", "eval_length", "length", "metric"]]
        names = names.assign(versus=versus, baseline=baseline)
        parts.append(names.join(values.set_axis(VALUES, axis=1)))
    table = pd.concat(parts, ignore_index=True)
    return table[table["pairs"].notna()].reset_index(drop=True)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """Rows: variants against the first, averages against the first; columns: lengths.

    Of many variants, each has one row: of the first average, or of the first that is compared.
    """
    eval_lengths = table.drop_duplicates("length", keep="last")["eval_length"].tolist()
    blocks = [rows for _, rows in table.groupby("versus", sort=False)]
    if not blocks:
        return draw_nothing(game, length, "one variant and one average: nothing to compare")
    are_many = table["variant"].nunique() > MANY
    if are_many:
        blocks = [rows[rows["average"] == rows["average"].iloc[0]] for rows in blocks]
    places = [_place(rows, are_many) for rows in blocks]
    heights = [max(place.values()) + 1 for place in places]
    lines, columns = len(blocks), len(eval_lengths)
    height = ROW * sum(heights) + 0.45 * lines + 0.9
    figure, grid = new_figure(lines, columns, FULL, height, height_ratios=heights, sharey="row")
    of_variants = table[table["versus"] == "variant"]  # the other baselines are averages
    looks = get_looks([*of_variants["baseline"], *table["variant"]])
    for line, (rows, place) in enumerate(zip(blocks, places, strict=True)):
        for column, eval_length in enumerate(eval_lengths):
            axes, part = grid[line, column], rows[rows["eval_length"] == eval_length]
            _draw_differences(axes, part, place, looks)
            title = f"{part['length'].iloc[0]} tokens\n{EVAL_LENGTHS[eval_length]}"
            panel(axes, line * columns + column, "" if line else title)
            axes.set_xlabel("← better      worse →")
        _label(grid[line, 0], grid[line, -1], part, place, looks)
    handles = [
        key(marker=marker, markerfacecolor=filling, label=readable(name))
        for name, (marker, filling, _) in METRICS.items()
    ]
    explanation = (
        "mean differences of probabilities in pairs of trials, 95 % intervals (thin: corrected)"
    )
    finish(figure, game, length, explanation, handles, ncols=2)
    return figure


def _place(rows: pd.DataFrame, are_many: bool) -> dict[str | tuple[str, str], int]:
    """Height of the heading, of each variant's name and of its averages, from the top.

    Of many variants each has a single row, and the heading has a second line.
    """
    places: dict[str | tuple[str, str], int] = {HEADING: 0}
    if are_many:
        places[OF_ONE] = 1
    for variant, average in rows[["variant", "average"]].drop_duplicates().itertuples(index=False):
        if not are_many:
            places.setdefault(variant, len(places))
        places[variant, average] = len(places)
    return places


def _draw_differences(axes: Axes, rows: pd.DataFrame, place: dict, looks: dict) -> None:
    """Means with their intervals, and the line of no difference."""
    last = max(place.values())
    below_heading = (last + ROOM - 0.5 - (OF_ONE in place)) / (last + 2 * ROOM)
    axes.axvline(0, 0, below_heading, color=GREY, linewidth=0.9)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=3)
    for row in rows.itertuples():
        marker, filling, shift = METRICS[row.metric]
        style: Style = {"color": looks[row.variant]["color"]}
        height = place[row.variant, row.average] + shift
        for (low, high), width in INTERVALS.items():
            ends = [getattr(row, low), getattr(row, high)]
            axes.plot(ends, [height, height], linewidth=width, **style)
        style |= {"marker": marker, "markersize": 3.2, "markerfacecolor": filling}
        axes.plot(row.difference, height, **style)


def _label(left: Axes, right: Axes, rows: pd.DataFrame, place: dict, looks: dict) -> None:
    """Names of the rows on the left, numbers of pairs on the right."""
    left.set_ylim(max(place.values()) + ROOM, -ROOM)
    versus, baseline = rows[["versus", "baseline"]].iloc[0]
    name = baseline if versus == "earlier" else shorten(baseline, 12)
    headings = {HEADING: f"minus {readable(name)}{VERSUS[versus]}"}
    if are_many := OF_ONE in place:
        weights = readable(rows["average"].iloc[0])
        headings = {HEADING: f"minus {readable(name)}", OF_ONE: f"{weights}{VERSUS[versus]}"}
    for line, heading in headings.items():
        note(left, heading, (0, place.pop(line)), (2, 0), xycoords=left.get_yaxis_transform(),
             va="center", style="italic", in_layout=False)  # fmt: skip
    variants = [row if isinstance(row, str) else row[0] if are_many else None for row in place]
    names = [variant or row[1] for variant, row in zip(variants, place, strict=True)]
    names = [readable(shorten(name, 32 if are_many else 24)) for name in names]
    left.set_yticks(list(place.values()), names)
    for variant, text in zip(variants, left.get_yticklabels(), strict=True):
        if variant:
            text.set(color=looks[variant]["color"], weight="normal" if are_many else "bold")
    style: Style = {"xycoords": right.get_yaxis_transform(), "va": "center"}
    note(right, "pairs", (1.03, 0), **style)
    for row in rows.drop_duplicates(["variant", "average"]).itertuples():
        note(right, f"{row.pairs:.0f}", (1.03, place[row.variant, row.average]), **style)
