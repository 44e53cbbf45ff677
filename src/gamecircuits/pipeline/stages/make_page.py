"""Stage: the page to look at and play with, one file that needs nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open

from gamecircuits.explorer.games import RECORDED, describe_game, fits
from gamecircuits.explorer.models import MAX_TOKENS, describe_model, keep_few
from gamecircuits.explorer.page import MAX_PAGE, count_bytes, read_theory
from gamecircuits.explorer.page import make_page as write_html
from gamecircuits.explorer.shelf import describe_figures
from gamecircuits.explorer.tables import (
    describe_claims,
    describe_diagnosis,
    describe_effects,
    describe_form,
    describe_hypotheses,
    summarize_run,
)
from gamecircuits.explorer.training import GAMES, MAX_BYTES, describe_search
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import read_frame
from gamecircuits.transformer.describe import describe_design
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.one_layer import OneLayer
from gamecircuits.transformer.weights import read_model


def make_page(
    models: Sequence[str],
    games: Sequence[str],
    figures: Sequence[str],
    diagnoses: Sequence[str],
    claims: Sequence[str],
    effects: Sequence[str],
    hypotheses: Sequence[str],
    trajectories: Sequence[str],
    weights: Sequence[str],
    run: str,
    page: str,
    *,
    job: str,
    title: str,
    assets: str,
    theory: str,
    model_entries: Sequence[Mapping],
    game_entries: Sequence[Mapping],
    figure_entries: Sequence[Mapping],
    search_entries: Sequence[Mapping],
    diagnosed: Sequence[str],
) -> None:
    """Collect what the page shows, and write it.

    Args:
        models, games, figures: files, as in model_entries, game_entries and figure_entries: a
            model, a first shard, an image.
        diagnoses: tables of the models `diagnosed`.
        claims, hypotheses: one table, or none.
        trajectories, weights: of the groups that search_entries refer to.
        run: the configuration as a table.
        assets, theory: digests of what the browser gets beside the data, and of docs/theory.md; a
            change makes the page anew.
        model_entries: name, kind, origin, the games that the model is evaluated on, the longest
            prefix in training, if there was any, and a colour.
        game_entries: name, settings.
        figure_entries, search_entries: see explorer.shelf and explorer.training.
    """
    values = dict(read_frame(run)[["key", "value"]].to_numpy())
    checked = read_frame(claims[0]) if claims else None
    shards = dict(zip([entry["name"] for entry in game_entries], games, strict=True))
    settings = {entry["name"]: entry["settings"] for entry in game_entries}
    data = {
        "summary": summarize_run(values, checked),
        "folder": values.get("results", "results"),
        "models": [],
        "deep_models": [],
        "games": [_read_game(shards[entry["name"]], entry) for entry in game_entries],
        "diagnoses": {
            name: describe_diagnosis(read_frame(path))
            for name, path in zip(diagnosed, diagnoses, strict=True)
        },
        "claims": None,
        "effects": None,
        "hypotheses": describe_hypotheses(read_frame(hypotheses[0])) if hypotheses else [],
        "courses": [],
    }
    for path, entry in zip(models, model_entries, strict=True):
        model = read_model(path)
        if isinstance(model, GPT):
            design = describe_design(model)
            data["deep_models"].append({**entry, "vocab": model.vocab_size, **design})
        elif model.vocab_size <= MAX_TOKENS:
            data["models"].append(_describe_model(model, entry))
    data["models"] = keep_few(data["models"])
    data["games"] = [game for game in data["games"] if game]
    if checked is not None:
        data["claims"] = describe_claims(checked, read_theory())
    tables = [table for table in map(read_frame, effects) if len(table)]
    if tables:
        data["effects"] = describe_effects(tables)
    for entry in search_entries:
        game = make_game(**settings[entry["game"]])
        tokens = next(iter_games(shards[entry["game"]], game))[:GAMES]
        mask = game.get_valid_next_token_mask(tokens)
        keys = [f"{item['variant']}/{item['number']}/" for item in entry["trials"]]
        files = {
            n: (_read_tensors(trajectories[n], keys), _read_tensors(weights[n], keys))
            for n in {item["file"] for item in entry["trials"]}
        }
        budget = MAX_BYTES / len(search_entries)
        data["courses"].append(describe_search(entry, files, tokens, mask, budget))
    room = 0.7 * (MAX_PAGE - count_bytes(data, title))  # base64 takes a third more
    images = [Path(path).read_bytes() for path in figures]
    data["figures"] = describe_figures(figure_entries, images, int(room))
    write_files({page: write_html(data, title)})


def _describe_model(model: OneLayer, entry: Mapping) -> dict:
    """A model that the page can run."""
    return {**entry, **describe_model(model), "form": describe_form(model)}


def _read_game(path: str, entry: Mapping) -> dict | None:
    """A game for the page; None if it has too many tokens to show."""
    settings, shown = entry["settings"], {k: v for k, v in entry.items() if k != "settings"}
    game = make_game(**settings)
    if not fits(game):
        return None
    tokens = next(iter_games(path, game))[:RECORDED]
    return {**shown, "kind": settings["kind"], **describe_game(game, settings["kind"], tokens)}


def _read_tensors(path: str, prefixes: Sequence[str]) -> dict[str, np.ndarray]:
    """Tensors whose names begin like this, and the steps; the files hold many trials."""
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        wanted = [name for name in names if name.startswith((*prefixes, "steps"))]
        return {name: file.get_tensor(name) for name in wanted}
