"""How fast are board games, compared with other people's simulators? All in this run.

    python benchmarks/games.py [--figure PATH] [--csv PATH]      (about twelve minutes)

Random playouts in complete games per second, on one core and on all, and the masks of given games
in positions per second on one core. Every measurement is a process of its own, pinned to its core;
compilation, a first call and tuning come before the clock starts; the number is the median of
several repeats. On all cores, a process for each starts at the same time and their numbers add up
(ours as well); with JAX it is that or one process with JAX's threads, whichever is faster. Masks
are compared with ours before they are timed. A simulator that is not installed is left out:

    pip install '.[peers]'

How each is used, always the fastest way found in its Python interface:

    gamecircuits         `play` of many games, which returns all tokens
    OpenSpiel, Python    a loop over `legal_actions` and `apply_action`
    OpenSpiel, bots      `evaluate_bots` with two uniform random bots: one call a game, into C++
    OpenSpiel, rollouts  `MCTSBot` with one simulation of many rollouts, C++ only; games are lost
    rust-reversi         a loop over `get_random_move` and `do_move`; it raises where one must pass
    rust-reversi, MCTS   `MctsSearch` that never expands, Rust only; games are lost, and the first
                         of the 60 moves is the search's choice
    pgx, Ludax           `vmap` and `jit` of 4096 games (others change it by a tenth), the best of
                         two ways to draw a move and of waiting for the last game or starting anew;
                         games are lost
"""

import argparse
import csv
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gamecircuits.figures.layout import render
from gamecircuits.figures.style import COLOURS, GREY, new_figure
from gamecircuits.games.game import PAD, make_game

