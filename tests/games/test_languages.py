"""Formal languages: Dyck words, flip-flops, regular languages."""

import inspect
import json
import math
import re
from textwrap import dedent

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import is_dyck_word, is_flip_flop_word, legal_after, naive_words

from gamecircuits.errors import GameError, ParameterError
from gamecircuits.games.dyck import Dyck
from gamecircuits.games.flip_flop import IGNORE, ONE, READ, WRITE, ZERO, FlipFlop
from gamecircuits.games.game import PAD, Game, make_game
from gamecircuits.games.regular import Regular
from gamecircuits.games.windowed_complement import WindowedComplement
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.config.yaml_lines import ConfigError

LAWS = ["uniform_token", "uniform_word"]
PARITY = {
    "kind": "regular",
    "alphabet": ["0", "1"],
    "transitions": {"even": {"0": "even", "1": "odd"}, "odd": {"0": "odd", "1": "even"}},
    "start": "even",
    "accepting": ["even"],
}


def all_words(game) -> list[tuple[int, ...]]:
    """All games, by following every token that the masks allow."""
    prefixes = np.flatnonzero(game.opening_mask)[:, None]
    for _ in range(game.max_length - 1):
        parent, token = np.nonzero(game.get_valid_next_token_mask(prefixes)[:, -1])
        prefixes = np.concatenate([prefixes[parent], token[:, None]], axis=1)
    return sorted(map(tuple, prefixes.tolist()))


def chi_square_is_plausible(found, expected) -> bool:
    freedom = len(expected) - 1
    return abs(((found - expected) ** 2 / expected).sum() - freedom) < 5 * math.sqrt(2 * freedom)


@st.composite
def languages(draw):
    """Settings of a small language."""
    kind = draw(st.sampled_from(["dyck", "flip_flop", "regular"]))
    if kind == "dyck":
        k = draw(st.integers(1, 3))
        length = 2 * draw(st.integers(1, {1: 5, 2: 3, 3: 2}[k]))
        law, max_depth = draw(st.sampled_from(LAWS)), draw(st.integers(1, 6))
        return {"kind": kind, "num_brackets": k, "max_depth": max_depth, "length": length,
                "law": law}  # fmt: skip
    if kind == "flip_flop":
        return {"kind": kind, "length": draw(st.sampled_from([4, 6]))}
    alphabet, states = ["a", "b", "c"][: draw(st.integers(2, 3))], ["p", "q", "r", "s"]
    row = st.dictionaries(st.sampled_from(alphabet), st.sampled_from(states))
    return {"kind": kind, "alphabet": alphabet, "start": "p", "length": draw(st.integers(1, 6)),
            "transitions": {state: draw(row) for state in states},
            "accepting": draw(st.lists(st.sampled_from(states), min_size=1))}  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(languages(), st.integers(0, 99))
def test_masks_are_those_of_the_twins(language, seed):
    words = naive_words(json.dumps(language))
    if not words:
        with pytest.raises(ParameterError, match=r"^(start|accepting|length) = .*; allowed: "):
            make_game(**language)
        return
    game = make_game(**language)
    assert all_words(game) == words
    tokens = game.play(5, np.random.default_rng(seed))
    game.check(tokens)
    cut = seed % (game.max_length + 1)
    tokens[1:, cut:] = PAD
    mask = game.get_valid_next_token_mask(tokens)
    np.testing.assert_array_equal(game.get_valid_next_token_mask(tokens[:, :cut]), mask[:, :cut])
    for row, moves in zip(mask, tokens.tolist(), strict=True):
        for s, token in enumerate(moves):
            legal = legal_after(language["kind"], language, moves[: s + 1])
            assert set(np.flatnonzero(row[s])) == (set() if token == PAD else legal)


@settings(deadline=None, max_examples=40)
@given(languages(), st.data())
def test_check_is_the_one_derived_from_masks(language, data):
    """Any sequence, legal or not: the same verdict, in the same words."""
    if not naive_words(json.dumps(language)):
        return
    game = make_game(**language)
    tokens = game.play(3, np.random.default_rng(0))
    for _ in range(data.draw(st.integers(0, 3))):
        n, s = data.draw(st.integers(0, 2)), data.draw(st.integers(0, game.max_length - 1))
        tokens[n, s] = data.draw(st.integers(PAD, game.vocab_size - 1))
    tokens = tokens[:, : data.draw(st.integers(0, game.max_length))]

    def verdict(check):
        try:
            return check(game, tokens)
        except GameError as error:
            return str(error)

    assert verdict(type(game).check) == verdict(Game.check)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("k", "max_depth", "length"), [(1, 3, 12), (2, 2, 8), (3, 9, 6)])
