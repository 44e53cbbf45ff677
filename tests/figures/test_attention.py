"""Attention of the first layer: means by pair and by distance, against plain loops."""

from collections import defaultdict

import numpy as np
import pytest
from gpts import make_gpt

from gamecircuits.figures.models import attention
from gamecircuits.games.game import PAD

V, L, TRAINED = 4, 5, 3


@pytest.fixture(scope="module")
def case():
    """A model, games that end early and late, and the table."""
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=V, num_positions=L)
    tokens = rng.integers(0, V, (60, L))
    tokens[::3, 2:] = PAD
    return model, tokens, attention.make_table(tokens, model, TRAINED)


def test_means_are_those_of_plain_loops(case):
    model, tokens, table = case
    patterns = []
    model.logits(tokens, hook=lambda site, v: (patterns.append(v) or v) if "pattern" in site else v)
    pairs, distances = defaultdict(list), defaultdict(list)
    for game, pattern in zip(tokens, patterns[0], strict=True):
        for head in range(2):
            for s in range(2, L + 1):  # tokens seen
                for place in range(s if game[s - 1] != PAD else 0):
                    relative = s * pattern[head, s - 1, place]
                    distances[head + 1, s - 1 - place, s <= TRAINED].append(relative)
                    if s <= TRAINED:
                        pairs[head + 1, game[s - 1], game[place]].append(relative)
    for part, keys, wanted in (
        ("pairs", ["head", "token", "attended"], pairs),
        ("distances", ["head", "distance", "is_trained"], distances),
    ):
        rows = table[table["part"] == part].set_index(keys)
        assert set(rows.index) == set(wanted)
        for place, values in wanted.items():
            assert rows.loc[place, "count"] == len(values)
            assert rows.loc[place, "relative"] == pytest.approx(np.mean(values), rel=1e-5)


def test_a_prefix_of_one_token_has_nothing_to_choose(case):
    model, tokens, _ = case
    table = attention.make_table(tokens[:, :1], model, None)
    assert table.empty


def test_a_board_of_boards_has_every_pair_in_its_place(case):
    """Of 2 by 2 squares: the pixel of the attended square in the board of the last one."""
    _, _, table = case
    figure = attention.draw(table, "m", (2, 2), TRAINED)
    whole = attention.draw(table, "m", None, TRAINED)
    for head in (0, 1):
        boards, matrix = (f.axes[head].images[0].get_array() for f in (figure, whole))
        assert boards.shape == (5, 5, 4)
        for last in range(V):
            for attended in range(V):
                row = last // 2 * 3 + attended // 2
                column = last % 2 * 3 + attended % 2
                np.testing.assert_array_equal(boards[row, column], matrix[last, attended])
        assert (boards[2] == 1).all()  # between boards
