"""How fast are masks? Ratios to simpler ways and to filling the buffer, all in this run.

    python benchmarks/masks.py

4096 games of set complement, 31 positions, 32 tokens. Every candidate's result is compared with the
loop's before it is timed.
"""

import time

import numpy as np

from gamecircuits.games.game import make_game
from gamecircuits.games.masks import (
    get_packed_valid_next_token_mask,
    get_valid_next_token_mask,
    unpack_mask,
)

NUM_GAMES, LENGTH, VOCAB_SIZE = 4096, 31, 32


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


def seconds(function, tokens, repeats):
    """Median over repeats, after one unmeasured call."""
    function(tokens)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(tokens)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main():
    game = make_game("set_complement", vocab_size=VOCAB_SIZE)
    tokens = np.ascontiguousarray(game.play(NUM_GAMES, np.random.default_rng(0))[:, :LENGTH])
    wanted = python_loop(tokens)
    assert (one_hot_running_maximum(tokens) == wanted).all()
    assert (bool_mask(tokens) == wanted).all()
    assert (unpack_mask(packed_mask(tokens), VOCAB_SIZE) == wanted).all()

    candidates = {
        python_loop: 3,
        one_hot_running_maximum: 20,
        bool_mask: 200,
        packed_mask: 200,
        fill_bool: 200,
    }
    took = {function: seconds(function, tokens, n) for function, n in candidates.items()}
    print(f"{NUM_GAMES} games x {LENGTH} positions x {VOCAB_SIZE} tokens; median of several runs\n")
    print(f"{'':28}{'ms':>9}{'x loop':>9}{'x one-hot':>11}{'x fill':>9}")
    for function, t in took.items():
        ratios = (took[other] / t for other in (python_loop, one_hot_running_maximum))
        loop, one_hot = ratios
        print(
            f"{function.__name__:28}{1e3 * t:9.3f}{loop:9.0f}{one_hot:11.1f}"
            f"{took[fill_bool] / t:9.2f}"
        )


if __name__ == "__main__":
    main()
