"""Figure: a model as three tables over the vocabulary: QK circuit, OV circuit, direct path."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gamecircuits.figures.style import letter, new_figure, readable
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
        matrix = table[table["circuit"] == name].pivot(
            index="row", columns="column", values="value"
        )
        values = matrix.to_numpy()
        largest = float(np.abs(values).max()) if values.size else 0.0
        is_zero = largest < 1e-9
        limit = 1.0 if is_zero else largest
        image = axes.imshow(
            values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal"
        )
        axes.set_anchor("N")  # else the layout leaves too little room above
        letter(axes, index, f"{title}\n{_summarize(values)}")
        axes.set_xlabel(column_label)
        axes.set_ylabel(row_label)
        step = max(1, -(-len(values) // 8))
        axes.set_xticks(range(0, len(values), step))
        axes.set_yticks(range(0, len(values), step))
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(True)
        if is_zero:
            note = "all 0: attention is uniform" if name == "qk_circuit" else "all 0"
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center")
        else:
            bar = figure.colorbar(
                image, ax=axes, shrink=0.8, pad=0.03, anchor=(0, 1), panchor=False
            )
            bar.set_label(f"{unit} (nats)")
            bar.outline.set_linewidth(0.5)
    vocab_size = table["vocab_size"].iloc[0]
    shown = "" if vocab_size == len(values) else f", the first {len(values)} tokens"
    title = f"{readable(model)}, V = {vocab_size}{shown}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    return figure


def _summarize(values: np.ndarray) -> str:
    """Range of the diagonal and of the rest: what distinguishes a token from the others."""
    is_diagonal = np.eye(len(values), dtype=bool)

    def extent(part: np.ndarray) -> str:
        low, high = part.min() + 0.0, part.max() + 0.0  # + 0.0 turns −0 into 0
        shown = f"{low:.4g}" if np.isclose(low, high) else f"{low:.4g} to {high:.4g}"
        return shown.replace("-", "−")

    return f"diagonal {extent(values[is_diagonal])}\nelsewhere {extent(values[~is_diagonal])}"