GAMES = {
    "othello": {"kind": "othello"},
    "connect_four": {"kind": "connect_four"},
    "tic_tac_toe": {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
}
REPEATS, SECONDS = 5, 0.2  # of each repeat, about
OURS = "gamecircuits"


# --- playouts: functions that play n times and return how many games that were ---


def play_ours(name):
    game, rng = make_game(**GAMES[name]), np.random.default_rng(0)

    def run(n):
        return sum(len(game.play(1 << 14, rng)) for _ in range(n))  # fit the cache

    return run


def play_open_spiel(name):
    import pyspiel

    start, draw = pyspiel.load_game(name).new_initial_state, random.random

    def run(n):
        for _ in range(n):
            state = start()
            while not state.is_terminal():
                actions = state.legal_actions()
                state.apply_action(actions[int(draw() * len(actions))])
        return n

    return run


def play_open_spiel_bots(name):
    import pyspiel

    start = pyspiel.load_game(name).new_initial_state
    bots = [pyspiel.make_uniform_random_bot(player, player) for player in (0, 1)]

    def run(n):
        for seed in range(n):
            pyspiel.evaluate_bots(start(), bots, seed)
        return n

    return run


def play_open_spiel_rollouts(name):
    import pyspiel

    game = pyspiel.load_game(name)

    def run(n):
        evaluator = pyspiel.RandomRolloutEvaluator(n, 0)
        pyspiel.MCTSBot(game, evaluator, 1.0, 1, 1, False, 0, False).mcts_search(
            game.new_initial_state()
        )
        return n

    return run


def play_rust_reversi(_):
    from rust_reversi import Board

    def run(n):
        for _ in range(n):
            board = Board()
            draw, move = board.get_random_move, board.do_move
            while not board.is_game_over():
                try:
                    while True:
                        move(draw())
                except ValueError:  # no legal move
                    if board.is_pass() and not board.is_game_over():
                        board.do_pass()
        return n

    return run


def play_rust_reversi_search(_):
    from rust_reversi import Board, MctsSearch

    def run(n):
        MctsSearch(n, 1.0, n + 1).get_move(Board())
        return n

    return run


def play_pgx(name):
    import pgx
    from pgx.experimental import auto_reset

    env = pgx.make(name)
    return play_in_jax(env.init, env.step, auto_reset(env.step, env.init))


def play_ludax(name):
    import jax
    import jax.numpy as jnp
    from ludax import LudaxEnvironment, games

    env = LudaxEnvironment(game_str=getattr(games, {"othello": "reversi"}.get(name, name)))

    def step_or_start(state, move, key):
        state = env.step(state.replace(terminated=jnp.bool_(False)), move)
        is_over = state.terminated
        anew = jax.tree.map(lambda new, old: jnp.where(is_over, new, old), env.init(key), state)
        return anew.replace(terminated=is_over)

    return play_in_jax(env.init, env.step, step_or_start)


def play_in_jax(init, step, step_or_start):
    """4096 games at once, the fastest of four ways to play them."""
    import jax
    import jax.numpy as jnp

    batch = 4096
    init, step, step_or_start = map(jax.vmap, (init, step, step_or_start))

    def draw_by_noise(key, legal):
        return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf), axis=-1)

    def draw_by_count(key, legal):
        count = jnp.cumsum(legal, axis=-1)
        nth = jnp.floor(jax.random.uniform(key, (batch, 1)) * count[:, -1:])
        return jnp.argmax(count > nth, axis=-1)

    def wait_for_the_last(draw, key):
        def advance(carry):
            state, key = carry
            key, draw_key = jax.random.split(key)
            return step(state, draw(draw_key, state.legal_action_mask)), key

        state = init(jax.random.split(key, batch))
        state, _ = jax.lax.while_loop(lambda c: ~c[0].terminated.all(), advance, (state, key))
        return state.terminated.sum(), state.rewards

    def start_anew(draw, key):
        def advance(_, carry):
            state, key, games = carry
            key, draw_key, start_key = jax.random.split(key, 3)
            moves = draw(draw_key, state.legal_action_mask)
            state = step_or_start(state, moves, jax.random.split(start_key, batch))
            return state, key, games + state.terminated.sum()

        state = init(jax.random.split(key, batch))
        return jax.lax.fori_loop(0, 256, advance, (state, key, jnp.int32(0)))[2], jnp.int32(0)

    def make_run(play, draw):
        compiled = jax.jit(lambda key: play(draw, key))

        def run(n):
            return sum(int(compiled(jax.random.key(i))[0]) for i in range(n))

        run(1)
        return run

    runs = [
        make_run(play, draw)
        for play in (wait_for_the_last, start_anew)
        for draw in (draw_by_noise, draw_by_count)
    ]
    return max(runs, key=lambda run: rate(run, 1))


# --- masks: functions that go through given games n times and return the number of positions ---


def given_games(name, num_games):
    game = make_game(**GAMES[name])
    tokens = game.play(num_games, np.random.default_rng(0))
    return game, tokens, game.get_valid_next_token_mask(tokens)


def repeat(function, num_positions):
    def run(n):
        for _ in range(n):
            function()
        return n * num_positions

    return run


def mask_ours(name):
    game, tokens, _ = given_games(name, 1024)
    return repeat(lambda: game.get_valid_next_token_mask(tokens), (tokens != PAD).sum())


def mask_ours_packed(name):
    game, tokens, _ = given_games(name, 1024)
    return repeat(lambda: game.get_packed_valid_next_token_mask(tokens), (tokens != PAD).sum())


def mask_open_spiel(name):
    import pyspiel

    game, tokens, wanted = given_games(name, 64)
    start, played = pyspiel.load_game(name).new_initial_state, [t[t != PAD] for t in tokens]
    games = [moves.tolist() for moves in played]

    def masks():
        rows = []
        for moves in games:
            state = start()
            for move in moves:
                state.apply_action(move)
                row = state.legal_actions_mask()
                if row[game.vocab_size :] == [1]:
                    state.apply_action(game.vocab_size)
                    row = state.legal_actions_mask()
                rows.append(row)
        return np.array(rows, bool)

    assert (masks()[:, : game.vocab_size] == wanted[tokens != PAD]).all()
    return repeat(masks, (tokens != PAD).sum())


