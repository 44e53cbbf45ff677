"""Figure: what the heads of a model's first layer attend to, over many games."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gamecircuits.figures.boards._squares import column_name
from gamecircuits.figures.layout import FLOWING
from gamecircuits.figures.style import (
    FULL,
    GREY,
    Style,
    colour_bar,
    headline,
    integer_ticks,
    key,
    new_panels,
    note,
    nth_look,
    panel,
    readable,
)
from gamecircuits.games.game import PAD
from gamecircuits.transformer.gpt import GPT

GAMES, CHUNK = 400, 50  # games that are averaged over, and at once
MAX_HEADS = 11  # that are drawn, the first ones
PER_LINE = 4  # panels
BAR = 0.8  # inches of the colour bar
SCALE = Normalize(-3, 3)  # of log₂ of the attention over that of a uniform head
COLOURS = "RdBu_r"
FEWEST = 30  # pairs of places that a point by distance is the mean of
NEVER = "#d9d9d9"  # colour of pairs that do not occur
BEYOND = (0, (1, 1.3))  # dashes at lengths beyond training
PAIRS, DISTANCES = "pairs", "distances"  # parts of the table
COLUMNS = ["part", "head", "token", "attended", "distance", "is_trained", "count", "relative"]


def make_table(tokens: np.ndarray, model: GPT, trained_length: int | None) -> pd.DataFrame:
    """Attention of the first layer after prefixes of at least two tokens, over that of uniform.

    The attention to one of s tokens is multiplied by s: 1 is what a uniform head gives to each. It
    is averaged over all that attend (the last token seen) and are attended.

    Args:
        tokens: games (N, L), padding at their ends; the first GAMES count.
        trained_length: longest prefix in training (tokens); None: all count as such.

    Returns:
        part `pairs`, at lengths in training: one row per head (from 1), last token and attended
        token. Part `distances`: one row per head, distance in tokens (0: the last one itself), and
        whether prefixes are of lengths in training.
    """
    first = replace(model, parameters=model.parameters._replace(blocks=model.parameters.blocks[:1]))
    heads, V = model.design.num_heads, model.vocab_size
    L = tokens.shape[1]
    trained = L if trained_length is None else trained_length
    pairs, distances = np.zeros((heads + 1, V * V)), np.zeros((heads + 1, 2 * L))
    query, place = np.tril_indices(L)
    query, place = query[query > 0], place[query > 0]
    for start in range(0, min(len(tokens), GAMES), CHUNK):
        games = tokens[start : min(start + CHUNK, GAMES)]
        there = games[:, query] != PAD  # (n, pairs of places)
        relative = _get_pattern(first, games)[:, :, query, place] * (query + 1)
        of_pair = np.maximum(games[:, query], 0).astype(int) * V + np.maximum(games[:, place], 0)
        of_distance = np.broadcast_to((query - place) + L * (query + 1 > trained), there.shape)
        in_training = there & (query + 1 <= trained)
        for sums, group, counts in (
            (pairs, of_pair, in_training),
            (distances, of_distance, there),
        ):
            chosen, size = group[counts], sums.shape[1]
            for head in range(heads):
                sums[head] += np.bincount(chosen, relative[:, head][counts], size)
            sums[heads] += np.bincount(chosen, minlength=size)
    token, attended = np.divmod(np.arange(V * V), V)
    is_beyond, distance = np.divmod(np.arange(2 * L), L)
    tables = [
        _tabulate(pairs, part=PAIRS, token=token, attended=attended, is_trained=True),
        _tabulate(distances, part=DISTANCES, distance=distance, is_trained=is_beyond == 0),
    ]
    return pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS)


def _get_pattern(model: GPT, games: np.ndarray) -> np.ndarray:
    """Attention of a model of one layer, (n, heads, L, L)."""
    seen: list[np.ndarray] = []

    def watch(site: str, values: np.ndarray) -> np.ndarray:
        if site == "blocks.0.attn.pattern":
            seen.append(values)
        return values

    model.logits(games, hook=watch)
    return seen[0]


def _tabulate(sums: np.ndarray, **columns) -> pd.DataFrame:
    """Means of all heads, from their sums and, in the last row, the counts; without empty cells."""
    count = sums[-1]
    parts = [
        pd.DataFrame(columns | {"head": head + 1, "count": count.astype(int)}).assign(
            relative=of_head / np.maximum(count, 1)
        )
        for head, of_head in enumerate(sums[:-1])
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[table["count"] > 0]


def draw(
    table: pd.DataFrame, name: str, shape: tuple[int, int] | None, trained_length: int | None
) -> Figure:
    """A panel for each head, of pairs of tokens, and one of all heads by distance.

    Args:
        name: of the model.
        shape: rows and columns of the board, if tokens are its squares: then a panel is a board of
            the last tokens, each of which is a board of the attended ones.
        trained_length: as in `make_table`.
    """
    heads = sorted(table["head"].unique())
    drawn = heads[:MAX_HEADS]
    count = len(drawn) + 1
    columns = min(PER_LINE, count)
    side = FULL / columns
    figure, grid = new_panels(count, columns, side, side + 0.1)
    figure.set_figheight(figure.get_figheight() + BAR)
    figure.set_label(FLOWING)
    panels = list(grid.flat)[:count]
    pairs = table[table["part"] == PAIRS]
    size = int(pairs[["token", "attended"]].max().max()) + 1
    for index, (head, axes) in enumerate(zip(drawn, panels, strict=False)):
        rows = pairs[pairs["head"] == head]
        values = np.full((size, size), np.nan)
        values[rows["token"].astype(int), rows["attended"].astype(int)] = rows["relative"]
        panel(axes, index, f"head {head}")
        _draw_pairs(axes, values, shape)
    _draw_distances(panels[-1], table[table["part"] == DISTANCES], heads)
    panel(panels[-1], len(drawn), "by distance", xlabel="distance (tokens)")
    colour_bar(
        figure, ScalarMappable(SCALE, COLOURS), panels, "attention over that of a uniform head",
        location="bottom", aspect=40, pad=0.03, shrink=0.6, anchor=(0, 0),
        ticks=range(-3, 4), format=lambda n, _: f"{2**n:g}" if n >= 0 else f"1/{2**-n:g}",
    )  # fmt: skip
    longest = trained_length or int(table["distance"].max()) + 1
    last = "square, and in each the attended one" if shape else "token, by attended one"
    text = (
        f"{readable(name)}: attention of the first layer\npanels: last {last}; "
        f"prefixes of 2 to {longest} tokens"
    )
    if len(heads) > len(drawn):
        text += f"; the first {len(drawn)} of {len(heads)} heads"
    headline(figure, text)
    handles: list = [key(color=_colour(head, heads), label=f"head {head}") for head in drawn]
    if not table["is_trained"].all():
        handles.append(key(linestyle=BEYOND, label="beyond the lengths in training"))
    handles.append(Patch(label="pair never seen", color=NEVER))
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _draw_pairs(axes: Axes, values: np.ndarray, shape: tuple[int, int] | None) -> None:
    """Attention of last tokens (rows) to attended ones (columns), or a board of boards."""
    with np.errstate(divide="ignore"):  # no attention at all
        logs = np.log2(np.nan_to_num(values, nan=1.0))
    pixels = ScalarMappable(SCALE, COLOURS).to_rgba(logs)
    pixels[np.isnan(values)] = to_rgba(NEVER)
    axes.grid(False)
    if shape is None:
        axes.set(xlabel="attended token", ylabel="last token")
    else:
        rows, columns = shape
        boards = np.ones((rows, rows + 1, columns, columns + 1, 4))  # white between boards
        boards[:, :rows, :, :columns] = pixels.reshape(rows, columns, *shape, 4).swapaxes(1, 2)
        pixels = boards.reshape(rows * (rows + 1), columns * (columns + 1), 4)[:-1, :-1]
        x, y = (np.arange(n) * (n + 1) + (n - 1) / 2 for n in (columns, rows))
        axes.set_xticks(x, [column_name(n) for n in range(columns)])
        axes.set_yticks(y, [str(n + 1) for n in range(rows)])
        axes.tick_params(length=0, labelsize=6)
        axes.spines[:].set_visible(False)
    axes.imshow(pixels, interpolation="nearest", aspect="equal")


def _draw_distances(axes: Axes, rows: pd.DataFrame, heads: list[int]) -> None:
    """All heads, of lengths in training and, dotted, beyond."""
    axes.axhline(1, color=GREY, linewidth=0.9)
    rows = rows[rows["count"] >= FEWEST]
    for (head, is_trained), part in rows.groupby(["head", "is_trained"]):
        line = part.set_index("distance")["relative"].sort_index()
        style: Style = {"linestyle": "-" if is_trained else BEYOND, "linewidth": 1.0}
        axes.plot(line, color=_colour(head, heads), **style)
    axes.set_ylabel("over uniform")
    axes.set_ylim(bottom=0)
    if rows.empty:
        note(
            axes,
            f"fewer than {FEWEST} pairs\nat any distance",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
        )
        axes.set_xticks([])
        return
    integer_ticks(axes, rows["distance"].astype(int))


def _colour(head: int, heads: list[int]) -> str:
    return nth_look(heads.index(head))["color"]
