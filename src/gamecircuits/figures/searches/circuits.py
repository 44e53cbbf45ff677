"""Figure: what was learned, as three tables over the vocabulary, beside what theory constructs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gamecircuits.figures.layout import FIXED
from gamecircuits.figures.searches._search import (
    DIVERGED,
    choose_averages,
    finish,
    has_theory,
    join_trials,
    shorten,
)
from gamecircuits.figures.style import GREY, Style, new_figure, panel, readable
from gamecircuits.theory.strength import x_min

NUM_VARIANTS = 4  # the first ones, and of each the first trial: results do not choose
CONSTRUCTED = "balanced construction"
MAX_ILLEGAL_RATE = 1e-3  # of the construction
CIRCUITS = {  # name: title, what the colours are
    "qk_circuit": ("QK circuit", "score − row mean\n(nats)"),
    "ov_circuit": ("OV circuit", "logit / strength"),
    "direct_path": ("direct path", "logit / strength"),
}
COLUMNS = ["variant", "number", "circuit", "vocab_size", "row", "column", "value"]
COLOURS = "RdBu_r"
SIDE = 1.2  # inches of a panel


def make_table(tables: dict[str, pd.DataFrame], length: int) -> pd.DataFrame:
    """Entries without gauge after training, in nats, of the first trial of a variant; and `shown`.

    Logits are shown relative to a `strength`, since under a norm their size means nothing: the mean
    x that the trial learned, or the largest entry of the OV circuit where the theory does not speak
    of the game. A norm of the attention output strengthens the head alone, so that there the direct
    path is shown relative to the displacement after the fewest tokens, `first`. Of set complement,
    the first rows are the OV circuit of the balanced construction.
    """
    trials = tables["trials"]
    trials = trials[trials["variant"].isin(trials["variant"].unique()[:NUM_VARIANTS])]
    trials = trials[trials["number"] == 0]
    learned = tables["circuits"][tables["circuits"]["state"] == "learned"]
    found = join_trials(learned[COLUMNS], tables | {"trials": trials})
    of_ov = found[found["circuit"] == "ov_circuit"]
    if is_known := has_theory(tables):
        diagonal = of_ov[of_ov["row"] == of_ov["column"]]
        strengths = diagonal.groupby("variant")["value"].mean().abs()
    else:
        strengths = of_ov["value"].abs().groupby(of_ov["variant"]).max()
    found["first"] = found["variant"].map(_get_displacements(tables))
    found["strength"] = found["variant"].map(strengths)
    is_normed = found["variant"].map(trials.set_index("variant")["norm"]) == "attention"
    is_beside = is_normed & (found["circuit"] == "direct_path") & found["first"].gt(0)
    found["strength"] = found["strength"].where(~is_beside, found["first"])
    found["strength"] = found["strength"].where(found["circuit"] != "qk_circuit", 1.0)
    table = pd.concat([_construct(found), found], ignore_index=True) if is_known else found
    return table.assign(shown=table["value"] / table["strength"])


def _get_displacements(tables: dict[str, pd.DataFrame]) -> pd.Series:
    """Displacement (nats) after the fewest tokens of the first trials, by variant."""
    rows = tables["metrics"]
    rows = rows[(rows["metric"] == "displacement") & (rows["number"] == 0)]
    rows = rows[rows["average"] == choose_averages(tables)[0]]
    return rows.sort_values("length").groupby("variant")["mean"].first()


def _construct(like: pd.DataFrame) -> pd.DataFrame:
    """−x on the diagonal of the OV circuit, with the x that an illegal rate of 0.001 takes."""
    places = like.loc[like["circuit"] == "ov_circuit", ["circuit", "vocab_size", "row", "column"]]
    places = places.drop_duplicates()
    if places.empty:
        return like.iloc[:0]
    x = x_min(int(places["vocab_size"].max()), MAX_ILLEGAL_RATE)
    value = np.where(places["row"] == places["column"], -x, 0.0)
    names = {"variant": CONSTRUCTED, "number": 0, "first": x, "strength": x, DIVERGED: False}
    return places.assign(**names, value=value)


def draw(table: pd.DataFrame, game: str, length: int) -> Figure:
    """A row for each variant, a column for each circuit on one scale of colours."""
    variants = list(table["variant"].unique())
    size = (SIDE * len(CIRCUITS) + 1.0, (SIDE + 0.1) * len(variants) + 1.5)
    figure, grid = new_figure(len(variants), len(CIRCUITS), *size)
    figure.set_label(FIXED)  # a scale of colours for each column
    limits = table.groupby("circuit")["shown"].agg(lambda values: values.abs().max())
    for index, (circuit, (title, label)) in enumerate(CIRCUITS.items()):
        column, norm = grid[:, index], _normalize(limits.get(circuit, np.nan))
        for axes, variant in zip(column, variants, strict=True):
            rows = table[(table["variant"] == variant) & (table["circuit"] == circuit)]
            nothing = "all 0" if variant == CONSTRUCTED else "diverged"
            _draw_matrix(axes, rows.dropna(subset="shown"), norm, nothing)
        panel(column[0], index, title)
        style: Style = {"location": "bottom", "aspect": 14, "pad": 0.02, "shrink": 0.9}
        colours = ScalarMappable(norm, COLOURS)
        figure.colorbar(colours, ax=list(column), label=label, **style)
    for axes, variant in zip(grid[:, 0], variants, strict=True):
        first = table.loc[table["variant"] == variant, "first"].iloc[0]
        delta = f"\nδ = {first:.3g} nats" if np.isfinite(first) else ""
        axes.set_ylabel(readable(shorten(variant, 24)) + delta)
    vocab_size, shown = int(table["vocab_size"].max()), int(table["row"].max()) + 1
    explanation = "what the first trial of each variant learned"
    if table["first"].notna().any():
        explanation += "; δ: displacement after one token"
    if shown < vocab_size:
        explanation += f"; the first {shown} of {vocab_size} tokens"
    finish(figure, game, length, explanation, has_theory=CONSTRUCTED in variants)
    return figure


def _normalize(limit: float) -> Normalize:
    """White at zero; a scale all the same where there is nothing to see."""
    limit = limit if limit > 0 else 1.0
    return Normalize(-limit, limit)


def _draw_matrix(axes: Axes, part: pd.DataFrame, norm: Normalize, nothing: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    values = part.pivot(index="row", columns="column", values="shown").to_numpy()
    if part.empty:
        values = np.zeros((1, 1))
        axes.text(0, 0, nothing, ha="center", va="center", color=GREY)
    axes.imshow(values, aspect="equal", cmap=COLOURS, norm=norm, interpolation="nearest")