def mask_rust_reversi(name):
    from rust_reversi import Board

    _, tokens, wanted = given_games(name, 64)
    games = [moves[moves != PAD].tolist() for moves in tokens]

    def masks():
        words = []
        for moves in games:
            board = Board()
            for move in moves:
                board.do_move(move)
                word = board.get_legal_moves()
                if not word and not board.is_game_over():
                    board.do_pass()
                    word = board.get_legal_moves()
                words.append(word)
        octets = np.array(words, ">u8").view(np.uint8)
        return np.unpackbits(octets).view(bool).reshape(-1, 64)

    assert (masks() == wanted[tokens != PAD]).all()
    return repeat(masks, (tokens != PAD).sum())


def mask_pgx(name):
    import jax
    import pgx

    game, tokens, wanted = given_games(name, 1024)
    env = pgx.make(name)
    # Passes are put in before the clock starts.
    side = game.get_side_to_move(tokens)
    games = []
    for moves, mover in zip(tokens, side, strict=True):
        actions, is_token = [], []
        for s, move in enumerate(moves[moves != PAD].tolist()):
            if s and mover[s] == mover[s - 1]:
                actions.append(game.vocab_size)
                is_token[-1:] = [False, True]  # the mask after the token is that after the pass
            actions.append(move)
            is_token.append(True)
        games.append((actions, is_token))
    length = max(len(actions) for actions, _ in games)
    actions = np.zeros((length, len(games)), np.int32)
    keeps = np.zeros((len(games), length), bool)
    for n, (moves, is_token) in enumerate(games):
        actions[: len(moves), n], keeps[n, : len(moves)] = moves, is_token

    @jax.jit
    def masks(state, actions):
        def advance(state, moves):
            state = jax.vmap(env.step)(state, moves)
            return state, state.legal_action_mask & ~state.terminated[:, None]

        return jax.lax.scan(advance, state, actions)[1]

    state = jax.vmap(env.init)(jax.random.split(jax.random.key(0), len(games)))
    found = np.array(masks(state, actions)).transpose(1, 0, 2)[keeps][:, : game.vocab_size]
    assert (found == wanted[tokens != PAD]).all()
    return repeat(lambda: np.asarray(masks(state, actions)), (tokens != PAD).sum())


BOARD_GAMES, ONLY_OTHELLO = tuple(GAMES), ("othello",)
PLAY = {  # how: package, function, games
    OURS: ("gamecircuits", play_ours, BOARD_GAMES),
    "OpenSpiel, Python": ("pyspiel", play_open_spiel, BOARD_GAMES),
    "OpenSpiel, bots": ("pyspiel", play_open_spiel_bots, BOARD_GAMES),
    "OpenSpiel, rollouts": ("pyspiel", play_open_spiel_rollouts, BOARD_GAMES),
    "rust-reversi": ("rust_reversi", play_rust_reversi, ONLY_OTHELLO),
    "rust-reversi, MCTS": ("rust_reversi", play_rust_reversi_search, ONLY_OTHELLO),
    "pgx": ("pgx", play_pgx, BOARD_GAMES),
    "Ludax": ("ludax", play_ludax, BOARD_GAMES),
}
IN_JAX = ("pgx", "Ludax")
MASKS = {
    OURS: ("gamecircuits", mask_ours, BOARD_GAMES),
    f"{OURS}, packed": ("gamecircuits", mask_ours_packed, BOARD_GAMES),
    "OpenSpiel": ("pyspiel", mask_open_spiel, BOARD_GAMES),
    "rust-reversi": ("rust_reversi", mask_rust_reversi, ONLY_OTHELLO),
    "pgx": ("pgx", mask_pgx, BOARD_GAMES),
}
TASKS = {"play": PLAY, "masks": MASKS}


# --- measuring ---


def rate(run, n):
    start = time.perf_counter()
    done = run(n)
    return done / (time.perf_counter() - start)


