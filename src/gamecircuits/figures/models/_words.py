"""What the title of a model's figure says: what the model is, and what needs no panel."""

import textwrap

import numpy as np
import pandas as pd

from gamecircuits.figures.style import readable

WIDTHS = {"V": "vocab_size", "d": "d", "d_v": "d_v", "d_k": "d_k"}
LINE = 118  # characters
COMPLEMENT = "set_complement"


def is_zero(matrix: np.ndarray) -> bool:
    """Whether a circuit is nothing but rounding, or not there."""
    return not matrix.size or float(np.abs(matrix).max()) < 1e-9


def get_whole(table: pd.DataFrame) -> pd.Series:
    """Measured quantities of the whole model, by name."""
    is_whole = table["length"].isna()
    for column in {"token", "row"} & set(table):
        is_whole &= table[column].isna()
    return table[is_whole].set_index("quantity")["measured"]


def describe(table: pd.DataFrame, model: str, circuits: dict[str, np.ndarray]) -> str:
    """Name and sizes in the first line; in the next ones norm, sink, and what is not drawn."""
    whole, first = get_whole(table), table.iloc[0]
    sizes = [f"{name} = {whole[key]:.0f}" for name, key in WIDTHS.items() if key in whole]
    kind = "" if first["kind"] == model else f"{readable(first['kind'])}, "
    title = f"{readable(model)}: {kind}{', '.join(sizes)}"
    facts = []
    if any(matrix.size for matrix in circuits.values()):
        facts += _describe_circuits(first, circuits)
    if "predicted" in table:
        facts += _describe_form(table, whole)
    else:
        game = readable(first["game"])
        facts.append(f"measured on {game}: the theory of strengths speaks of set complement only")
    text = "; ".join(facts)
    return "\n".join([title, *textwrap.wrap(text[:1].upper() + text[1:] + ".", LINE)])


def _describe_circuits(first: pd.Series, circuits: dict[str, np.ndarray]) -> list[str]:
    norm, sink = first["norm"], first["sink"]
    facts = ["no norm" if norm == "none" else f"{norm} norm, gain {first['gain']:.3g}"]
    if sink:
        facts.append(f"sink of weight {sink:.3g}")
    if is_zero(circuits["qk_circuit"]):
        facts.append("all tokens attended alike" if sink else "attention is uniform")
    facts += [
        f"no {name}"
        for name, circuit in (("OV circuit", "ov_circuit"), ("direct path", "direct_path"))
        if is_zero(circuits[circuit])
    ]
    size = int(first["vocab_size"])
    if size > len(circuits["qk_circuit"]):
        facts.append(f"circuits of the first {len(circuits['qk_circuit'])} tokens")
    return facts


def _describe_form(table: pd.DataFrame, whole: pd.Series) -> list[str]:
    """Strengths that are the same for all tokens, and what the standard form leaves out."""
    facts = []
    if not differ_in_strength(table):
        x, beta = (shorten(whole[name]) for name in ("mean_x", "mean_beta"))
        facts.append(f"x = {x}, β = {beta} for every token")
    residual = whole["standard_form_residual"]
    if residual < 1e-12:
        facts.append("exactly in standard form")
    elif np.isfinite(residual):
        facts.append(f"{100 * residual:.2g} % outside the standard form")
    else:
        facts.append("nothing of it in standard form")
    return facts


def differ_in_strength(table: pd.DataFrame) -> bool:
    """Whether x or β differ between tokens, by more than rounding."""
    strengths = table[table["quantity"].isin(["x", "beta"])]
    if strengths.empty:
        return False
    ranges = strengths.groupby("quantity")["measured"].agg(lambda values: values.max() - values.min())
    return bool(ranges.max() > 1e-9 * strengths["measured"].abs().max())


def describe_range(values: np.ndarray) -> str:
    """Range of the diagonal and of the rest: what distinguishes a token from the others."""
    is_diagonal = np.eye(len(values), dtype=bool)
    parts = {"diagonal": values[is_diagonal], "elsewhere": values[~is_diagonal]}
    return "\n".join(f"{name} {_show_range(part)}" for name, part in parts.items())


def _show_range(part: np.ndarray) -> str:
    low, high = float(part.min()), float(part.max())
    if np.isclose(low, high, atol=1e-9):
        return shorten(low)
    return f"{shorten(low)} to {shorten(high)}"


def shorten(value: float) -> str:
    """Three digits, and 0 for what is rounding."""
    value = 0.0 if abs(value) < 1e-9 else value
    return f"{value:.3g}".replace("-", "−")
