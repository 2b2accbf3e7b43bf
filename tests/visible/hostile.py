"""One hostile text, and how it is planted into every text of an input."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from calibaudit.errors import CalibauditError
from calibaudit.files.text import log_line
from tests.visible.sinks import check_errors

BODY = (
    "\x1b[31m\x1b]8;;http://127.0.0.1:9/\x07link\x1b]8;;\x07\x1b]52;c;aGk=\x07\x07\r\n::error::x\n##[error]y"
    "\u202e\u2066\u200b\x9b1m\x7f\x00=cmd()|`<script>[red][/red]]]>{{7*7}}{% raw %}---\n---\n# t\n- @octocat #1"
    " </details><img src=x onerror=y>![i](http://127.0.0.1:9/)[link=http://127.0.0.1:9/]z[/link]%0A::set-output::"
)
STARTS = ("=cmd()", "::error::", "\n---\n", "##[add-mask]", "- ", "| ", "[red]", "\x1b[2J", "+1", "@SUM(A1)")
SEEN = "␛[31m␛]8;;http://127.0.0.1:9/"
"""How every page shows the text's beginning behind its mark, but for what the page's own escapes do to it."""

Path = tuple[Any, ...]


def hostile(n: int = 0, *, surrogate: bool = True) -> str:
    """The n-th: each begins in another way and bears a mark of its own, `Q3q`."""
    return f"{STARTS[n % len(STARTS)]}Q{n}q{BODY}" + ("\ud800" if surrogate else "")


def mark(n: int) -> str:
    return f"Q{n}q"


def texts(value: Any, at: Path = ()) -> Iterator[Path]:
    """Where in a JSON value a text stands; of a list's entries one for all of its shape."""
    if isinstance(value, str):
        yield at
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from texts(entry, (*at, key))
    elif isinstance(value, list):
        seen: set[Any] = set()
        for i, entry in enumerate(value):
            shape = tuple(sorted(entry)) if isinstance(entry, dict) else type(entry)
            if shape not in seen:
                seen.add(shape)
                yield from texts(entry, (*at, i))


def planted(value: Any, at: Mapping[Path, str]) -> Any:
    """A copy with each text at its place."""
    found = copy.deepcopy(value)
    for path, text in at.items():
        inner = found
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = text
    return found


def taken(value: Any, read: Callable[[Any], object]) -> tuple[Any, dict[int, tuple[Any, ...]]]:
    """The value with a hostile text wherever `read` takes one, and where the n-th of them stands.

    Where several at once are refused, each half is tried, down to the one; its refusal is one line.
    """
    whole, places = value, {}
    waiting = [list(enumerate(texts(value)))]
    while waiting:
        some = waiting.pop()
        tried = planted(whole, {at: hostile(n, surrogate=False) for n, at in some})
        try:
            read(tried)
        except CalibauditError as error:
            check_errors(f"calibaudit: {log_line(error)}", str(some))
            if len(some) > 1:
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
        else:
            whole = tried
            places |= dict(some)
    read(whole)
    return whole, places
