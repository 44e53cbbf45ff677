"""The figure of a game as it is read: counts and frames are those of the table."""

import numpy as np
from scenarios_beliefs import make_beliefs

from gamecircuits.figures.audits import beliefs
from gamecircuits.games.game import make_game

SETTINGS = {"kind": "othello", "board_size": 4}


def test_what_is_read_wrong_is_counted_and_framed():
    table = make_beliefs(SETTINGS, 12)
    figure = beliefs.draw(table, "m", make_game(**SETTINGS), 6)
    above, below = np.split(np.array(figure.axes[:12]), 2)
    wrong = (table["read"] != table["value"]).groupby(table["length"]).sum()
    assert wrong.max() > wrong.min()
    for upper, lower in zip(above, below, strict=True):
        length = int(upper.get_title(loc="left").split()[0])
        assert lower.get_xlabel() == f"{wrong[length]} wrong"
        frames = [c for c in lower.collections if len(c.get_facecolor()) == 0]
        assert sum(len(c.get_paths()) for c in frames) == wrong[length]
        stones = [len(c.get_paths()) for c in lower.collections[1:3]]
        rows = table[table["length"] == length]
        assert sum(stones) == (rows["read"] != "empty").sum()
        assert (
            sum(len(c.get_paths()) for c in upper.collections[1:3])
            == (rows["value"] != "empty").sum()
        )
