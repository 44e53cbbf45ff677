"""Images of docs/: smaller copies of figures, which say by which code they were drawn.

An image keeps the job that made it. It also has the digest of the code that draws: the figure's
module, the stage, and what these import from gamecircuits.figures. So a test can tell an image that
the present code would draw differently, whatever else has changed.
"""

import io
import json
import struct
import tempfile
import zlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gamecircuits.pipeline.plan import Job, Plan
from gamecircuits.pipeline.provenance import PACKAGE, STAGES, code_closure, own_digest
from gamecircuits.pipeline.stage import File
from gamecircuits.storage.files import read_record

MAX_BYTES = 400_000  # of a figure in docs/
PNG_START = b"\x89PNG\r\n\x1a\n"
JOB, DRAWING = "Description", "Drawing"  # texts of an image: its job, and digest of what draws


def drawing_digest(job: dict) -> str:
    """Digest of the code that draws the figure of a job, given as its parsed text.

    Raises:
        ModuleNotFoundError: there is no such stage or figure any more.
    """
    closure = code_closure(f"{STAGES}.{job['stage']}", *job["modules"])
    drawing = f"{PACKAGE}.figures", f"{STAGES}.{job['stage']}"
    return own_digest(*(module for module in closure if module.startswith(drawing)))


def is_current(png: bytes) -> bool:
    """Whether the present code would draw the image as it did, from the same numbers."""
    texts = Image.open(io.BytesIO(png)).info
    try:
        return texts.get(DRAWING) == drawing_digest(json.loads(texts[JOB]))
    except (KeyError, ModuleNotFoundError):
        return False


def make_image(png: bytes) -> bytes:
    """The image of docs/ that shows a figure which has just been drawn."""
    job = json.loads(Image.open(io.BytesIO(png)).info[JOB])
    text = f"{DRAWING}\0{drawing_digest(job)}".encode("latin-1")
    (kind, header), *others = _read_chunks(png)
    return compress_png(_join_chunks([(kind, header), (b"tEXt", text), *others]))


def redraw(plan: Plan, file: str) -> bytes:
    """Draw a figure from the results that are there, whatever code made these.

    Its job names the jobs that made what it reads, as their records do.

    Args:
        file: of the figure, in the results folder of the plan.

    Raises:
        FileNotFoundError: something that it reads is not there.
    """
    path = f"{plan.config.results}/{file}"
    job = next(job for job in plan.jobs if path in job.files)
    text = json.loads(job.text)
    text["inputs"] = {
        argument: [_find_maker(path, source) for path, source in files]
        for argument, files in job.reads.items()
    }
    arguments = {
        argument: files[0][0]
        if isinstance(job.work.reads[argument], File)
        else [p for p, _ in files]
        for argument, files in job.reads.items()
    }
    stage = getattr(import_module(f"{STAGES}.{job.stage.name}"), job.stage.name)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "figure.png"
        written = json.dumps(text, sort_keys=True, separators=(",", ":"))
        stage(**arguments, **job.work.settings, files=[str(drawn)], job=written)
        return drawn.read_bytes()


def _find_maker(path: str, job: Job) -> str:
    """Digest of the job that made a file."""
    record = read_record(job.record)
    if record is None or not Path(path).is_file():
        raise FileNotFoundError(path)
    return record.digest


def compress_png(png: bytes) -> bytes:
    """The same colours and metadata in at most MAX_BYTES, and the same pixels if these allow it.

    Matplotlib writes an alpha channel that is opaque everywhere, and filters that make flat areas
    larger; without both, a figure has three quarters of its size.
    """
    smallest = _write_png(png, 1.0)
    for scale in (0.75, 0.6, 0.5):
        if len(smallest) > MAX_BYTES:  # hundreds of thin lines
            smallest = _write_png(png, scale)
    return smallest


def _write_png(png: bytes, scale: float) -> bytes:
    image: Image.Image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode != "RGB":
        return png
    if scale < 1:
        size = round(scale * image.width), round(scale * image.height)
        image = image.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True, pnginfo=_read_text(png))
        return buffer.getvalue()
    pixels = np.asarray(image).reshape(image.height, -1)
    rows = np.pad(pixels, ((0, 0), (1, 0)))  # a row starts with its filter; 0 is none
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)  # 2: RGB
    chunks = [(b"IHDR", header)]
    chunks += [(kind, data) for kind, data in _read_chunks(png) if kind in (b"tEXt", b"pHYs")]
    chunks += [(b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return min(_join_chunks(chunks), png, key=len)


def _join_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    return PNG_START + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _read_text(png: bytes) -> PngInfo:
    """The metadata of an image, to be written into another."""
    text = PngInfo()
    for key, value in Image.open(io.BytesIO(png)).info.items():
        if isinstance(key, str) and isinstance(value, str):
            text.add_text(key, value)
    return text


def _read_chunks(png: bytes) -> Iterable[tuple[bytes, bytes]]:
    start = len(PNG_START)
    while start < len(png):
        size = int.from_bytes(png[start : start + 4])
        yield png[start + 4 : start + 8], png[start + 8 : start + 8 + size]
        start += size + 12