def test_dyck_laws(k, max_depth, length, law):
    """Every word as often as its probability says."""
    game = Dyck(k, max_depth, length, law)
    words = all_words(game)
    if law == "uniform_word":
        probability = np.full(len(words), 1 / len(words))
    else:
        mask = game.get_valid_next_token_mask(np.array(words))
        probability = 1 / (k * mask.sum(axis=2)[:, :-1].prod(axis=1))
    assert probability.sum() == pytest.approx(1)
    num_games = math.ceil(10 / probability.min())
    found, counts = np.unique(
        game.play(num_games, np.random.default_rng(7)), axis=0, return_counts=True
    )
    assert list(map(tuple, found.tolist())) == words
    assert chi_square_is_plausible(counts, num_games * probability)


def test_dyck_counts():
    for n in range(1, 9):
        for k in (1, 2, 5):
            catalan = math.comb(2 * n, n) // (n + 1)
            assert Dyck(k, n, 2 * n).num_words == Dyck(k, 99, 2 * n).num_words == catalan * k**n
        assert Dyck(1, 1, 2 * n).num_words == 1
        assert Dyck(1, 2, 2 * n).num_words == 2 ** (n - 1)
    for k, max_depth, length in [(1, 3, 14), (1, 4, 14), (2, 2, 8), (3, 2, 6)]:
        language = {"kind": "dyck", "num_brackets": k, "max_depth": max_depth, "length": length}
        assert make_game(**language).num_words == len(naive_words(json.dumps(language)))
    assert Dyck(1, 512, 1024).num_words == math.comb(1024, 512) // 513


@pytest.mark.parametrize("law", LAWS)
def test_long_dyck_words(law):
    game = Dyck(3, 20, 1024, law)
    tokens = game.play(50, np.random.default_rng(0))
    game.check(tokens)
    assert all(is_dyck_word(word, {"num_brackets": 3, "max_depth": 20}) for word in tokens.tolist())
    mask = game.get_valid_next_token_mask(tokens)
    for word, row in zip(tokens[:5].tolist(), mask, strict=False):
        stack = []
        for s, token in enumerate(word):
            stack = [*stack, token] if token < 3 else stack[:-1]
            opening = {0, 1, 2} if len(stack) < min(20, 1023 - s) else set()
            assert set(np.flatnonzero(row[s])) == opening | {3 + token for token in stack[-1:]}


def test_uniform_words_have_the_known_depth():
    """The depths of all Dyck words of 2n tokens sum to 4^n − C(2n+1, n) (OEIS A008549)."""
    n, num_games = 50, 20_000
    tokens = Dyck(2, n, 2 * n, "uniform_word").play(num_games, np.random.default_rng(3))
    area = np.cumsum(np.where(tokens < 2, 1, -1), axis=1).sum(axis=1)
    catalan = math.comb(2 * n, n) // (n + 1)
    expected = (4**n - math.comb(2 * n + 1, n)) / catalan
    assert abs(area.mean() - expected) < 5 * area.std() / math.sqrt(num_games)


def test_flip_flop_counts_and_long_words():
    assert len(all_words(FlipFlop(4))) == 2
    assert len(all_words(FlipFlop(8))) == 2 * 5 * 5  # in between: w0 w1 i0 i1 and the right r
    tokens = FlipFlop(200).play(300, np.random.default_rng(0))
    assert all(is_flip_flop_word(word, {}) for word in tokens.tolist())
    inner = tokens[:, 2:-2:2]
    share = [(inner == instruction).mean() for instruction in (WRITE, IGNORE, READ)]
    np.testing.assert_allclose(share, 1 / 3, atol=5 * math.sqrt(2 / 9 / inner.size))
    # With nothing but ignored bits in between, the first one is still to be read.
    word = [WRITE, ONE, *[IGNORE, ZERO] * 98, READ]
    mask = FlipFlop(200).get_valid_next_token_mask(np.array([word]))
    assert np.flatnonzero(mask[0, -1]).tolist() == [ONE]


