"""Command: what a model of several layers knows of a game, whether it uses it, and which parts do.

python3 run.py audit MODEL.safetensors --game othello
python3 run.py audit MODEL.pt --game othello --set board_size=6 --num-heads 8 --out my_audit
"""

import argparse
import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import yaml

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import Game
from gamecircuits.games.othello import Othello
from gamecircuits.parameters import get_parameters
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.run.diagnose import make_named_game
from gamecircuits.randomness import get_rng
from gamecircuits.storage.files import write_files
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.vocabulary import (
    CONVENTIONS,
    list_conventions,
    recognise_vocabulary,
)

WRITTEN = "# Written by run.py audit, which may write it again. Rename it to keep your changes.\n"
NUM_GAMES = 4000


def name_model(path: str) -> str:
    """A name for tables and figures from that of a file."""
    name = re.sub(r"\W+", "_", Path(path).stem, flags=re.ASCII).strip("_")
    return name[:60] if name[:1].isalpha() else f"model_{name}"[:60]


def choose_game(kind: str, given: list[str], num_tokens: int) -> Game:
    """The game of this kind; of Othello the board that a model of so many tokens may play on.

    Raises:
        GamecircuitsError: there is no such game, or it is not possible.
    """
    if kind == "othello" and not any(text.startswith("board_size=") for text in given):
        for size in get_args(get_type_hints(Othello)["board_size"]):
            with contextlib.suppress(GamecircuitsError):
                list_conventions(num_tokens, Othello(size))
                return make_named_game(kind, [*given, f"board_size={size}"], num_tokens)
    return make_named_game(kind, given, num_tokens)


def make_config(arguments: argparse.Namespace, game: Game, vocabulary: str) -> dict:
    """The configuration of a run that audits one file on one game."""
    kind, model = arguments.game, name_model(arguments.file)
    keys = {key: getattr(game, key) for key in get_parameters(type(game))}
    given = {key: getattr(arguments, key) for key in ("num_heads", "norm", "trained_length")}
    given |= {"vocabulary": vocabulary, "transposed": arguments.transposed or None}
    given = {key: value for key, value in given.items() if value is not None}
    return {
        "seed": arguments.seed,
        "results": arguments.out or f"audit_{model}",
        "games": {kind: {"kind": kind, "num_games": arguments.num_games, **keys}},
        "models": {model: {"kind": "file", "path": arguments.file, "game": kind, **given}},
        "evaluations": {"audited": {"game": kind, "models": [model], "dtype": "float32"}},
        "audits": {
            "audited": {
                "game": kind,
                "models": [model],
                "fit_games": arguments.fit_games,
                "test_games": arguments.test_games,
            }
        },
    }


def write_config(values: dict) -> Path:
    """Write the configuration beside the results; its path.

    Raises:
        GamecircuitsError: somebody else's file has that name.
    """
    path = Path(f"{values['results']}.yaml")
    if path.exists() and not path.read_text(encoding="utf-8").startswith(WRITTEN):
        raise GamecircuitsError(f"{path} is not of run.py audit; name another folder by --out")
    text = WRITTEN + yaml.safe_dump(values, sort_keys=False, width=100)
    write_files({path: text.encode()})
    return path


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py audit",
        description="Legality by length, probes, edits and circuits of a model of several layers. "
        "Ends in a page of figures, and in a configuration that makes the same again.",
    )
    parser.add_argument("file", help="safetensors or a state dict of torch.save")
    parser.add_argument("--game", metavar="KIND", default="othello", help="othello by default")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="keys",
        action="append",
        default=[],
        help="a key of the game, such as board_size=6; may be repeated",
    )
    parser.add_argument(
        "--trained-length", type=int, help="longest prefix in its training, if games are longer"
    )
    parser.add_argument("--num-heads", type=int, help="where the weights do not tell")
    parser.add_argument(
        "--norm", choices=("none", "layer", "rms"), help="norm whose weights were folded"
    )
    parser.add_argument(
        "--vocabulary", choices=CONVENTIONS, help="what its tokens are; recognised unless given"
    )
    parser.add_argument(
        "--transposed", action="store_true", help="its squares are numbered column by column"
    )
    parser.add_argument("--out", metavar="FOLDER", help="of the results; audit_MODEL by default")
    parser.add_argument("--seed", type=int, default=0)
    for key, default, what in (
        ("num-games", NUM_GAMES, "games to measure legality on"),
        ("fit-games", 1000, "games to fit probes on"),
        ("test-games", 300, "games to choose edits on, and as many to report on"),
    ):
        parser.add_argument(f"--{key}", type=int, default=default, help=f"{what}; {default:,}")
    parser.add_argument("--cores", default="all")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = make_parser().parse_args(argv)
    try:
        model = read_any_model(arguments.file, arguments.num_heads, arguments.norm)
        if not isinstance(model, GPT):
            message = f"{arguments.file} has one layer, which run.py diagnose reads"
            raise GamecircuitsError(message)
        game = choose_game(arguments.game, arguments.keys, model.vocab_size)
        vocabulary = arguments.vocabulary
        if vocabulary is None:
            vocabulary = recognise_vocabulary(model, game, get_rng(0, "vocabulary"))
            print(f"{model.vocab_size} tokens, read as vocabulary: {vocabulary}", file=sys.stderr)
        values = make_config(arguments, game, vocabulary)
        path = write_config(values)
        load_config(path)  # which says what is wrong, before anything runs
    except (GamecircuitsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-P", "-m", "gamecircuits.pipeline.run", "--configfile", str(path)]
    return subprocess.call([*command, "--cores", arguments.cores])


if __name__ == "__main__":
    sys.exit(main())
