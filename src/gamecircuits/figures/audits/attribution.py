"""Figure: which heads and MLPs of a model set legal tokens apart, from the tokens to the logits."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import FuncNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gamecircuits.figures.boards._squares import get_shape
from gamecircuits.figures.style import (
    COLOURS,
    FULL,
    GREY,
    Style,
    colour_bar,
    headline,
    key,
    new_panels,
    panel,
    readable,
)
from gamecircuits.games.game import Game

PER_LINE = 5  # boards in a line
MAX_SHOWN = 15  # components that are drawn, those of the largest values
MAX_NUMBERS = 9  # columns of paths in which numbers have room
SIGMAS = 1.96  # standard errors of a 95 % interval
NEVER = "#d9d9d9"  # squares without such tokens, and pairs without a path
COLOURMAP = "RdBu_r"  # blue: below 0
WIDTH, ASIDE, BELOW = 0.44, 0.12, 0.3  # inches: of a board, beside it, and below it
ROW, SPREAD = 0.19, 0.17  # inches of a row of components; share of it between points
AROUND = 0.75  # inches of titles and ticks of a panel
ONE_NAT = 1.0  # where all values are less, they are pale
METRIC = "illegal_token_rate"
SUM, SQUARES, ABLATED, PATHS = "sum", "squares", "ablated", "paths"  # parts of the table
STATES = {"seen": "already played", "unseen": "not played"}  # illegal tokens
WAYS: dict[str, Style] = {"resampled": {}, "mean": {"markerfacecolor": "white"}}
SCOPES = {True: (COLOURS[0], "lengths in training"), False: (COLOURS[2], "beyond them")}
COLUMNS = [
    *("part", "component", "receiver", "replaced_by", "state", "token", "is_trained", "count"),
    *("value", "error"),
]


def make_table(tables: Mapping[str, pd.DataFrame], trained_length: int | None) -> pd.DataFrame:
    """What is drawn, over all lengths in training and all beyond.

    Args:
        tables: of `audits.attribution.Attribution`.
        trained_length: as for `attribute_model`.

    Returns:
        part `sum`: what each component adds to the displacement. Part `squares`: what it adds to
        the logits of illegal tokens, by state and token. Part `ablated`: change of the illegal mass
        by the way of replacing it. Part `paths`: change of the displacement, by receiver. In nats
        or as probability; error is a standard error.
    """
    ablated = tables["ablated"]
    parts = {
        SUM: tables["attributed"].rename(columns={"displacement": "value"}),
        SQUARES: tables["squares"].rename(columns={"addition": "value"}),
        ABLATED: ablated[ablated["metric"] == METRIC],
        PATHS: tables["paths"].rename(columns={"sender": "component"}),
    }
    longest = tables["attributed"]["last_length"].max()
    trained = longest if trained_length is None else min(trained_length, longest)
    drawn = []
    for part, rows in parts.items():
        first, last = rows["first_length"], rows["last_length"]
        is_trained = (first == 1) & (last == trained)
        is_beyond = (first == trained + 1) & (last >= longest)
        chosen = rows.rename(columns={"change": "value"}).assign(part=part, is_trained=is_trained)
        drawn.append(chosen[is_trained | is_beyond].reindex(columns=COLUMNS))
    table = pd.concat([rows for rows in drawn if len(rows)], ignore_index=True)
    return table[(table["part"] != SQUARES) | table["state"].isin([*STATES])]


def draw(table: pd.DataFrame, name: str, game: Game, trained_length: int | None) -> Figure:
    """What components add to illegal tokens, the model without each, and without each path.

    Args:
        name: of the model.
        game: that it is audited on; if tokens are squares of its board, they are drawn so.
    """
    shape = get_shape(game)
    now = table[table["is_trained"]]
    squares, paths = (now[now["part"] == part] for part in (SQUARES, PATHS))
    ablated = table[table["part"] == ABLATED]
    scale = _make_scale(pd.concat([squares, paths])["value"])
    shown = _choose(squares)
    states = {state: text for state, text in STATES.items() if (squares["state"] == state).any()}
    draw_squares = _draw_matrix if shape is None else partial(_draw_boards, shape=shape)
    draws: dict[str, Callable[[Axes], None]] = {
        f"added to illegal tokens, {text}": partial(
            draw_squares, rows=squares[squares["state"] == state], shown=shown, scale=scale
        )
        for state, text in states.items()
    }
    if len(ablated):
        draws["an output replaced"] = partial(_draw_ablated, rows=ablated)
    draws["a path replaced"] = partial(_draw_paths, rows=paths, scale=scale)
    height = ROW * max(len(shown), len(_choose(paths)))
    if shape is not None:
        lines = -(-len(shown) // PER_LINE)
        height = max(height, lines * (WIDTH * shape[0] / shape[1] + BELOW))
    figure, grid = new_panels(len(draws), 2, FULL / 2, height + AROUND)
    panels = list(grid.flat)[: len(draws)]
    for index, (axes, title) in enumerate(zip(panels, draws, strict=True)):
        panel(axes, index, title)
        draws[title](axes)
    limit = scale.vmax or 1.0
    colour_bar(
        figure, ScalarMappable(scale, COLOURMAP), panels,
        "added to logits, or change of the displacement (nats)", location="bottom", aspect=45,
        pad=0.02, shrink=0.5, anchor=(0, 0), panchor=False,
        ticks=[-limit, -limit / 4, 0, limit / 4, limit],
        format=lambda value, _: _write(value, "g"),
    )  # fmt: skip
    headline(figure, _describe(now[now["part"] == SUM], name, len(shown)))
    _explain(figure, ablated)
    return figure


def _choose(rows: pd.DataFrame) -> list[str]:
    """Components in order, at most MAX_SHOWN: those of the largest values."""
    sizes = rows["value"].abs().groupby(rows["component"], sort=False).max()
    kept = set(sizes.nlargest(MAX_SHOWN).index)
    return [name for name in sizes.index if name in kept]


def _make_scale(values: pd.Series) -> Normalize:
    """Colours by the root of a value: heads of a tenth of a nat are seen beside those of ten."""
    largest = max(float(values.abs().max()), ONE_NAT)
    power = 10.0 ** np.floor(np.log10(largest / 4))
    limit = next(4 * n * power for n in (1, 2, 2.5, 3, 5, 10) if 4 * n * power >= largest)
    root = lambda value: np.sign(value) * np.sqrt(np.abs(value))  # noqa: E731
    return FuncNorm((root, lambda value: np.sign(value) * value**2), -limit, limit)


def _draw_boards(
    axes: Axes, rows: pd.DataFrame, shown: list[str], scale: Normalize, shape: tuple[int, int]
) -> None:
    """A board of each component, and what it adds to a token on average."""
    height = shape[0] / shape[1]  # the width is 1
    across, down = 1 + ASIDE / WIDTH, height + BELOW / WIDTH
    for place, name in enumerate(shown):
        own = rows[rows["component"] == name]
        values = np.full(shape, np.nan)
        values.flat[own["token"].to_numpy(int)] = own["value"]
        line, column = divmod(place, PER_LINE)
        x, y = column * across, line * down
        _show(axes, values, scale, extent=(x, x + 1, y + height, y), aspect="equal")
        axes.add_patch(Rectangle((x, y), 1, height, fill=False, edgecolor=GREY, linewidth=0.4))
        mean = np.average(own["value"], weights=own["count"])
        text = f"{name}\n{_write(mean, '.1f')}"
        axes.text(x, y - 0.02 / WIDTH, text, fontsize=6, va="bottom", linespacing=1.0)
    lines = -(-len(shown) // PER_LINE)
    axes.set(xlim=(-0.01, PER_LINE * across), xticks=[], yticks=[])
    axes.set(ylim=((lines - 1) * down + height + 0.01, -BELOW / WIDTH))
    axes.set_anchor("NW")
    axes.spines[:].set_visible(False)


def _draw_matrix(axes: Axes, rows: pd.DataFrame, shown: list[str], scale: Normalize) -> None:
    """Components by tokens."""
    matrix = rows.pivot(index="component", columns="token", values="value")
    _show(axes, matrix.reindex(index=shown).to_numpy(float), scale, aspect="auto")
    axes.set_yticks(range(len(shown)), shown)
    axes.set_xticks(range(matrix.shape[1]), [str(int(token)) for token in matrix.columns])
    axes.tick_params(length=0)
    axes.set_xlabel("token")


def _show(axes: Axes, values: np.ndarray, scale: Normalize, **options) -> None:
    """Colours of values, NEVER where there are none."""
    axes.grid(False)
    colours = matplotlib.colormaps[COLOURMAP].with_extremes(bad=NEVER)
    shown = np.ma.masked_invalid(values)
    axes.imshow(shown, cmap=colours, norm=scale, interpolation="nearest", **options)


def _draw_ablated(axes: Axes, rows: pd.DataFrame) -> None:
    """Change of the illegal mass when an output is replaced, with 95 % intervals."""
    names = _choose(rows)
    seen = [scope for scope in SCOPES if (rows["is_trained"] == scope).any()]
    marks = [*product(seen, WAYS)]
    for place, (is_trained, way) in enumerate(marks):
        own = rows[(rows["is_trained"] == is_trained) & (rows["replaced_by"] == way)]
        own = own.set_index("component").reindex(names).dropna(subset="value")
        y = np.array([names.index(name) for name in own.index]) + 0.17 * (
            place - (len(marks) - 1) / 2
        )
        style: Style = {"color": SCOPES[is_trained][0], **WAYS[way]}
        axes.errorbar(own["value"], y, xerr=SIGMAS * own["error"], fmt="o", markersize=2.8,
                      linewidth=0.8, markeredgewidth=0.8, **style)  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=0.9)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel("change of the mass on illegal tokens")


def _draw_paths(axes: Axes, rows: pd.DataFrame, scale: Normalize) -> None:
    """Senders by receivers."""
    senders = _choose(rows)
    by_receiver = rows.rename(columns={"component": "sender", "receiver": "component"})
    receivers = _choose(by_receiver)
    if "logits" in receivers:  # last of all
        receivers = [*(name for name in receivers if name != "logits"), "logits"]
    matrix = rows.pivot(index="component", columns="receiver", values="value")
    values = matrix.reindex(index=senders, columns=receivers).to_numpy(float)
    _show(axes, values, scale, aspect="auto")
    if len(receivers) <= MAX_NUMBERS:
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(scale(value) - 0.5) > 0.3 else "#303030"
                axes.text(
                    x, y, _write(value, ".1f"), size=6, color=colour, ha="center", va="center"
                )
    axes.set_xticks(range(len(receivers)), [name.replace(" ", "\n") for name in receivers])
    axes.set_yticks(range(len(senders)), senders)
    axes.tick_params(length=0)
    axes.set(xlabel="read by", ylabel="output of")


def _write(value: float, form: str) -> str:
    """A number with a true minus sign, and none before zero."""
    text = f"{value:{form}}"
    return (text.lstrip("-") if not float(text) else text).replace("-", "−")


def _describe(rows: pd.DataFrame, name: str, num_shown: int) -> str:
    """The model's displacement as a sum of its largest parts."""
    values = rows.set_index("component")["value"]
    largest = values[values.abs().nlargest(3).index]
    terms = [f"{part} {_write(value, '.1f')}".replace(" ", "\N{NO-BREAK SPACE}")
             for part, value in largest.items()]  # fmt: skip
    if len(values) > len(largest):
        terms.append(f"others {_write(values.sum() - largest.sum(), '.1f')}")
    text = f"{readable(name)}: which components set legal tokens apart\n"
    text += f"legal above illegal logits by {_write(values.sum(), '.1f')} nats: {', '.join(terms)}"
    if num_shown < len(values):
        text += f"; the {num_shown} largest of {len(values)} components are drawn"
    return text


def _explain(figure: Figure, ablated: pd.DataFrame) -> None:
    """What the points of replaced outputs are."""
    if ablated.empty:
        return
    dot: Style = {"marker": "o", "linestyle": "none", "markersize": 3.5}
    handles = [
        key(color=colour, label=text, **dot)
        for is_trained, (colour, text) in SCOPES.items()
        if (ablated["is_trained"] == is_trained).any()
    ]
    texts = {"resampled": "replaced by that in another game", "mean": "by the mean over games"}
    handles += [key(label=texts[way], **dot, **style) for way, style in WAYS.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
