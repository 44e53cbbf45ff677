"""Figures: what their tables hold, and that they draw any experiment the config allows."""

import importlib
import math

import numpy as np
import pandas as pd
import pytest
from bigram import Bigram
from matplotlib.figure import Figure
from tables import metrics_table
from twins import naive_has_line, naive_states, naive_stones

from gamecircuits.figures.boards import _filmstrip, _legality, board
from gamecircuits.figures.games import branching_factor
from gamecircuits.figures.layout import render
from gamecircuits.figures.models import predictions
from gamecircuits.figures.style import new_figure, panel
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.mnk import Mnk
from gamecircuits.kinds import list_modules
from gamecircuits.transformer.constructions.construction import make_construction


@pytest.mark.parametrize("name", list_modules("gamecircuits.figures.metrics"))
@pytest.mark.parametrize(
    ("vocab_size", "kinds", "windowed"),
    [(6, ("balanced", "minimal", "attention_norm", "untrained"), True), (2, ("untrained",), False)],
)
def test_metric_figures(name, vocab_size, kinds, windowed):
    module = importlib.import_module(f"gamecircuits.figures.metrics.{name}")
    metrics = metrics_table(vocab_size, kinds, windowed)
    table = module.make_table(metrics)
    figure = module.draw(table)
    assert isinstance(figure, Figure)
    images = render(figure, ["x.png", "x.svg"], "the job")
    assert images == render(module.draw(table), ["x.png", "x.svg"], "the job")
    first = figure.axes[0]
    assert first.get_xlabel() or first.get_ylabel()
    if not hasattr(module, "draw_panels"):  # somebody's own look
        return
    assert set(table["evaluation"]) == set(metrics["evaluation"])
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {kind.replace("_", " ") for kind in kinds} <= shown


def test_points_lie_where_the_table_says():
    module = importlib.import_module("gamecircuits.figures.metrics.length_generalization")
    table = module.make_table(metrics_table(6, ("balanced",), windowed=False))
    axes = module.draw(table).axes[0]
    rows = table[table["metric"] == "illegal_token_rate"]
    line, points = axes.lines
    assert "illegal token rate = total variation" in axes.get_title(loc="left")
    np.testing.assert_array_equal(line.get_ydata(), rows["closed_form"])
    np.testing.assert_array_equal(points.get_ydata(), rows["mean"])
    np.testing.assert_array_equal(points.get_xdata(), rows["length"])


def test_predictions_table_and_figure():
    game = make_game("mnk", rows=3, columns=3, in_a_row=3)
    tokens = game.play(20, np.random.default_rng(0))
    tokens = tokens[(tokens == PAD).any(axis=1)][:1]  # a game with padding
    mask = game.get_valid_next_token_mask(tokens)
    models = {"b": make_construction("balanced", vocab_size=9).model()}
    table = predictions.make_table(tokens[0], mask[0], models)
    total = table.groupby(["model", "length"])["probability"].sum()
    np.testing.assert_allclose(total, 1)
    assert table["length"].max() == (tokens[0] != PAD).sum() - 1  # nothing follows the last token
    illegal = (
        table[(table["model"] == "b") & ~table["legal"]].groupby("length")["probability"].sum()
    )
    assert illegal.max() < 1.1e-3
    assert isinstance(predictions.draw(table, "tic_tac_toe"), Figure)


def test_predictions_of_any_model():
    """Of a bigram: the softmax of one row, by hand."""
    tokens, logits = np.array([2, 0, 1]), np.random.default_rng(0).normal(size=(3, 3))
    mask = make_game("set_complement", vocab_size=3).get_valid_next_token_mask(tokens[None])
    table = predictions.make_table(tokens, mask[0], {"b": Bigram(logits)})
    rows = table[table["model"] == "b"]
    assert len(rows) == 6  # nothing follows all three tokens
    for row in rows.itertuples():
        exponentials = [math.exp(logit) for logit in logits[tokens[row.length - 1]]]
        assert row.probability == pytest.approx(exponentials[row.token] / sum(exponentials))


def test_large_and_empty_cases():
    models = {"b": make_construction("balanced", vocab_size=2).model()}
    game = make_game("windowed_complement", vocab_size=2, window=1, max_length=300)
    tokens = game.play(1, np.random.default_rng(0))
    mask = game.get_valid_next_token_mask(tokens)
    long = predictions.make_table(tokens[0], mask[0], models)
    assert long["length"].max() == predictions.MAX_STEPS
    over = predictions.make_table(tokens[0], np.zeros_like(mask[0]), models)
    assert over.empty
    assert "is over after one token" in predictions.draw(over, "g").get_suptitle()
    figure, grid = new_figure(1, 1, 2, 2)
    panel(grid[0, 0], 27, "after z comes")
    figure.draw_without_rendering()
    assert grid[0, 0].get_title(loc="center") == "bb"


