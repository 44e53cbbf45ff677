"""Command: read a model in the terms of the theory, whatever software trained it.

python3 run.py diagnose MODEL.safetensors
"""

import argparse
import os
import sys
import textwrap
import threading
import time
from dataclasses import replace

import numpy as np

from gamecircuits.analysis.diagnosis import Diagnosis, diagnose
from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.run.progress import clock, read_count
from gamecircuits.transformer.model import NORMS
from gamecircuits.transformer.weights import read_any_model

PATIENCE = 5.0  # seconds without a word
WIDTH = 100
BY_LENGTH = {  # quantity: heading
    "highest_illegal_token_rate": "illegal token rate",
    "last_displacement": "last token's displacement",
}


def report(diagnosis: Diagnosis) -> str:
    """The diagnosis as text, WIDTH columns wide."""
    table, model = diagnosis.table, diagnosis.model
    whole = table[table["length"].isna() & table["token"].isna()]
    lines = [f"norm {model.norm}, gain {model.gain:g}, sink {model.sink:g}", ""]
    lines.append(f"{'':32}{'measured':>13}{'predicted':>13}{'certified':>13}")
    for row in whole.itertuples():
        numbers = "".join(map(_show, (row.measured, row.predicted, row.certified)))
        lines.append(f"{row.quantity:32}{numbers}  {row.unit}".rstrip())
        lines += textwrap.wrap(row.meaning, WIDTH, initial_indent="    ", subsequent_indent="    ")
    for name in ("x", "beta"):
        values = table.loc[table["quantity"] == name, "measured"]
        lines.append(f"{name + ' by token':32}{_show(values.min())} to{_show(values.max())}")
    lines += ["", "In the worst context measured:"]
    lines.append("length" + "".join(f"{heading:>39}" for heading in BY_LENGTH.values()))
    lines.append("      " + 2 * f"{'measured':>13}{'predicted':>13}{'certified':>13}")
    columns = [diagnosis.by_length(quantity) for quantity in BY_LENGTH]
    for rows in zip(*(column.itertuples() for column in columns), strict=True):
        values = (n for row in rows for n in (row.measured, row.predicted, row.certified))
        lines.append(f"{rows[0].length:6}" + "".join(map(_show, values)))
    return "\n".join(lines)


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
        description="Diagnose a model of set complement: a safetensors file with the weights "
        "W_E, W_Q, W_K, W_V, W_O, W_U, or TransformerLens's names for them.",
    )
    parser.add_argument("file")
    parser.add_argument("--norm", choices=NORMS, help="the file's own by default")
    parser.add_argument("--gain", type=float, help="factor after the norm")
    parser.add_argument("--sink", type=float, help="attention weight of a sink without value")
    parser.add_argument("--csv", help="file to write the whole table to")
    arguments = parser.parse_args(argv)
    said = ["reading the model"]
    threading.Thread(target=_beat, args=[said], daemon=True).start()
    try:
        model = read_any_model(arguments.file)
        given = {name: getattr(arguments, name) for name in ("norm", "gain", "sink")}
        model = replace(model, **{name: v for name, v in given.items() if v is not None})
        found = diagnose(model, log=said.append)
        if arguments.csv:
            found.table.to_csv(arguments.csv, index=False)
    except (GamecircuitsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        said.clear()
    try:
        print(report(found), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
