import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from gamecircuits.errors import ArtefactError
from gamecircuits.transformer import torch_file
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.torch_file import read_torch_file


@pytest.fixture
def save(monkeypatch):
    """A torch.save of our own for numpy arrays: dump(object), write(path, pickle, **entries)."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        raise AssertionError

    for module, value in ((utils, _rebuild_tensor_v2), (torch, type("FloatStorage", (), {}))):
        value.__module__, value.__qualname__ = module.__name__, value.__name__
        setattr(module, value.__name__, value)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    storages = {}

    class Storage:
        def __init__(self, array):
            self.key = str(len(storages))
            storages[self.key] = array.astype("<f4").tobytes()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                return ("storage", torch.FloatStorage, obj.key, "cpu", 0)
            return None

        def reducer_override(self, obj):
            if not isinstance(obj, np.ndarray):
                return NotImplemented
            strides = tuple(n // obj.itemsize for n in obj.strides)
            return utils._rebuild_tensor_v2, (
                (Storage(obj), 0, obj.shape, strides, False, OrderedDict())
            )

    def dump(saved):
        buffer = io.BytesIO()
        Pickler(buffer, protocol=2).dump(saved)
        return buffer.getvalue()

    def write(path, content, **entries):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/data.pkl", content)
            for key, stored in {**storages, **entries}.items():
                archive.writestr(f"m/data/{key}" if key.isdigit() else f"m/{key}", stored)

    return types.SimpleNamespace(dump=dump, write=write)


def test_tensors_and_what_is_around_them(save, tmp_path):
    path, W = tmp_path / "m.pt", np.arange(6, dtype=np.float32).reshape(2, 3)
    state = OrderedDict(a=W, b=np.float32([7]))
    state._metadata = {"version": 1}  # torch saves it as an attribute
    save.write(path, save.dump({"model": state, "steps": 3, "name": "x"}))
    found = read_torch_file(path)
    assert (found["steps"], found["name"], list(found["model"])) == (3, "x", ["a", "b"])
    np.testing.assert_array_equal(found["model"]["a"], W)
    assert not hasattr(found["model"], "_metadata")


class Call:
    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


HOSTILE = {
    "a command": Call(os.system, "touch ran"),
    "code": Call(exec, "open('ran', 'w')"),
    "nested": {"W": [{"x": (1, Call(os.mkdir, "ran"))}]},
    "a way around": Call(getattr, OrderedDict, "fromkeys"),
    "numpy": np.float64(1),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_pickle_does_nothing(save, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    save.write(tmp_path / "m.pt", pickle.dumps(HOSTILE[what], protocol=2))
    with pytest.raises(ArtefactError, match=r"m\.pt wants to call [\w.]+, which is not done"):
        read_any_model("m.pt")
    assert os.listdir() == ["m.pt"]


def code(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def text(word):
    return b"\x8c" + bytes([len(word)]) + word.encode()


REBUILD = text("torch._utils") + text("_rebuild_tensor_v2") + b"\x93"
STORAGE = (b"(" + text("storage") + text("torch") + text("FloatStorage") + b"\x93" + text("0")
           + text("cpu") + b"K\x06tQ")  # fmt: skip


NUMBERS = {"0": np.arange(6, dtype="<f4").tobytes()}


def tensor(offset, shape, strides):
    numbers = (b"(" + b"".join(b"J" + struct.pack("<i", n) for n in ns) + b"t"
               for ns in (shape, strides))  # fmt: skip
    return code(REBUILD, b"(", STORAGE, b"J", struct.pack("<i", offset), *numbers, b"tR")


@pytest.mark.parametrize(
    "content",
    [
        tensor(1, [2, 3], [3, 1]),
        tensor(-1, [2, 3], [3, 1]),
        tensor(0, [2, 3], [4, 1]),
        tensor(0, [2, 3], [-3, 1]),
        tensor(0, [9999, 9999], [0, 0]),
        tensor(0, [2**31 - 1] * 4, [0] * 4),
        tensor(0, [-2, -3], [3, 1]),
        tensor(0, [2, 3], [3]),
        code(REBUILD, b"(", text("no storage"), b"K\x00))tR"),
        code(text("torch._utils"), text("_rebuild_tensor_v2.__globals__"), b"\x93"),
        code(text("collections"), text("OrderedDict.fromkeys"), b"\x93"),
        code(b"\x96" + struct.pack("<Q", 2**60)),  # a bytearray of so many bytes
        code(b"N", b"r" + struct.pack("<I", 2**32 - 1)),  # put at this place of the memory
        code(b"\x82\x01"),  # an object from the registry of extensions
        code(b"Pm\n"),  # a storage by a name alone
        code(b"(" * 10_000),
        b"cos\nsystem\n(S'touch ran'\ntR.",  # protocol 0
        b"(S'touch ran'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch ran'\no.",  # OBJ
        code(b"cbuiltins\neval\n", text("open('ran', 'w')"), b"\x85R"),
        code(text("os"), text("system"), b"\x93", text("touch ran"), b"\x85}\x92"),  # NEWOBJ_EX
        code(b"cgamecircuits.transformer.torch_file\npickle\n"),
        code(text("torch"), text("FloatStorage"), b"\x93)R"),  # the name of a type is called
        code(REBUILD, b"}", text("x"), b"K\x01sb"),
        b"",
        b"\x80\x09.",
        b"junk",
    ],
    ids=lambda content: repr(content[-24:]),
)
def test_pickles_that_make_no_tensors_are_refused(save, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    save.write(tmp_path / "m.pt", content, **NUMBERS)
    with pytest.raises(ArtefactError):
        read_any_model(tmp_path / "m.pt")
    assert os.listdir() == ["m.pt"]


def test_names_that_fill_a_computer_are_not_looked_up(save, tmp_path):
    """A tuple of tuples, each twice in the next, has a hash and a repr without end."""
    tuples = b"q\x000h\x00".join([b")", *[b"h\x00\x86"] * 60])
    content = code(b"(", text("storage"), tuples, text("0"), text("cpu"), b"K\x06tQ")
    save.write(tmp_path / "m.pt", content)
    with pytest.raises(ArtefactError):
        read_any_model(tmp_path / "m.pt")


def test_the_tensor_of_these_tests_is_one(save, tmp_path):
    save.write(tmp_path / "m.pt", tensor(0, [2, 3], [3, 1]), **NUMBERS)
    np.testing.assert_array_equal(read_torch_file(tmp_path / "m.pt"), np.arange(6).reshape(2, 3))


def test_nothing_of_ours_can_be_changed(save, tmp_path):
    """BUILD sets attributes, of functions too."""
    before = torch_file._rebuild_tensor.__defaults__
    state = b"(N}(" + text("__defaults__") + b"(K\x01tut"
    save.write(tmp_path / "m.pt", code(REBUILD, state, b"b"))
    with pytest.raises(ArtefactError):
        read_any_model(tmp_path / "m.pt")
    assert torch_file._rebuild_tensor.__defaults__ == before


def test_archives_that_torch_did_not_write_are_refused(save, tmp_path):
    path, whole = tmp_path / "m.pt", save.dump({"W": np.ones(3, np.float32)})

    def refused(message):
        with pytest.raises(ArtefactError, match=message):
            read_any_model(path)

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", bytes(10**7))
    refused("not as PyTorch writes them")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"")
    refused("without one data.pkl")
    save.write(path, whole, **{"code/a.py": b""})
    refused("TorchScript; save model.state_dict")
    save.write(path, whole, byteorder=b"big")
    refused("big-endian")
    save.write(path, save.dump([1, 2]))
    refused("something else than tensors by name")
    save.write(path, save.dump({"W": np.ones(3, np.float32)}))
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    refused("cannot be read as a state dict")
    place = content.rindex(np.ones(3, "<f4").tobytes())
    path.write_bytes(content[:place] + b"x" + content[place + 1 :])
    refused("cannot be read as a state dict .*CRC")
    path.write_bytes(pickle.dumps({}))
    refused("is no safetensors file, nor of torch.save")
