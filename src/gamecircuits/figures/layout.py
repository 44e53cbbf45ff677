"""Places of everything in a figure: at true size, for the width of a page or of a column.

A figure is drawn for a page. `fit` lays it out: panels go below each other where a narrower page
has no room for them beside each other, titles and labels are broken into lines, and legends take as
many columns as there is room for. The size of text never changes.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import Formatter, LogFormatterMathtext

FLOWING = "panels in reading order"  # label of figures whose rows of panels mean nothing
KEPT = 0.7  # share of its width that a panel keeps at least, while there is another beside it
ROUNDS = 3  # of breaking labels: what is broken changes the places of others
GAP = 6 / 72  # inches between the titles of neighbours
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
        return parts[1].replace(r"\times", "×") + parts[2].translate(SUPERSCRIPTS)


def lay_out(figure: Figure) -> None:
    """Fix the places of all axes, once: laying out again for each file costs more than drawing."""
    if (engine := figure.get_layout_engine()) is None:
        return
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(major := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(PlainPowers(major))
        if isinstance(minor := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(PlainPowers(minor))
    _fit_headline(figure)
    _fit_legends(figure)
    whole: dict[Text, str] = {}  # texts before they are broken
    for _ in range(ROUNDS):
        engine.execute(figure)
        if not _fit_labels(figure, whole):
            break
    else:
        engine.execute(figure)
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
    lay_out(figure)


def _reflow(figure: Figure, width: float) -> None:
    """Move panels below each other."""
    drawn, height = figure.get_size_inches()
    figure.set_figwidth(width)
    placed = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    grids = {axes.get_subplotspec().get_gridspec() for axes in placed}
    if len(grids) != 1 or any(axes.get_subplotspec().num1 != _place(axes) for axes in placed):
        return
    (grid,) = grids
    rows, columns = grid.get_geometry()
    fewer = min(columns, max(1, int(width / (KEPT * drawn / columns))))
    if fewer == columns:
        return
    if figure.get_label() == FLOWING:
        places = [divmod(n, fewer) for n in range(sum(axes.get_visible() for axes in placed))]
        placed = [axes for axes in placed if axes.get_visible()]
    else:  # a block of rows for the first columns, one for the next ...
        cells = [divmod(_place(axes), columns) for axes in placed]
        places = [(column // fewer * rows + row, column % fewer) for row, column in cells]
    lines = 1 + max(row for row, _ in places)
    figure.set_figheight(height * lines / rows)
    narrow = GridSpec(lines, fewer, figure=figure)
    for axes, (row, column) in zip(placed, places, strict=True):
        if column == 0:
            _label_side(axes, placed, places, row)
        axes.set_subplotspec(narrow[row, column])


def _place(axes: Axes) -> int:
    spec = axes.get_subplotspec()
    return spec.num1 if spec.num1 == spec.num2 else -1


def _label_side(axes: Axes, placed: list[Axes], places: list, row: int) -> None:
    """Give a panel that has come to the left the labels that its row shared."""
    own = axes.get_subplotspec().rowspan.start
    first = next(other for other in placed if other.get_subplotspec().rowspan.start == own)
    if not axes.get_ylabel() and axes.get_shared_y_axes().joined(axes, first):
        axes.set_ylabel(first.get_ylabel())
        axes.tick_params(labelleft=True)


def _fit_headline(figure: Figure) -> None:
    if (text := figure._suptitle) is not None:
        wrap(text, (1 - text.get_position()[0]) * figure.bbox.width - GAP * figure.dpi)


def _fit_legends(figure: Figure) -> None:
    """As many columns as there is room for."""
    names = {code: name for name, code in Legend.codes.items()}
    for legend in list(figure.legends):
        for text in legend.get_texts():
            wrap(text, figure.bbox.width - 0.5 * figure.dpi)
        handles, columns = legend.legend_handles, legend._ncols
        labels = [text.get_text() for text in legend.get_texts()]
        place = "outside " * bool(legend._outside_loc) + names[legend._loc]
        fitting = legend
        while columns > 1 and fitting.get_window_extent().width > figure.bbox.width:
            columns -= 1
            fitting.remove()
            fitting = figure.legend(handles, labels, loc=place, ncols=columns)


def _fit_labels(figure: Figure, whole: dict[Text, str]) -> bool:
    """Break titles and labels that are too long for their panels; whether that changed any."""
    changed = False
    seen = [axes for axes in figure.axes if axes.get_visible()]
    for axes in seen:
        box = axes.bbox
        right = [
            other.bbox.x0
            for other in seen
            if other.bbox.x0 > box.x0 + 1 and other.bbox.y0 < box.y1 and box.y0 < other.bbox.y1
        ]
        room = min([*right, figure.bbox.width]) - box.x0 - GAP * figure.dpi
        title, letter = axes._left_title, axes.title
        indent = title.get_window_extent().x0 - box.x0
        if wrap(title, room - indent, whole):
            changed = True
            letter.set_text(letter.get_text().strip() + "\n" * title.get_text().count("\n"))
        changed |= wrap(axes.xaxis.label, room, whole)
        changed |= wrap(axes.yaxis.label, box.height, whole)
    return changed


def wrap(text: Text, room: float, whole: dict[Text, str] | None = None) -> bool:
    """Break a text into lines of at most `room` pixels; whether that changed it.

    Words that are too long lose their middle.

    Args:
        whole: what the texts were before they were broken; is added to.
    """
    before = text.get_text()
    words = before if whole is None else whole.setdefault(text, before)
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
    for word in (shorten(word, fits) for word in line.split(" ")):
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
