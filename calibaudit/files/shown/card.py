"""A result in short: one line for a Python prompt, a small table for a notebook."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from calibaudit.files.shown.numbers import MINUS, bounds, number, signed
from calibaudit.files.text import one_line, shortened, visible

MOST_REPR = 500
"""Characters of a `repr`."""
MOST_ROWS = 24
"""Rows of a notebook's table; of more tasks a page holds the rest."""
MOST_NAME = 60
_MOST_FACT = 240
_MOST_CELL = 300
_MINUS = re.compile(rf"{MINUS}(?=[.\d])")

# No colours of its own and no style sheet: a notebook's own, light or dark, show through.
_TABLE = "font-variant-numeric:tabular-nums"
_LEFT = "text-align:left;padding:.2em .6em"
_RIGHT = "text-align:right;padding:.2em .6em"
_WHOLE = f"{_RIGHT};white-space:nowrap"


@dataclass(frozen=True)
class Card:
    """What a result says of itself; its texts may be foreign, and are made visible here.

    kind: the type's name. subject: what it is of, or the two models. facts: the line's, after the subject. heads,
    rows: the notebook's table; its first column is of names. whole: how many of the last rows are of everything
    together. notes: sentences below the table. texts: whether its cells are texts instead of figures.
    """

    kind: str
    subject: str | tuple[str, str]
    facts: tuple[str, ...]
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    whole: int = 0
    notes: tuple[str, ...] = ()
    texts: bool = False

    def line(self) -> str:
        """`<Audit words: 256 items, cloze, accuracy .64 ...>`, at most MOST_REPR characters.

        `-` stands for a minus and `->` for an arrow: a pipe on Windows may take no others, and a result must print.
        """
        names = (self.subject,) if isinstance(self.subject, str) else self.subject
        subject = " -> ".join(one_line(name, MOST_NAME) for name in names)
        facts = ", ".join(_MINUS.sub("-", one_line(fact, _MOST_FACT)).replace("→", "->") for fact in self.facts)
        head = f"{self.kind} {subject}".rstrip()
        return f"<{shortened(f'{head}: {facts}' if facts else head, MOST_REPR - 2)}>"

    def html(self) -> str:
        """The table, escaped, without a script, a style sheet or a colour."""
        names = (self.subject,) if isinstance(self.subject, str) else self.subject
        title = f"<div><b>{_seen(self.kind)}</b> {' → '.join(_cell(name) for name in names)}</div>"
        under = "" if self.rows else f"<div>{_seen(', '.join(self.facts))}</div>"
        notes = "".join(
            f'<div style="max-width:60em">{_cell(note[:1].upper() + note[1:])}</div>' for note in self.notes
        )
        return f"<div>{title}{under}{self._table()}{notes}</div>"

    def _table(self) -> str:
        if not self.rows:
            return ""
        rows, cut = list(self.rows), ""
        if len(rows) > MOST_ROWS:
            tasks = rows[: len(rows) - self.whole]
            kept = MOST_ROWS - self.whole
            cut = f"<div>{len(tasks) - kept:,} more rows are not shown</div>"
            rows = [*tasks[:kept], *rows[len(tasks) :]]
        head = ""
        if any(self.heads):
            cells = (
                _head(title, "col", _RIGHT if i and not self.texts else _LEFT) for i, title in enumerate(self.heads)
            )
            head = f"<thead><tr>{''.join(cells)}</tr></thead>"
        body = "".join(_row(row, left=self.texts or not head) for row in rows)
        return f'<table style="{_TABLE}">{head}<tbody>{body}</tbody></table>{cut}'


class Shown(ABC):
    """A result that is a line as `repr` and a table in a notebook. Its dataclass is made with `repr=False`."""

    @abstractmethod
    def _card(self) -> Card:
        """What it says of itself."""

    def __repr__(self) -> str:
        return self._card().line()

    def _repr_html_(self) -> str:
        return self._card().html()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a copy, or out of a pickle: NumPy, which is not imported here, gives arrays back unlocked."""
        self.__dict__.update(state)
        for value in state.values():
            if hasattr(value, "setflags"):
                value.setflags(write=False)


def figure(
    name: str, value: float | None, low: float | None, high: float | None, digits: int = 3, *, sign: bool = False
) -> str:
    """`ECE .117 [.096, .156]`; empty where there is no value."""
    if value is None:
        return ""
    shown = (signed if sign else number)(value, digits)
    return " ".join(part for part in (name, shown, bounds(low, high, digits)) if part)


def count(n: int, one: str, many: str = "") -> str:
    """`1 item`, `2,304 items`."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def all_of(n: int, one: str) -> str:
    """`1 item`, `all 2,304 items`."""
    return count(n, one) if n == 1 else f"all {count(n, one)}"


def said(parts: Iterable[str | None]) -> tuple[str, ...]:
    """Those that say something."""
    return tuple(part for part in parts if part)


def _row(cells: tuple[str, ...], *, left: bool) -> str:
    """left: of a table of facts, whose values are texts."""
    style = _LEFT if left else _WHOLE
    rest = "".join(f'<td style="{style}">{_cell(cell)}</td>' for cell in cells[1:])
    return f"<tr>{_head(cells[0], 'row', _LEFT)}{rest}</tr>"


def _head(text: str, scope: str, style: str) -> str:
    return f'<th scope="{scope}" style="{style}">{_cell(text)}</th>'


def _cell(text: str) -> str:
    return f"<bdi>{_seen(text)}</bdi>"


def _seen(text: str) -> str:
    return escape(visible(" ".join(text.split()), _MOST_CELL))
