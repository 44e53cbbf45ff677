"""Stage: how often each square of a board is legal, ply by ply."""

import numpy as np
import pandas as pd

from gamecircuits.games._bitboard_game import BitboardGame
from gamecircuits.games.datasets import iter_games
from gamecircuits.games.game import make_game
from gamecircuits.storage.tables import write_frame


def measure_legality(games: list[str], legality: str, *, job: str, name: str, game: dict) -> None:
    """Count the games still running at each ply, and those of them in which a square is legal."""
    rules = make_game(**game)
    assert isinstance(rules, BitboardGame)  # the graph has this stage for no others
    num_legal = np.zeros((rules.max_length, rules.num_squares), dtype=np.int64)
    num_positions = np.zeros((rules.max_length, 1), dtype=np.int64)
    for shard in games:
        for tokens in iter_games(shard, rules):
            legal = rules.get_legal_squares(tokens)[:, :-1]  # (n, max_length, squares)
            num_legal += legal.sum(axis=0)
            num_positions += legal.any(axis=2).sum(axis=0)[:, None]
    ply, square = np.indices(num_legal.shape).reshape(2, -1)
    table = pd.DataFrame(
        {
            "game": name,
            "ply": ply,
            "square": square,
            "num_positions": num_positions[ply, 0],
            "num_legal": num_legal.ravel(),
        }
    )
    write_frame(table[table["num_positions"] > 0], job, legality)
