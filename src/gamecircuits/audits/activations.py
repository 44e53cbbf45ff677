"""Activations of a GPT at its sites: read in chunks, and given to whoever learns from them.

A model of many layers has more activations than memory holds; whoever asks for a few sites at a
time, and for the prefixes that count, gets arrays of known size, and nothing is written to disk.
"""

from collections.abc import Sequence

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.kinds import suggest
from gamecircuits.transformer.gpt import GPT, map_weights

POSITIONS = 1 << 11  # that the model is given at once


def list_sites(model: GPT) -> list[str]:
    """Where the residual stream can be read: before the first layer, and after every sublayer."""
    sites = ["blocks.0.resid_pre"] if model.parameters.blocks else ["embed"]
    for i, block in enumerate(model.parameters.blocks):
        sites += [f"blocks.{i}.resid_mid"] if block.mlp is not None else []
        sites.append(f"blocks.{i}.resid_post")
    return sites


def check_sites(model: GPT, sites: Sequence[str]) -> None:
    """Raise GamecircuitsError at a name that is no site of the residual stream."""
    known = list_sites(model)
    for site in sites:
        if site not in known:
            raise GamecircuitsError(
                f"there is no site {site!r}; allowed: {', '.join(known)}{suggest(site, known)}"
            )


def read_activations(
    model: GPT, tokens: np.ndarray, keep: np.ndarray, sites: Sequence[str]
) -> dict[str, np.ndarray]:
    """Activations of some prefixes at some sites, in the model's dtype.

    Args:
        tokens: (N, L), padded after a game's end.
        keep: prefixes to keep, bool (N, L).
        sites: of `list_sites`, or any other site of `forward` with an axis of positions before
            its last one.

    Returns:
        for each site (n, width): prefixes in the order of `keep`'s rows.
    """
    found: dict[str, list[np.ndarray]] = {site: [] for site in sites}
    games = max(1, POSITIONS // tokens.shape[1])
    for start in range(0, len(tokens), games):
        chunk = slice(start, start + games)

        def watch(site: str, values: np.ndarray, kept=keep[chunk]) -> np.ndarray:
            if site in found:
                found[site].append(values[kept])
            return values

        model.logits(tokens[chunk], hook=watch)
    for site, parts in found.items():
        if not parts:
            raise GamecircuitsError(f"the model has no site {site!r}")
    return {site: np.concatenate(parts) for site, parts in found.items()}


def shuffle_weights(model: GPT, rng: np.random.Generator) -> GPT:
    """The model with the entries of every weight in random order: as large, and without structure.

    It is the control of what a probe finds in any weights; of whatever software the model is.
    """
    shuffle = lambda weight: rng.permutation(weight.ravel()).reshape(weight.shape)  # noqa: E731
    return GPT(map_weights(shuffle, model.parameters), model.design)
