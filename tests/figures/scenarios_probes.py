"""Probes that are hard to draw: many layers, one place, one length, long names."""

from functools import partial

import numpy as np
import pandas as pd

from gamecircuits.figures.audits import probes
from gamecircuits.games.game import make_game

LONG = "a_name_of_sixty_characters_which_is_as_long_as_names_may_be0"
GAMES = {
    "squares": make_game("othello", board_size=4),
    "places": make_game("dyck", num_brackets=2, max_depth=3, length=8),
}
KINDS = (  # probe, labels, weights
    ("linear", "true", "trained"),
    ("mlp", "true", "trained"),
    ("linear", "random", "trained"),
    ("linear", "true", "shuffled"),
)


def make_probed(features, num_layers: int, longest: int, trained: int | None, has_whole: bool):
    """Tables as of `Probed`."""
    rng = np.random.default_rng(0)
    layers = np.arange(2 * num_layers + 1) / 2
    overall, by_length, fits = [], [], []
    for feature in features:
        for probe, labels, weights in KINDS:
            for fitted_on in ["all lengths", *["trained lengths"] * (trained is not None)]:
                for layer in layers:
                    if probe == "mlp" and (layer % 1 or layer == 0):
                        continue
                    keys = {
                        "site": f"site {layer}", "layer": layer, "feature": feature,
                        "probe": probe, "labels": labels, "weights": weights,
                        "fitted_on": fitted_on,
                    }  # fmt: skip

                    def measure():
                        accuracy = rng.uniform(0.5, 1)
                        whole = accuracy**9 if has_whole else accuracy
                        return {
                            "accuracy": accuracy, "accuracy_error": 0.02, "whole": whole,
                            "whole_error": 0.02, "base_accuracy": 0.5, "base_whole": 0.0,
                            "games": 12345,
                        }  # fmt: skip

                    lengths = ["all", *["trained", "beyond"] * (trained is not None)]
                    overall += [
                        {**keys, "lengths": n, "prefixes": "all", **measure()} for n in lengths
                    ]
                    by_length += [{**keys, "length": n, **measure()} for n in range(1, longest + 1)]
                    fits.append({**keys, "loss": rng.uniform()})
    found = {"overall": overall, "by_length": by_length, "fits": fits}
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def draw_probes(features, num_layers=2, longest=11, trained=6, places="squares"):
    tables = make_probed(features, num_layers, longest, trained, places == "squares")
    return probes.draw(probes.make_table(tables, trained), LONG, GAMES[places], trained)


SCENARIOS = {
    "probes of a board": partial(draw_probes, ["owner", "colour"]),
    "probes of many layers": partial(draw_probes, ["owner"], 12, 59, 30),
    "probes of no layers": partial(draw_probes, ["seen"], 0, 1, None),
    "probes of one place": partial(draw_probes, ["depth", "top"], 3, 64, None, "places"),
}
