"""The part of a page that docs/extending.md has for an example."""

import re
import shutil
import textwrap
from pathlib import Path

from explorer.browser import NOTHING, needs_browser, open_page

from gamecircuits.explorer import page as module
from gamecircuits.explorer.games import describe_game
from gamecircuits.games.game import make_game

DOCUMENT = Path(__file__).parents[2] / "docs/extending.md"


@needs_browser
def test_a_part(tmp_path, monkeypatch):
    text = DOCUMENT.read_text(encoding="utf-8")
    code = re.search(r'\n\n((    import .*"gamecircuits/dom";\n)(?:    .*\n|\n)+)', text)
    web = tmp_path / "web"
    shutil.copytree(module.WEB, web)
    web.joinpath("count.js").write_text(textwrap.dedent(code[1]))
    main = web.joinpath("main.js").read_text()
    main = main.replace("const PARTS = [", "const PARTS = [count, ")
    web.joinpath("main.js").write_text(f'import {{ count }} from "gamecircuits/count";\n{main}')
    monkeypatch.setattr(module, "WEB", web)
    game = make_game(kind="set_complement", vocab_size=3)
    games = [
        {"name": name, "kind": "set_complement"} | describe_game(game, "set_complement", [])
        for name in ("one", "other")
    ]
    path = tmp_path / "index.html"
    path.write_bytes(module.make_page(NOTHING | {"games": games}, "a part"))
    with open_page(path) as page:
        assert page.inner_text("#view-count p") == "of 2"
        page.select_option("#view-count select", "other")
        assert page.url.endswith("#count.game=other")
