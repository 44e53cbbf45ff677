"""Games of every kind, small and large, with the edges of their settings."""

from pathlib import Path

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
FOUR = {
    "path": str(CONFIG.parents[1] / "docs/four.py"),
    "function": "get_valid_next_token_mask",
    "vocab_size": 4,
}
EXAMPLES = [
    {"kind": "set_complement", "vocab_size": 2},
    {"kind": "set_complement", "vocab_size": 9},
    {"kind": "windowed_complement", "vocab_size": 5, "window": 0},
    {"kind": "windowed_complement", "vocab_size": 5, "window": 2},
    {"kind": "windowed_complement", "vocab_size": 4, "window": 3, "max_length": 7},
    {"kind": "windowed_complement", "vocab_size": 3, "window": 1, "max_length": 1},
    {"kind": "mnk", "rows": 3, "columns": 3, "in_a_row": 3},
    {"kind": "mnk", "rows": 2, "columns": 5, "in_a_row": 4},
    {"kind": "mnk", "rows": 1, "columns": 2, "in_a_row": 1},
    {"kind": "mnk", "rows": 8, "columns": 8, "in_a_row": 5},
    {"kind": "connect_four"},
    {"kind": "connect_four", "rows": 3, "columns": 4, "in_a_row": 3},
    {"kind": "connect_four", "rows": 1, "columns": 9, "in_a_row": 2},
    {"kind": "connect_four", "rows": 8, "columns": 8, "in_a_row": 8},
    {"kind": "othello", "board_size": 4},
    {"kind": "othello", "board_size": 6},
    {"kind": "othello", "board_size": 8},
    {"kind": "dyck", "num_brackets": 1, "max_depth": 2, "length": 12},
    {"kind": "dyck", "num_brackets": 2, "max_depth": 9, "length": 8},
    {"kind": "dyck", "num_brackets": 70, "max_depth": 3, "length": 20},
    {"kind": "dyck", "num_brackets": 64, "max_depth": 10**30, "length": 6},
    {"kind": "windowed_complement", "vocab_size": 128, "window": 5, "max_length": 9},
    {"kind": "file", **FOUR},
    {"kind": "file", **FOUR, "max_length": 2},
    {"kind": "flip_flop", "length": 4},
    {"kind": "flip_flop", "length": 6},
    {"kind": "flip_flop", "length": 40},
    {
        "kind": "regular",
        "alphabet": ["a", "b", "c"],
        "transitions": {"p": {"a": "p", "b": "q"}, "q": {"c": "p", "a": "r"}, "r": {}},
        "start": "p",
        "accepting": ["q", "r"],
        "length": 8,
    },
]
