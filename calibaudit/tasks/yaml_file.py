"""A task file's YAML: safe, with the place of every key, duplicate keys refused, includes merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from calibaudit.errors import TaskError
from calibaudit.files.paths import user_path
from calibaudit.files.read import read_text
from calibaudit.files.text import json_value
from calibaudit.files.yaml_text import MOST, Loader, NotYaml, compose, construct

KeyPath = tuple[str | int, ...]

_FUNCTION = "!function"


def bundled_folder() -> Path:
    """The folder of bundled tasks: inside the installed package, else (an editable install) beside it."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_bundled" / "tasks"
    folder = installed if installed.is_dir() else package.parent / "tasks"
    if not folder.is_dir():
        raise TaskError(f"the bundled tasks are missing: neither {installed} nor {folder} is a folder; install again")
    return folder


@dataclass(frozen=True)
class Function:
    """A value written `!function NAME`: Python code of lm-evaluation-harness, which is named and never run."""

    name: str

    def __str__(self) -> str:
        return f"`{self!r}`"

    def __repr__(self) -> str:
        return f"{_FUNCTION} {self.name}"


_Loader: Any = type("_Loader", (Loader,), {})
_Loader.add_constructor(_FUNCTION, lambda loader, node: Function(str(node.value)))


class TaskFileError(TaskError):
    """A task file is faulty. `faults` has every fault found, one line each; the message is the first."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        assert self.faults, "an error without a fault"
        more = len(self.faults) - 1
        tail = f" (and {more} more: `calibaudit tasks check FILE` lists them)" if more else ""
        super().__init__(self.faults[0] + tail)


class Place(NamedTuple):
    """Where something was written."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Source:
    """One mapping of a YAML file, its includes merged. `places`: key path -> where it was written."""

    path: Path
    data: Mapping[str, Any]
    places: Mapping[KeyPath, Place]

    def place(self, *keys: str | int) -> Place:
        """Where a key path was written, or the nearest one above it."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, Place(self.path, 1))

    def inner(self, *keys: str | int) -> Source:
        """The mapping that stands at a key path."""
        data: Any = self.data
        for key in keys:
            data = data[key]
        n = len(keys)
        places = {path[n:]: place for path, place in self.places.items() if path[:n] == keys}
        return Source(self.path, data, places)

    def over(self, below: Source) -> Source:
        """This mapping's keys over another's."""
        kept = {path: place for path, place in below.places.items() if not (path and path[0] in self.data)}
        return Source(self.path, {**below.data, **self.data}, {**kept, **self.places})

    def without(self, *keys: str) -> Source:
        """The mapping less some top-level keys."""
        return Source(
            self.path,
            {key: value for key, value in self.data.items() if key not in keys},
            {path: place for path, place in self.places.items() if not (path and path[0] in keys)},
        )


def read_source(path: Path) -> Source:
    """A YAML file as a mapping, with its includes. Raises TaskFileError."""
    return _read(path, ())


def merge_includes(source: Source, above: tuple[Path, ...] = ()) -> Source:
    """Put what `include:` names below the mapping's own keys; later includes win over earlier ones."""
    if "include" not in source.data:
        return source
    include, place = source.data["include"], source.place("include")
    names = include if isinstance(include, list) else [include]
    merged = source.without("include")
    for name in reversed(names):
        if not isinstance(name, str) or not name:
            raise TaskFileError([f"{place}: include: expected a file name or a list of them, found {json_value(name)}"])
        target = place.path.parent / name
        if not _checked(target, f"{place}: include: ").is_file():
            raise TaskFileError([f"{place}: include: there is no file {target}"])
        merged = merged.over(_read(target, above))
    return merged


def _checked(path: Path, where: str = "") -> Path:
    try:
        return user_path(path, TaskError)
    except TaskError as error:
        raise TaskFileError([f"{where}{error}"]) from None


def _read(path: Path, above: tuple[Path, ...]) -> Source:
    path = _checked(path)
    if path.resolve() in above:
        chain = " -> ".join(step.name for step in (*above, path))
        raise TaskFileError([f"{path}: include: the files include one another in a circle: {chain}"])
    if not path.exists():
        raise TaskFileError([f"{path}: there is no such task file"])
    try:
        text = read_text(path, TaskError, most=MOST)
    except TaskError as error:
        raise TaskFileError([str(error)]) from None
    source = _parse(path, text)
    return merge_includes(source, (*above, path.resolve()))


def _parse(path: Path, text: str) -> Source:
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # characters that YAML has no place for
        raise TaskFileError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from None
    try:
        node = compose(text, loader)
        if not isinstance(node, yaml.MappingNode):
            raise TaskFileError([f"{path}: a task file is a mapping of keys, such as `task: NAME`"])
        faults = list(_node_faults(path, node))
        if faults:
            raise TaskFileError(faults)
        data = construct(node, loader)
        places = dict(_node_places(path, node))
    except NotYaml as error:
        line = f":{error.line}" if error.line is not None else ""
        raise TaskFileError([f"{path}{line}: {error.reason}"]) from None
    finally:
        loader.dispose()
    for key in data:
        if not isinstance(key, str):
            raise TaskFileError([f"{path}: key {key!r} is not text: quote it"])
    return Source(path, data, places)


def _walk(
    node: yaml.Node, keys: KeyPath = (), seen: set[int] | None = None
) -> Iterator[tuple[KeyPath, yaml.Node, yaml.Node]]:
    """Every value below a node: its key path, the node that marks its place, itself. An alias is not entered again."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*keys, str(key.value))
            yield below, key, value
            yield from _walk(value, below, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*keys, index), value, value
            yield from _walk(value, (*keys, index), seen)


def _node_places(path: Path, node: yaml.Node) -> Iterator[tuple[KeyPath, Place]]:
    yield (), Place(path, node.start_mark.line + 1)
    for keys, mark, _ in _walk(node):
        yield keys, Place(path, mark.start_mark.line + 1)


def _node_faults(path: Path, root: yaml.Node) -> Iterator[str]:
    nodes = [root, *(value for _, _, value in _walk(root))]
    for node in nodes:
        place = Place(path, node.start_mark.line + 1)
        if node.tag == _FUNCTION:
            if not isinstance(node, yaml.ScalarNode):
                yield f"{place}: {_FUNCTION}: expected the name of a function, such as `{_FUNCTION} module.name`"
        elif not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            yield f"{place}: YAML tag `{node.tag}` is not supported: write plain values"
        if isinstance(node, yaml.MappingNode):
            first: dict[str, tuple[int, yaml.Node]] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                if not isinstance(key, yaml.ScalarNode):
                    yield f"{Place(path, line)}: a key must be plain text"
                elif key.value not in first:
                    first[key.value] = line, value
                elif not _says_the_same(value, first[key.value][1]):
                    told = f"key {key.value!r} occurs twice (first in line {first[key.value][0]})"
                    yield f"{Place(path, line)}: {told}, with different values"


def _says_the_same(one: yaml.Node, other: yaml.Node) -> bool:
    """Whether two plain values are alike, so that it is all one which of them counts."""
    return isinstance(one, yaml.ScalarNode) and (one.tag, one.value) == (other.tag, other.value)
