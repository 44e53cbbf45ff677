"""Figure: a model as three tables over the vocabulary: QK circuit, OV circuit, direct path."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import Style, colour_bar, headline, new_figure, panel, readable
from gamecircuits.transformer.circuits import direct_path, ov_circuit, qk_circuit
from gamecircuits.transformer.one_layer import OneLayer, require_one_layer

CIRCUITS = {  # name: title, row label, column label, unit
    "qk_circuit": ("QK circuit: who attends to whom", "last token", "attended token", "score"),
    "ov_circuit": ("OV circuit: what attention writes", "attended token", "next token", "logit"),
    "direct_path": ("direct path: what the last token adds", "last token", "next token", "logit"),
}


MAX_TOKENS = 128  # beyond, single cells cannot be seen, and the table has millions of rows


def make_table(model: OneLayer) -> pd.DataFrame:
    """Entries of the three circuits among the first MAX_TOKENS tokens, one row each, in nats."""
    parameters = require_one_layer(model, "a figure of circuits").parameters
    matrices = {
        "qk_circuit": qk_circuit(parameters),
        "ov_circuit": ov_circuit(parameters),
        "direct_path": direct_path(parameters),
    }
    frames = []
    for name, full in matrices.items():
        matrix = full[:MAX_TOKENS, :MAX_TOKENS]
        row, column = np.indices(matrix.shape).reshape(2, -1)
        frames.append(
            pd.DataFrame(
                {
                    "circuit": name,
                    "vocab_size": len(full),
                    "row": row,
                    "column": column,
                    "value": matrix.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def draw(table: pd.DataFrame, model: str) -> Figure:
    """Three heatmaps, each on its own scale, white at zero."""
    figure, grid = new_figure(1, 3, 10.4, 3.9)
    for index, (name, (title, row_label, column_label, unit)) in enumerate(CIRCUITS.items()):
        axes = grid[0, index]
        rows = table[table["circuit"] == name]
        values = rows.pivot(index="row", columns="column", values="value").to_numpy()
        largest = float(np.abs(values).max()) if values.size else 0.0
        is_zero = largest < 1e-9
        limit = 1.0 if is_zero else largest
        image = axes.imshow(
            values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal"
        )
        axes.set_anchor("N")  # else the layout leaves too little room above
        ticks = range(0, len(values), max(1, -(-len(values) // 8)))
        panel(axes, index, f"{title}\n{_summarize(values)}", xticks=ticks, yticks=ticks)
        axes.set(xlabel=column_label, ylabel=row_label)
        axes.grid(False)
        axes.spines[:].set_visible(True)
        if is_zero:
            note = "all 0: attention is uniform" if name == "qk_circuit" else "all 0"
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center")
        else:
            place: Style = {"anchor": (0, 1), "panchor": False}
            colour_bar(figure, image, axes, f"{unit} (nats)", shrink=0.8, pad=0.03, **place)
    vocab_size = table["vocab_size"].iloc[0]
    shown = "" if vocab_size == len(values) else f", the first {len(values)} tokens"
    title = f"{readable(model)}, V = {vocab_size}{shown}"
    headline(figure, title)
    return figure


def _summarize(values: np.ndarray) -> str:
    """Range of the diagonal and of the rest: what distinguishes a token from the others."""
    is_diagonal = np.eye(len(values), dtype=bool)

    def extent(part: np.ndarray) -> str:
        low, high = part.min() + 0.0, part.max() + 0.0  # + 0.0 turns −0 into 0
        shown = f"{low:.4g}" if np.isclose(low, high) else f"{low:.4g} to {high:.4g}"
        return shown.replace("-", "−")

    return f"diagonal {extent(values[is_diagonal])}\nelsewhere {extent(values[~is_diagonal])}"
