"""The bridge from board games to the theory: what is played is known after the first attention.

Whether a square is empty is set complement: the token that fills it was not played. The first layer
of a GPT with a probe of that is a one-layer transformer (`gamecircuits.audits.first_layer`). The
theory says how far the score of a played token lies below that of the others, at every length.
Here this is measured, and what is done to it comes back in the model's predictions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from gamecircuits.analysis.evaluation import get_logits
from gamecircuits.analysis.inside import describe_attention, look_inside
from gamecircuits.analysis.metrics import probabilities
from gamecircuits.audits.activations import list_sites, read_activations
from gamecircuits.audits.first_layer import (
    Readout,
    Strengths,
    TokenCircuits,
    fit_diagonal,
    fit_strengths,
    read_circuits,
    read_residual,
    score_by_form,
    score_by_tables,
)
from gamecircuits.audits.probes import fit_probe
from gamecircuits.audits.rescaling import find_directions, rescale, shrink
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, Game
from gamecircuits.games.splits import SplitGames
from gamecircuits.theory.basics import centering
from gamecircuits.theory.displacement import critical_length
from gamecircuits.transformer.gpt import GPT

FITTED, MEASURED = 1 << 13, 1 << 14  # prefixes that probes are fitted to, and that are measured
EMPTY = ("empty", "absent")  # what places are called that no token filled
FACTORS = (0.0, 0.5, 1.0, 2.0)  # of the strength x
SMALL = 0.01  # of the largest singular value: smaller ones do not count for the rank
ALL = "all"


class Bridge(NamedTuple):
    """What `read_first_layer` found: tidy tables; their columns are in its docstring."""

    heads: pd.DataFrame
    circuit: pd.DataFrame
    lengths: pd.DataFrame
    rescaled: pd.DataFrame
    layers: pd.DataFrame


def read_first_layer(
    model: GPT,
    game: Game,
    games: SplitGames,
    *,
    trained_length: int | None,
    rng: np.random.Generator,
    say: Callable[[str], None] = lambda message: None,
) -> Bridge:
    """The first layer as a transformer that solves set complement; what follows for the model.

    Probes are fitted on training games, prefixes of lengths in training; all else is measured on
    test games. A displacement is the mean score of the tokens not played less that of the played
    ones, nats. Tokens never played at lengths in training are left out, with what follows them.

    Args:
        trained_length: longest prefix in training (tokens); None: all are.
        rng: for the directions of the control.

    Returns:
        heads: of each head (from 1) and all together, at trained_length: mean and standard
            deviation of x; misfit of the standard form; rank of the OV table; cosine of what the
            head says of a token, reversed, with the direction of its probe, and with the smallest
            change that raises its score alone (`find_directions`); of each also the mean over the
            directions of other tokens. Of heads: score of a token with itself over those with
            others, and spreads of scores over tokens and over places, nats. Of all: mean beta, and
            the critical length (tokens) under uniform attention.
        circuit: logits (nats) of a read token by the attended one, of each head and all; without
            what a row or a column has in common.
        lengths: displacement measured, by the tables, by x, β and attention, and by
            (mean x + β) / length; share of the tokens for which the probe is right, and the score
            by the tables; shares of the variance of scores within prefixes that the first two
            explain; x and beta at this length; standard deviation over tokens of the score that
            they have while absent. Where it is near the displacement, positions drown the set.
        rescaled: by factor of x and direction (`probe`, `random`): displacement and probability of
            the played tokens, and of other illegal ones, after the change; predictions of the
            first two.
        layers: after each sublayer, displacement and accuracy of a probe fitted there, base rate,
            and the share of uniform entropy of its heads, by length.
    """
    longest = games.test.shape[1]
    trained = min(longest, trained_length or longest)
    fitted = _Prefixes.of(game, games.train[: -(-FITTED // trained), :trained], None)
    test = _Prefixes.of(game, games.test[: -(-MEASURED // longest)], fitted.known)
    say("probing the first attention")
    rows = read_residual(model, fitted.tokens, fitted.keep)
    readout = fit_readout(rows, ~fitted.members)
    circuits = read_circuits(model, readout, fitted.known, trained)
    strengths = fit_strengths(circuits)
    scores = score(readout, read_residual(model, test.tokens, test.keep))
    say("reading the first layer at every length")
    lengths = _describe_lengths(model, readout, strengths, test, scores, trained)
    say("rescaling what the first layer says")
    directions = find_directions(rows, readout, rng)
    rescaled = _rescale_all(model, game, readout, strengths, directions, test, scores, trained)
    return Bridge(
        heads=_describe_heads(circuits, strengths, readout.W.T, directions["probe"]),
        circuit=_describe_circuit(circuits, fitted.known),
        lengths=lengths,
        rescaled=rescaled,
        layers=_describe_layers(model, fitted, test, trained, say),
    )


@dataclass(frozen=True, eq=False)
class _Prefixes:
    """Games and, of the prefixes that count (P of them), what was played.

    Attributes:
        tokens: (N, L). known: tokens that are looked at (n,).
        keep: which prefixes count: the game goes on, and all of their tokens are known, (N, L).
        members: whether each known token was played (P, n). last: index of the last one (P,).
        length: tokens (P,).
    """

    tokens: np.ndarray
    known: np.ndarray
    keep: np.ndarray
    members: np.ndarray
    last: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, game: Game, tokens: np.ndarray, known: np.ndarray | None) -> "_Prefixes":
        """With `known` None, the tokens that occur."""
        is_token = tokens[..., None] == np.arange(game.vocab_size)
        played = np.logical_or.accumulate(is_token, axis=1)
        goes_on = _check_game(game, tokens, played)
        if known is None:
            known = np.flatnonzero(is_token.any(axis=(0, 1)))
        if len(known) < 2:
            raise GamecircuitsError("too few games: fewer than two tokens are ever played in them")
        others = np.setdiff1d(np.arange(game.vocab_size), known)
        is_full = played[..., known].all(axis=2)
        keep = goes_on & ~is_full & ~played[..., others].any(axis=2)
        if not keep.any():
            raise GamecircuitsError("too few games: no prefix with known tokens goes on")
        length = np.nonzero(keep)[1] + 1
        last = np.searchsorted(known, tokens[keep])
        return cls(tokens, known, keep, played[keep][:, known], last, length)


def _check_game(game: Game, tokens: np.ndarray, played: np.ndarray) -> np.ndarray:
    """Whether a game goes on (N, L); an error if "empty" is not the same as "not yet played"."""
    for feature in game.get_features(tokens).values():
        labels = feature.labels
        if feature.values[0] in EMPTY and labels.shape[2] == game.vocab_size:
            goes_on = (labels != PAD).any(axis=2)
            is_played = played.any(axis=(0, 1))  # the others may be full from the start
            if ((labels == 0) == ~played)[goes_on][:, is_played].all():
                return goes_on
    raise GamecircuitsError(
        f"{type(game).__name__} has no places that one token each fills; the bridge to set "
        "complement is for games such as othello, mnk and set_complement"
    )


def fit_readout(rows: np.ndarray, is_empty: np.ndarray) -> Readout:
    """The log-odds of "empty" as a probe reads them from activations (n, d); labels (n, tokens)."""
    if not np.isfinite(rows).all():
        raise GamecircuitsError("the model's activations are not finite, so no probe can be fitted")
    probe = fit_probe(rows, is_empty.astype(int), 2)
    return Readout(probe.W[..., 1] - probe.W[..., 0], probe.b[:, 1] - probe.b[:, 0])


def score(readout: Readout, rows: np.ndarray) -> np.ndarray:
    """Scores (P, n) of activations (P, d)."""
    return rows @ readout.W + readout.b


def displace(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean score of absent tokens less that of seen ones, (P,)."""
    num_seen, total = members.sum(axis=1), scores.sum(axis=1)
    seen = np.where(members, scores, 0).sum(axis=1)
    return (total - seen) / (members.shape[1] - num_seen) - seen / num_seen


