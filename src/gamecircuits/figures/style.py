"""One look for all figures: colours that everyone can tell apart, labels on the lines, theory as
lines and measurement as points.

A figure is a module in one of the folders here, with its caption beside it as an .rst file of the
same name: a Jinja2 template that gets `snakemake.wildcards` and `snakemake.config`. `make_table`
makes the table that is written beside the figure, `draw` the matplotlib Figure; neither touches
files. The folder says what both are given and which wildcards the caption has:

    metrics      make_table(metrics)             draw(table)
    games        make_table(counts)              draw(table)
    boards       make_table(..., game)           draw(table, game)            game
    models       make_table(...)                 draw(table, name)            model, or game
    searches     make_table(tables, length)      draw(table, game, length)    search
    grids        make_table(..., searches)       draw(table)
    hypotheses   make_table(hypotheses)          draw(table)
    audits       make_table(tables, length)      draw(table, name, game, length)    model, audit
    experiments  (the experiment's own table)    draw(table)                  experiment
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation

from gamecircuits.figures import palette
from gamecircuits.figures.layout import FLOWING, LETTER, TITLE

matplotlib.use("Agg")  # else matplotlib loads pyplot, to find out which windows it could open

COLOURS = tuple(palette.COLOURS.values())
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)))
GREY = "#6b6b6b"
Name = TypeVar("Name", bound=Hashable)
Style = dict[str, Any]  # keyword arguments of an artist
TRAINED: Style = {"color": "#ececec", "linewidth": 0}  # shade of the lengths in training
HOLLOW: Style = {"linestyle": "none", "markerfacecolor": "none"}  # symbols that hide nothing

FULL, COLUMN = 7.0, 3.4  # inches: widths of a page and of a column, at which text has its size

RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#404040",
    "axes.grid": True,
    "axes.labelpad": 2.5,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.titlesize": 8,
    "axes.titley": 1.0,  # no search for a free place above the ticks: there are none at the top
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.wspace": 0.04,
    "figure.dpi": 200,
    "font.family": ["DejaVu Sans", "sans-serif"],  # the second for programs that open an SVG
    "font.size": 7.5,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "lines.dashed_pattern": (4, 2.5),
    "lines.dotted_pattern": (1, 1.3),
    "lines.linewidth": 1.2,
    "lines.markersize": 3.6,
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "gamecircuits",
    "xtick.labelsize": 7,
    "xtick.major.pad": 2.5,
    "xtick.major.size": 2.5,
    "ytick.labelsize": 7,
    "ytick.major.pad": 2.5,
    "ytick.major.size": 2.5,
}


def new_figure(rows: int, columns: int, width: float, height: float, **options):
    """Figure and 2-D array of axes, in this style; width and height in inches."""
    matplotlib.rcParams.update(matplotlib.rcParamsDefault)
    matplotlib.rcParams.update(RC)  # type: ignore[arg-type]  # stubs want literal keys
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def new_panels(count: int, per_line: int, width: float, height: float):
    """Figure and 2-D array of axes of that size, `count` of which are to be seen.

    They are read line by line: on a narrower page there are fewer in a line.
    """
    columns = min(count, per_line)
    lines = -(-count // columns)
    figure, grid = new_figure(lines, columns, width * columns, height * lines + 0.4)
    figure.set_label(FLOWING)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, grid


def nth_look(index: int) -> Style:
    """Colour and marker of one of many; no two are alike before all pairs are used."""
    count = len(COLOURS)
    return {
        "color": COLOURS[index % count],
        "marker": MARKERS[(index + index // count) % len(MARKERS)],
    }


def looks_of(things: Mapping[Name, str]) -> dict[Name, Style]:
    """Colour, marker and dash of all models or variants that are seen together.

    Things of one remedy have one colour (`palette.colours_of`), but never one marker and dash.

    Args:
        things: by name, the kind or the variant that each is.
    """
    colours = palette.colours_of(things.values())
    seen: Counter[str] = Counter()
    looks: dict[Name, Style] = {}
    for name, thing in things.items():
        colour, before = colours[thing], seen[colours[thing]]
        seen[colour] += 1
        looks[name] = {
            "color": colour,
            "marker": MARKERS[(COLOURS.index(colour) + before) % len(MARKERS)],
            "linestyle": DASHES[before % len(DASHES)],
        }
    return looks


def readable(name: str) -> str:
    """A config name as words."""
    return name.replace("_", " ")


def count_contexts(total: float, are_all: bool) -> str:
    """Sample size in words."""
    return f"{'all ' if are_all else ''}{total:,.0f} contexts"


def panel(axes: Axes, index: int, title: str, **settings) -> None:
    """Title of a panel, its letter in front of the first line, and settings as for `Axes.set`."""
    axes.set(**settings)
    letters = chr(ord("a") + index % 26) * (1 + index // 26)
    lines = "\n" * title.count("\n")  # one title on the other: both end at the same height
    style: Style = {"loc": "center", "x": 0, "ha": "left", "weight": "bold"}
    sign = axes.set_title(letters + lines, gid=LETTER, **style)
    text = axes.set_title(title, loc="left", gid=TITLE)
    indent = ScaledTranslation((5 + 7 * len(letters)) / 72, 0, axes.figure.dpi_scale_trans)
    text.set_transform(sign.get_transform() + indent)


def headline(figure: Figure, text: str, size: float = 8.5) -> None:
    """Title of the whole figure."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=size)


def colour_bar(figure: Figure, image: ScalarMappable, axes, label: str, **options) -> None:
    """What the colours mean, beside one or several axes."""
    bar = figure.colorbar(image, ax=axes, label=label, **options)
    bar.outline.set_linewidth(0.5)


def key(**style) -> Line2D:
    """Entry of a legend."""
    return Line2D([], [], **{"color": GREY, **style})


def note(axes: Axes, text: str, at, offset: tuple[float, float] = (0, 0), **style) -> None:
    """Small text at a place in the panel, or beside it, with its offset in points."""
    style = {"color": GREY, "fontsize": 7, "textcoords": "offset points", **style}
    axes.annotate(text, at, xytext=offset, **style)


def integer_ticks(axes: Axes, values) -> None:
    """A few integer ticks on the x axis: all of a small range, else the lowest and round ones."""
    low, high = int(min(values)), int(max(values))
    rounds = (factor * 10**power for power in range(6) for factor in (5, 10, 20))
    step = 1 if high - low <= 8 else next(step for step in rounds if (high - low) / step <= 4)
    ticks = [low, *(tick for tick in range(0, high + 1, step) if tick >= low + 0.7 * step)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def plain_log_ticks(axis: Axis) -> None:
    """Labels 1, 2, 5, 10 ... on a logarithmic axis that spans less than three decades."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
