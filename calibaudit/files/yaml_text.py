"""YAML with limits: how large, how deep, how much its aliases stand for; and no value that JSON does not have."""

from __future__ import annotations

import math
from typing import Any

import yaml

from calibaudit.files.read import DEEPEST

MOST = 1 << 22
"""Bytes of a text."""
MOST_NODES = 200_000
"""Values that a text may stand for, every alias counted as all that it repeats."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(ValueError):
    """A text is no YAML that is read here. reason: in words, without the place. line: from 1, None where none is."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def compose(text: str, loader: Any) -> yaml.Node | None:
    """The one document of a text as nodes, None where it is empty. loader: one of this text. Raises NotYaml."""
    try:
        _check_events(text, type(loader))
        node: yaml.Node | None = loader.get_single_node()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _said(error) from None
    if node is not None:
        _check_size(node)
    return node


def construct(node: yaml.Node, loader: Any) -> Any:
    """The value of what `compose` gave. Raises NotYaml, also for numbers and characters that are none."""
    try:
        value = loader.construct_document(node)
    except NotYaml:
        raise
    except Exception as error:  # constructors of `!!bool`, `!!timestamp` raise KeyError, AttributeError and the like
        raise _said(error) from None
    _check_values(value)
    return value


def parse_yaml(text: str) -> Any:
    """The value of a text. Raises NotYaml."""
    loader = Loader(text)
    try:
        node = compose(text, loader)
        return None if node is None else construct(node, loader)
    finally:
        loader.dispose()


def _said(error: BaseException) -> NotYaml:
    if isinstance(error, NotYaml):
        return error
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        reason = f"not valid YAML: {error.problem or error.context}"
        return NotYaml(" ".join(reason.split()), None if mark is None else mark.line + 1)
    kinds = {KeyError: "a value does not fit its tag", AttributeError: "a value does not fit its tag"}
    told = kinds.get(type(error), "nested too deeply" if isinstance(error, RecursionError) else "")
    return NotYaml(f"not valid YAML: {' '.join(f'{told} {error}'.split())[:200] or type(error).__name__}")


def _check_events(text: str, loader: Any) -> None:
    """Before nodes are made of them, which takes a step of the stack for each level."""
    if len(text) > MOST:
        raise NotYaml(f"it has {len(text):,} characters; {MOST:,} is the limit for YAML")
    depth = 0
    for n, event in enumerate(yaml.parse(text, Loader=loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                reason = f"nested too deeply: more than {DEEPEST} lists and mappings in one another"
                raise NotYaml(reason, _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if n > 2 * MOST_NODES:
            raise NotYaml(f"it holds more than {MOST_NODES:,} values", _line(event))


def _line(event: Any) -> int | None:
    return None if event.start_mark is None else int(event.start_mark.line) + 1


def _check_size(root: yaml.Node) -> None:
    """A few lines of aliases of aliases can stand for more values than a memory holds."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, is_done = stack.pop()
        key, children = id(node), _children(node)
        if is_done:
            open_nodes.discard(key)
            sizes[key] = 1 + sum(sizes[id(child)] for child in children)
            if sizes[key] > MOST_NODES:
                reason = f"its aliases stand for more than {MOST_NODES:,} values; write them out, or fewer"
                raise NotYaml(reason, node.start_mark.line + 1)
        elif key in open_nodes:
            raise NotYaml("an alias refers to a value that contains it", node.start_mark.line + 1)
        elif key not in sizes:
            open_nodes.add(key)
            stack.append((node, True))
            stack += [(child, False) for child in children if id(child) not in sizes]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_values(root: Any) -> None:
    seen: set[int] = set()
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise NotYaml(f"{value!r} is not a number that can be read here")
        if isinstance(value, str):
            try:
                value.isascii() or value.encode()
            except UnicodeEncodeError as error:
                raise NotYaml(f"U+{ord(value[error.start]):04X} is half a character (a lone surrogate)") from None
        if isinstance(value, (dict, list, set, tuple)) and id(value) not in seen:
            seen.add(id(value))
            stack += [*value, *value.values()] if isinstance(value, dict) else value
