"""What the title of a model's figure says: what the model is, and what needs no panel."""

import numpy as np
import pandas as pd

from gamecircuits.figures.palette import colour_of, remedy_of
from gamecircuits.figures.style import readable

WIDTHS = {"V": "vocab_size", "d": "d", "d_v": "d_v", "d_k": "d_k"}
FAINT = 0.02


def is_zero(matrix: np.ndarray) -> bool:
    """Whether a circuit is nothing but rounding, or not there."""
    return not matrix.size or float(np.abs(matrix).max()) < 1e-9


def is_faint(name: str, circuits: dict[str, np.ndarray]) -> bool:
    """Whether a circuit would not be seen on the scale that OV circuit and direct path share."""
    if name == "qk_circuit" or is_zero(circuits[name]):
        return is_zero(circuits[name])
    largest = {key: np.abs(circuits[key]).max() for key in ("ov_circuit", "direct_path")}
    return bool(largest[name] < FAINT * max(largest.values()))


def get_colour(table: pd.DataFrame) -> str:
    """The colour of a model's kind, or else, for a trained one, that of its norm."""
    first = table.iloc[0]
    return colour_of(first["kind"] if remedy_of(first["kind"]) else first["norm"])


def get_whole(table: pd.DataFrame) -> pd.Series:
    """Measured quantities of the whole model, by name."""
    is_whole = table["length"].isna() & table["token"].isna()
    if "row" in table:  # of circuits
        is_whole &= table["row"].isna()
    return table[is_whole].set_index("quantity")["measured"]


def describe(table: pd.DataFrame, model: str, circuits: dict[str, np.ndarray]) -> str:
    """Name and sizes in the first line; in the next ones norm, sink, and what is not drawn."""
    whole, first = get_whole(table), table.iloc[0]
    sizes = [f"{name} = {whole[key]:.0f}" for name, key in WIDTHS.items() if key in whole]
    kind = "" if first["kind"] == model else f"{readable(first['kind'])}, "
    title = f"{readable(model)}: {kind}{', '.join(sizes)}"
    facts = [", ".join(_say_design(first))] if "layers" in table else []
    if any(matrix.size for matrix in circuits.values()):
        facts += _describe_circuits(first, circuits, int(whole["vocab_size"]))
    if "predicted" in table:
        facts += _describe_form(table, whole)
    else:
        facts += _describe_silence(table, readable(first["game"]))
    if is_flat(table) and "predicted" in table:
        facts.append("lowest displacement 0 at every length")
    text = "; ".join(facts)
    return f"{title}\n{text[:1].upper()}{text[1:]}."


def _say_design(row: pd.Series) -> list[str]:
    """What a deeper model is, from the columns of its table (transformer.describe)."""
    layers, heads = int(row["layers"]), int(row["heads"])
    facts = [
        f"{layers} layer{'s' * (layers != 1)} of {heads} head{'s' * (heads != 1)}",
        f"width {row['width']:.0f}",
        f"MLPs of {row['mlp']:.0f}" if row["mlp"] else "no MLP",
        f"{readable(row['positions'])} positions".replace("none", "no"),
    ]
    if row["context"]:
        facts[-1] += f" up to {row['context']:.0f}"
    norm = row["model_norm"]
    return [*facts, "no norm" if norm == "none" else norm]


def _describe_silence(table: pd.DataFrame, game: str) -> list[str]:
    """Why there are no predictions."""
    of_theory = "set complement" if game != "set complement" else "models of one layer"
    facts = [f"measured on {game}, as the theory speaks of {of_theory} alone"]
    if "lowest_displacement" not in set(table["quantity"]):
        facts.append("every token is legal")
    elif is_flat(table):
        facts.append("lowest displacement 0 at every length")
    return facts


def _describe_circuits(first: pd.Series, circuits: dict[str, np.ndarray], size: int) -> list[str]:
    norm, sink = first["norm"], first["sink"]
    facts = ["no norm" if norm == "none" else f"{norm} norm, gain {shorten(first['gain'])}"]
    if sink:
        facts.append(f"sink of weight {shorten(sink)}")
    if is_zero(circuits["qk_circuit"]):
        facts.append("all tokens attended alike" if sink else "attention is uniform")
    names = {"ov_circuit": "OV circuit", "direct_path": "direct path"}
    for circuit, name in names.items():
        if is_zero(circuits[circuit]):
            facts.append(f"no {name}")
        elif is_faint(circuit, circuits):
            facts.append(f"{name} up to {shorten(np.abs(circuits[circuit]).max())}")
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
    ranges = strengths.groupby("quantity")["measured"].agg(
        lambda values: values.max() - values.min()
    )
    return bool(ranges.max() > 1e-9 * strengths["measured"].abs().max())


def is_flat(table: pd.DataFrame) -> bool:
    """Whether all displacements are 0, or there are none."""
    rows = table[table["quantity"].str.endswith("_displacement") & table["length"].notna()]
    columns = [name for name in ("measured", "predicted") if name in table]
    return bool((rows[columns].fillna(0).abs() < 1e-9).all(axis=None))


def describe_range(name: str, values: np.ndarray, sink: np.ndarray) -> str:
    """Ranges of a circuit: of scores of tokens and a sink, or of the diagonal and the rest."""
    is_diagonal = np.eye(len(values), dtype=bool)
    if name != "qk_circuit":
        parts = {"diagonal": values[is_diagonal], "others": values[~is_diagonal]}
    else:
        parts = {"tokens": values} | ({"sink": sink} if sink.size else {})
    return "\n".join(f"{part} {_show_range(entries)}" for part, entries in parts.items())


def _show_range(part: np.ndarray) -> str:
    low, high = float(part.min()), float(part.max())
    if np.isclose(low, high, atol=1e-9):
        return shorten(low)
    return f"{shorten(low, 2)} to {shorten(high, 2)}"


def shorten(value: float, digits: int = 3) -> str:
    """A number with few digits after the point, and 0 for what is rounding."""
    value = 0.0 if abs(value) < 1e-9 else value
    shown = f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.{digits}g}"
    return shown.replace("-", "−")


def round_down(value: float) -> float:
    """The largest number like 1, 2, 5, 10 that is not above a positive one."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(n for n in (1, 2, 5) if n * power <= value * (1 + 1e-9)))
