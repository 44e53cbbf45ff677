"""YAML files as values, with the line of each key.

PyYAML with scalars of our own. ruamel.yaml reads 016 as 16, fails at 2020-13-45, stops at the first
key that stands twice, turns a mapping in itself into null, and has no lines for merged keys.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gamecircuits.errors import GamecircuitsError

KeyPath = tuple[str | int, ...]
CORE = "tag:yaml.org,2002:"
MERGE = f"{CORE}merge"
MAX_BYTES = 1 << 20  # of a file
MAX_DEPTH = 50
MAX_REPEATED = 10_000  # values that aliases repeat; a few lines of them can stand for billions


class ConfigError(GamecircuitsError):
    """All problems of a configuration, one line each, in the order of the file."""


class _Loader(yaml.SafeLoader):
    """YAML as people expect it: 1e-3 is a number; yes, 1:30, 016 and 2020-02-02 are text."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _error(f"nested more than {MAX_DEPTH} deep", self.peek_event())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def read_scalar(self, node: yaml.ScalarNode) -> Any:
        """The value of a scalar; a tag must say what the text is without it, or text."""
        plain = self.resolve(yaml.ScalarNode, node.value, (True, False))
        if node.tag not in (plain, f"{CORE}str"):
            message = f"{_show_tag(node)} does not fit {shorten(node.value)}; leave it out"
            raise _error(message, node)
        return node.value if node.tag == MERGE else self.construct_object(node)


def _show_tag(node: yaml.Node) -> str:
    return f"the tag {node.tag.replace(CORE, '!!')}"


def _error(message: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=at.start_mark)


def shorten(value: Any) -> str:
    """A value as it is shown in messages."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9]\d{0,30})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?$|[-+]?\d+[eE][-+]?\d+$|[-+]?\.inf$|\.nan$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true$|false$|True$|False$"), list("tTfF")
)


@dataclass
class Source:
    """Values of one or more YAML files laid over each other, and the line where each key stands."""

    values: Any
    places: dict[KeyPath, str]
    problems: list[tuple[KeyPath, str, str]]  # (key, place, message)


def read_yaml(path: Path | str) -> Source:
    """Read one file; YAML that cannot be parsed is a ConfigError with its line."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such config file") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text ({error.reason})") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: has more than {MAX_BYTES:,} bytes")
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path | str) -> Source:
    """Read the text of a file; ConfigError with its line if it is no YAML."""
    try:
        loader = _Loader(text)
        return _Converter(path, loader).source
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"the character U+{error.character:04X} is not possible in UTF-8 YAML"
    except yaml.MarkedYAMLError as error:
        line, problem = _describe(error, text)
    except (ValueError, OverflowError):  # "\U99999999"
        line, problem = loader.line + 1, "an escape names no character"
    raise ConfigError(f"{path}:{line}: not valid YAML: {problem}")


