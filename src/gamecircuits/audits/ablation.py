"""What a model does when the output of a head or MLP is replaced: everywhere, or on one path.

An output is replaced by its mean over games at the same length, or by that in another game, drawn
at random, at the same length ("resampled"). It is replaced at all positions. A mean may be an
output that never occurs; a resampled one does, though not beside these others.
"""

import numpy as np
import pandas as pd

from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.audits.components import (
    TOKENS,
    Component,
    Say,
    Trace,
    get_rest,
    list_components,
    put_on,
    read_site,
    run_rest,
    write,
)
from gamecircuits.audits.prefixes import Prefixes, average

METRICS = ("illegal_token_rate", "total_variation", "kl_divergence", "displacement")
END = "logits"  # the receiver at the end


def measure(logits: np.ndarray, legal: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """METRICS of logits (N, L, V) where prefixes count, 0 elsewhere: (metrics, N, L)."""
    found = context_metrics(logits[counts].astype(float), legal[counts])
    values = np.zeros((len(METRICS), *counts.shape))
    values[:, counts] = [found[name] for name in METRICS]
    return values


def average_games(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means (L, ...) over the games that count at each position, of values (N, L, ...)."""
    total = np.maximum(counts.sum(axis=0), 1).astype(values.dtype)
    return np.einsum("nl...,nl->l...", values, counts.astype(values.dtype)) / total[:, None]


def change_output(run: Trace, point: int, change: np.ndarray) -> np.ndarray:
    """Logits (N, L, V) when a sublayer adds `change` (N, L, d) to what it adds."""
    out = run.outs[point] + change
    stream = put_on(run.model, run.sublayers[point], run.streams[point], out)
    return run_rest(get_rest(run.model, point + 1), run.tokens, stream)


def ablate(run: Trace, prefixes: Prefixes, say: Say) -> pd.DataFrame:
    """Table `ablated` of `Attribution`."""
    legal, counts = prefixes.legal, prefixes.counts
    before = measure(run.logits, legal, counts)
    components = list_components(run.model)
    tables = []
    for number, component in enumerate(components, start=1):
        say(f"ablating component {number} of {len(components)}")
        output = run.get_output(component)
        ways = {
            "mean": (average_games(output, counts), counts),
            "resampled": (output[prefixes.donors], prefixes.both),
        }
        for way, (instead, counted) in ways.items():
            logits = change_output(run, component.point, instead - output)
            change = measure(logits, legal, counts) - before
            names = {"component": component.name, "layer": component.layer, "head": component.head}
            rows = pd.DataFrame(names | {"replaced_by": way, "metric": METRICS})
            tables.append(average(rows, change, counted, prefixes.trained_length))
    if not tables:
        columns = ["component", "layer", "head", "replaced_by", "metric", "first_length"]
        return pd.DataFrame(columns=[*columns, "last_length", "count", "change", "error"])
    return pd.concat(tables, ignore_index=True).rename(columns={"mean": "change"})


def patch_paths(run: Trace, prefixes: Prefixes, weights: np.ndarray, say: Say) -> pd.DataFrame:
    """Table `paths` of `Attribution`: path patching of every pair of components.

    A path is an edge of the graph of components (Wang et al. 2022; Goldowsky-Dill et al. 2023).
    Only what the receiver reads changes: the stream at its point is that of a run in which the
    sender's output is another game's and all other outputs stay as they were. Norms before the
    receiver see this stream. The receiver then adds what it makes of it, and all later components
    run as they do. The receiver `logits` is the final norm and the unembedding. The sender `tokens`
    is the embedding alone; positions are alike in all games.

    Args:
        weights: of the logits in the displacement, (N, L, V).
    """
    senders = [Component(TOKENS), *list_components(run.model)]
    tables = []
    for number, sender in enumerate(senders, start=1):
        say(f"patching paths from component {number} of {len(senders)}")
        output = run.get_output(sender)
        changed = _patch_from(run, sender, output[prefixes.donors] - output)
        change = [np.einsum("nlv,nlv->nl", x - run.logits, weights) for x in changed.values()]
        rows = pd.DataFrame({"sender": sender.name, "receiver": [*changed]})
        tables.append(average(rows, np.stack(change), prefixes.both, prefixes.trained_length))
    return pd.concat(tables, ignore_index=True).rename(columns={"mean": "change"})


def _patch_from(run: Trace, sender: Component, change: np.ndarray) -> dict[str, np.ndarray]:
    """Logits (N, L, V) by receiver, when each alone reads the changed output of a sender."""
    model, streams = run.model, run.replay(sender, change)
    found = {}
    for point in range(sender.point + 1, len(run.outs)):
        alone, site = get_rest(model, point, point + 1), run.sublayers[point].site
        inner = read_site(alone, run.tokens, streams[point], f"blocks.0.{site}")
        for receiver in list_components(model):
            if receiver.point == point:
                now = write(model, receiver, inner)
                difference = now - run.get_output(receiver)
                found[receiver.name] = change_output(run, point, difference)
    end = get_rest(model, len(run.outs))
    return found | {END: run_rest(end, run.tokens, streams[-1])}
