"""The first layer through a probe: models of many layers, large boards, few tokens."""

from functools import partial

import numpy as np
import pandas as pd
from scenarios_plots import LONG

from gamecircuits.audits.bridge import ALL, FACTORS, Bridge
from gamecircuits.figures.audits import first_layer
from gamecircuits.games.game import make_game


def make_bridge(tokens, longest, trained, layers):
    """Random tables of the right columns."""
    rng = np.random.default_rng(0)
    lengths = pd.DataFrame({"length": np.arange(1, longest + 1)})
    lengths["is_trained"] = lengths["length"] <= trained

    def draw(**columns):
        values = {name: rng.uniform(low, high, longest) for name, (low, high) in columns.items()}
        return lengths.assign(**values)

    attended, read = np.divmod(np.arange(tokens**2), tokens)
    circuit = {"head": ALL, "attended": attended, "read": read}
    scores = {"measured": (1, 60), "by_form": (1, 60), "by_law": (1, 60), "level_spread": (1, 9)}
    masses = {"mass": (1e-6, 1), "predicted_mass": (1e-14, 1)}
    sites = [(0, "embedding")]
    sites += [(n + 1, name) for n in range(layers) for name in ("attention", "mlp")]
    of_sites = {"displacement": (1, 60), "accuracy": (0.5, 1), "base_rate": (0.5, 0.9)}
    return Bridge(
        heads=pd.DataFrame(),
        circuit=pd.DataFrame(circuit | {"logit": rng.normal(size=tokens**2)}),
        lengths=draw(**scores),
        rescaled=pd.concat(
            draw(**masses).assign(direction=direction, factor=factor)
            for direction in ("probe", "random")
            for factor in FACTORS
        ),
        layers=pd.concat(
            draw(**of_sites, share_of_uniform=(0.1, 1)).assign(layer=layer, sublayer=sublayer)
            for layer, sublayer in sites
        ),
    )


def draw(*sizes, board_size=None):
    game = make_game("set_complement", vocab_size=sizes[0])
    if board_size:
        game = make_game("othello", board_size=board_size)
    table = first_layer.make_table(make_bridge(*sizes)._asdict(), sizes[2])
    return first_layer.draw(table, LONG, game, sizes[2])


SCENARIOS = {
    "the bridge of a small board": partial(draw, 16, 11, 6, 2, board_size=4),
    "the bridge of a large board": partial(draw, 64, 60, 40, 8, board_size=8),
    "the bridge of three tokens": partial(draw, 3, 2, 2, 1),
}
