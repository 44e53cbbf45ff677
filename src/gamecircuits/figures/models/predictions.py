"""Figure: what the models see: one game followed token by token, with every prediction."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.figures.style import (
    FULL,
    HOLLOW,
    Style,
    colour_bar,
    headline,
    key,
    new_figure,
    new_panels,
    panel,
    readable,
)
from gamecircuits.games.game import PAD
from gamecircuits.transformer.interface import Model

TARGET = "target"
MAX_STEPS = 64  # of one game
MARK = "#c0392b"
PROBABILITY = PowerNorm(0.5, vmin=0, vmax=1)
ALIKE = 0.01  # models whose probabilities differ by less share a panel
PER_LINE = 4  # panels
TALLEST = 3.6  # inches of a panel at most
FINE = 4.0  # points: in smaller cells crosses would hide what they mark


def make_table(tokens: np.ndarray, mask: np.ndarray, models: Mapping[str, Model]) -> pd.DataFrame:
    """Next-token distribution after every prefix of one game, for the target and each model.

    Of long games the first MAX_STEPS prefixes; no rows if the game is over at once.

    Args:
        tokens: (L,), padding at the end.
        mask: legal next tokens (L, V).
        models: by name.
    """
    steps = np.flatnonzero((tokens != PAD) & mask.any(axis=1))[:MAX_STEPS]
    played = tokens[steps].astype(np.int64)
    legal = mask[steps]
    distributions = {TARGET: legal / legal.sum(axis=1, keepdims=True)}
    for name, model in models.items():
        distributions[name] = probabilities(model.logits(played))
    length, token = np.indices(legal.shape).reshape(2, -1)
    frames = [
        pd.DataFrame(
            {
                "model": name,
                "length": length + 1,
                "last_token": played[length],
                "token": token,
                "legal": legal.ravel(),
                "probability": probability.ravel(),
            }
        )
        for name, probability in distributions.items()
    ]
    return pd.concat(frames, ignore_index=True)


def draw(table: pd.DataFrame, game: str) -> Figure:
    """A heatmap for the target and for each model: a row per step, a column per token.

    Models that predict the same share one.
    """
    if table.empty:
        return draw_nothing(game)
    groups = group_alike(table)
    steps, tokens = table["length"].nunique(), table["token"].nunique()
    per_line = min(PER_LINE, len(groups))
    width = 0.9 * FULL / per_line
    height = min((width - 0.5) * steps / tokens, TALLEST)
    figure, grid = new_panels(len(groups), per_line, width, height + 0.8)
    figure.set_size_inches(FULL, figure.get_figheight() + 0.4)  # for the colour bar
    image = ScalarMappable(PROBABILITY, "Blues")
    cell = 72 * min((width - 0.5) / tokens, height / steps)  # points
    for index, (axes, names) in enumerate(zip(grid.flat, groups, strict=False)):
        rows = table[table["model"] == names[0]]
        _draw_heatmap(axes, rows, cell)
        panel(axes, index, _entitle(table[table["model"].isin(names)]))
        axes.set(xlabel="next token", ylabel="tokens seen")
    seen = list(grid.flat[: len(groups)])
    where: Style = {"location": "bottom", "aspect": 30, "pad": 0.03, "shrink": 0.5}
    where |= {"anchor": (0, 0), "ticks": [0, 0.1, 0.5, 1]}
    colour_bar(figure, image, seen, "probability", **where)
    handles = [
        key(marker="o", color=MARK, markersize=4.5, label="token just played", **HOLLOW),
        key(linestyle="none", marker="x", color=MARK, markersize=3.5, label="illegal next"),
    ]
    handles = handles if cell > FINE else handles[:1]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    headline(figure, f"one game of {readable(game)}, token by token")
    return figure


def draw_nothing(game: str) -> Figure:
    """A figure that says why there is none."""
    figure, _ = new_figure(1, 1, 5, 1)
    figure.axes[0].set_axis_off()
    figure.suptitle(f"the first game of {readable(game)} is over after one token")
    return figure


def group_alike(table: pd.DataFrame) -> list[list[str]]:
    """Names of models, and of the target, of which no probability differs by ALIKE."""
    wide = table.pivot(index=["length", "token"], columns="model", values="probability")
    groups: list[list[str]] = []
    for name in table["model"].unique():
        near = (g for g in groups if (wide[g[0]] - wide[name]).abs().max() < ALIKE)
        found = next(near, None)
        if found is None:
            groups.append([name])
        else:
            found.append(name)
    return groups


def _entitle(rows: pd.DataFrame) -> str:
    """Names of the models of a panel, and how much they give to illegal tokens at most."""
    names = list(rows["model"].unique())
    models = [name for name in names if name != TARGET]
    title = ", ".join(map(readable, models))
    if TARGET in names:
        title = f"as the target: {title}" if models else "target: all legal tokens alike"
    if not models:
        return title
    illegal = rows[~rows["legal"] & rows["model"].isin(models)]
    worst = illegal.groupby(["model", "length"])["probability"].sum().max() if len(illegal) else 0
    return f"{title}\nillegal: at most {worst:.2g}"


def _draw_heatmap(axes: Axes, rows: pd.DataFrame, cell: float) -> None:
    """Probabilities of one model, the tokens played, and which are illegal next."""
    values = rows.pivot(index="length", columns="token", values="probability").to_numpy()
    steps, tokens = values.shape
    axes.imshow(
        values,
        cmap="Blues",
        norm=PROBABILITY,
        interpolation="nearest",
        aspect="equal" if steps < 3 * tokens else "auto",
        extent=(-0.5, tokens - 0.5, steps + 0.5, 0.5),
    )
    illegal, last = rows[~rows["legal"]], rows.drop_duplicates("length")
    crosses: Style = {"marker": "x", "markersize": min(3, 0.35 * cell), "markeredgewidth": 0.6}
    if cell > FINE:
        axes.plot(
            illegal["token"], illegal["length"], linestyle="none", color=MARK, alpha=0.75, **crosses
        )
    axes.plot(
        last["last_token"],
        last["length"],
        marker="o",
        color=MARK,
        markersize=min(5, 0.75 * cell),
        markeredgewidth=0.8 if cell > FINE else 0.5,
        **HOLLOW,
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(False)