def test_branching_table_and_figure():
    rows = [("g", 0, 3, 4), ("g", 1, 0, 1), ("g", 1, 1, 1), ("g", 1, 3, 2), ("g", 2, 0, 3)]
    counts = pd.DataFrame(rows, columns=["game", "ply", "num_legal", "num_games"])
    table = branching_factor.make_table(counts)
    assert table["ply"].tolist() == [0, 1]  # at ply 2 all games are over
    last = table.iloc[1]
    assert (last["num_games"], last["share_running"]) == (3, 0.75)
    assert last["mean"] == pytest.approx(np.mean([1, 3, 3]))
    assert last["std"] == pytest.approx(np.std([1, 3, 3]))
    assert (last["min"], last["median"], last["max"]) == (1, 3, 3)
    assert isinstance(branching_factor.draw(table), Figure)


def test_games_share_a_panel_where_the_ply_tells_how_many_are_legal_and_lengths_are_counted():
    rows = [("fixed", 0, 2, 9), ("fixed", 1, 1, 9), ("fixed", 2, 0, 9)]
    rows += [("free", 0, 2, 10), ("free", 1, 0, 3), ("free", 1, 1, 2), ("free", 1, 2, 5)]
    rows += [("free", 2, 0, 5), ("free", 2, 1, 2), ("free", 3, 0, 2)]
    rows += [("peaked", 0, 1, 1000), ("peaked", 1, 0, 1), ("peaked", 1, 1, 999)]
    rows += [("peaked", 2, 0, 999)]
    counts = pd.DataFrame(rows, columns=["game", "ply", "num_legal", "num_games"])
    table = branching_factor.make_table(counts)
    lengths = branching_factor.get_lengths(table[table["game"] == "free"])
    assert lengths.to_dict() == pytest.approx({1: 0.3, 2: 0.5, 3: 0.2})
    figure = branching_factor.draw(table)
    certain, free, of_free, of_peaked = (axes for axes in figure.axes if axes.get_visible())
    assert len(certain.lines) == 2
    assert "10 games of 1 to 3 tokens" in free.get_title(loc="left")
    assert (of_free.get_yscale(), of_peaked.get_yscale()) == ("linear", "log")
    assert "mean 1.9 tokens" in of_free.get_title(loc="left")
    np.testing.assert_allclose([bar.get_height() for bar in of_free.patches], [30, 50, 20])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:2] == ["fixed: 9 games of 2 tokens", "peaked: 1,000 games of 1 to 2 tokens"]


def test_legality_of_stages():
    game = make_game("connect_four", rows=2, columns=3, in_a_row=3)
    ply, square = np.indices((8, 6)).reshape(2, -1)
    counts = pd.DataFrame(
        {"ply": ply, "square": square, "num_positions": 10 - ply, "num_legal": square}
    )
    table = board.make_table(np.array([0, 1, 2], np.int8), counts, game, "g")
    stages = table[table["part"] == "legality"].drop_duplicates("first_ply")
    assert stages["first_ply"].tolist() == [0, 2, 4, 6]
    assert stages["last_ply"].tolist() == [1, 3, 5, 7]
    assert stages["num_positions"].tolist() == [19, 15, 11, 7]
    axes = {axes.get_title(loc="left"): axes for axes in board.draw(table, game).axes}
    second = axes["legal %, ply 2–3\n15 positions"]
    shown = {text.get_position(): text.get_text() for text in second.texts if text.get_text()}
    assert shown == {(1, 0): "13", (2, 0): "27", (0, 1): "40", (1, 1): "53", (2, 1): "67"}
    assert second.get_ylim() == (-0.5, 1.5)  # row 0 is below


def test_stages_in_which_all_squares_are_equal_are_left_out():
    game = make_game("mnk", rows=2, columns=2, in_a_row=2)
    ply, square = np.indices((2, 4)).reshape(2, -1)
    counts = pd.DataFrame({"ply": ply, "square": square, "num_positions": 100, "num_legal": 50})
    tokens = game.play(1, np.random.default_rng(0))[0]
    table = board.make_table(tokens, counts, game, "g")
    figure = board.draw(table, game)
    assert figure.get_suptitle().endswith("all squares are legal equally often")
    assert not any(axes.get_title(loc="left").startswith("legal") for axes in figure.axes)
    table.loc[(table["part"] == "legality") & (table["square"] == 3), "num_legal"] = 56
    assert any(
        axes.get_title(loc="left").startswith("legal") for axes in board.draw(table, game).axes
    )


