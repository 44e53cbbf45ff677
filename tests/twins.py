"""Slow and obvious twins of the fast code, in plain Python, to compare it with."""

import itertools
import json
import math
from functools import cache

import numpy as np


def legal_after(kind: str, settings: dict, prefix: list[int]) -> set[int] | None:
    """Legal next tokens by the rules as one would say them; None for kinds without a twin."""
    if kind == "set_complement":
        return set(range(settings["vocab_size"])) - set(prefix)
    if kind == "windowed_complement":
        V, window = settings["vocab_size"], settings["window"]
        if len(prefix) >= (settings.get("max_length") or 2 * V):
            return set()
        return set(range(V)) - set(prefix[max(0, len(prefix) - window) :])
    if kind in ("mnk", "connect_four"):
        moves = [token for token in prefix if token >= 0]
        rows, columns, k = naive_board(settings)
        stones = naive_stones(kind, columns, moves)
        if naive_has_line(stones[0::2], k) or naive_has_line(stones[1::2], k):
            return set()
        if kind == "mnk":
            return set(range(rows * columns)) - set(moves)
        return {column for column in range(columns) if moves.count(column) < rows}
    if kind == "othello" and settings["board_size"] < 8:  # by going along lines: too slow for 8
        moves = [token for token in prefix if token >= 0]
        return naive_states(settings["board_size"], moves)[-1][2]
    if kind in ("dyck", "flip_flop", "regular"):
        words = naive_words(json.dumps({"kind": kind, **settings}))
        n = len(prefix)
        return words and {word[n] for word in words if list(word[:n]) == prefix and n < len(word)}
    return None


def legal_on(settings: dict, board: list[int], shape: tuple[int, int]) -> set[int]:
    """Legal tokens on any board (0 empty, 1 mine, 2 theirs), whether a game reaches it or not."""
    rows, columns = shape
    if settings["kind"] == "othello":
        return naive_legal([{0: None, 1: 0, 2: 1}[x] for x in board], rows, 0)
    k = naive_board(settings)[2]
    for player in (1, 2):
        stones = [divmod(square, columns) for square, x in enumerate(board) if x == player]
        if naive_has_line(stones, k):
            return set()
    empty = {square for square, x in enumerate(board) if x == 0}
    if settings["kind"] == "mnk":
        return empty
    return {column for column in range(columns) if (rows - 1) * columns + column in empty}


# Formal languages, by trying all sequences.


@cache
def naive_words(language: str) -> list[tuple[int, ...]] | None:
    """All words of a language, given as the JSON of its settings; None if it is too large."""
    settings = json.loads(language)
    kind, length = settings["kind"], settings["length"]
    if kind == "dyck":
        V = 2 * settings["num_brackets"]
    else:
        V = 5 if kind == "flip_flop" else len(settings["alphabet"])
    if V**length > 70_000:
        return None
    is_word = {"dyck": is_dyck_word, "flip_flop": is_flip_flop_word, "regular": is_accepted}[kind]
    return [w for w in itertools.product(range(V), repeat=length) if is_word(w, settings)]


def is_dyck_word(word, settings) -> bool:
    k, stack = settings["num_brackets"], []
    for token in word:
        if token < k:
            stack.append(token)
        elif not stack or stack.pop() != token - k:
            return False
        if len(stack) > settings["max_depth"]:
            return False
    return not stack


def is_flip_flop_word(word, settings) -> bool:
    names = "".join("wir01"[token] for token in word)
    pairs = [names[i : i + 2] for i in range(0, len(names), 2)]
    written = None
    for instruction, bit in pairs:
        if instruction not in "wir" or bit not in "01":
            return False
        if instruction == "w":
            written = bit
        if instruction == "r" and bit != written:
            return False
    return pairs[0][0] == "w" and pairs[-1][0] == "r"


def is_accepted(word, settings) -> bool:
    state = settings["start"]
    for token in word:
        state = settings["transitions"].get(state, {}).get(settings["alphabet"][token])
    return state in settings["accepting"]


# Lines of stones, as sets of (row, column).


def naive_board(settings):
    """Rows, columns and in_a_row of m,n,k-games and of Connect four, which has defaults."""
    return settings.get("rows", 6), settings.get("columns", 7), settings.get("in_a_row", 4)


def naive_stones(kind, columns, moves):
    """(row, column) of each move's stone; in Connect four it lies on those of its column."""
    if kind == "mnk":
        return [divmod(square, columns) for square in moves]
    return [(moves[:s].count(column), column) for s, column in enumerate(moves)]


def naive_has_line(stones, k):
    stones = set(stones)
    for row, column in stones:
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if all((row + i * down, column + i * right) in stones for i in range(k)):
                return True
    return False


# Othello, disc by disc.


def naive_flips(board, size, square, colour):
    """Squares of the discs that turn if `colour` moves on `square`; none if it may not."""
    if board[square] is not None:
        return []
    row, column = divmod(square, size)
    flips = []
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        line, r, c = [], row + down, column + right
        while 0 <= r < size and 0 <= c < size and board[r * size + c] == 1 - colour:
            line.append(r * size + c)
            r, c = r + down, c + right
        if 0 <= r < size and 0 <= c < size and board[r * size + c] == colour:
            flips += line
    return flips


