"""Figure: what the models see: one game followed token by token, with every prediction."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gamecircuits.analysis.metrics import probabilities
from gamecircuits.figures.style import (
    HOLLOW,
    colour_bar,
    headline,
    key,
    new_figure,
    panel,
    readable,
)
from gamecircuits.games.game import PAD
from gamecircuits.transformer.interface import Model

TARGET = "target"
MAX_STEPS = 64  # of one game
MARK = "#c0392b"


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
    """A heatmap for the target and each model: a row per step, a column per token."""
    names = list(table["model"].unique())
    if not names:
        figure, _ = new_figure(1, 1, 5, 1)
        figure.axes[0].set_axis_off()
        figure.suptitle(f"the first game of {readable(game)} is over after one token")
        return figure
    steps, tokens = table["length"].nunique(), table["token"].nunique()
    figure, grid = new_figure(
        1, len(names), 2.5 * len(names) + 0.8, 1.3 + 2.3 * steps / tokens, sharey=True
    )
    for index, name in enumerate(names):
        axes = grid[0, index]
        rows = table[table["model"] == name]
        values = rows.pivot(index="length", columns="token", values="probability").to_numpy()
        image = axes.imshow(
            values,
            cmap="Blues",
            norm=PowerNorm(0.5, vmin=0, vmax=1),
            interpolation="nearest",
            aspect="equal",
            extent=(-0.5, tokens - 0.5, steps + 0.5, 0.5),
        )
        illegal = rows[~rows["legal"]]
        cell = 160 / tokens  # points
        if cell > 5:  # on finer grids the crosses would hide what they mark
            axes.plot(
                illegal["token"],
                illegal["length"],
                linestyle="none",
                marker="x",
                color=MARK,
                markersize=2.6,
                markeredgewidth=0.7,
                alpha=0.75,
            )
        last = rows.drop_duplicates("length")
        axes.plot(
            last["last_token"],
            last["length"],
            marker="o",
            color=MARK,
            markersize=min(5.4, 0.8 * cell),
            markeredgewidth=0.9 if cell > 5 else 0.6,
            **HOLLOW,
        )
        on_illegal = illegal.groupby("length")["probability"].sum()
        worst = float(on_illegal.max()) if len(on_illegal) else 0.0
        title = "target: uniform on legal tokens" if name == TARGET else readable(name)
        panel(axes, index, title + ("" if name == TARGET else f"\nworst illegal rate {worst:.2g}"))
        step = max(1, -(-tokens // 8))
        axes.set_xticks(range(0, tokens, step))
        axes.set_xlabel("next token")
        axes.grid(False)
    grid[0, 0].set_ylabel("tokens seen")
    grid[0, 0].yaxis.set_major_locator(MaxNLocator(integer=True))
    colour_bar(figure, image, grid[0, -1], "probability", shrink=0.9, pad=0.03)
    handles = [
        key(marker="o", color=MARK, markersize=5.4, label="token just played", **HOLLOW),
        key(linestyle="none", marker="x", color=MARK, markersize=3.5, label="illegal next"),
    ]
    figure.legend(handles=handles if cell > 5 else handles[:1], loc="outside upper right", ncols=2)
    headline(figure, f"one game of {readable(game)}, step by step")
    return figure