def is_right(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Whether "empty" has positive log-odds just where it is true, bool (P, n)."""
    return (scores > 0) == ~members


def _mean_by(length: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Means over prefixes of each length, with their count; one row a length."""
    count = np.bincount(length)
    there = np.flatnonzero(count)
    found = {"length": there, "count": count[there]}
    sums = {name: np.bincount(length, values)[there] for name, values in columns.items()}
    return pd.DataFrame(found | {name: sums[name] / count[there] for name in sums})


def _describe_lengths(
    model: GPT,
    readout: Readout,
    strengths: Strengths,
    test: _Prefixes,
    scores: np.ndarray,
    trained: int,
) -> pd.DataFrame:
    budget = strengths.x.sum(axis=0).mean() + strengths.beta.mean()
    rows = []
    for length in np.unique(test.length):
        now = test.length == length
        members, last, measured = test.members[now], test.last[now], scores[now]
        circuits = read_circuits(model, readout, test.known, int(length))
        form = fit_strengths(circuits)
        by_tables = score_by_tables(circuits, members, last)
        by_form = score_by_form(circuits, form, members, last)
        rows.append(
            {
                "length": int(length),
                "is_trained": bool(length <= trained),
                "count": int(now.sum()),
                "measured": displace(measured, members).mean(),
                "by_tables": displace(by_tables, members).mean(),
                "by_form": displace(by_form, members).mean(),
                "by_law": budget / length,
                "accuracy": is_right(measured, members).mean(),
                "accuracy_by_tables": is_right(by_tables, members).mean(),
                "explained_by_tables": _explain(measured, by_tables),
                "explained_by_form": _explain(measured, by_form),
                "x": form.x.sum(axis=0).mean(),
                "beta": form.beta.mean(),
                "level_spread": form.level.std(),
            }
        )
    return pd.DataFrame(rows)


def _explain(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the variance of scores within prefixes (P, n) that predictions explain."""
    centred = measured - measured.mean(axis=1, keepdims=True)
    rest = centred - predicted + predicted.mean(axis=1, keepdims=True)
    return float(1 - (rest**2).sum() / (centred**2).sum())


def _describe_heads(
    circuits: TokenCircuits, strengths: Strengths, probe: np.ndarray, changes: np.ndarray
) -> pd.DataFrame:
    rows = []
    for head in range(len(circuits.ov)):
        qk = circuits.qk[head]
        others = np.where(np.eye(len(qk), dtype=bool), np.nan, qk)
        means = np.nanmean(others, axis=1)
        rows.append(
            {"head": str(head + 1)}
            | _describe_table(circuits.ov[head], circuits.outputs[head], probe, changes)
            | {
                "self_score": (np.diagonal(qk) - means).mean(),
                "token_spread": np.nanstd(others - means[:, None]),
                "place_spread": circuits.place_spread[head],
            }
        )
    ov, outputs = circuits.ov.sum(axis=0), circuits.outputs.sum(axis=0)
    together = _describe_table(ov, outputs, probe, changes)
    beta = float(strengths.beta.mean())
    lasts = critical_length(together["x"], -beta) if together["x"] > 0 > beta else np.inf
    rows.append({"head": ALL} | together | {"beta": beta, "critical_length": lasts})
    return pd.DataFrame(rows)


def _describe_table(
    ov: np.ndarray, outputs: np.ndarray, probe: np.ndarray, changes: np.ndarray
) -> dict[str, float]:
    form = fit_diagonal(ov)
    P = centering(len(ov))
    sizes = np.linalg.svd(P @ ov @ P, compute_uv=False)
    said = outputs.mean(axis=0) - outputs
    found = {
        "x": form.strengths.mean(),
        "x_sd": form.strengths.std(),
        "misfit": form.misfit(),
        "rank": int((sizes > SMALL * sizes[0]).sum()),
    }
    for name, directions in {"cosine": probe, "cosine_change": changes}.items():
        cosines = _unit(said) @ _unit(directions).T
        is_own = np.eye(len(cosines), dtype=bool)
        found |= {name: cosines[is_own].mean(), f"{name}_others": cosines[~is_own].mean()}
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) of length 1; NaN where there is no direction."""
    with np.errstate(invalid="ignore"):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _describe_circuit(circuits: TokenCircuits, known: np.ndarray) -> pd.DataFrame:
    tables = {str(head + 1): table for head, table in enumerate(circuits.ov)}
    n, found = len(known), []
    for head, table in (tables | {ALL: circuits.ov.sum(axis=0)}).items():
        form = fit_diagonal(table)
        columns = {"attended": np.repeat(known, n), "read": np.tile(known, n)}
        logit = (form.rest - np.diag(form.strengths)).ravel()
        found.append(pd.DataFrame({"head": head} | columns | {"logit": logit}))
    return pd.concat(found, ignore_index=True)


def _rescale_all(
    model: GPT,
    game: Game,
    readout: Readout,
    strengths: Strengths,
    directions: dict[str, np.ndarray],
    test: _Prefixes,
    scores: np.ndarray,
    trained: int,
) -> pd.DataFrame:
    mask = game.get_valid_next_token_mask(test.tokens)[test.keep]
    played = np.zeros_like(mask)
    played[:, test.known] = test.members
    played &= ~mask
    before = get_logits(model, test.tokens)[test.keep]
    shown = displace(scores, test.members)
    shown_by = _mean_by(test.length, shown=shown).set_index("length")["shown"]
    x = strengths.x.sum(axis=0).mean()
    found = []
    for direction, vectors in directions.items():
        for factor in FACTORS:
            changed = rescale(model, strengths, test.known, vectors, factor)
            after = score(readout, read_residual(changed, test.tokens, test.keep))
            p = probabilities(get_logits(changed, test.tokens)[test.keep])
            lost = (1 - factor) * x / test.length * (direction == "probe")
            left = 1 - lost / shown_by.loc[test.length].to_numpy()
            p_law = probabilities(shrink(before, mask, played, left))
            means = _mean_by(
                test.length,
                predicted_displacement=shown - lost,
                displacement=displace(after, test.members),
                predicted_mass=(p_law * played).sum(axis=1),
                mass=(p * played).sum(axis=1),
                other_mass=(p * (~mask & ~played)).sum(axis=1),
            )
            means.insert(1, "is_trained", means["length"] <= trained)
            found.append(means.assign(direction=direction, factor=factor))
    return pd.concat(found, ignore_index=True)


def _describe_layers(
    model: GPT, fitted: _Prefixes, test: _Prefixes, trained: int, say: Callable[[str], None]
) -> pd.DataFrame:
    sites = list_sites(model)
    base = _guess(test)
    found = []
    for number, site in enumerate(sites):
        say(f"probing site {number + 1} of {len(sites)}")
        rows = read_activations(model, fitted.tokens, fitted.keep, [site])[site]
        readout = fit_readout(rows, ~fitted.members)
        scores = score(readout, read_activations(model, test.tokens, test.keep, [site])[site])
        means = _mean_by(
            test.length,
            displacement=displace(scores, test.members),
            accuracy=is_right(scores, test.members).mean(axis=1),
        )
        means["base_rate"] = means["length"].map(base)
        layer, sublayer = _name_site(model, site)
        found.append(means.assign(site=site, layer=layer, sublayer=sublayer))
    table = pd.concat(found, ignore_index=True)
    table["is_trained"] = table["length"] <= trained
    attention = describe_attention(look_inside(model, test.tokens).entropies, test.keep)
    shares = attention.groupby(["layer", "length"])["share_of_uniform"].mean().reset_index()
    shares = shares.assign(layer=shares["layer"] + 1, sublayer="attention")
    return table.merge(shares, how="left", on=["layer", "sublayer", "length"])


def _name_site(model: GPT, site: str) -> tuple[int, str]:
    """Layer, from 1, or 0 for the embedding; and sublayer."""
    _, layer, name = site.split(".")
    if name == "resid_pre":
        return 0, "embedding"
    has_mlp = model.parameters.blocks[int(layer)].mlp is not None
    return int(layer) + 1, "mlp" if name == "resid_post" and has_mlp else "attention"


def _guess(prefixes: _Prefixes) -> pd.Series:
    """Share of right guesses, by length, of whoever knows the length alone."""
    played = pd.DataFrame(prefixes.members).groupby(prefixes.length).mean()
    return np.maximum(played, 1 - played).mean(axis=1)
