"""One HTML file that needs nothing else: markup, style, modules of JavaScript, and data.

What the browser runs are the files in the folder `web`, as they are: each module is an entry of an
import map, whose address is its content. The data are one compressed block, see `pack`.
"""

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

WEB = Path(__file__).with_name("web")
THEORY = Path(__file__).parents[3] / "docs" / "theory.md"
MAX_PAGE = 6_000_000  # bytes
PREFIX = "gamecircuits/"  # of the modules' names
NUMBERS = {"<f8": "Float64Array", "<f4": "Float32Array", "<i4": "Int32Array", "|u1": "Uint8Array"}


def list_assets() -> list[Path]:
    """The files that the browser gets, in order."""
    return sorted(path for path in WEB.iterdir() if path.suffix in (".html", ".css", ".js"))


def read_theory() -> str:
    """docs/theory.md; nothing where the documentation is not there."""
    return THEORY.read_text(encoding="utf-8") if THEORY.exists() else ""


def digest_files(paths: list[Path]) -> str:
    """One digest of files, names and contents, for the settings of the job that uses them."""
    parts = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def pack(data: Mapping[str, Any]) -> str:
    """Data for the page as text: base64 of a deflated block; web/data.js has the reverse.

    The block is the length of a JSON text in four bytes, the text, and the arrays' bytes one after
    the other, each from a multiple of eight. In the text an array is an object with the key
    "array": type, shape and place.

    Args:
        data: nested dicts and lists of text, numbers, None, and arrays of bool, of integers below
            2^31 or of floats. NaN and infinities may stand in arrays only.

    Raises:
        TypeError, ValueError: for anything else.
    """
    blocks: list[bytes] = []
    size = 0

    def describe(value: Any) -> Any:
        nonlocal size
        if isinstance(value, Mapping):
            return {str(key): describe(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [describe(item) for item in value]
        if not isinstance(value, np.ndarray):
            return value.item() if isinstance(value, np.generic) else value
        array = _shrink(value)
        block = array.tobytes()
        block += bytes(-len(block) % 8)
        blocks.append(block)
        entry = [NUMBERS[array.dtype.str], list(array.shape), size]
        size += len(block)
        return {"array": entry}

    text = json.dumps(describe(data), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    content = len(text).to_bytes(4, "little") + text + b"".join(blocks)
    return base64.b64encode(zlib.compress(content, 6)).decode()


def unpack(text: str) -> Any:
    """The data of `pack`; arrays of bool come back as uint8."""
    content = zlib.decompress(base64.b64decode(text))
    size = int.from_bytes(content[:4], "little")
    types = {name: dtype for dtype, name in NUMBERS.items()}

    def restore(value: dict) -> Any:
        if list(value) != ["array"]:
            return value
        name, shape, start = value["array"]
        count = int(np.prod(shape))
        return np.frombuffer(content, types[name], count, 4 + size + start).reshape(shape)

    return json.loads(content[4 : 4 + size], object_hook=restore)


def _shrink(array: np.ndarray) -> np.ndarray:
    """The array, of a type that JavaScript has."""
    if array.dtype in (bool, np.uint8):
        return array.astype("|u1")
    if np.issubdtype(array.dtype, np.integer):
        return array.astype("<i4", casting="same_kind")
    return np.ascontiguousarray(array, "<f4" if array.dtype.itemsize < 8 else "<f8")


def count_bytes(data: Mapping[str, Any], title: str) -> int:
    """Size of the page with these data."""
    return len(make_page(data, title))


def read_data(page: str) -> Any:
    """The data of a page that `make_page` has made."""
    found = re.search(r'<script type="text/plain" id="data">(.*?)</script>', page, re.DOTALL)
    if not found:
        raise ValueError("this is no page of ours: it has no data")
    return unpack(found[1])


def make_copy(page: str, images: Mapping[str, str]) -> bytes:
    """A page for another folder: its figures are those that have an image there.

    Args:
        images: address of the image by the figure's path, as seen from the new place.
    """
    data = read_data(page)
    title = html.unescape(page.partition("<title>")[2].partition("</title>")[0])
    figures = [f for f in data["figures"] if f["path"] in images]
    data["figures"] = [
        figure | {"picture": None, "image": images[figure["path"]], "is_card": True}
        for figure in figures
    ]
    return make_page(data | {"is_copy": True}, title)


def make_page(data: Mapping[str, Any], title: str) -> bytes:
    """The page with its data; the same bytes from the same data."""
    modules = {
        f"{PREFIX}{path.stem}": "data:text/javascript;base64,"
        + base64.b64encode(path.read_bytes()).decode()
        for path in list_assets()
        if path.suffix == ".js"
    }
    parts = {
        "title": html.escape(title),
        "assets": digest_files(list_assets()),
        "style": "\n".join(
            path.read_text(encoding="utf-8") for path in list_assets() if path.suffix == ".css"
        ),
        "modules": json.dumps({"imports": modules}),
        "data": pack(data),
    }
    page = WEB.joinpath("page.html").read_text(encoding="utf-8")
    before, *rest = page.split("{{")
    for part in rest:  # split first: what is put in may hold braces
        name, _, after = part.partition("}}")
        before += parts[name.strip()] + after
    return before.encode()
