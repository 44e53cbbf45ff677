"""Places of everything in a figure: at true size, for the width of a page or of a column.

A figure is drawn for a page. `fit` lays it out: panels go below each other where a narrower page
has no room for them beside each other, titles and labels are broken into lines, and legends take as
many columns as there is room for. The size of text never changes.
"""

import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import Formatter, LogFormatterMathtext

FLOWING = "panels in reading order"  # label of figures whose rows of panels mean nothing
WIDE = "wide panels in reading order"  # the same, where a panel keeps its whole width
FIXED = "panels that stay beside each other"  # label of figures in which none is moved
LETTER, TITLE = "letter of the panel", "title of the panel"  # which texts are these
KEPT = 0.7  # share of its width that a panel keeps at least, while there is another beside it
ROUNDS = 5  # of giving all a place: broken labels change the places of others
AROUND = 0.9  # inches of a line of panels that titles and labels take
TICK_GAP = 2.5 / 72  # inches between labels of ticks
GAP = 6 / 72  # inches between the titles of neighbours
SPACES = re.compile(r" (?!= [\d−]|%)(?<!= (?=[\d−]))")  # where lines may end: not in V = 16, 5 %
SUPERSCRIPTS = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


class PlainPowers(Formatter):
    """Labels of a logarithmic axis as plain text, like 10⁻³: formulas take long to set."""

    def __init__(self, formulas: Formatter):
        self._formulas = formulas

    def set_axis(self, axis) -> None:
        self._formulas.set_axis(axis)

    def set_locs(self, locs) -> None:
        self._formulas.set_locs(locs)

    def __call__(self, value: float, position: int | None = None) -> str:
        text = self._formulas(value, position)
        parts = re.fullmatch(r"\$\\mathdefault\{(.*)\^\{(.*)\}\}\$", text)
        if parts is None:
            return text
        base = parts[1].replace(r"\times", "×").replace("-", "−")
        return base + parts[2].translate(SUPERSCRIPTS)


