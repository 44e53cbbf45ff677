"""Trainings as the page takes them: one trial of each variant, checkpoint by checkpoint."""

from collections.abc import Mapping, Sequence

import numpy as np

from gamecircuits.analysis.diagnosis import fit_at_length_1
from gamecircuits.analysis.metrics import probabilities
from gamecircuits.analysis.standard_form import fit_model
from gamecircuits.explorer.models import make_tables, scale_at_length_1
from gamecircuits.games.game import PAD
from gamecircuits.training.architectures.one_layer import OneLayerTrial, Weights
from gamecircuits.training.measure import is_usable
from gamecircuits.transformer.model import Parameters
from gamecircuits.transformer.one_layer import OneLayer

MAX_CHECKPOINTS = 41  # with that before the first step
MIN_CHECKPOINTS = 6  # with fewer, nothing can be followed
MAX_VOCAB = 32  # of larger ones single cells cannot be seen
MAX_BYTES = 2_000_000  # of the tables of all searches
GAMES = 100  # that the illegal rates are measured on
NEIGHBOURS = 2  # checkpoints before and after, for the noise


def remove_gauge(model: OneLayer) -> dict[str, np.ndarray]:
    """`make_tables` without what predictions do not depend on, float32.

    Of the scores each row's mean; of the OV circuit and the direct path what a row gives to all
    other tokens and, where they cancel, the r of docs/theory.md. Logits of a context move together.
    """
    tables, form = make_tables(model), fit_model(model)
    tables["scores"] = tables["scores"] - tables["scores"].mean(axis=1, keepdims=True)
    tables["values"] = form.ov_residual - np.diag(form.x)
    tables["direct"] = form.direct_residual - np.diag(form.beta)
    return {name: table.astype(np.float32) for name, table in tables.items()}


def count_checkpoints(vocab_size: int, norms: Sequence[str], there: int, budget: float) -> int:
    """How many checkpoints of `there` fit into a budget of bytes, for models of these norms."""
    tables = {"none": 3, "attention": 4, "residual": 5}
    size = 4 * vocab_size**2 * sum(tables[norm] for norm in norms)
    return min(there, MAX_CHECKPOINTS, int(budget / size))


def thin(there: int, count: int) -> np.ndarray:
    """Places of `count` of `there` checkpoints, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, there - 1, count).round().astype(int))


def read_models(
    trial: OneLayerTrial,
    key: str,
    trajectory: Mapping[str, np.ndarray],
    start: Mapping[str, np.ndarray],
) -> list[OneLayer]:
    """The models before the first step and at every checkpoint, up to the last usable one.

    Args:
        key: "variant/number".
        trajectory, start: tensors of the files trajectory and weights.
    """
    names = (*Parameters._fields, "gain")
    models = [trial.from_tensors({name: start[f"{key}/start/{name}"] for name in names})]
    parts = {name: trajectory[f"{key}/{name}"] for name in Weights._fields}
    models += [
        trial.make_model({name: part[n] for name, part in parts.items()})
        for n in range(len(trajectory["steps"]))
    ]
    usable = [is_usable(model) for model in models]
    return models[: usable.index(False)] if False in usable else models


def describe_course(models: Sequence[OneLayer], tokens: np.ndarray, mask: np.ndarray) -> dict:
    """What one training does, C checkpoints.

    Args:
        tokens, mask: games (N, L) with their legal tokens (N, L, V).

    Returns:
        `tables` as in `remove_gauge`, each with C in front; (C,) arrays `gain`, `x` (mean, and
        `x_min`, `x_max`), `beta`, `misfit` of `fit_at_length_1`, and `noise`; `factors` of
        `scale_at_length_1`, (C, V) each; `illegal` (C, up to L), the mean illegal token rate after
        each length, up to the longest after which a game goes on. Noise is the mean total variation
        between a checkpoint's predictions and the mean prediction of itself and its neighbours.
    """
    forms = [fit_at_length_1(model) for model in models]
    factors = np.array([scale_at_length_1(model) for model in models], np.float32)
    parts = [remove_gauge(model) for model in models]
    p = np.array([probabilities(model.logits(tokens)) for model in models])  # (C, N, L, V)
    goes_on = mask.any(axis=2) & (tokens != PAD)  # (N, L)
    count = np.where(goes_on.any(axis=0), goes_on.sum(axis=0), np.nan)
    rate = np.where(mask, 0, p).sum(axis=3)
    near = [p[max(0, n - NEIGHBOURS) : n + NEIGHBOURS + 1].mean(axis=0) for n in range(len(p))]
    apart = np.abs(p - near).sum(axis=3) / 2
    numbers = {
        "gain": [model.gain for model in models],
        "x": [form.x.mean() for form in forms],
        "x_min": [form.x.min() for form in forms],
        "x_max": [form.x.max() for form in forms],
        "beta": [form.beta.mean() for form in forms],
        "misfit": [form.residual() for form in forms],
        "noise": apart[:, goes_on].mean(axis=1),
    }
    arrays = {name: np.array(values, np.float32) for name, values in numbers.items()}
    tables = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    illegal = np.where(goes_on, rate, 0).sum(axis=1) / count
    longest = np.flatnonzero(goes_on.any(axis=0)).max() + 1
    arrays["illegal"] = illegal[:, :longest].astype(np.float32)
    scales = {"values": factors[:, 0], "direct": factors[:, 1]}
    return {"tables": tables, "factors": scales} | arrays


def describe_search(
    entry: Mapping,
    files: Mapping[int, tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
    tokens: np.ndarray,
    mask: np.ndarray,
    budget: float,
) -> dict:
    """A search for the page: name, game, trained length, steps (C,), and a course per variant.

    Args:
        entry: name, game, length, and `variants`, how many there are; `trials`, of those that are
            shown: variant, number, colour, hyperparameters, and the place of their file in `files`.
        files: tensors of its groups' trajectories and weights, by place.
        budget: bytes for its tables.

    Returns:
        `variants` is empty, and `left_out` says why, if the page cannot show it.
    """
    found = {name: entry[name] for name in ("name", "game", "length")} | {"vocab": mask.shape[2]}
    trials = entry["trials"]
    norms = [trial["hyperparameters"]["norm"] for trial in trials]
    there = min(len(trajectory["steps"]) for trajectory, _ in files.values()) + 1
    count = count_checkpoints(mask.shape[2], norms, there, budget)
    if mask.shape[2] > MAX_VOCAB or count < min(MIN_CHECKPOINTS, there):
        why = f"Its {mask.shape[2]} tokens make tables that are too large for this page."
        return found | {"variants": [], "left_out": why}
    places = thin(there, count)
    variants = []
    for item in trials:
        trajectory, start = files[item["file"]]
        trial = OneLayerTrial(**item["hyperparameters"])
        models = read_models(trial, f"{item['variant']}/{item['number']}", trajectory, start)
        chosen = [models[n] for n in places if n < len(models)]
        if chosen:
            course = describe_course(chosen, tokens, mask)
            look = {"name": item["variant"], "colour": item["colour"], "norm": trial.norm}
            variants.append(look | course)
    steps = np.concatenate([[0], files[trials[0]["file"]][0]["steps"]])[places]
    more = entry["variants"] - len(variants)
    left_out = f"{more} more of its variants are in the figures only." if more else ""
    return found | {"steps": steps, "variants": variants, "left_out": left_out}