def naive_legal(board, size, colour):
    return {square for square in range(size**2) if naive_flips(board, size, square, colour)}


def naive_start(size):
    """Board (0 black, 1 white, None empty), colour to move, its legal moves."""
    board = [None] * size**2
    low, high = size // 2 - 1, size // 2
    board[low * size + low] = board[high * size + high] = 1
    board[low * size + high] = board[high * size + low] = 0
    return board, 0, naive_legal(board, size, 0)


def naive_move(board, size, colour, square):
    """Board, colour to move and its legal moves after a move; at the end no colour, no moves."""
    flips = naive_flips(board, size, square, colour)
    assert flips, "the twin was given an illegal move"
    board = [colour if s == square or s in flips else disc for s, disc in enumerate(board)]
    for player in (1 - colour, colour):
        legal = naive_legal(board, size, player)
        if legal:
            return board, player, legal
    return board, None, set()


def naive_states(size, moves):
    """Boards, colours and legal moves after 0, 1, ... len(moves) moves."""
    states = [naive_start(size)]
    for square in moves:
        board, colour, _ = states[-1]
        states.append(naive_move(board, size, colour, square))
    return states


def naive_logits(
    parameters, prefix: list[int], norm: str = "none", gain: float = 1.0, sink: float = 0.0
):
    """Logits (V,) after one prefix and its attention (s,), one token and one dot product a time."""
    E, Q, K, V, O, U = (np.asarray(matrix, dtype=np.float64) for matrix in parameters)  # noqa: E741
    d_k = Q.shape[1]
    last = E[prefix[-1]]
    scores = [float((last @ Q) @ (E[t] @ K)) / math.sqrt(d_k) if d_k else 0.0 for t in prefix]
    exponentials = [math.exp(score - max(scores)) for score in scores]
    total = sum(exponentials) + (sink * math.exp(-max(scores)) if sink else 0.0)
    weights = [e / total for e in exponentials]
    attended = np.zeros(E.shape[1])
    for weight, token in zip(weights, prefix, strict=True):
        attended = attended + weight * (E[token] @ V @ O)

    def normed(vector):
        length = math.sqrt(sum(float(x) ** 2 for x in vector))
        return gain * vector / length if length else vector

    if norm == "attention":
        attended = normed(attended)
    residual = last + attended
    if norm == "residual":
        residual = normed(residual)
    return residual @ U, np.array(weights)


def naive_metrics(logits, legal, attention) -> dict[str, float]:
    """Metrics of one context from their definitions; a new metric may be left out.

    Logits may be −inf; not all of them.
    """
    logits, legal = list(map(float, logits)), list(map(bool, legal))
    tokens = range(len(logits))
    total = sum(math.exp(x - max(logits)) for x in logits)
    p = [math.exp(x - max(logits)) / total for x in logits]
    good, bad = [t for t in tokens if legal[t]], [t for t in tokens if not legal[t]]
    names = ["illegal_token_rate", "total_variation", "kl_divergence", "top1_legal", "logit_gap"]
    names += ["displacement", "imbalance", "absent_spread", "attention_entropy"]
    found = dict.fromkeys(names, math.nan)
    if not good:
        return found
    found["attention_entropy"] = -sum(w * math.log(w) for w in attention if w > 0)
    q = [1 / len(good) if legal[t] else 0.0 for t in tokens]
    top = [t for t in tokens if logits[t] == max(logits)]
    found["illegal_token_rate"] = sum(p[t] for t in bad)
    found["total_variation"] = sum(abs(p[t] - q[t]) for t in tokens) / 2
    found["kl_divergence"] = sum(q[t] * math.log(q[t] / p[t]) if p[t] else math.inf for t in good)
    found["top1_legal"] = sum(legal[t] for t in top) / len(top)
    found["absent_spread"] = max(logits[t] for t in good) - min(logits[t] for t in good)
    if bad:
        found["logit_gap"] = min(logits[t] for t in good) - max(logits[t] for t in bad)
        mean_good = sum(logits[t] for t in good) / len(good)
        found["displacement"] = mean_good - sum(logits[t] for t in bad) / len(bad)
        found["imbalance"] = max(logits[t] for t in bad) - min(logits[t] for t in bad)
    return found


def all_contexts(vocab_size: int, length: int):
    """Every (set, last token) of one length, as a prefix that ends in the last token."""
    for tokens in itertools.combinations(range(vocab_size), length):
        for last in tokens:
            yield [token for token in tokens if token != last] + [last]


def random_parameters(rng, V, d=5, d_k=3, d_v=4, scale=1.0):
    from gamecircuits.transformer.model import Parameters

    shapes = [(V, d), (d, d_k), (d, d_k), (d, d_v), (d_v, d), (d, V)]
    return Parameters(*(scale * rng.normal(size=shape) for shape in shapes))
