"""Command: what a model of several layers knows of a game, whether it uses it, and which parts do.

python3 run.py audit MODEL.safetensors --game othello
python3 run.py audit MODEL.pt --game othello --set board_size=6 --num-heads 8 --out my_audit
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import yaml

from gamecircuits.errors import GamecircuitsError
from gamecircuits.parameters import get_parameters
from gamecircuits.pipeline.config.load import load_config
from gamecircuits.pipeline.run.diagnose import make_named_game
from gamecircuits.storage.files import write_files
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.gpt import GPT

WRITTEN = "# Written by run.py audit, which may write it again. Rename it to keep your changes.\n"
NUM_GAMES = 4000


def name_model(path: str) -> str:
    """A name for tables and figures from that of a file."""
    name = re.sub(r"\W+", "_", Path(path).stem, flags=re.ASCII).strip("_")
    return name[:60] if name[:1].isalpha() else f"model_{name}"[:60]


def make_config(arguments: argparse.Namespace, vocab_size: int) -> dict:
    """The configuration of a run that audits one file on one game.

    Args:
        vocab_size: of the model, which some games take.

    Raises:
        GamecircuitsError: there is no such game, or it is not possible.
    """
    kind, model = arguments.game, name_model(arguments.file)
    game = make_named_game(kind, arguments.keys, vocab_size)
    keys = {key: getattr(game, key) for key in get_parameters(type(game))}
    given = {key: getattr(arguments, key) for key in ("num_heads", "norm")}
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
    parser.add_argument("--num-heads", type=int, help="where the weights do not tell")
    parser.add_argument(
        "--norm", choices=("none", "layer", "rms"), help="norm whose weights were folded"
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
        values = make_config(arguments, model.vocab_size)
        path = write_config(values)
        load_config(path)  # which says what is wrong, before anything runs
    except (GamecircuitsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-P", "-m", "gamecircuits.pipeline.run", "--configfile", str(path)]
    return subprocess.call([*command, "--cores", arguments.cores])


if __name__ == "__main__":
    sys.exit(main())
