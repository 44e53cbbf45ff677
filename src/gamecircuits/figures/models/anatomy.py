"""Figure: a model, its circuits without gauge and what it does by length."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gamecircuits.analysis.diagnosis import fit_at_length_1
from gamecircuits.figures.layout import WIDE
from gamecircuits.figures.models._behaviour import (
    draw_displacements,
    draw_rates,
    draw_strengths,
    explain_lines,
)
from gamecircuits.figures.models._words import (
    describe,
    describe_range,
    differ_in_strength,
    is_faint,
    is_flat,
    round_down,
)
from gamecircuits.figures.style import FULL, colour_bar, headline, new_panels, panel
from gamecircuits.transformer.circuits import qk_circuit
from gamecircuits.transformer.describe import describe_design
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.interface import Model
from gamecircuits.transformer.one_layer import OneLayer

CIRCUITS = {  # quantity: title, row label, column label
    "qk_circuit": ("QK circuit (nats)", "last token", "attended token"),
    "ov_circuit": ("OV circuit (nats)", "attended token", "next token"),
    "direct_path": ("direct path (nats)", "last token", "next token"),
}
SINK = "sink_score"
MAX_TOKENS = 128  # beyond, single cells cannot be seen, and the table has millions of rows
ONE_NAT = 1.0  # of scores, less is pale: attention differs by a factor below e
HEIGHT = 2.25  # inches of a row of panels


def make_table(
    model: Model, diagnosis: pd.DataFrame, kind: str, trained_length: int | None = None
) -> pd.DataFrame:
    """The diagnosis, the circuits among the first MAX_TOKENS tokens, and what the model is.

    Args:
        model: circuits are those of a OneLayer; others have none. What a GPT is has columns of
            its own.
        diagnosis: as of gamecircuits.analysis.diagnosis.diagnose_on.
        kind: of the model.
        trained_length: the longest that it was trained on.

    Returns:
        rows of the diagnosis, and one for each entry of a circuit, with its `row` and `column`, in
        nats. Scores are relative to the mean of their row, and so is that of the sink. The OV
        circuit and the direct path have no gauge; under a norm they are as at length 1.
    """
    parts = [diagnosis]
    names: dict[str, object] = {"kind": kind, "norm": "none", "gain": 1.0, "sink": 0.0}
    if isinstance(model, OneLayer):
        names |= {"norm": model.norm, "gain": model.gain, "sink": model.sink}
        parts += _tabulate_circuits(model)
    elif isinstance(model, GPT):
        names |= describe_design(model)
    names["trained_length"] = np.nan if trained_length is None else trained_length
    return pd.concat(parts, ignore_index=True).assign(**names)


def _tabulate_circuits(model: OneLayer) -> list[pd.DataFrame]:
    form = fit_at_length_1(model)
    scores = qk_circuit(model.parameters)
    mean = scores.mean(axis=1, keepdims=True)
    matrices = {
        "qk_circuit": scores - mean,
        "ov_circuit": form.ov_residual - np.diag(form.x),
        "direct_path": form.direct_residual - np.diag(form.beta),
    }
    if model.sink:
        matrices[SINK] = np.log(model.sink) - mean
    parts = []
    for name, matrix in matrices.items():
        shown = matrix[:MAX_TOKENS, :MAX_TOKENS]
        row, column = np.indices(shown.shape).reshape(2, -1)
        part = {"quantity": name, "unit": "nats", "row": row, "column": column}
        parts.append(pd.DataFrame(part | {"measured": shown.ravel()}))
    return parts


def draw(table: pd.DataFrame, model: str) -> Figure:
    """The circuits that are not zero, strengths if tokens differ in them, rates, displacements."""
    circuits = {name: _pivot(table, name) for name in CIRCUITS}
    has_sink = (table["quantity"] == SINK).any()
    seen = [n for n in circuits if not is_faint(n, circuits) or (n == "qk_circuit" and has_sink)]
    behaviours = [draw_rates] if is_flat(table) else [draw_rates, draw_displacements]
    if differ_in_strength(table):
        behaviours.insert(0, draw_strengths)
    count = len(seen) + len(behaviours)
    columns = 2 if count == 4 else min(count, 3)
    figure, grid = new_panels(count, columns, FULL / columns, HEIGHT)
    figure.set_label(WIDE)  # a heatmap has a colour bar beside it
    places = list(grid.flat)[:count]
    _draw_circuits(figure, dict(zip(seen, places, strict=False)), circuits, _pivot(table, SINK))
    for axes, draw_behaviour in zip(places[len(seen) :], behaviours, strict=True):
        draw_behaviour(axes, places.index(axes), table)
    explain_lines(figure, table)
    headline(figure, describe(table, model, circuits))
    return figure


def _pivot(table: pd.DataFrame, quantity: str) -> np.ndarray:
    """Entries of a circuit as a matrix; empty if the table has none."""
    if "row" not in table:  # of a model of another kind
        return np.empty((0, 0))
    rows = table[table["quantity"] == quantity]
    return rows.pivot(index="row", columns="column", values="measured").to_numpy()


def _draw_circuits(
    figure: Figure, places: dict[str, Axes], circuits: dict[str, np.ndarray], sink: np.ndarray
) -> None:
    """Heatmaps, white at zero; what the head writes and what it adds to have one scale."""
    logits = [name for name in places if name != "qk_circuit"]
    limit = max((np.abs(circuits[name]).max() for name in logits), default=1.0)
    for index, (name, axes) in enumerate(places.items()):
        values = circuits[name]
        title, row_label, column_label = CIRCUITS[name]
        step = -(-len(values) // 4)
        ticks = list(range(0, len(values), step))
        panel(
            axes,
            index,
            f"{title}\n{describe_range(name, values, sink)}",
            xticks=ticks,
            yticks=ticks,
        )
        axes.set(xlabel=column_label, ylabel=row_label)
        shown, scale = values, limit
        if name == "qk_circuit":
            if sink.size:  # beside the tokens, and apart from them
                gap = np.full((len(values), max(1, len(values) // 16)), np.nan)
                shown = np.hstack([values, gap, np.repeat(sink, gap.shape[1], axis=1)])
                labels = [*map(str, ticks[:-1]), "sink"]
                axes.set_xticks([*ticks[:-1], shown.shape[1] - 1], labels)
            scale = max(ONE_NAT, np.nanmax(np.abs(shown)))
        image = axes.imshow(
            shown, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest", aspect="equal"
        )
        axes.grid(False)
        axes.spines[:].set_visible(True)
        if name == "qk_circuit" or name == logits[-1]:
            end = round_down(scale)
            colour_bar(figure, image, axes, "", shrink=0.85, pad=0.03, ticks=[-end, 0, end])
