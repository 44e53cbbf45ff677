"""A GPT that computes legal moves from its own board, by hand: what an edit of that does is known.

The game is m,n,k on 2 by 3 squares with lines of 3, where legal is what is empty. The residual
stream has four parts of width V: the last token, tokens seen (by uniform attention), the board (1
where a stone is; the first MLP makes it) and logits (the second MLP makes them of the board alone).
"""

import numpy as np

from gamecircuits.audits.probes import Probe
from gamecircuits.games.game import make_game
from gamecircuits.transformer.gpt import GPT, MLP, Attention, Block, Design, GPTParameters

GAME = make_game("mnk", rows=2, columns=3, in_a_row=3)
V = GAME.vocab_size
WIDTH = 4 * V
STRENGTH = 20.0  # of logits


def make_board_gpt() -> GPT:
    part = np.split(np.eye(WIDTH), 4, axis=1)  # each (WIDTH, V)
    last, seen, board, logits = part
    none = np.zeros((WIDTH, 1))
    look = Attention(none, none, last, seen.T)  # the mean of the tokens
    idle = Attention(none, none, np.zeros((WIDTH, 1)), np.zeros((1, WIDTH)))
    # gelu(60 x − 4) − gelu(60 x − 5) is 1 from x = 1/6 on, and almost 0 at 0.
    find = MLP(
        np.hstack([60 * seen, 60 * seen]),
        np.vstack([board.T, -board.T]),
        np.repeat([-4.0, -5.0], V),
    )
    forbid = MLP(STRENGTH * board, -logits.T)
    blocks = (Block(look, find), Block(idle, forbid))
    return GPT(GPTParameters(last.T, blocks, logits), Design(num_heads=1))


def make_board_probe() -> Probe:
    """Reads empty or not from the board; of mine and theirs it knows nothing."""
    W = np.zeros((WIDTH, V, 3))
    board = np.arange(V)
    W[2 * V + board, board] = [-1.0, 1.0, 1.0]
    return Probe(W, np.zeros((V, 3)), 0.0, 0.0)


SITES = ["blocks.0.resid_post", "blocks.1.resid_mid"]
