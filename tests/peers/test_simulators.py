"""Our board games against public simulators that other people wrote.

Every simulator is followed through our random games and through its own: who is to move and what is
legal must be the same after every token, and its games must be games of ours. Then the statistics
of its random play are compared with those of ours. A simulator that is not installed is skipped.

Simulators with a pass as a move make it here whenever it is the only one, as we have no such token.
"""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from gamecircuits.games.game import PAD, make_game

WIPE_OUT = "e6 f4 e3 f6 g5 d6 e7 f5 c5"  # one colour is left
STUCK = "d3 c5 e6 e3 c4 f5 f3 f7 g6 b3 b5 h5 g8 e8 h7 a2"  # both are, nobody has a move
SKIPS_BLACK = "d3 c3 f5 d2 d1 e1 b3 c1"  # white has moved and moves again


def require(module):
    return pytest.importorskip(module, reason=f"no {module}: pip install '.[peers]'")


class OneByOne:
    """A simulator with a state object for a single game."""

    def __init__(self, game):
        self.game = game

    def follow(self, tokens):
        """Legal tokens, bool (N, L+1, V), and side to move, (N, L+1), after 0..L tokens; once the
        simulator says that a game is over nothing is legal, and the side is PAD."""
        num_games, length = tokens.shape
        legal = np.zeros((num_games, length + 1, self.game.vocab_size), bool)
        side = np.full((num_games, length + 1), PAD)
        for n, moves in enumerate(tokens.tolist()):
            state = self.start()
            for s in range(length + 1):
                self.skip(state)
                if not self.is_over(state):
                    legal[n, s], side[n, s] = self.look(state)
                if s == length or moves[s] == PAD:
                    break
                self.move(state, moves[s])
        return legal, side

    def play(self, num_games, seed):
        """Tokens (N, L) of the simulator's own random play."""
        tokens = np.full((num_games, self.game.max_length), PAD, np.int8)
        for n, moves in enumerate(self.play_each(num_games, seed)):
            tokens[n, : len(moves)] = moves
        return tokens

    def skip(self, state):
        pass


class OpenSpiel(OneByOne):
    def __init__(self, game, name, **parameters):
        super().__init__(game)
        self.pyspiel = require("pyspiel")
        self.rules = self.pyspiel.load_game(name, parameters)
        self.start = self.rules.new_initial_state

    def skip(self, state):
        if state.legal_actions() == [self.game.vocab_size]:
            state.apply_action(self.game.vocab_size)

    def is_over(self, state):
        return state.is_terminal()

    def look(self, state):
        return state.legal_actions_mask()[: self.game.vocab_size], state.current_player()

    def move(self, state, token):
        state.apply_action(token)

    def play_each(self, num_games, seed):
        bots = [self.pyspiel.make_uniform_random_bot(player, seed + player) for player in (0, 1)]
        for n in range(num_games):
            state = self.start()
            self.pyspiel.evaluate_bots(state, bots, n)
            yield [move for move in state.history() if move != self.game.vocab_size]


class RustReversi(OneByOne):
    def __init__(self, game):
        super().__init__(game)
        self.rust_reversi = require("rust_reversi")
        self.start = self.rust_reversi.Board

    def skip(self, board):
        if board.is_pass() and not board.is_game_over():
            board.do_pass()

    def is_over(self, board):
        return board.is_game_over()

    def look(self, board):
        return board.get_legal_moves_tf(), int(board.get_turn() == self.rust_reversi.Turn.WHITE)

    def move(self, board, token):
        board.do_move(token)

    def play_each(self, num_games, _):
        for _ in range(num_games):  # its generator takes no seed
            board, moves = self.start(), []
            while not board.is_game_over():
                self.skip(board)
                moves.append(board.get_random_move())
                board.do_move(moves[-1])
            yield moves


class Pgx:
    """Many games at a time, in JAX. A player who is stuck has a move `pass`; a game in which both
    are ends only after two of them."""

    def __init__(self, game, name):
        self.game, self.jax, pgx = game, require("jax"), require("pgx")
        env = pgx.make(name)
        self.init, step = (self.jax.vmap(function) for function in (env.init, env.step))
        has_pass = env.num_actions > game.vocab_size

        def move(state, tokens):
            state = step(state, tokens)
            for _ in range(2 * has_pass):
                must_pass = state.legal_action_mask[:, -1] & ~state.terminated
                passed = step(state, self.jax.numpy.full_like(tokens, game.vocab_size))
                state = self.jax.tree.map(
                    lambda old, new, must=must_pass: self.jax.numpy.where(
                        must.reshape(-1, *[1] * (old.ndim - 1)), new, old
                    ),
                    state,
                    passed,
                )
            return state

        def draw(state, key):
            logits = self.jax.numpy.where(state.legal_action_mask, 0.0, -self.jax.numpy.inf)
            return self.jax.random.categorical(key, logits[:, : game.vocab_size], axis=-1)

        self.move, self.draw = self.jax.jit(move), self.jax.jit(draw)

    def start(self, num_games):
        return self.init(self.jax.random.split(self.jax.random.key(0), num_games))

    def look(self, state):
        legal = np.array(state.legal_action_mask)[:, : self.game.vocab_size]
        side = np.array(state._x.turn if hasattr(state._x, "turn") else state._x.color)
        is_over = np.array(state.terminated)
        return legal & ~is_over[:, None], np.where(is_over, PAD, side)

    def follow(self, tokens):
        state = self.start(len(tokens))
        seen = [self.look(state)]
        for column in tokens.T:
            state = self.move(state, column.astype(np.int32))  # what is over stays as it is
            seen.append(self.look(state))
        legal, side = zip(*seen, strict=True)
        return np.stack(legal, axis=1), np.stack(side, axis=1)

    def play(self, num_games, seed):
        state, key = self.start(num_games), self.jax.random.key(seed)
        tokens = np.full((num_games, self.game.max_length), PAD, np.int8)
        for s in range(self.game.max_length):
            drawn = self.draw(state, self.jax.random.fold_in(key, s))
            tokens[:, s] = np.where(state.terminated, PAD, drawn)
            state = self.move(state, drawn)
        return tokens