def test_a_row_of_equal_squares_has_one_number_where_tokens_are_columns():
    share = np.array([[0.30, 0.31, 0.32], [0.1, 0.2, 0.3]])
    scale = _legality.make_scale([share])
    texts = []
    for falls in (True, False):
        _, grid = new_figure(1, 1, 2, 2)
        _legality.draw_shares(grid[0, 0], share, scale, 0.5, falls)
        texts.append([text.get_text() for text in grid[0, 0].texts])
    assert texts == [["31", "10", "20", "30"], ["30", "31", "32", "10", "20", "30"]]


def draw_strip(game, tokens):
    """A board figure in which no position of other games is counted."""
    counts = pd.DataFrame({"ply": 0, "square": range(game.num_squares)})
    counts = counts.assign(num_positions=1, num_legal=1)
    return board.draw(board.make_table(tokens, counts, game, "g"), game)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("mnk", {"rows": 3, "columns": 4, "in_a_row": 3}), ("connect_four", {"rows": 4})],
)
def test_the_line_that_decides_is_the_winners_and_there_is_one_if_a_naive_search_finds_it(
    kind, settings
):
    game = make_game(kind, **settings)
    for tokens in game.play(60, np.random.default_rng(0)):
        rows = _filmstrip.make_table(tokens, game)
        end = rows[rows["to_move"] == ""]
        decisive, result = end[end["decisive"]], end["result"].iloc[0]
        moves = tokens[tokens != PAD].tolist()
        stones = naive_stones(kind, game.shape[1], moves)
        players = {name: stones[n::2] for n, name in enumerate(game.players)}
        winners = [name for name, own in players.items() if naive_has_line(own, game.in_a_row)]
        assert result == (f"{winners[0]} wins" if winners else "a draw")
        assert set(decisive["content"]) == set(winners)
        assert not winners or naive_has_line(
            list(zip(decisive["row"], decisive["column"], strict=True)), game.in_a_row
        )


def test_filmstrip_follows_the_rules():
    game = make_game("othello", board_size=4)
    games = game.play(50, np.random.default_rng(0))
    side = game.get_side_to_move(games)
    has_pass = ((side[:, 1:] == side[:, :-1]) & (side[:, 1:] != PAD)).any(axis=1)
    tokens = games[has_pass & (games[:, -1] == PAD)][0]
    moves = tokens[tokens != PAD].tolist()
    table = _filmstrip.make_table(tokens, game)
    names = {0: "black", 1: "white", None: ""}
    for ply, (stones, colour, legal) in enumerate(naive_states(4, moves)):
        rows = table[table["first_ply"] == ply].set_index("square")
        assert rows["content"].tolist() == [names[disc] for disc in stones]
        assert rows["to_move"].unique().tolist() == [names[colour]]
        assert set(rows.index[rows["num_legal"] > 0]) == legal
        assert rows.index[rows["last_move"]].tolist() == moves[:ply][-1:]
    titles = [axes.get_title(loc="left") for axes in draw_strip(game, tokens).axes]
    assert any(title.endswith(" passes") for title in titles)
    discs = stones.count(0), stones.count(1)
    end = f"{max(discs)} : {min(discs)}" if discs[0] != discs[1] else "a draw"
    assert sum(title.partition("\n")[2].endswith(end) for title in titles) == 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (1, 64), (40, 1), (3, 5)])
def test_boards_of_any_shape_and_players_can_be_drawn(rows, columns):
    class Own(Mnk):
        players = ("left", "right")

    game = Own(rows, columns, 1 if columns == 2 else 2)
    tokens = game.play(1, np.random.default_rng(0))[0]
    figure = draw_strip(game, tokens)
    figure.draw_without_rendering()
    assert figure.axes[0].get_title(loc="left") == "ply 0\nleft to move"


def test_images_are_the_same_bytes_every_time_and_carry_their_job():
    table = branching_factor.make_table(
        pd.DataFrame({"game": ["g"], "ply": [0], "num_legal": [3], "num_games": [4]})
    )
    paths = ["x.png", "x.svg"]
    first, again = (render(branching_factor.draw(table), paths, "the job") for _ in range(2))
    assert first == again
    assert all(b"the job" in content for content in first.values())
