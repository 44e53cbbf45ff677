"""Check a configuration: `python -m gamecircuits.pipeline.config [FILE ...]`.

When a parameter has changed, `--schema` prints workflow/schemas/config.schema.json anew, and
`--tables` brings the tables of config/README.md up to date.
"""

import json
import sys

from gamecircuits.errors import GamecircuitsError
from gamecircuits.pipeline.config.load import DEFAULT_CONFIG, load_config
from gamecircuits.pipeline.provenance import SOURCE

README = SOURCE.parent / "config/README.md"


def main(arguments: list[str]) -> int:
    if arguments == ["--schema"]:
        from gamecircuits.pipeline.config.schema import make_schema

        print(json.dumps(make_schema(), indent=2))
        return 0
    if arguments == ["--tables"]:
        from gamecircuits.pipeline.config.tables import fill_tables

        README.write_text(fill_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    try:
        load_config(*(arguments or [DEFAULT_CONFIG]))
    except GamecircuitsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
