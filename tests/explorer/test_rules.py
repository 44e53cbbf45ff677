"""The page's rules against Python's masks, after every prefix of random plays."""

import numpy as np
import pytest
from explorer.browser import NOTHING, needs_browser, open_page
from games.examples import EXAMPLES

from gamecircuits.explorer.games import RULES, describe_game, fits
from gamecircuits.explorer.page import make_page
from gamecircuits.games.game import PAD, make_game
from gamecircuits.games.masks import get_valid_next_token_mask

TOMITA = {
    "alphabet": ["0", "1"],
    "transitions": {
        "none": {"0": "one", "1": "none"},
        "one": {"0": "two", "1": "none"},
        "two": {"1": "none"},
    },
    "start": "none",
    "accepting": ["none", "one"],
}
GAMES = [g for g in EXAMPLES if g["kind"] in RULES and fits(make_game(**g))] + [
    {"kind": "dyck", "num_brackets": 3, "max_depth": 3, "length": 12},
    {"kind": "dyck", "num_brackets": 1, "max_depth": 1, "length": 2},
    {"kind": "regular", "length": 9, **TOMITA},
]
SMALL_OTHELLO = GAMES.index({"kind": "othello", "board_size": 4})  # where most plays have a pass
AFTER = """async ([n, contexts]) => {
    const { makeRule } = await import("gamecircuits/rules");
    const rule = makeRule(gamecircuits.data.games[n]);
    return contexts.map((tokens) => {
        const { legal, stones } = rule.after(tokens);
        return [legal && Array.from(legal), stones ? Array.from(stones) : null,
            rule.illegalPlaces(tokens)];
    });
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(0)
    entries = []
    for settings in GAMES:
        game = make_game(**settings)
        described = describe_game(game, settings["kind"], game.play(2, rng))
        entries.append({"name": str(settings), "kind": settings["kind"], **described})
    game = make_game(kind="set_complement", vocab_size=4)
    described = describe_game(game, "of_mine", np.array([[2, 0, 1, 3], [3, 1, 0, 2]]))
    entries.append({"name": "mine", "kind": "of_mine", **described})
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(make_page(NOTHING | {"games": entries}, "rules"))
    with open_page(path) as page:
        yield page


def test_every_kind_is_here():
    assert {settings["kind"] for settings in GAMES} == set(RULES)


@needs_browser
@pytest.mark.parametrize("n", range(len(GAMES)), ids=lambda n: GAMES[n]["kind"])
def test_what_is_legal_to_the_end(page, n):
    game = make_game(**GAMES[n])
    for play in game.play(6, np.random.default_rng(n)):
        tokens = play[play != PAD]
        prefixes = [tokens[:length].tolist() for length in range(len(tokens) + 1)]
        found = page.evaluate(AFTER, [n, prefixes])
        wanted = [game.opening_mask, *game.get_valid_next_token_mask(tokens[None])[0]]
        assert [legal for legal, _, _ in found] == np.array(wanted, dtype=int).tolist()
        assert not any(places for _, _, places in found)
        if hasattr(game, "get_board_states"):
            states = game.get_board_states(tokens[None])[0]
            side = game.get_side_to_move(tokens[None])[0]
            for step in np.flatnonzero(side != PAD):  # 1 mine and 2 theirs, to who began and other
                stones = states[step] if side[step] == 0 else [0, 2, 1] @ np.eye(3)[states[step]].T
                assert found[step][1] == list(stones)


def test_othello_passes_are_among_them():
    game = make_game(**GAMES[SMALL_OTHELLO])
    side = game.get_side_to_move(game.play(6, np.random.default_rng(SMALL_OTHELLO)))
    assert np.any((side[:, 1:] == side[:, :-1]) & (side[:, 1:] != PAD))


@needs_browser
@pytest.mark.parametrize("n", range(len(GAMES)), ids=lambda n: GAMES[n]["kind"])
def test_illegal_tokens(page, n):
    """Complements go on as their masks do; after others nothing is said, as Python refuses them."""
    game, rng = make_game(**GAMES[n]), np.random.default_rng(n)
    contexts = rng.integers(game.vocab_size, size=(10, min(game.max_length, 6)))
    found = page.evaluate(AFTER, [n, contexts.tolist()])
    for tokens, (legal, _, places) in zip(contexts, found, strict=True):
        first = find_illegal(game, tokens)
        assert places[:1] == [] if first is None else [first]
        if game.__class__.__name__ == "SetComplement":
            distinct = np.array(list(dict.fromkeys(tokens.tolist())))
            mask = get_valid_next_token_mask(distinct[None], game.vocab_size)[0, -1]
            assert legal == mask.astype(int).tolist()
        elif game.__class__.__name__ == "WindowedComplement":
            assert legal == game.compute_mask(tokens[None])[0, -1].astype(int).tolist()
        else:
            assert (legal is None) == (first is not None)


def find_illegal(game, tokens) -> int | None:
    """Place of the first illegal token."""
    legal = game.opening_mask
    for place, token in enumerate(tokens):
        if not legal[token]:
            return place
        legal = game.get_valid_next_token_mask(tokens[None, : place + 1])[0, -1]
    return None


@needs_browser
def test_recorded_plays_of_other_kinds(page):
    """A game whose rule the page does not know: recorded plays and their masks, and no more."""
    found = page.evaluate(AFTER, [len(GAMES), [[], [2, 0], [3], [2, 1]]])
    assert [legal for legal, _, _ in found] == [[1] * 4, [0, 1, 0, 1], [1, 1, 1, 0], None]
    page.evaluate("gamecircuits.state.set({'play.game': 'mine'})")
    assert "does not know the rule" in page.inner_text("#view-play")
