"""Figure: what was learned, as three tables over the vocabulary, beside what theory constructs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gamecircuits.figures.searches._search import DIVERGED, finish, join_trials
from gamecircuits.figures.style import GREY, Style, new_figure, panel, readable

NUM_VARIANTS = 4  # the first ones, and of each the first trial: results do not choose
CONSTRUCTED = "balanced construction"
STATES = {"start": "before training", "learned": "after"}
CIRCUITS = {  # name: title, what the colours are
    "qk_circuit": ("QK circuit", "score − mean of the row (nats)\nlast token → attended token"),
    "ov_circuit": ("OV circuit", "logit / |mean x|\nattended token → next token"),
    "direct_path": ("direct path", "logit (nats, before a norm)\nlast token → next token"),
}
COLUMNS = ["variant", "number", "state", "circuit", "vocab_size", "row", "column", "value"]
COLOURS = "RdBu_r"
SIDE = 1.5  # inches of a panel


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """Entries without gauge, in nats, and what is shown of them, of the first trial of a variant.

    The OV circuit is shown relative to the mean x that the trial learned: under a norm its size
    means nothing. First comes the balanced construction, with the mean x of the first variant.
    """
    trials = tables["trials"]
    trials = trials[trials["variant"].isin(trials["variant"].unique()[:NUM_VARIANTS])]
    trials = trials[trials["number"] == 0]
    found = join_trials(tables["circuits"][COLUMNS], tables | {"trials": trials})
    is_x = (found["circuit"] == "ov_circuit") & (found["row"] == found["column"])
    is_x &= found["state"] == "learned"
    strengths = -found[is_x].groupby("variant")["value"].mean()
    found["x"] = found["variant"].map(strengths)
    x = strengths.get(trials["variant"].iloc[0], 1.0)
    table = pd.concat([_construct(found, x), found], ignore_index=True)
    scale = table["x"].abs().where(table["circuit"] == "ov_circuit", 1.0)
    return table.assign(shown=table["value"] / scale)


def _construct(like: pd.DataFrame, x: float) -> pd.DataFrame:
    """−x on the diagonal of the OV circuit, and nothing else."""
    places = like[["circuit", "vocab_size", "row", "column"]].dropna().drop_duplicates()
    is_own = (places["circuit"] == "ov_circuit") & (places["row"] == places["column"])
    names = {"variant": CONSTRUCTED, "state": "learned", "x": x, DIVERGED: False}
    return places.assign(**names, value=np.where(is_own, -x, 0.0))


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A row for each variant; each circuit before and after training, on one scale of colours."""
    variants = list(table["variant"].unique())
    columns = [(circuit, state) for circuit in CIRCUITS for state in STATES]
    size = (SIDE * len(columns) + 0.6, SIDE * len(variants) + 1.6)
    figure, grid = new_figure(len(variants), len(columns), *size)
    limits = table.groupby("circuit")["shown"].agg(lambda values: values.abs().max())
    for variant, line in zip(variants, grid, strict=True):
        rows = table[table["variant"] == variant]
        for axes, (circuit, state) in zip(line, columns, strict=True):
            part = rows[(rows["circuit"] == circuit) & (rows["state"] == state)]
            part = part.dropna(subset="shown")
            _draw_matrix(axes, part, limits.get(circuit, np.nan))
            if part.empty and state == "learned":
                axes.text(0.5, 0.5, "diverged", transform=axes.transAxes, ha="center", color=GREY)
        name, x = readable(variant).replace(" ", "\n", 1), rows["x"].iloc[0]
        line[0].set_ylabel(name + (f"\nx = {x:.3g}" if np.isfinite(x) else ""))
    for index, (circuit, (title, label)) in enumerate(CIRCUITS.items()):
        pair = grid[:, 2 * index : 2 * index + 2]
        panel(pair[0, 0], index, title)
        for axes, state in zip(pair[1], STATES.values(), strict=True):
            axes.set_title(state, fontsize=8.5, loc="center")
        colours = ScalarMappable(_normalize(limits.get(circuit, np.nan)), COLOURS)
        style: Style = {"location": "bottom", "shrink": 0.85, "aspect": 26, "pad": 0.03}
        figure.colorbar(colours, ax=list(pair.flat), label=label, **style)
    vocab_size, shown = int(table["vocab_size"].max()), int(table["row"].max()) + 1
    of = "" if shown == vocab_size else f", the first {shown} of {vocab_size} tokens"
    explanation = "the first trial of each variant, without what predictions do not depend on"
    finish(figure, game, length, explanation + of)
    return figure


def _normalize(limit: float) -> Normalize:
    """White at zero; a scale all the same where there is nothing to see."""
    limit = limit if limit > 0 else 1.0
    return Normalize(-limit, limit)


def _draw_matrix(axes: Axes, part: pd.DataFrame, limit: float) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(not part.empty)
    if part.empty:
        axes.set_box_aspect(1)
        return
    values = part.pivot(index="row", columns="column", values="shown")
    style: Style = {"cmap": COLOURS, "norm": _normalize(limit), "interpolation": "nearest"}
    axes.imshow(values, aspect="equal", **style)
    if not part["shown"].any():
        axes.text(0.5, 0.5, "all 0", transform=axes.transAxes, ha="center", va="center")
