"""Predictions on boards: what is marked stands on its square."""

import numpy as np
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba

from gamecircuits.figures.models import board_predictions as boards
from gamecircuits.figures.models.predictions import MARK, PROBABILITY, make_table
from gamecircuits.games.game import make_game

GAMES = {
    "othello": {"kind": "othello", "board_size": 4},
    "mnk": {"kind": "mnk", "rows": 3, "columns": 4, "in_a_row": 3},
    "connect_four": {"kind": "connect_four", "rows": 3, "columns": 4, "in_a_row": 3},
}


class Favourite:
    """A model that gives a tenth to each token but the first one, which has the rest."""

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size

    def logits(self, tokens):
        p = np.full(self.vocab_size, 0.3 / (self.vocab_size - 1))
        p[0] = 0.7
        return np.broadcast_to(np.log(p), (*np.shape(tokens), self.vocab_size))


def draw_first(kind):
    """The figure of a model on one game, with that game's rules and tokens."""
    rules = make_game(**GAMES[kind])
    tokens = rules.play(1, np.random.default_rng(3))
    mask = rules.get_valid_next_token_mask(tokens)
    table = make_table(tokens[0], mask[0], {"m": Favourite(rules.vocab_size)})
    return boards.draw(table, kind, rules, {"m": 3}), table, rules


def find_places(axes, colour, kind="face"):
    """Centres (column, row) of what has this colour on a board."""
    found = set()
    for collection in axes.collections:
        if isinstance(collection, PatchCollection):
            colours = getattr(collection, f"get_{kind}color")()
            for n, path in enumerate(collection.get_paths()):
                if len(colours) and np.allclose(colours[n % len(colours)], colour):
                    ends = path.get_extents()
                    x, y = (ends.x0 + ends.x1) / 2, (ends.y0 + ends.y1) / 2
                    found.add((round(x), round(y)))
    return found


@pytest.mark.parametrize("kind", GAMES)
def test_mistakes_are_the_illegal_tokens_of_some_probability(kind):
    figure, table, rules = draw_first(kind)
    columns = rules.shape[1]
    lengths = boards.choose_lengths(table["length"].max())
    played = table.drop_duplicates("length")["last_token"].to_list()
    for axes, length in zip(figure.axes, lengths, strict=False):
        rows = table[(table["model"] == "m") & (table["length"] == length)]
        wrong = rows[~rows["legal"] & (rows["probability"] >= boards.MISTAKE)]["token"]
        places = set()
        for token in wrong:
            if kind == "connect_four":  # a full column is shown at its top
                height = min(played[:length].count(token), rules.rows - 1)
                places.add((token, height))
            else:
                places.add((token % columns, token // columns))
        assert find_places(axes, to_rgba(MARK), "edge") == places
        mass = rows.loc[~rows["legal"], "probability"].sum()
        shown = axes.get_xlabel().removeprefix("illegal ")
        assert float(shown) == pytest.approx(mass, abs=0.005)
        assert (axes.xaxis.label.get_bbox_patch() is not None) == (length <= 3)


def test_legal_squares_are_shaded_by_their_probability():
    figure, table, rules = draw_first("mnk")
    axes, rows = figure.axes[0], table[(table["model"] == "m") & (table["length"] == 1)]
    by_shade = rows.groupby("probability")["token"].agg(set)
    assert len(by_shade) == 2
    for probability, tokens in by_shade.items():
        shade = ScalarMappable(PROBABILITY, "Blues").to_rgba(probability)
        wanted = {(token % rules.columns, token // rules.columns) for token in tokens}
        assert find_places(axes, shade) == wanted


@pytest.mark.parametrize("last", [1, 2, 5, 6, 7, 59])
def test_lengths_are_few_and_end_with_the_last(last):
    lengths = boards.choose_lengths(last)
    assert lengths[0] == 1
    assert lengths[-1] == last
    assert len(lengths) == min(last, boards.NUM_BOARDS)
