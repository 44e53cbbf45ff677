"""Command: read a model in the terms of the theory, whatever software trained it.

python3 run.py diagnose MODEL.safetensors
python3 run.py diagnose MODEL.safetensors --game windowed_complement --set window=8
"""

import argparse
import os
import sys
import textwrap
import threading
import time
from dataclasses import MISSING, replace
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gamecircuits.analysis.diagnosis import diagnose_on
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import GAMES, Game, make_game
from gamecircuits.parameters import get_parameters
from gamecircuits.pipeline.run.progress import clock, read_count
from gamecircuits.randomness import get_rng
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.model import NORMS
from gamecircuits.transformer.one_layer import OneLayer, require_one_layer

PATIENCE = 5.0  # seconds without a word
WIDTH = 100
BY_LENGTH = {  # quantity: heading
    "highest_illegal_token_rate": "illegal token rate",
    "last_displacement": "last token's displacement",
    "lowest_displacement": "lowest displacement",
}
COLUMNS = ("measured", "predicted", "certified")
SILENT = "The theory speaks of set complement. Of this game there is what the model does in random "
SILENT += "plays, and no prediction."


def report(table: pd.DataFrame, model: OneLayer, game: str) -> str:
    """The diagnosis as text, WIDTH columns wide."""
    columns = [name for name in COLUMNS if name in table]
    lines = [f"norm {model.norm}, gain {model.gain:g}, sink {model.sink:g}; on {game}", ""]
    if "predicted" not in table:
        lines += [*textwrap.wrap(SILENT, WIDTH), ""]
    lines.append(" " * 32 + "".join(f"{name:>13}" for name in columns))
    is_whole = table["length"].isna() & table["token"].isna()
    for row in table[is_whole].to_dict("records"):
        numbers = "".join(_show(row[name]) for name in columns)
        lines.append(f"{row['quantity']:32}{numbers}  {row['unit']}".rstrip())
        text = row["meaning"]
        lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")
    for name in ("x", "beta"):
        values = table.loc[table["quantity"] == name, "measured"]
        if len(values):
            lines.append(f"{name + ' by token':32}{_show(values.min())} to{_show(values.max())}")
    return "\n".join([*lines, "", "In the worst context measured:", *_list_lengths(table, columns)])


def _list_lengths(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Lines of what there is for each length."""
    of_lengths = table[table["length"].notna()].set_index(["quantity", "length"])
    names = [name for name in BY_LENGTH if name in of_lengths.index]
    width = 13 * max(len(columns), 2)
    lines = ["length" + "".join(f"{BY_LENGTH[name]:>{width}}" for name in names)]
    if len(columns) > 1:
        lines.append("      " + len(names) * "".join(f"{name:>13}" for name in columns))
    for length in of_lengths.loc[names[0]].index:
        cells = [
            "".join(map(_show, of_lengths[columns].loc[(name, length)]))
            if (name, length) in of_lengths.index
            else ""
            for name in names
        ]
        lines.append(f"{length:6}" + "".join(f"{cell:>{width}}" for cell in cells))
    return lines


def make_named_game(kind: str, given: list[str], vocab_size: int) -> Game:
    """A game from its kind and KEY=VALUE of the command line; V is the model's unless given.

    Raises:
        GamecircuitsError: there is no such game, or it is not possible.
    """
    parameters: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise GamecircuitsError(f"--set {text}: allowed: KEY=VALUE, for example window=8")
        try:
            parameters[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise GamecircuitsError(f"--set {text}: {value} is not valid YAML") from None
    known = get_parameters(GAMES.type(kind))
    if "vocab_size" in known:
        parameters.setdefault("vocab_size", vocab_size)
    for key, parameter in known.items():
        if parameter.default is MISSING and key not in parameters and not parameters.keys() - known:
            raise GamecircuitsError(f"{kind} needs --set {key}=VALUE ({parameter.description})")
    return make_game(kind, **parameters)


def _show(value: float) -> str:
    return f"{value:13.5g}" if np.isfinite(value) else 13 * " "


def _beat(said: list[str]) -> None:
    """Repeat what was said last, with the time that is left."""
    begin = time.monotonic()
    while True:
        time.sleep(PATIENCE)
        for message in said[-1:]:
            spent = time.monotonic() - begin
            line = f"{message}, after {clock(spent)}"
            if count := read_count(message):
                line += f", about {clock(spent * (count[1] / count[0] - 1))} left"
            print(line, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py diagnose",
        description="Diagnose a model: a safetensors file with the weights W_E, W_Q, W_K, W_V, "
        "W_O, W_U, or TransformerLens's names for them.",
    )
    parser.add_argument("file")
    parser.add_argument(
        "--game",
        metavar="KIND",
        default="set_complement",
        help="set_complement by default; of others there are no predictions",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="keys",
        action="append",
        default=[],
        help="a key of the game, such as window=8; may be repeated",
    )
    parser.add_argument("--norm", choices=NORMS, help="the file's own by default")
    parser.add_argument("--gain", type=float, help="factor after the norm")
    parser.add_argument("--sink", type=float, help="attention weight of a sink without value")
    parser.add_argument("--csv", help="file to write the whole table to")
    arguments = parser.parse_args(argv)
    said = ["reading the model"]
    threading.Thread(target=_beat, args=[said], daemon=True).start()
    try:
        model = require_one_layer(read_any_model(arguments.file), "a diagnosis")
        given = {name: getattr(arguments, name) for name in ("norm", "gain", "sink")}
        model = replace(model, **{name: v for name, v in given.items() if v is not None})
        game = make_named_game(arguments.game, arguments.keys, model.vocab_size)
        found = diagnose_on(game, model, get_rng(0, "diagnosis"), said.append)
        if arguments.csv:
            found.to_csv(arguments.csv, index=False)
    except (GamecircuitsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        said.clear()
    try:
        print(report(found, model, " ".join([arguments.game, *arguments.keys])), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
