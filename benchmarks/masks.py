"""How fast are masks? Ratios to simpler ways and to filling the buffer, all in this run.

    python benchmarks/masks.py

4096 games of set complement, 31 positions, 32 tokens; then other vocabularies, and windowed
complement. Every candidate's result is compared with the loop's, or the running maximum's, before
it is timed. Candidates are timed in turn, and the least time of each stands.
"""

import time
from functools import partial

import numpy as np

from gamecircuits.games.game import make_game
from gamecircuits.games.masks import (
    get_packed_valid_next_token_mask,
    get_valid_next_token_mask,
    unpack_mask,
)

NUM_GAMES, LENGTH, VOCAB_SIZE = 4096, 31, 32
SIZES = [(8, 16384, 7), (20, 8192, 19), (32, 4096, 31), (64, 2048, 63), (100, 1024, 99),
         (256, 256, 200), (1000, 64, 600), (4096, 16, 1024)]  # V, games, positions  # fmt: skip


def python_loop(tokens):
    mask = np.ones((*tokens.shape, VOCAB_SIZE), dtype=bool)
    for n, game in enumerate(tokens.tolist()):
        for s in range(len(game)):
            for seen in game[: s + 1]:
                mask[n, s, seen] = False
    return mask


def one_hot_running_maximum(tokens):
    return ~np.maximum.accumulate(tokens[..., None] == np.arange(VOCAB_SIZE), axis=1)


def bool_mask(tokens):
    return get_valid_next_token_mask(tokens, VOCAB_SIZE)


def packed_mask(tokens):
    return get_packed_valid_next_token_mask(tokens, VOCAB_SIZE)


def fill_bool(tokens):
    mask = np.empty((*tokens.shape, VOCAB_SIZE), dtype=bool)
    mask.fill(True)
    return mask


def seconds(candidates, repeats):
    """Least seconds of each function by name, called in turn."""
    took = dict.fromkeys(candidates, np.inf)
    for _ in range(repeats):
        for name, function in candidates.items():
            start = time.perf_counter()
            function()
            took[name] = min(took[name], time.perf_counter() - start)
    return took


def compare_sizes():
    """Masks beside a fill of the boolean buffer, by vocabulary; windows of half the vocabulary."""
    print(f"\n{'V':>5}{'games':>7}{'positions':>11}{'fill, ms':>10}{'x fill: bool':>14}", end="")
    print(f"{'packed':>8}{'windowed':>10}{'packed':>8}")
    for V, num_games, length in SIZES:
        sets = make_game("set_complement", vocab_size=V)
        windowed = make_game("windowed_complement", vocab_size=V, window=V // 2)
        played = [game.play(num_games, np.random.default_rng(0)) for game in (sets, windowed)]
        tokens, others = (np.ascontiguousarray(games[:, :length]) for games in played)
        few = tokens[:20]
        wanted = ~np.maximum.accumulate(few[..., None] == np.arange(V), axis=1)
        assert (sets.get_valid_next_token_mask(few) == wanted).all()
        wanted = windowed.compute_mask(others[:20])
        assert (windowed.get_valid_next_token_mask(others[:20]) == wanted).all()

        def fill(shape=(*tokens.shape, V)):
            np.empty(shape, bool).fill(True)

        candidates = {
            "fill": fill,
            "bool": partial(get_valid_next_token_mask, tokens, V),
            "packed": partial(get_packed_valid_next_token_mask, tokens, V),
            "windowed": partial(windowed.get_valid_next_token_mask, others),
            "windowed packed": partial(windowed.get_packed_valid_next_token_mask, others),
        }
        fill_time, *times = seconds(candidates, 100).values()
        row = f"{V:5}{num_games:7}{length:11}{1e3 * fill_time:10.3f}"
        widths = zip((14, 8, 10, 8), times, strict=True)
        print(row + "".join(f"{t / fill_time:{width}.1f}" for width, t in widths), flush=True)


def main():
    game = make_game("set_complement", vocab_size=VOCAB_SIZE)
    tokens = np.ascontiguousarray(game.play(NUM_GAMES, np.random.default_rng(0))[:, :LENGTH])
    wanted = python_loop(tokens)
    assert (one_hot_running_maximum(tokens) == wanted).all()
    assert (bool_mask(tokens) == wanted).all()
    assert (unpack_mask(packed_mask(tokens), VOCAB_SIZE) == wanted).all()

    slow = (python_loop, one_hot_running_maximum)
    fast = (bool_mask, packed_mask, fill_bool)
    took = {}
    for functions, repeats in ((slow, 3), (fast, 300)):
        took |= seconds({function: partial(function, tokens) for function in functions}, repeats)
    print(f"{NUM_GAMES} games x {LENGTH} positions x {VOCAB_SIZE} tokens; least of several runs\n")
    print(f"{'':28}{'ms':>9}{'x loop':>9}{'x one-hot':>11}{'x fill':>9}")
    for function, t in took.items():
        ratios = (took[other] / t for other in (python_loop, one_hot_running_maximum))
        loop, one_hot = ratios
        print(
            f"{function.__name__:28}{1e3 * t:9.3f}{loop:9.0f}{one_hot:11.1f}"
            f"{took[fill_bool] / t:9.2f}"
        )
    compare_sizes()


if __name__ == "__main__":
    main()