def measure(task, how, game, core):
    """In a process of its own: get ready, say so, wait for the word, print the median rate."""
    if core != "all":
        os.sched_setaffinity(0, {int(core)})
    run, n, took = TASKS[task][how][1](game), 1, 0.0
    run(n)
    while took < SECONDS / 3:
        start = time.perf_counter()
        run(n)
        took = time.perf_counter() - start
        n = max(n, round(n * min(10, SECONDS / took)))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(float(np.median([rate(run, n) for _ in range(REPEATS)]))))


def get_rate(task, how, game, cores):
    """Sum over one process for each of the cores."""
    command = [sys.executable, __file__, "--measure", task, how, game]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(core)], **pipes) for core in cores]
    for process in processes:
        assert process.stdout.readline() == "ready\n", (how, game)
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(json.loads(process.communicate()[0]) for process in processes)


def measure_all():
    """Rows (task, game, how, cores, per second, ours is faster by)."""
    all_cores = sorted(os.sched_getaffinity(0))
    rows = []
    for task, table in TASKS.items():
        for game in GAMES:
            for cores in (all_cores[:1], all_cores)[: 1 if task == "masks" else 2]:
                ours = None
                for how, (package, _, games) in table.items():
                    if game not in games or importlib.util.find_spec(package) is None:
                        continue
                    ways = [cores, ["all"]] if how in IN_JAX and len(cores) > 1 else [cores]
                    found = max(get_rate(task, how, game, where) for where in ways)
                    ours = ours or found
                    rows.append((task, game, how, len(cores), found, ours / found))
    return rows


def show_times(value):
    """Three digits, and all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show(rows):
    for task, unit in (("play", "games/s"), ("masks", "positions/s")):
        for game in GAMES:
            chosen = [row for row in rows if row[:2] == (task, game)]
            cores = sorted({row[3] for row in chosen})
            print(
                f"\n| {game}, {unit} |"
                + "".join(f" {c} core{'s' * (c > 1)} | ours is × |" for c in cores)
            )
            print("|---" * (1 + 2 * len(cores)) + "|")
            for how in dict.fromkeys(row[2] for row in chosen):
                cells = [f"{r[4]:,.0f} | {show_times(r[5])}" for r in chosen if r[2] == how]
                print(f"| {how} | " + " | ".join(cells).replace(",", " ") + " |")


def draw(rows):
    """Bars of games per second on one core, one panel a game."""
    figure, [axes] = new_figure(1, len(GAMES), 10.5, 2.6)
    for panel, game in zip(axes, GAMES, strict=True):
        chosen = [row for row in rows if row[:2] == ("play", game) and row[3] == 1][::-1]
        names, rates = [row[2] for row in chosen], [row[4] for row in chosen]
        colours = [COLOURS[0] if name == OURS else GREY for name in names]
        bars = panel.barh(names, rates, color=colours, height=0.62)
        labels = [
            f"{r[4]:,.0f}" + (f"  (1/{show_times(r[5])})" if r[2] != OURS else "") for r in chosen
        ]
        panel.bar_label(bars, labels, padding=3, fontsize=7.5)
        panel.set_xscale("log")
        panel.set_xlim(min(rates) / 3, max(rates) * 40)
        panel.grid(False, axis="y")
        panel.set_xlabel("complete games per second, one core")
        panel.set_title(game.replace("_", " "))
    return figure


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--figure", type=Path, help="draw the playouts on one core (png or svg)")
    parser.add_argument("--csv", type=Path, help="write the numbers")
    arguments = parser.parse_args()
    for package in dict.fromkeys(entry[0] for entry in PLAY.values()):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed and left out")
    rows = measure_all()
    show(rows)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            names = ("task", "game", "how", "cores", "per_second", "ours_is_faster_by")
            csv.writer(file).writerows([names, *rows])
    if arguments.figure:
        path = str(arguments.figure)
        arguments.figure.write_bytes(render(draw(rows), [path], "benchmarks/games.py")[path])


if __name__ == "__main__":
    main()
