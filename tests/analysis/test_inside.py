"""Attention and illegal tokens of models, game by game."""

import numpy as np
import pytest
from bigram import Bigram
from scipy.special import softmax
from scipy.stats import entropy
from twins import random_gpt

from gamecircuits.analysis.inside import (
    describe_attention,
    get_share_of_uniform,
    look_inside,
    split_illegal,
)
from gamecircuits.games.game import PAD, make_game
from gamecircuits.transformer.gpt import GPT, Attention, Block, Design, GPTParameters
from gamecircuits.transformer.model import Parameters, attention_pattern
from gamecircuits.transformer.one_layer import OneLayer

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def games():
    """Tokens and legal next tokens of Othello, in which some games end early."""
    rules = make_game("othello", board_size=4)
    tokens = rules.play(300, np.random.default_rng(1))
    return tokens, rules.get_valid_next_token_mask(tokens)


def test_entropies_are_those_of_every_row_that_attends(games):
    tokens = games[0]
    assert (tokens[:, -1] == PAD).any()
    model = random_gpt(16, tokens.shape[1], RNG, layers=3, heads=4, scale=3.0)
    found = look_inside(model, tokens)
    np.testing.assert_allclose(found.logits, model.logits(tokens), rtol=1e-4, atol=1e-4)
    assert found.entropies.shape == (len(tokens), 3, 4, tokens.shape[1])
    patterns = {}
    model.logits(tokens[:3], hook=patterns.setdefault)
    for game, layer, head, s in [(0, 0, 0, 5), (1, 1, 3, 1), (2, 2, 2, 9)]:
        row = patterns[f"blocks.{layer}.attn.pattern"][game, head, s - 1]
        assert found.entropies[game, layer, head, s - 1] == pytest.approx(entropy(row), abs=1e-5)


def test_one_layer_is_seen_alike_by_either_class(games):
    V, d = 16, 6
    W_E, W_Q, W_K, W_V, W_O = (RNG.normal(size=(n, d)) for n in (V, d, d, d, d))
    W_U = RNG.normal(size=(d, V))
    one = OneLayer(Parameters(W_E, W_Q, W_K, W_V, W_O, W_U))
    gpt = GPT(GPTParameters(W_E, (Block(Attention(W_Q, W_K, W_V, W_O)),), W_U), Design())
    tokens = games[0]
    goes_on = games[1].any(axis=2)
    found, wanted = look_inside(one, tokens), look_inside(gpt, tokens)
    np.testing.assert_allclose(found.logits[goes_on], wanted.logits[goes_on], atol=1e-10)
    np.testing.assert_allclose(found.entropies, wanted.entropies, atol=1e-10)
    pattern = attention_pattern(one.parameters, tokens[0, :4])
    assert found.entropies[0, 0, 0, 3] == pytest.approx(entropy(pattern[3]))


def test_uniform_attention_has_share_one_and_single_tokens_none(games):
    tokens, mask = games
    model = random_gpt(16, tokens.shape[1], RNG, heads=2)
    flat = [b._replace(attn=b.attn._replace(W_Q=0 * b.attn.W_Q)) for b in model.parameters.blocks]
    model = GPT(model.parameters._replace(blocks=tuple(flat)), model.design)
    goes_on = mask.any(axis=2) & (tokens != PAD)
    table = describe_attention(look_inside(model, tokens).entropies, goes_on)
    lengths = np.flatnonzero(goes_on.any(axis=0)) + 1
    assert len(table) == 2 * 2 * len(lengths)
    is_first = table["length"] == 1
    assert table.loc[is_first, "share_of_uniform"].isna().all()
    np.testing.assert_allclose(table.loc[~is_first, "share_of_uniform"], 1, rtol=1e-5)
    np.testing.assert_allclose(table["entropy"], np.log(table["length"]), atol=1e-5)
    assert table["count"].tolist() == 4 * goes_on.sum(axis=0)[lengths - 1].tolist()
    assert np.isnan(get_share_of_uniform(np.zeros(1), 1)).all()


def test_only_games_that_go_on_count_for_attention():
    entropies = RNG.uniform(size=(5, 2, 3, 4))
    goes_on = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]], bool)
    table = describe_attention(entropies, goes_on).set_index(["layer", "head", "length"])
    assert set(table.index.get_level_values("length")) == {1, 2, 3}
    row = table.loc[(1, 2, 3)]
    assert row["entropy"] == pytest.approx(entropies[[1, 3], 1, 2, 2].mean())
    assert row["share_of_uniform"] == pytest.approx(entropies[[1, 3], 1, 2, 2].mean() / np.log(3))


def test_a_model_that_shows_no_attention_has_no_rows():
    model, tokens = Bigram(RNG.normal(size=(4, 4))), np.array([[0, 1, 2], [3, 2, PAD]])
    found = look_inside(model, tokens)
    assert found.logits.shape == (2, 3, 4)
    assert describe_attention(found.entropies, tokens != PAD).empty


def test_illegal_tokens_apart_prefix_by_prefix(games):
    tokens, mask = games
    logits = RNG.normal(size=mask.shape)
    wanted: dict[tuple, list] = {}
    for game, legal_of_game, of_game in zip(tokens.tolist(), mask, logits, strict=True):
        for s in range(1, len(game) + 1):
            legal = set(np.flatnonzero(legal_of_game[s - 1]).tolist())
            seen = set(game[:s]) - legal
            unseen = set(range(16)) - legal - seen
            if not legal or not seen or not unseen:
                continue
            values = of_game[s - 1]
            for part, chosen in {"seen": seen, "unseen": unseen}.items():
                displacement = values[list(legal)].mean() - values[list(chosen)].mean()
                mass = softmax(values)[list(chosen)].sum()
                wanted.setdefault((s, part), []).append((displacement, mass))
    table = split_illegal(logits, tokens, mask)
    assert [*zip(table["length"], table["part"], strict=True)] == sorted(wanted)
    assert table["count"].tolist() == [len(wanted[key]) for key in sorted(wanted)]
    for column, place in {"displacement": 0, "mass": 1}.items():
        means = [np.mean(wanted[key], axis=0)[place] for key in sorted(wanted)]
        np.testing.assert_allclose(table[column], means)


@pytest.mark.parametrize("kind", ["set_complement", "dyck"])
def test_what_is_illegal_may_be_of_one_part_only(kind):
    settings = {"vocab_size": 5} if kind == "set_complement" else {
        "num_brackets": 2, "max_depth": 2, "length": 6
    }  # fmt: skip
    rules = make_game(kind, **settings)
    tokens = rules.play(20, np.random.default_rng(0))
    mask = rules.get_valid_next_token_mask(tokens)
    table = split_illegal(np.zeros(mask.shape), tokens, mask)
    assert table.empty == (kind == "set_complement")
    assert (table["displacement"] == 0).all()