def docstring_examples() -> list[dict]:
    blocks = re.findall(r"\n\n((?:(?: {4}.*)\n)+)", inspect.getdoc(Regular) + "\n")
    return [yaml.safe_load(dedent(block)) for block in blocks]


def test_the_examples_of_regular_are_what_they_say():
    parity, ab, tomita, modulo = docstring_examples()
    assert {"kind": "regular", **parity} == {**PARITY, "length": 20}
    words = all_words(Regular(**{**parity, "length": 9}))
    assert len(words) == 2**8
    assert all(sum(word) % 2 == 0 for word in words)
    letters = {"alphabet": ["a", "b"]}
    game = Regular(**letters, **ab, start="outside", accepting=["outside"], length=6)
    assert all_words(game) == [(0, 1) * 3]
    accepting = list(tomita["transitions"])
    for length, count in enumerate([2, 4, 7, 13, 24, 44], start=1):  # tribonacci
        game = Regular(["0", "1"], **tomita, start="none", accepting=accepting, length=length)
        words = all_words(game)
        assert len(words) == count
        assert not any("000" in "".join(map(str, word)) for word in words)
    game = Regular(**letters, **modulo, start="n0", accepting=["n0"], length=7)
    assert len(all_words(game)) == sum(math.comb(7, a) for a in (0, 3, 6))


def test_automata_in_a_config(tmp_path):
    text = """
        games:
          parity:
            kind: regular
            alphabet: ["0", "1"]
            transitions:
              even: {"0": even, "1": odd}
              odd: {"0": odd, "1": even}
            start: even
            accepting: [even]
            length: 20
          words: {kind: dyck, num_brackets: 2, max_depth: 3, length: 16, law: uniform_word}
        """
    path = tmp_path / "c.yaml"
    path.write_text(text)
    games = load_config(path).games
    parity = games["parity"]
    assert parity.game == make_game(**{**PARITY, "length": 20})
    again = make_game(**json.loads(json.dumps(parity.settings, sort_keys=True)))
    tokens = parity.game.play(20, np.random.default_rng(0))
    np.testing.assert_array_equal(again.play(20, np.random.default_rng(0)), tokens)
    assert games["words"].game.law == "uniform_word"
    for good, bad, message in [
        ('"1": odd}', '"1": off}', r"c.yaml:6: .*transitions = .*off.*allowed: to states even"),
        ('"1": even}', '"2": even}', r"c.yaml:6: .*transitions = .*allowed: tokens 0, 1"),
        ("start: even", "start: begin", r"c.yaml:9: .*start = 'begin': allowed: states even, odd"),
        ("[even]", "even", r"c.yaml:10: .*accepting = 'even': must be a list"),
        ("uniform_word", "uniform", r"c.yaml:12: .*law = 'uniform': allowed: uniform_token"),
    ]:
        path.write_text(text.replace(good, bad))
        with pytest.raises(ConfigError, match=message):
            load_config(path)


