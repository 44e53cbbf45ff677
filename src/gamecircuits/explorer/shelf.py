"""Figures of a run as the page takes them: some cards with pictures, the others as a list."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from gamecircuits.explorer.text import split_caption
from gamecircuits.figures.cards import choose_cards

MAX_CARDS = 16
DRAWN = "figures/models/"  # what the page draws by itself
SMALL, MAX_SMALL = 320, 60  # pixels across of pictures in the list, and how many have one


def describe_figures(entries: Sequence[Mapping], images: Sequence[bytes], budget: int) -> list:
    """All figures, cards first; pictures while they fit, the largest are left out.

    Args:
        entries: path without suffix, section, caption, and the record of the job that drew it.
        images: as PNG.
        budget: bytes for all pictures.

    Returns:
        for each its entry, with the caption in parts (see `split_caption`), `is_card`, `made`: the
        stage and the digest of the job, and a picture, a WebP file (n,), or None.
    """
    paths = [entry["path"] for entry in entries]
    chosen = choose_cards(path for path in paths if not path.startswith(DRAWN))[:MAX_CARDS]
    cards = [paths.index(path) for path in chosen]
    others = [n for n in range(len(entries)) if n not in cards]
    pictures = {n: compress(images[n]) for n in cards}
    pictures |= {n: make_small(images[n]) for n in others[:MAX_SMALL]}
    for n in sorted(pictures, key=lambda n: -len(pictures[n])):
        if sum(map(len, pictures.values())) > budget:
            pictures[n] = b""
    return [
        {
            **split_caption(entries[n]["caption"]),
            **{key: entries[n][key] for key in ("path", "section", "record")},
            "is_card": n in cards,
            "made": read_job(images[n]),
            "picture": np.frombuffer(pictures[n], np.uint8) if pictures.get(n) else None,
        }
        for n in [*cards, *others]
    ]


def compress(png: bytes) -> bytes:
    """An image as WebP with the same pixels: a third of the bytes."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(
        buffer, "WEBP", lossless=True, quality=50, method=4
    )
    return buffer.getvalue()


def make_small(png: bytes) -> bytes:
    """An image as WebP, SMALL to twice SMALL pixels across."""
    image, buffer = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    image.reduce(max(1, image.width // SMALL)).save(buffer, "WEBP", quality=70, method=2)
    return buffer.getvalue()


def read_job(png: bytes) -> dict | None:
    """The stage and the digest of the job that a figure's metadata tell; None if they do not."""
    text = Image.open(io.BytesIO(png)).info.get("Description", "")
    try:
        stage = json.loads(text)["stage"]
    except (ValueError, TypeError, KeyError):
        return None
    return {"stage": stage, "job": hashlib.sha256(text.encode()).hexdigest()[:16]}