def othello():
    return make_game("othello")


def connect_four(rows, columns, in_a_row):
    return make_game("connect_four", rows=rows, columns=columns, in_a_row=in_a_row)


def mnk(rows, columns, in_a_row):
    return make_game("mnk", rows=rows, columns=columns, in_a_row=in_a_row)


def open_spiel_connect_four(rows, columns, in_a_row):
    parameters = {"rows": rows, "columns": columns, "x_in_row": in_a_row}
    return OpenSpiel(connect_four(rows, columns, in_a_row), "connect_four", **parameters)


def open_spiel_mnk(rows, columns, in_a_row):
    return OpenSpiel(mnk(rows, columns, in_a_row), "mnk", n=rows, m=columns, k=in_a_row)


OTHELLO = {
    "othello-OpenSpiel": lambda: OpenSpiel(othello(), "othello"),
    "othello-pgx": lambda: Pgx(othello(), "othello"),
    "othello-rust_reversi": lambda: RustReversi(othello()),
}
USUAL = {
    **OTHELLO,
    "tic_tac_toe-OpenSpiel": lambda: OpenSpiel(mnk(3, 3, 3), "tic_tac_toe"),
    "tic_tac_toe-pgx": lambda: Pgx(mnk(3, 3, 3), "tic_tac_toe"),
    "connect_four-OpenSpiel": lambda: open_spiel_connect_four(6, 7, 4),
    "connect_four-pgx": lambda: Pgx(connect_four(6, 7, 4), "connect_four"),
}
OTHER_SIZES = {
    f"{name}-{rows}x{columns}-{in_a_row}-OpenSpiel": (
        lambda make=make, size=(rows, columns, in_a_row): make(*size)
    )
    for make, name, sizes in (
        (open_spiel_mnk, "mnk", [(3, 3, 3), (1, 9, 3), (9, 1, 3), (4, 5, 3), (6, 4, 4), (8, 8, 5)]),
        (open_spiel_connect_four, "connect_four", [(4, 5, 3), (5, 4, 4), (7, 9, 4), (8, 8, 5)]),
    )
    for rows, columns, in_a_row in sizes
}
NUM_GAMES = 4000


def peers(*tables):
    makers = {name: make for table in tables for name, make in table.items()}
    return pytest.mark.parametrize("make_peer", makers.values(), ids=makers.keys())


def assert_agreement(peer, tokens):
    legal, side = peer.follow(tokens)
    opening = np.broadcast_to(peer.game.opening_mask, legal[:, :1].shape)
    ours = np.concatenate([opening, peer.game.get_valid_next_token_mask(tokens)], axis=1)
    differing = np.argwhere((ours != legal).any(axis=2))
    assert not len(differing), f"after {tokens[differing[0, 0], : differing[0, 1]].tolist()}"
    np.testing.assert_array_equal(peer.game.get_side_to_move(tokens), side)


@pytest.mark.slow
@peers(USUAL, OTHER_SIZES)
def test_our_games_are_theirs(make_peer):
    peer = make_peer()
    assert_agreement(peer, peer.game.play(NUM_GAMES, np.random.default_rng(1)))


@pytest.mark.slow
@peers(USUAL, OTHER_SIZES)
def test_their_games_are_ours(make_peer):
    peer = make_peer()
    tokens = peer.play(NUM_GAMES, seed=2)
    peer.game.check(tokens)
    assert_agreement(peer, tokens)


@pytest.mark.slow
@peers(OTHELLO)
@pytest.mark.parametrize("names", [WIPE_OUT, STUCK, SKIPS_BLACK])
def test_rare_positions_of_othello(make_peer, names):
    squares = [(int(name[1]) - 1) * 8 + "abcdefgh".index(name[0]) for name in names.split()]
    assert_agreement(make_peer(), np.array([squares], np.int8))


def statistics(game, tokens):
    """Length, whether somebody is skipped, and the branching factor at each ply, a row a game."""
    side = game.get_side_to_move(tokens)
    is_skip = (side[:, 1:] == side[:, :-1]) & (side[:, 1:] != PAD)
    branching = game.get_valid_next_token_mask(tokens).sum(axis=2)
    return np.column_stack([(tokens != PAD).sum(axis=1), is_skip.any(axis=1), branching])


@pytest.mark.slow
@peers(USUAL)
def test_random_play_has_the_same_statistics(make_peer):
    """Welch's test of each mean; where neither side varies, the means are equal."""
    peer = make_peer()
    theirs = statistics(peer.game, peer.play(NUM_GAMES, seed=3))
    ours = statistics(peer.game, peer.game.play(NUM_GAMES, np.random.default_rng(4)))
    varies = (np.ptp(ours, axis=0) > 0) | (np.ptp(theirs, axis=0) > 0)
    np.testing.assert_array_equal(ours[0, ~varies], theirs[0, ~varies])
    p = ttest_ind(ours[:, varies], theirs[:, varies], equal_var=False).pvalue
    assert p.min() * varies.sum() > 1e-5  # small, as rust_reversi takes no seed
