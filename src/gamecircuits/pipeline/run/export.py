"""Command: write a model as a folder that other software reads.

python3 run.py export FILE --to hugging_face --out FOLDER
python3 run.py export FILE --to transformer_lens --out FOLDER
"""

import argparse
import sys
from pathlib import Path

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.export import FILES, WRITTEN, export_model
from gamecircuits.transformer.foreign import read_any_model

HOW = {
    "hugging_face": "GPT2LMHeadModel.from_pretrained({folder!r}) reads it",
    "transformer_lens": "docs/your_model.md says how TransformerLens reads it",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py export",
        description="Write a model, ours or any that can be read, as model.safetensors and "
        "config.json for other software.",
    )
    parser.add_argument("file", help="of results/models, of safetensors, or of torch.save")
    parser.add_argument("--to", choices=WRITTEN, required=True, help="who reads it")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="made if it is not there")
    parser.add_argument("--num-heads", type=int, help="of FILE, where its weights do not tell")
    parser.add_argument(
        "--norm", choices=("none", "layer", "rms"), help="of FILE, where it was folded into others"
    )
    return parser.parse_args(arguments)


def export(options: argparse.Namespace) -> None:
    """Write the folder that the options ask for.

    Raises:
        GamecircuitsError: the model cannot be read, or the format cannot hold it, or the folder has
            a model already.
    """
    folder = Path(options.out)
    for name in FILES:
        if (folder / name).exists():
            raise GamecircuitsError(f"{folder / name} exists; give --out another folder")
    model = read_any_model(options.file, options.num_heads, options.norm)
    export_model(model, options.to, folder)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        export(options)
    except (GamecircuitsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    how = HOW[options.to].format(folder=options.out)
    print(f"{options.out} has {' and '.join(FILES)}; {how}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