@pytest.mark.parametrize(
    ("settings", "key", "allowed"),
    [
        ({"kind": "dyck", "num_brackets": 0, "max_depth": 1, "length": 2}, "num_brackets", "1 to"),
        ({"kind": "dyck", "num_brackets": 1, "max_depth": 0, "length": 2}, "max_depth", "from 1"),
        ({"kind": "dyck", "num_brackets": 1, "max_depth": 1, "length": 3}, "length", "even"),
        ({"kind": "dyck", "num_brackets": 1, "max_depth": 1, "length": 1026}, "length", "to 1024"),
        ({"kind": "dyck", "num_brackets": 1, "max_depth": 1, "length": 2, "law": "fair"}, "law",
         "uniform_token, uniform_word"),
        ({"kind": "flip_flop", "length": 2}, "length", "from 4"),
        ({"kind": "flip_flop", "length": 7}, "length", "even"),
        ({**PARITY, "length": 0}, "length", "1 to 32767"),
        ({**PARITY, "length": 3, "alphabet": ["0", "0"]}, "alphabet", "different"),
        ({**PARITY, "length": 3, "alphabet": ["0", "2"]}, "transitions", "tokens 0, 2"),
        ({**PARITY, "length": 3, "transitions": {}}, "transitions", "1 to 4096 states"),
        ({**PARITY, "length": 3, "transitions": {"even": {"0": "odd"}}}, "transitions",
         "to states even"),
        ({**PARITY, "length": 3, "start": "Even"}, "start", "states even, odd"),
        ({**PARITY, "length": 3, "transitions": {"even": {}}}, "start", "with transitions"),
        ({**PARITY, "length": 3, "accepting": []}, "accepting", "states even, odd"),
        ({**PARITY, "length": 3, "accepting": ["end"]}, "accepting", "states even, odd"),
        ({**PARITY, "length": 3, "transitions": {"even": {"0": "even"}, "odd": {}},
          "accepting": ["odd"]}, "accepting", "reached from even: even"),
        ({**PARITY, "length": 5, "transitions": {"even": {"0": "odd"}, "odd": {"0": "even"}}},
         "length", "of the shorter ones 2, 4"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense(settings, key, allowed):
    with pytest.raises(ParameterError, match="allowed") as raised:
        make_game(**settings)
    assert raised.value.key == key
    assert allowed in raised.value.allowed


TOMITA = {"alphabet": ["0", "1"], "start": "none", "accepting": ["none"], "length": 5}
TOMITA["transitions"] = {"none": {"0": "one", "1": "none"}, "one": {"0": "two", "1": "none"}}
TOMITA["transitions"]["two"] = {"1": "none"}


@pytest.mark.parametrize(
    ("game", "word", "reason"),
    [
        (Dyck(2, 2, 6), [0, 2, 2], "position 2: token 2 is illegal: no bracket is open"),
        (Dyck(2, 2, 6), [0, 1, 2], "token 2 is illegal: kind 1 was opened last, at position 1"),
        (Dyck(2, 2, 6), [0, 1, 1], "2 open brackets are as many as max_depth allows"),
        (Dyck(2, 3, 6), [0, 1, 3, 1, 1], "the 2 tokens left must close 2 open ones"),
        (Dyck(2, 3, 6), [0, 2, PAD], r"position 2: PAD is illegal: the game is not over: \[0, 1\]"),
        (FlipFlop(6), [READ, ONE], "position 0: token 2 is illegal: the first instruction must"),
        (FlipFlop(6), [WRITE, ONE, READ, ZERO], "position 3.*: 1 was written last, at position 1"),
        (FlipFlop(6), [WRITE, WRITE], "a bit must follow the instruction w"),
        (FlipFlop(6), [WRITE, ONE, ONE], "an instruction must stand here, not a bit"),
        (FlipFlop(6), [WRITE, ONE, WRITE, ONE, WRITE], "the last instruction must be r"),
        (FlipFlop(6), [WRITE, ONE], "game 0 is cut off after 2 tokens"),
        (Regular(**TOMITA), [0, 0, 0], "token 0 is illegal: state two has no transition for 0"),
        (Regular(**TOMITA), [1, 1, 1, 1, 0], "0 leads to state one, from where 0 more tokens make"),
        (Regular(**TOMITA), [1, 1, 1, 1, 1, 1], "games have 6 positions; at most 5 are possible"),
    ],
)
def test_reasons(game, word, reason):
    with pytest.raises(GameError, match=reason):
        game.check(np.array([word]))


@pytest.mark.parametrize(
    ("game", "tokens", "message"),
    [
        (Dyck(2, 3, 6), [[0, 2, 0], [2, 0, 2]], "game 1, position 0: token 2 is illegal"),
        (Dyck(2, 3, 6), [[0, 3]], "game 0, position 1: token 3 is illegal"),
        (Dyck(2, 3, 6), [[0, PAD, 2]], r"position 2: token 2 .* the game is over \(a token after"),
        (Dyck(1, 3, 4), [[0, 1, 0, 1, 0]], "games have 5 positions; at most 4 are possible"),
        (FlipFlop(6), [[READ, ZERO]], "game 0, position 0: token 2 is illegal: the first"),
        (FlipFlop(6), [[WRITE, ZERO, READ, ONE]], "position 3: .* 0 was written last"),
        (Regular(**TOMITA), [[1] * 6], "games have 6 positions; at most 5 are possible"),
        (WindowedComplement(4, 2), [[0, 1, 0]], "position 2: token 0 .* played at position 0"),
    ],
    ids=str,
)
def test_masks_refuse_illegal_tokens(game, tokens, message):
    with pytest.raises(GameError, match=message):
        game.get_valid_next_token_mask(np.array(tokens))