def lay_out(figure: Figure, *, may_grow: bool = True) -> None:
    """Fix the places of all axes, once: laying out again for each file costs more than drawing.

    The figure grows by the lines that are added to titles and legends, if it may.
    """
    if (engine := figure.get_layout_engine()) is None:
        return
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(major := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(PlainPowers(major))
        if isinstance(minor := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(PlainPowers(minor))
    height = _height_around(figure)
    _fit_headline(figure)
    _fit_legends(figure)
    whole: dict[Text, tuple[str, float]] = {}  # texts before they are broken, and their room
    _without_titles(figure, engine.execute)
    _fit_labels(figure, whole)
    times = 1 + any(axes.get_aspect() != "auto" for axes in figure.axes)  # until shapes have places
    seen = [axes for axes in figure.axes if axes.get_visible()]
    for axis in (axis for axes in seen for axis in (axes.xaxis, axes.yaxis)):
        _thin_ticks(axis)
    for left in reversed(range(ROUNDS)):
        if may_grow:
            figure.set_figheight(figure.get_figheight() + _height_around(figure) - height)
            height = _height_around(figure)
        for _ in range(times):
            engine.execute(figure)
        if not left or not _fit_labels(figure, whole):
            break
    figure.set_layout_engine(None)


def fit(figure: Figure, width: float | None = None, height: float | None = None) -> None:
    """Lay a figure out that has just been drawn.

    Args:
        width: of the paper in inches, that for which it was drawn by default.
        height: in inches; by default rows of panels keep theirs.
    """
    if width is not None and width < figure.get_figwidth():
        _reflow(figure, width)
    elif width is not None:
        figure.set_figwidth(width)
    if height is not None:
        figure.set_figheight(height)
    lay_out(figure, may_grow=height is None)


def _without_titles(figure: Figure, execute: Callable[[Figure], None]) -> None:
    """Places for panels whose titles, far too long as yet, would leave no room for them."""
    titles = [title for axes in figure.axes for title in titles_of(axes)]
    for title in titles:
        title.set_visible(False)
    execute(figure)
    for title in titles:
        title.set_visible(True)


def titles_of(axes: Axes) -> list[Text]:
    """Letter and title of a panel, if it has them."""
    texts = [child for child in axes.get_children() if isinstance(child, Text)]
    return [text for part in (LETTER, TITLE) for text in texts if text.get_gid() == part]


def _height_around(figure: Figure) -> float:
    """Inches that headline, legends and the titles of each line of panels take."""
    around = [*_headline(figure), *figure.legends]
    pixels = sum(artist.get_window_extent().height for artist in around)
    lines: dict[int, float] = {}
    for axes in figure.axes:
        if (spec := axes.get_subplotspec()) and axes.get_visible():
            title = max((text.get_window_extent().height for text in titles_of(axes)), default=0)
            row = spec.rowspan.start
            lines[row] = max(lines.get(row, 0), title)
    return (pixels + sum(lines.values())) / figure.dpi


def _reflow(figure: Figure, width: float) -> None:
    """Move panels below each other."""
    drawn, height = figure.get_size_inches()
    figure.set_figwidth(width)
    specs = {axes: spec for axes in figure.axes if (spec := axes.get_subplotspec())}
    grids = {spec.get_gridspec() for spec in specs.values()}
    is_simple = all(spec.num1 == spec.num2 or _is_wide(spec) for spec in specs.values())
    if len(grids) != 1 or not is_simple or figure.get_label() == FIXED:
        return
    grid = grids.pop()
    rows, columns = grid.get_geometry()
    kept = 1 if figure.get_label() == WIDE else KEPT
    fewer = min(columns, max(1, int(width / (kept * drawn / columns))))
    if fewer == columns:
        return
    ratios: Any = None
    places: dict[Axes, tuple[int, Any]]
    if figure.get_label() in (FLOWING, WIDE):
        for axes in [axes for axes in specs if not axes.get_visible()]:
            axes.remove()
            del specs[axes]
        places = _flow(specs, fewer)
    else:  # a block of rows for the first columns, one for the next ...
        ratios = [*np.ravel(grid.get_height_ratios())] * -(-columns // fewer)
        cells = {axes: divmod(spec.num1, columns) for axes, spec in specs.items()}
        places = {axes: (c // fewer * rows + r, c % fewer) for axes, (r, c) in cells.items()}
        places |= {axes: (cells[axes][0], slice(None)) for axes in specs if _is_wide(specs[axes])}
    lines = len(ratios) if ratios else 1 + max(row for row, _ in places.values())
    line = height / rows
    if any(axes.get_aspect() != "auto" for axes in specs):  # what has a shape shrinks as a whole
        share = min(1, (width / fewer) / (drawn / columns))
        line = AROUND + (line - AROUND) * share
        for symbols in (symbols for axes in specs for symbols in axes.lines):
            symbols.set_markersize(symbols.get_markersize() * share)
    figure.set_figheight(line * lines)
    narrow = GridSpec(lines, fewer, figure=figure, height_ratios=ratios)
    for axes, (row, column) in places.items():
        first = next(o for o, spec in specs.items() if spec.rowspan[0] == specs[axes].rowspan[0])
        shares = axes.get_shared_y_axes().joined(axes, first)
        if column == 0 and shares and not axes.get_ylabel():
            axes.set_ylabel(first.get_ylabel())
            axes.tick_params(labelleft=True)
        axes.set_subplotspec(narrow[row, column])


def _flow(specs: dict[Axes, SubplotSpec], columns: int) -> dict[Axes, tuple[int, Any]]:
    """Row and column of panels in reading order; a wide one has a line of its own."""
    places: dict[Axes, tuple[int, Any]] = {}
    number = 0
    for axes, spec in specs.items():
        if _is_wide(spec):
            number = -(-number // columns) * columns
            places[axes] = number // columns, slice(None)
            number += columns
        else:
            places[axes] = divmod(number, columns)
            number += 1
    return places


def _is_wide(spec: SubplotSpec) -> bool:
    """Whether a panel takes a whole line."""
    return len(spec.rowspan) == 1 and len(spec.colspan) == spec.get_gridspec().ncols > 1


def _headline(figure: Figure) -> list[Text]:
    text = figure.get_suptitle()
    return [found for found in figure.texts if text and found.get_text() == text]


def _fit_headline(figure: Figure) -> None:
    for text in _headline(figure):
        wrap(text, (1 - text.get_position()[0]) * figure.bbox.width - GAP * figure.dpi)


def _fit_legends(figure: Figure) -> None:
    """As many columns as there is room for."""
    names = {code: name for name, code in Legend.codes.items()}
    found: list[Any] = list(figure.legends)  # stubs do not know where legends are
    for legend in found:
        for text in legend.get_texts():
            wrap(text, figure.bbox.width - 0.5 * figure.dpi)
        handles, columns = legend.legend_handles, legend._ncols
        labels = [text.get_text() for text in legend.get_texts()]
        place: Any = "outside " * bool(legend._outside_loc) + names[legend._loc]
        fitting = legend
        while columns > 1 and fitting.get_window_extent().width > figure.bbox.width:
            columns -= 1
            fitting.remove()
            fitting = figure.legend(handles, labels, loc=place, ncols=columns)


def _fit_labels(figure: Figure, whole: dict[Text, tuple[str, float]]) -> bool:
    """Break titles and labels that are too long for their panels; whether that changed any."""
    changed = False
    seen = [axes for axes in figure.axes if axes.get_visible()]
    for axes in seen:
        axes.apply_aspect()
    for axes in seen:
        box = axes.bbox
        right = [
            other.bbox.x0
            for other in seen
            if other.bbox.x0 > box.x0 + 1 and other.bbox.y0 < box.y1 and box.y0 < other.bbox.y1
            if titles_of(other) or other.bbox.y1 > box.y1  # a colour bar has text on neither side
        ]
        room = min([*right, figure.bbox.width]) - box.x0 - GAP * figure.dpi
        for letter, title in [titles_of(axes)] if titles_of(axes) else []:
            indent = title.get_window_extent().x0 - box.x0
            changed |= wrap(title, room - indent, whole)
            letter.set_text(letter.get_text().strip() + "\n" * title.get_text().count("\n"))
        changed |= wrap(axes.xaxis.label, room, whole)
        changed |= wrap(axes.yaxis.label, box.height, whole)
    return changed


def _thin_ticks(axis: Axis) -> None:
    """Leave out every other tick while labels touch; 0 stays."""
    side = int(axis is axis.axes.yaxis)
    for _ in range(3):
        axis.get_majorticklabels()  # brings ticks up to date
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        seen = [t.label1 if t.label1.get_visible() else t.label2 for t in ticks]  # of colour bars
        if not all(label.get_visible() for label in seen):  # another panel has the labels
            return
        boxes = sorted(label.get_window_extent().get_points()[:, side].tolist() for label in seen)
        gap = (TICK_GAP if side == 0 else 0) * axis.axes.figure.dpi
        if all(one[1] + gap <= other[0] for one, other in pairwise(boxes)):
            return
        places = [float(tick.get_loc()) for tick in ticks]
        first = places.index(0) % 2 if 0 in places else 0
        labels = [label.get_text() for label in seen]
        axis.set_ticks(places[first::2], labels[first::2])


def wrap(text: Text, room: float, whole: dict[Text, tuple[str, float]] | None = None) -> bool:
    """Break a text into lines of at most `room` pixels; whether that changed it.

    Words that are too long lose their middle.

    Args:
        whole: what the texts were before they were broken, and the least room that each had: what
            is broken stays so, else places would swing to and fro. Is added to.
    """
    before = text.get_text()
    words, least = (whole or {}).get(text, (before, room))
    room = min(room, least)
    if whole is not None:
        whole[text] = words, room
    lines: list[str] = []
    for line in words.split("\n"):
        lines += _break(line, lambda part: _width(text, part) <= room)
    text.set_text("\n".join(lines))
    return text.get_text() != before


def _break(line: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines that fit, as full as can be."""
    if fits(line):
        return [line]
    lines: list[str] = []
    for word in (shorten(word, fits) for word in SPACES.split(line)):
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shorten(word: str, fits: Callable[[str], bool]) -> str:
    """A word, without its middle if it does not fit."""
    for kept in range(len(word) - 1, 1, -1):
        if fits(word):
            break
        word = f"{word[: (kept + 1) // 2].rstrip('…')}…{word[-(kept // 2) :].lstrip('…')}"
    return word


def _width(text: Text, words: str) -> float:
    """Pixels that words would take in the style of a text, along its direction."""
    probe = Text(0, 0, words, fontproperties=text.get_fontproperties(), figure=text.get_figure())
    return probe.get_window_extent().width


def render(
    figure: Figure,
    paths: list[str],
    job: str,
    width: float | None = None,
    height: float | None = None,
) -> dict[str, bytes]:
    """The figure in the format that each path asks for, the same bytes every time.

    The metadata of the images carry the job that made them.
    """
    fit(figure, width, height)
    metadata: dict[str, dict] = {
        ".png": {"Description": job},
        ".svg": {"Description": job, "Date": None},
        ".pdf": {"Subject": job, "CreationDate": None},
    }
    images = {}
    for path in paths:
        buffer, suffix = io.BytesIO(), Path(path).suffix
        figure.savefig(buffer, format=suffix[1:], metadata=metadata[suffix])
        images[path] = buffer.getvalue()
    return images
