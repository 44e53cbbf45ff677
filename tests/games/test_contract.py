"""One contract for every game: those of the examples, and those of config/config.yaml.

A new game is tested here as soon as it has an entry in config/config.yaml.
"""

import numpy as np
import pytest
from games.examples import CONFIG, EXAMPLES
from twins import legal_after

from gamecircuits.errors import GameError
from gamecircuits.games.game import GAMES, PAD, make_game, token_dtype
from gamecircuits.pipeline.config.load import load_config

FROM_CONFIG = [game.settings for game in load_config(CONFIG).games.values()]
ALL = EXAMPLES + [settings for settings in FROM_CONFIG if settings not in EXAMPLES]


@pytest.fixture(params=ALL, ids=lambda settings: "-".join(map(str, settings.values())))
def settings(request):
    return request.param


@pytest.fixture
def game(settings):
    return make_game(**settings)


@pytest.fixture
def tokens(game):
    return game.play(200, np.random.default_rng(1))


def test_every_kind_has_an_example():
    missing = set(GAMES.kinds()) - {settings["kind"] for settings in ALL}
    assert not missing, f"add an entry for {missing} to config/config.yaml or to EXAMPLES"


def test_tokens_are_padded_games(game, tokens):
    assert tokens.shape == (200, game.max_length)
    assert tokens.dtype == token_dtype(game.vocab_size)
    assert tokens.min() >= PAD
    assert tokens.max() < game.vocab_size
    assert (tokens[:, 0] != PAD).all()
    is_pad = tokens == PAD
    assert not (is_pad[:, :-1] & ~is_pad[:, 1:]).any(), "a token after padding"


def test_mask_equals_replay(game, settings, tokens):
    """Masks against a replay by the twin where there is one, else against shorter prefixes."""
    mask = game.get_valid_next_token_mask(tokens)
    assert mask.shape == (*tokens.shape, game.vocab_size)
    assert mask.dtype == bool
    opening = legal_after(settings["kind"], settings, [])
    if opening is not None:
        assert set(np.flatnonzero(game.opening_mask)) == opening
    for row, moves in zip(mask[:40], tokens[:40].tolist(), strict=True):
        for s, token in enumerate(moves):
            legal = legal_after(settings["kind"], settings, moves[: s + 1])
            if token == PAD:
                assert not row[s].any()
            elif legal is not None:
                assert set(np.flatnonzero(row[s])) == legal, moves[: s + 1]


def test_mask_is_causal(game, tokens):
    """What comes later changes no mask; the last position of a cut game is not its end."""
    mask = game.get_valid_next_token_mask(tokens)
    for length in {1, (game.max_length + 1) // 2, game.max_length}:
        cut = game.get_valid_next_token_mask(tokens[:, :length])
        np.testing.assert_array_equal(cut, mask[:, :length])


def test_games_are_played_to_their_end_with_legal_tokens(game, tokens):
    mask = game.get_valid_next_token_mask(tokens)
    before = np.concatenate(
        [np.broadcast_to(game.opening_mask, (len(tokens), 1, game.vocab_size)), mask[:, :-1]],
        axis=1,
    )
    is_played = tokens != PAD
    chosen = np.take_along_axis(before, np.maximum(tokens, 0).astype(int)[..., None], 2)[..., 0]
    assert chosen[is_played].all()
    assert not before[~is_played].any(), "a game stopped although a token was legal"
    assert not mask[:, -1].any(), "max_length does not end the game"
    game.check(tokens)


def test_legal_tokens_are_drawn_uniformly(game):
    """The rank of the played token among the legal ones is uniform: chi-square per branching."""
    tokens = game.play(4000, np.random.default_rng(5))
    mask = game.get_valid_next_token_mask(tokens)[:, :-1]
    token = tokens[:, 1:].astype(int)
    is_played = token != PAD
    rank = np.take_along_axis(np.cumsum(mask, axis=2), np.maximum(token, 0)[..., None], 2)[..., 0]
    num_legal = mask.sum(axis=2)
    for branching in np.unique(num_legal[is_played]):
        ranks = rank[is_played & (num_legal == branching)] - 1
        expected = len(ranks) / branching
        if branching < 2 or expected < 20:
            continue
        found = np.bincount(ranks, minlength=branching)
        chi_square, freedom = ((found - expected) ** 2 / expected).sum(), branching - 1
        assert abs(chi_square - freedom) < 6 * np.sqrt(2 * freedom) + 6


def test_play_depends_on_the_generator_alone(game):
    first, again = (game.play(50, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert game.play(0, np.random.default_rng(3)).shape == (0, game.max_length)


def test_check_names_the_first_illegal_token(game, tokens):
    mask = game.get_valid_next_token_mask(tokens)
    for n, s in [(3, 1), (7, game.max_length - 1)]:
        if s >= game.max_length or s < 1:
            continue
        illegal = np.flatnonzero(~mask[n, s - 1])
        if not len(illegal):
            continue
        bad = tokens.copy()
        bad[n, s] = illegal[0]
        with pytest.raises(GameError, match=rf"game {n}, position {s}: token {illegal[0]} "):
            game.check(bad)
    with pytest.raises(GameError, match=r"position 0: token \d+ is out of range"):
        game.check(np.full_like(tokens, game.vocab_size, dtype=np.int16))


def test_check_refuses_truncated_games(game, tokens):
    if not game.get_valid_next_token_mask(tokens)[:, 0].any():
        return  # games of one token cannot be cut
    with pytest.raises(GameError, match=r"cut off|not over"):
        game.check(tokens[:, :1])
    stopped = tokens.copy()
    stopped[:, 1:] = PAD
    with pytest.raises(GameError, match="position 1: PAD is illegal: the game is not over"):
        game.check(stopped)
