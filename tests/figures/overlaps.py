"""What is wrong with the looks of a figure: text on text, text cut off, panels without anything.

`find_faults` looks at a figure as it is laid out, at the size that it has. Sizes are in points.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

SLACK = 0.75  # points that boxes of text may share: they are a little larger than the letters
TICK_GAP = 2.0  # points between neighbouring labels of a horizontal axis


def find_faults(figure: Figure) -> list[str]:
    """Every fault of a figure that is laid out, in words; none if it is fit to be shown."""
    figure.draw_without_rendering()
    point = figure.dpi / 72
    boxes = [(text, text.get_window_extent()) for text in iter_texts(figure)]
    return [
        *_find_overlaps(boxes, point),
        *_find_cut(boxes, figure.bbox, point),
        *(f"panel {_name(axes)} is empty" for axes in _seen_axes(figure) if is_empty(axes)),
        *(fault for axes in _seen_axes(figure) for fault in _find_covered(axes, figure, point)),
        *(fault for axes in _seen_axes(figure) for fault in _find_touching(axes.xaxis, point)),
    ]


def iter_texts(figure: Figure) -> Iterator[Text]:
    """All texts that are seen: titles, labels, ticks in view, annotations, legends."""
    yield from _seen(figure.texts)  # the headline is one
    for legend in figure.legends:
        yield from _seen([legend.get_title(), *legend.get_texts()])
    for axes in _seen_axes(figure):
        titles = (axes.title, axes._left_title, axes._right_title)
        yield from _seen([*titles, *axes.texts])
        for legend in axes.findobj(Legend):
            yield from _seen([legend.get_title(), *legend.get_texts()])
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                yield from _seen([axis.label, *_tick_labels(axis)])


def _seen(texts: Iterable[Text]) -> Iterator[Text]:
    return (text for text in texts if text.get_visible() and text.get_text().strip())


def _seen_axes(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def _tick_labels(axis: Axis) -> list[Text]:
    """Labels of the ticks that lie in view."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-9 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    inside = [tick for tick in ticks if low - room <= tick.get_loc() <= high + room]
    return [label for tick in inside for label in (tick.label1, tick.label2)]


def _find_overlaps(boxes: list[tuple[Text, Bbox]], point: float) -> Iterator[str]:
    for (one, first), (other, second) in combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        if width > SLACK * point and height > SLACK * point:
            yield f"text {_quote(one)} overlaps {_quote(other)}"


def _find_cut(boxes: list[tuple[Text, Bbox]], whole: Bbox, point: float) -> Iterator[str]:
    for text, box in boxes:
        inner = box.padded(-SLACK * point)
        if inner.x0 < whole.x0 or inner.y0 < whole.y0 or inner.x1 > whole.x1 or inner.y1 > whole.y1:
            yield f"text {_quote(text)} sticks out of the figure"


def is_empty(axes: Axes) -> bool:
    """Whether nothing is drawn between axes that are seen."""
    if not axes.axison:
        return False
    return not (axes.images or axes.patches or axes.collections or any(map(_is_drawn, axes.lines)))


def _is_drawn(line: Line2D) -> bool:
    """Whether a line can be seen: of one point only the marker can."""
    points = int(np.isfinite(np.asarray(line.get_xydata(), dtype=float)).all(axis=1).sum())
    has_marker = line.get_marker() not in ("", " ", "None", "none", None)
    has_line = line.get_linestyle() not in ("", " ", "None", "none")
    return line.get_visible() and points > (0 if has_marker else 1) and (has_marker or has_line)


def _find_covered(axes: Axes, figure: Figure, point: float) -> Iterator[str]:
    """Texts and legends that hide symbols: a text may hide only the one that it is the label of."""
    places = np.concatenate([np.zeros((0, 2)), *_symbols(axes)])
    places = places[[axes.bbox.contains(*place) for place in places]]
    legends = [*axes.findobj(Legend), *figure.legends]
    boxes = [(f"legend of {_quote(one.get_texts()[0])}", one) for one in legends if one.get_texts()]
    boxes += [(f"text {_quote(text)}", text) for text in _seen(axes.texts)]
    for name, artist in boxes:
        box = artist.get_window_extent().padded(-SLACK * point)
        hidden = places[[box.contains(*place) for place in places]]
        if isinstance(artist, Text):
            own = artist.get_transform().transform(artist.get_unitless_position())
            if isinstance(artist, Annotation):
                own = artist._get_xy(figure.canvas.get_renderer(), artist.xy, artist.xycoords)
            hidden = hidden[np.linalg.norm(hidden - own, axis=1) > point]
        if len(hidden):
            yield f"{name} hides {len(hidden)} symbols of panel {_name(axes)}"
        elif isinstance(artist, Legend) and any(_crosses(line, box) for line in axes.lines):
            yield f"{name} hides a line of panel {_name(axes)}"


def _crosses(line: Line2D, box: Bbox) -> bool:
    """Whether a line goes through a box, as far as it is seen."""
    seen = Bbox.intersection(box, line.axes.bbox)
    path = line.get_transform().transform_path(line.get_path())
    return line.get_visible() and seen is not None and path.intersects_bbox(seen, filled=False)


def _symbols(axes: Axes) -> Iterator[np.ndarray]:
    """Places of the symbols of a panel on the page, (N, 2) each."""
    for line in axes.lines:
        if line.get_visible() and line.get_marker() not in ("", " ", "None", "none", None):
            found = line.get_transform().transform(np.asarray(line.get_xydata(), dtype=float))
            yield found[np.isfinite(found).all(axis=1)]
    for collection in axes.collections:
        if isinstance(collection, PathCollection) and collection.get_visible():
            found = collection.get_offset_transform().transform(collection.get_offsets())
            yield np.asarray(found)[np.isfinite(found).all(axis=1)]


def _find_touching(axis: Axis, point: float) -> Iterator[str]:
    if not axis.axes.axison:
        return
    boxes = [(label, label.get_window_extent()) for label in _seen(_tick_labels(axis))]
    boxes.sort(key=lambda pair: pair[1].x0)
    for (one, first), (other, second) in pairwise(boxes):
        if second.x0 - first.x1 < TICK_GAP * point and second.y1 > first.y0:
            yield f"tick {_quote(one)} touches {_quote(other)}"


def _name(axes: Axes) -> str:
    titles = (axes.get_title(loc) for loc in ("center", "left", "right"))
    return repr(" ".join(filter(None, (" ".join(title.split()) for title in titles))))


def _quote(text: Text) -> str:
    return repr(" ".join(text.get_text().split()))
