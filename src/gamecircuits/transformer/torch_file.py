"""State dicts that PyTorch saved, read without PyTorch and without running what they name.

Such a file is a zip archive of a pickle and of the tensors' bytes. A pickle is a program that may
call any function; here it may call those that make tensors and dictionaries, and no others.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gamecircuits.errors import ArtefactError

MAX_PICKLE = 64 * 2**20  # bytes; that of a hundred layers has some ten thousand
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class _Storage(NamedTuple):
    dtype: np.dtype
    content: bytes


def widen_bfloat16(content: bytes) -> np.ndarray:
    """Numbers of a type that numpy has not: the upper halves of float32, (n,)."""
    return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4")


def read_torch_file(path: Path | str) -> Any:
    """What was saved, with numpy arrays for tensors; dictionaries, lists and numbers as they are.

    Raises:
        ArtefactError: the file is damaged, of another kind, or names anything else to call.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist") from None
    except ArtefactError as error:
        raise ArtefactError(f"{path} {error}") from None
    except Exception as error:  # whatever a hostile file makes the readers of zip and pickle raise
        raise ArtefactError(f"{path} cannot be read as a state dict of PyTorch ({error})") from None


def _read_archive(archive: zipfile.ZipFile) -> Any:
    entries = {info.filename: info for info in archive.infolist()}
    if len(entries) < len(archive.infolist()) or any(
        info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size
        for info in archive.infolist()
    ):
        raise ArtefactError("is a zip archive, but not as PyTorch writes them")
    size = archive.fp.seek(0, io.SEEK_END) if archive.fp else 0
    if sum(info.file_size for info in entries.values()) > size:
        raise ArtefactError("has entries that lie over each other")
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise ArtefactError("is a zip archive without one data.pkl, so torch.save did not make it")
    folder = pickles[0].removesuffix("data.pkl")
    if any(name.startswith(f"{folder}code/") for name in entries):
        raise ArtefactError("is a program of TorchScript; save model.state_dict() instead")
    order = f"{folder}byteorder"
    if order in entries and archive.read(order) != b"little":
        raise ArtefactError("has numbers in big-endian order, which are not read")
    if entries[pickles[0]].file_size > MAX_PICKLE:
        raise ArtefactError(f"has a pickle of more than {MAX_PICKLE} bytes")

    def read_storage(key: str) -> bytes:
        return archive.read(f"{folder}data/{key}")

    return _Reader(archive.read(pickles[0]), read_storage).load()


# Python's own unpickler, since that in C sets aside as much memory as a file asks for.
class _Reader(pickle._Unpickler):
    stack: list

    def __init__(self, content: bytes, read_storage: Callable[[str], bytes]):
        super().__init__(io.BytesIO(content))
        self._read_storage = read_storage
        self._storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in STORAGES:
            return name
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        raise ArtefactError(
            f"wants to call {module}.{name}, which is not done; save model.state_dict() alone"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _, _ = pid
        names = isinstance(key, str) and isinstance(storage, str)
        if kind != "storage" or not names or storage not in STORAGES:
            raise ArtefactError("names a storage of an unknown kind")
        if key not in self._storages:
            dtype, content = np.dtype(STORAGES[storage]), self._read_storage(key)
            if storage == "BFloat16Storage":
                widened = widen_bfloat16(content)
                dtype, content = widened.dtype, widened.tobytes()
            self._storages[key] = _Storage(dtype, content)
        return self._storages[key]

    def load_build(self) -> None:
        self.stack.pop()  # attributes, of which a state dict needs none

    dispatch: ClassVar[dict] = pickle._Unpickler.dispatch | {pickle.BUILD[0]: load_build}


def _rebuild_tensor(storage: Any, offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
    if not isinstance(storage, _Storage):
        raise ArtefactError("has a tensor without numbers")
    dtype = storage.dtype
    if np.prod([int(n) for n in shape], dtype=object) * dtype.itemsize > len(storage.content):
        raise ArtefactError(f"has a tensor of shape {tuple(shape)}, which is more than it stores")
    # The constructor checks that all entries lie within the bytes.
    return np.ndarray(
        tuple(shape),
        dtype,
        storage.content,
        int(offset) * dtype.itemsize,
        tuple(int(n) * dtype.itemsize for n in strides),
    )


def _rebuild_parameter(tensor: np.ndarray, *_: Any) -> np.ndarray:
    return tensor


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
