"""Tables of a run as the page takes them: claims, remedies, hypotheses, diagnoses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gamecircuits.analysis.diagnosis import fit_at_length_1
from gamecircuits.claims.check import summarize
from gamecircuits.errors import GamecircuitsError
from gamecircuits.explorer.text import find_statements, statements_of
from gamecircuits.transformer.one_layer import OneLayer

EFFECTS = ("search", "variant", "average", "strength", "eval_length", "metric")
CONTRASTS = ("variant", "average", "earlier")  # what is subtracted in pairs
OF_CONTRASTS = ("pairs", "difference", "low", "high", "adjusted_low", "adjusted_high")
OF_MODELS = {  # of the diagnosis: name on the page, quantity, column
    "x": ("mean_x", "measured"),
    "beta": ("mean_beta", "measured"),
    "misfit": ("standard_form_residual", "measured"),
    "fails": ("first_failure_found", "measured"),
    "fails_in_plays": ("first_failure_in_plays", "measured"),
}
CURVES = (
    *("illegal_token_rate", "last_displacement", "other_displacement"),
    "lowest_displacement",  # in random plays
)


def encode(column: pd.Series) -> dict:
    """A column of names as places in the list of those that occur, in order."""
    codes, names = pd.factorize(column)
    return {"names": [str(name) for name in names], "codes": codes.astype(np.int32)}


def number(value: Any) -> float | None:
    """A number for JSON; None if it is none, or infinite."""
    return float(value) if np.isfinite(value) else None


def describe_form(model: OneLayer) -> dict:
    """Mean x, β and misfit of a model as at length 1, in nats; empty if they are not defined."""
    try:
        form = fit_at_length_1(model)
    except GamecircuitsError:
        return {}
    found = {"x": form.x.mean(), "beta": form.beta.mean(), "misfit": form.residual()}
    return {name: number(value) for name, value in found.items()}


def describe_claims(claims: pd.DataFrame, theory: str) -> dict:
    """One row for each claim, failing ones first, and the statements that they name.

    Args:
        claims: the table of all instances.
        theory: text of docs/theory.md.

    Returns:
        `rows`: claim, proved, statement, instances, contexts, failures, `used`, the largest share
        of the tolerance (None for bounds), and the names in `statements`. These are blocks of text,
        see explorer.text.
    """
    statements, rows = find_statements(theory), []
    for row in summarize(claims).to_dict("records"):
        row["used"] = number(row["used"])
        rows.append(row | {"names": statements_of(row["proved"], statements)})
    named = {name for row in rows for name in row["names"]}
    rows.sort(key=lambda row: row["failures"] == 0)
    return {"rows": rows, "statements": {n: b for n, b in statements.items() if n in named}}


def describe_effects(tables: Sequence[pd.DataFrame]) -> dict:
    """Means of all cells of all searches, and their paired differences with intervals.

    Returns:
        columns of one table: `search`, `variant`, ... as `encode` has them; `length`, `mean` and,
        for each of CONTRASTS that occurs, the columns OF_CONTRASTS.
    """
    table = pd.concat([t for t in tables if len(t)], ignore_index=True)
    found: dict[str, Any] = {name: encode(table[name]) for name in EFFECTS}
    found |= {"length": table["length"].to_numpy(), "mean": table["mean"].to_numpy(np.float32)}
    found["trials"] = table["num_trials"].to_numpy()
    for contrast in CONTRASTS:
        columns = {name: f"{name}_vs_{contrast}" for name in OF_CONTRASTS}
        if columns["pairs"] in table and table[columns["pairs"]].notna().any():
            values = {name: table[c].to_numpy(np.float32) for name, c in columns.items()}
            found[f"vs_{contrast}"] = values
    return found


def describe_hypotheses(table: pd.DataFrame) -> list[dict]:
    """One row for each hypothesis: what it claims, the interval, the region, the verdict."""
    numbers = ["mean", "low", "high", "region_low", "region_high"]
    words = ["hypothesis", "claim", "search", "measure", "compared", "unit", "verdict"]
    return [
        {name: row[name] for name in words}
        | {name: number(row[name]) for name in numbers}
        | {"trials": int(row["num_trials"])}
        for row in table.to_dict("records")
    ]


def describe_diagnosis(table: pd.DataFrame) -> dict:
    """Numbers of a model, and its curves by length; what the table lacks is left out.

    Returns:
        the keys of OF_MODELS, with `fails` in plays if it is of these, None if no length fails;
        `is_play`, whether the diagnosis is of random plays without theory; `rate`, the mean illegal
        token rate at the longest length, and that `length`; `curves`: length and, for each of
        CURVES, measured, predicted and certified.
    """
    is_whole = table["length"].isna()
    is_play = "token" not in table  # on a game of which the theory says nothing
    if not is_play:
        is_whole &= table["token"].isna()
    whole = table[is_whole].set_index("quantity")
    found: dict[str, Any] = {"is_play": is_play} | {
        name: number(whole.loc[quantity, column])
        for name, (quantity, column) in OF_MODELS.items()
        if quantity in whole.index and column in whole
    }
    if "fails_in_plays" in found:
        found["fails"] = found.pop("fails_in_plays")
    if abs(found.get("beta") or 0) < 1e-12 * abs(found.get("x") or 0):
        found["beta"] = 0.0  # what rounding leaves
    by_length = table[table["length"].notna()]
    curves = {}
    for name in CURVES:
        rows = by_length[by_length["quantity"] == name]
        kinds = [kind for kind in ("measured", "predicted", "certified") if kind in rows]
        shown = {kind: rows[kind].to_numpy(np.float32) for kind in kinds}
        shown = {kind: values for kind, values in shown.items() if np.isfinite(values).any()}
        if shown:
            curves[name] = {"length": rows["length"].to_numpy(np.int32)} | shown
    if rates := curves.get("illegal_token_rate"):
        found |= {"rate": number(rates["measured"][-1]), "length": int(rates["length"][-1])}
    return found | {"curves": curves}


def summarize_run(values: Mapping[str, str], claims: pd.DataFrame | None) -> str:
    """One line on what was run.

    Args:
        values: the configuration by dotted names, with `version.NAME` of the libraries.
        claims: all instances, if there are any.
    """
    parts = [f"Seed {values['seed']}"] if "seed" in values else []
    for section in ("games", "models", "searches"):
        names = {key.split(".")[1] for key in values if key.startswith(f"{section}.")}
        if names:
            word = section if len(names) > 1 else {"searches": "search"}.get(section, section[:-1])
            parts.append(f"{len(names)} {word}")
    if claims is not None:
        rows = summarize(claims)
        failing = int((rows["failures"] > 0).sum())
        verdict = f"{failing} of {len(rows)} claims FAIL" if failing else f"{len(rows)} claims hold"
        parts.append(verdict)
    parts += [f"{name} {values[f'version.{name}']}" for name in ("python", "numpy")
              if f"version.{name}" in values]  # fmt: skip
    return " · ".join(parts)
