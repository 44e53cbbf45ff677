"""Hand-built solutions of set complement: one file each, found by their names.

`get_set_complement_parameters`, `make_construction` and `CONSTRUCTIONS` can be imported from here.
They are looked up when asked for, so that importing one construction does not load the others.
"""

import importlib

_HOME = {
    "get_set_complement_parameters": "balanced",
    "make_construction": "construction",
    "CONSTRUCTIONS": "construction",
}


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
