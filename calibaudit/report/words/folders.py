"""Folders of this machine in what is saved: a name stands for them, since a report is read elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

_FOREIGN = frozenset(
    {
        "errors",
        "item_ids",
        "groups",
        "documents",
        "thinking",
        "id",
        "system",
        "answer_prefix",
        "kwargs",
        "between",
        "beyond",
    }
)
"""Keys below which words are those of items, or of the prompt that the user wrote: they stay as they are."""
_NAMES = frozenset({"name", "source", "named"})
_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:[\\/]|\\\\")
_IN_TEXT = re.compile(r"(?<![\w.:/\\~+-])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\,;:()\[\]{}'\"`]+){2,}")
"""An absolute path among words: two parts or more, since /think is a word of chat templates."""


def without_folders(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result, as it is saved, with the last part of every absolute path in the path's place.

    Of models, data and templates that are named by a path, and of paths in its sentences. A path that was typed as a
    relative one stands as it was typed. Where two names would come out alike they keep as many folders as tell them
    apart. What items are made of (ids, groups, texts, thoughts) stays.
    """
    said = {**result, "scores": [entry.get("prompt") for entry in result.get("scores", ())]}
    short = _told_apart({name for name in _names(said) if _ABSOLUTE.match(name) or "+" in name})

    def changed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: part if name in _FOREIGN else changed(part) for name, part in value.items()}
        if isinstance(value, list) and not (value and isinstance(value[0], (int, float))):
            return [changed(part) for part in value]
        return _shown(value, short) if isinstance(value, str) else value

    whole = dict(changed({name: part for name, part in result.items() if name != "scores"}))
    if "scores" in result:
        whole["scores"] = [_scores(entry, changed) for entry in result["scores"]]
    return whole


def _scores(entry: Mapping[str, Any], changed: Callable[[Any], Any]) -> dict[str, Any]:
    """Of one task's raw scores, which are millions of numbers, what is said of them."""
    return {name: changed(part) if name == "prompt" else part for name, part in entry.items()}


def _shown(text: str, short: Mapping[str, str]) -> str:
    if text in short:
        return short[text]
    for name in sorted(short, key=len, reverse=True):
        text = text.replace(name, short[name])
    return _IN_TEXT.sub(lambda found: last_part(found[0]), text)


def _names(value: Any, key: str = "") -> Iterator[str]:
    """The texts that stand at _NAMES, wherever they are not foreign."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in _FOREIGN:
                yield from _names(part, name)
    elif isinstance(value, list) and not (value and isinstance(value[0], (int, float))):
        for part in value:
            yield from _names(part, key)
    elif isinstance(value, str) and key in _NAMES:
        yield value


def _told_apart(names: set[str]) -> dict[str, str]:
    """Of each name its last part; of those that would be alike as many parts as tell them apart."""
    found = {}
    for name in names:
        n = 1
        while n < 8 and any(last_part(other, n) == last_part(name, n) for other in names - {name}):
            n += 1
        found[name] = last_part(name, n)
    return found


def last_part(name: str, n: int = 1) -> str:
    """The last n parts of a path, of BASE+ADAPTER those of both; a name that is no absolute path, as it is."""
    if not _ABSOLUTE.match(name):
        head, plus, tail = name.partition("+")
        return f"{head}{plus}{last_part(tail, n)}" if plus and tail else name
    cut = re.search(r"\+(?=[/~]|[A-Za-z]:[\\/])", name)
    if cut is not None:
        return f"{last_part(name[: cut.start()], n)}+{last_part(name[cut.end() :], n)}"
    kind = PureWindowsPath if "\\" in name else PurePosixPath
    parts = [part for part in kind(name).parts if not part.endswith(("/", "\\", ":")) and part != "~"]
    return "/".join(parts[-n:]) or name