def _describe(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """Line and reason of a fault, also where the unfinished thing begins that it was found in."""
    mark, start = error.problem_mark or error.context_mark, error.context_mark
    last = len(text.rstrip().splitlines()) or 1  # it may be found behind the end
    line = min(mark.line + 1, last) if mark else 1
    if error.problem is None or error.context is None:
        return line, str(error.problem or error.context)
    since = f" that begins in line {start.line + 1}" if start and start.line + 1 != line else ""
    if error.context.startswith("while"):
        return line, f"{error.problem}, {error.context}{since}"
    return line, f"{error.context}, {error.problem}"


class _Converter:
    """Makes the values of one file's text, and notes places and problems on the way."""

    def __init__(self, path: Path | str, loader: _Loader):
        self.path, self.loader = path, loader
        self.source = Source(None, {}, [])
        self._seen: set[int] = set()  # nodes, by id
        self._repeated = 0
        self._pairs: dict[int, tuple[list, list] | None] = {}
        if node := self.loader.get_single_node():
            self.source.values = self._convert(node, ())
        self.source.places.setdefault((), str(path))

    def _place(self, node: yaml.Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"

    def _convert(self, node: yaml.Node, key_path: KeyPath) -> Any:
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > MAX_REPEATED:
            raise _error(f"aliases repeat more than {MAX_REPEATED:,} values", node)
        if len(key_path) > MAX_DEPTH:
            raise _error("an alias stands in what it names", node)
        self.source.places.setdefault(key_path, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self.loader.read_scalar(node)
        if node.tag not in (f"{CORE}map", f"{CORE}seq"):
            raise _error(f"{_show_tag(node)} is not possible here; leave it out", node)
        if isinstance(node, yaml.SequenceNode):
            return [self._convert(item, (*key_path, n)) for n, item in enumerate(node.value)]
        mapping: dict[Any, Any] = {}
        first: dict[Any, str] = {}
        merged, own = self._find_pairs(node)
        for is_own, pairs in ((False, merged), (True, own)):
            for key_node, value_node in pairs:
                key, place = self._read_key(key_node, key_path), self._place(key_node)
                here = (*key_path, key)
                if is_twice := key in first:
                    message = f"{dotted(here)}: the key stands twice, first at {first[key]}"
                    self.source.problems.append((here, place, message))
                if is_own:
                    first[key] = place
                self.source.places[here] = place
                value = self._convert(value_node, here)
                if is_twice and isinstance(value, dict) and isinstance(mapping[key], dict):
                    value = mapping[key] | value  # else others would miss what the first one has
                mapping[key] = value
        return mapping

    def _find_pairs(self, node: yaml.MappingNode) -> tuple[list, list]:
        """Pairs of nodes that "<<: *other" merges into a mapping, and those of its own."""
        if id(node) not in self._pairs:
            self._pairs[id(node)] = None  # under way
            merged: dict = {}
            own: list = []
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    message = "keys must be text, not lists or mappings"
                    raise _error(message, key_node)
                if key_node.tag != MERGE:
                    own.append((key_node, value_node))
                    continue
                is_list = isinstance(value_node, yaml.SequenceNode)
                for other in value_node.value[::-1] if is_list else [value_node]:
                    if not isinstance(other, yaml.MappingNode):
                        raise _error("<< merges mappings alone", value_node)
                    for pairs in self._find_pairs(other):
                        merged |= {pair[0].value: pair for pair in pairs}
            self._pairs[id(node)] = list(merged.values()), own
        if (found := self._pairs[id(node)]) is None:
            raise _error("a mapping is merged into itself", node)
        return found

    def _read_key(self, node: yaml.ScalarNode, key_path: KeyPath) -> str:
        key = self.loader.read_scalar(node)
        if not isinstance(key, str):
            here = (*key_path, str(key))
            message = f"{dotted(here)}: keys must be text, not {key!r}; write it in quotes"
            self.source.problems.append((here, self._place(node), message))
        return str(key)


def retype(value: Any) -> Any:
    """Snakemake's --config makes text of all that stands inside a list or mapping; undo that."""
    if isinstance(value, Mapping):
        return {key: retype(item) for key, item in value.items()}
    if isinstance(value, list):
        return [retype(item) for item in value]
    if isinstance(value, str) and value:
        loader = _Loader("")
        return loader.read_scalar(
            yaml.ScalarNode(loader.resolve(yaml.ScalarNode, value, (True, False)), value)
        )
    return value


def lay_over(base: Any, top: Any) -> Any:
    """`top` in place of `base`, and where both are mappings key by key.

    An empty mapping empties the one below it, and null removes what is below it.
    """
    if isinstance(base, Mapping) and isinstance(top, Mapping) and top:
        laid = {**base, **{key: lay_over(base.get(key), value) for key, value in top.items()}}
        return {key: value for key, value in laid.items() if value is not None or key not in base}
    return top


def iter_key_paths(values: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """All keys of nested mappings with their values."""
    if path:
        yield path, values
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from iter_key_paths(value, (*path, key))


def dotted(path: KeyPath) -> str:
    """A key path in words: games.a.lengths[2]."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
