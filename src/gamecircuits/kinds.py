"""Find the kinds of a thing (games, constructions) by looking at a folder.

A kind is one file: `games/set_complement.py` defines the kind `set_complement` as the class
`SetComplement`. The class is a frozen dataclass whose fields are the keys that the config accepts,
so a new kind needs no other edit, and no other kind's results are touched by its arrival.
"""

import dataclasses
import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from gamecircuits.errors import GamecircuitsError

MAX_NAMES = 30  # that a message lists


def find_nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that `name` may be a misspelling of, if there is one; case does not count."""
    by_lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(str(name)[:100].lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def suggest(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to `name`, or ""."""
    near = find_nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def list_names(names: Iterable[str]) -> str:
    """The first MAX_NAMES names, and how many more there are."""
    shown = list(names)
    if more := len(shown[MAX_NAMES:]):
        shown[MAX_NAMES:] = [f"and {more} more"]
    return ", ".join(shown) or "none"


def list_modules(package: str) -> list[str]:
    """Names of a package's public modules, sorted; imports none of them."""
    return [*_list_modules(*importlib.import_module(package).__path__)]


@cache  # a plan asks once for each job
def _list_modules(*path: str) -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(path))
    return sorted(name for name in names if not name.startswith("_"))


class Registry:
    """The kinds found in one package; modules of it that are not kinds are named in `helpers`.

    The classes of some registries end in a `suffix`.
    """

    def __init__(self, noun: str, package: str, helpers: Iterable[str] = (), suffix: str = ""):
        self.noun, self.package, self.suffix = noun, package, suffix
        self._helpers = frozenset(helpers)

    def kinds(self) -> list[str]:
        """Names of all kinds, sorted; imports none of them."""
        return [name for name in list_modules(self.package) if name not in self._helpers]

    def module(self, kind: str) -> str:
        """Full name of the module that defines `kind`."""
        if kind not in self.kinds():
            raise GamecircuitsError(
                f"unknown {self.noun} kind {kind!r}; known: {', '.join(self.kinds())}"
                + suggest(kind, self.kinds())
            )
        return f"{self.package}.{kind}"

    def type(self, kind: str) -> type:
        """The class of `kind`; a file that cannot be used as a kind is named with the reason."""
        name = self.module(kind)
        wanted = "".join(part.capitalize() for part in kind.split("_")) + self.suffix
        try:
            found = getattr(importlib.import_module(name), wanted)
        except AttributeError as error:
            raise GamecircuitsError(f"{name} must define a class {wanted} ({error})") from error
        except (ImportError, SyntaxError) as error:
            raise GamecircuitsError(f"{name} cannot be imported: {error}") from error
        if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
            raise GamecircuitsError(f"{name}.{wanted} must be a dataclass (add @dataclass)")
        return found

    def summary(self, kind: str) -> str:
        """First line of the docstring of the module, or else of the class."""
        text = importlib.import_module(self.module(kind)).__doc__ or self.type(kind).__doc__
        return (text or "").split("\n")[0]

    def make(self, kind: str, **parameters):
        """Make an instance; an unknown parameter is answered with the list of known ones."""
        cls = self.type(kind)
        known = [field.name for field in dataclasses.fields(cls) if field.init]
        for key in parameters.keys() - set(known):
            raise GamecircuitsError(
                f"{self.noun} kind {kind!r} has no parameter {key!r}; it has: {', '.join(known)}"
                + suggest(key, known)
            )
        try:
            return cls(**parameters)
        except TypeError as error:  # a missing argument
            raise GamecircuitsError(f"{self.noun} kind {kind!r}: {error}") from error
