"""A help page: usage, what the command does, its options in panels, its commands, examples. Plain text, 40 to 120 wide.

Typer's own page has no panels without rich, and with it five columns: at 80 characters the fifth, the help, has 17.
"""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from calibaudit.cli.help.examples import EXAMPLES
from calibaudit.cli.help.flags import Flag, flags_of
from calibaudit.cli.help.panels import PANELS, RUNNING
from calibaudit.files.text import one_line, screen_text

NARROWEST, WIDEST = 40, 120
_TERM_ROOM = {80: 26, 100: 38}
_MOST_TOLD = 10**9
_LONGEST_DEFAULT, _LONGEST_WHOLE = 60, 30
_JOINT = "\N{NO-BREAK SPACE}"
_ARGUMENTS = "Arguments"
_HELP = "Show this page."


class Command(TyperCommand):
    """A command whose help page is of this module."""

    def get_help(self, ctx: Any) -> str:
        return _page(self, ctx)


class Group(TyperGroup):
    """A command with commands below it."""

    def get_help(self, ctx: Any) -> str:
        return _page(self, ctx)


@dataclass(frozen=True)
class _Look:
    """How wide it is, and what the stream can show."""

    width: int
    colours: bool
    rules: bool

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.colours else text

    def term(self, text: str) -> str:
        return f"\x1b[36m{text}\x1b[0m" if self.colours else text

    def head(self, title: str) -> str:
        return self.bold(f"── {title} ".ljust(self.width, "─") if self.rules else f"{title}:")


def _look() -> _Look:
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    return _Look(
        width=max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns)),
        colours=terminal and not os.environ.get("NO_COLOR"),
        rules=terminal and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8",
    )


def _page(command: Any, context: Any) -> str:
    look = _look()
    flags = flags_of(command)
    arguments = [flag for flag in flags if not flag.names]
    lines = [look.bold("Usage:") + " " + " ".join([context.command_path, *_usage(command, arguments)])]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += ["", *(f"  {line}" for line in wrap(paragraph, look.width - 2, break_on_hyphens=False))]
    panels = [(_ARGUMENTS, [(flag.metavar, _told(flag, None, "")) for flag in arguments])]
    panels += _option_panels(flags, context)
    for part in (list(_command_panels(command)), panels):
        room = _room([term for _, rows in part for term, _ in rows], look)
        for title, rows in part:
            if rows:
                lines += ["", look.head(title), *_rows(rows, room, look)]
    lines += _examples(_names_of(context), look)
    text = screen_text("\n".join(lines)) if not look.colours else "\n".join(lines)
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _usage(command: Any, arguments: Iterable[Flag]) -> Iterator[str]:
    yield "[OPTIONS]"
    for flag in arguments:
        yield flag.metavar if flag.is_required else f"[{flag.metavar}]"
    if hasattr(command, "commands"):
        yield "COMMAND ..."


def _option_panels(flags: Iterable[Flag], context: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    set_by_file = context.default_map or {}
    source = str(context.meta.get("calibaudit.config", "a settings file"))
    options = [flag for flag in flags if flag.names]
    panels = [flag.panel or RUNNING for flag in options]
    for title in dict.fromkeys((*PANELS, *panels)):
        rows = [
            (_option(flag), _told(flag, set_by_file.get(flag.parameter), source))
            for flag, panel in zip(options, panels, strict=True)
            if panel == title
        ]
        if title == RUNNING:
            rows.append((_names(context.help_option_names), _HELP))
        yield title, rows


def _command_panels(command: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    shown = [one for one in getattr(command, "commands", {}).values() if not one.hidden]
    titles = [getattr(one, "rich_help_panel", None) or "Commands" for one in shown]
    titles = [title if isinstance(title, str) else "Commands" for title in titles]
    for title in dict.fromkeys(titles):
        yield title, [(one.name, summary(one)) for one, its in zip(shown, titles, strict=True) if its == title]


def summary(command: Any) -> str:
    """The first paragraph of what it does."""
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())


def _option(flag: Flag) -> str:
    value = flag.metavar or "|".join(flag.choices) or flag.kind.__name__.upper()
    names = flag.names if flag.off is None else (f"--[no-]{flag.names[0][2:]}", *flag.names[1:])
    return _names(names) + ("" if flag.is_switch else f" {value}")


def _names(names: Sequence[str]) -> str:
    """The short one first, or its room."""
    short, long = (
        next((name for name in names if name.startswith("--") is is_long), None) for is_long in (False, True)
    )
    return f"{short}, {long}" if short else f"    {long}"


def _told(flag: Flag, of_file: Any, source: str) -> str:
    """Its help, with what holds where it is not given, and what numbers it takes."""
    notes = []
    if of_file is not None:
        notes.append(f"default: {_value(of_file)}, by {one_line(source, _LONGEST_DEFAULT)}")
    elif flag.is_required:
        notes.append("required")
    elif isinstance(flag.shown_default, str):
        notes.append(f"default: {flag.shown_default}")
    elif flag.off is not None:
        notes.append(f"default: {(flag.names[0] if flag.default else flag.off)[2:]}")
    elif flag.shown_default and not flag.is_switch and flag.default not in (None, ""):
        notes.append(f"default: {_value(flag.default)}")
    if (flag.most or _MOST_TOLD) < _MOST_TOLD or flag.least not in (None, 0, 1):  # an N is 0 or more
        notes.append(flag.bounds())
    return " ".join([flag.help, *(["[" + _whole("; ".join(notes)) + "]"] if notes else [])])


def _whole(note: str) -> str:
    """A short note is not broken over lines."""
    return note.replace(" ", _JOINT) if len(note) <= _LONGEST_WHOLE else note


def _value(value: Any) -> str:
    values = value if isinstance(value, list | tuple) else [value]
    shown = (str(one).lower() if isinstance(one, bool) else str(one) for one in values)
    return one_line(", ".join(shown), _LONGEST_DEFAULT)


def _room(terms: Sequence[str], look: _Look) -> int:
    """Characters of the first column: as the longest term has that still fits beside its help."""
    most = max((room for width, room in _TERM_ROOM.items() if look.width >= width), default=14)
    return max((len(term) for term in terms if len(term) <= most), default=most)


def _rows(rows: Iterable[tuple[str, str]], room: int, look: _Look) -> Iterator[str]:
    indent = " " * (room + 4)
    for term, told in rows:
        lines = [line.replace(_JOINT, " ") for line in wrap(told, look.width - len(indent), break_on_hyphens=False)]
        if len(term) > room:
            yield f"  {look.term(term)}"
        else:
            yield f"  {look.term(term)}{' ' * (room + 2 - len(term))}{lines.pop(0) if lines else ''}".rstrip()
        yield from (indent + line for line in lines)


def _names_of(context: Any) -> str:
    """`tasks show`; empty of the whole."""
    return "" if context.parent is None else f"{_names_of(context.parent)} {context.info_name}".strip()


def _examples(names: str, look: _Look) -> Iterator[str]:
    examples = EXAMPLES.get(names, ())
    if examples:
        yield ""
        yield look.head("Examples")
    for what, call in examples:
        yield from wrap(f"{what}:", look.width - 2, initial_indent="  ", subsequent_indent="  ")
        yield f"    {look.term(call)}"
