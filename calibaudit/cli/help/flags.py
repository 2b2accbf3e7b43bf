"""A command's options and arguments as they were declared: the same under every Typer, whose own objects differ."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from calibaudit.cli.help.panels import RUNNING


@dataclass(frozen=True)
class Flag:
    """An option, or an argument (which has no names).

    parameter: as the command's function calls it. names: the long one first; off: what turns a switch off. kind: of a
    value, or of each where it may be repeated. choices: all values of a closed set. least, most: of a number.
    shown_default: what holds where it is not given, in words; True: the default itself says it.
    """

    parameter: str
    names: tuple[str, ...]
    off: str | None
    kind: type
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    metavar: str
    help: str
    default: Any
    panel: str | None
    is_switch: bool
    is_repeated: bool
    is_required: bool
    shown_default: str | bool

    @property
    def key(self) -> str:
        """As a settings file calls it."""
        return self.parameter.replace("_", "-")

    def bounds(self) -> str:
        """What numbers it takes, in words; empty where any."""
        if self.least is not None and self.most is not None:
            return f"{self.least:,} to {self.most:,}"
        if self.least is not None:
            return f"{self.least:,} or more"
        return "" if self.most is None else f"{self.most:,} or less"


def flags_of(command: Any) -> tuple[Flag, ...]:
    """Those of the parser's command, in its order; last those that the parser adds, which stand under Running."""
    declared = {flag.parameter: flag for flag in _declared(command)}
    added = [parameter for parameter in command.params if (parameter.name or "") not in declared]
    return (*declared.values(), *(_added(parameter) for parameter in added if not getattr(parameter, "hidden", False)))


def _declared(command: Any) -> Iterator[Flag]:
    # Not get_type_hints: in Python 3.10 it hides what is annotated where the default is None.
    for parameter in inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters.values():
        parts = getattr(parameter.annotation, "__metadata__", ())
        info = next((part for part in parts if isinstance(part, OptionInfo | ArgumentInfo)), None)
        if info is not None and not info.hidden:
            yield _flag(parameter, get_args(parameter.annotation)[0], info)


def _flag(parameter: inspect.Parameter, kind: Any, info: OptionInfo | ArgumentInfo) -> Flag:
    kind, repeated = _kind(kind)
    required = parameter.default is inspect.Parameter.empty
    # Typer's signature has a default first: there the first name lands where only names are given.
    named = [part for part in (info.default, *(info.param_decls or ())) if isinstance(part, str)]
    names = [name for part in named for name in part.split("/")]
    on = [name for name in names if not name.startswith("--no-") or name[5:] == parameter.name[3:].replace("_", "-")]
    default = None if required else parameter.default
    return Flag(
        parameter=parameter.name,
        names=tuple(sorted(on, key=len, reverse=True)),
        off=next((name for name in names if name not in on), None),
        kind=kind,
        choices=tuple(str(choice.value) for choice in kind) if issubclass(kind, Enum) else (),
        least=info.min,
        most=info.max,
        metavar=info.metavar or "",
        help=info.help or "",
        default=default.value if isinstance(default, Enum) else default,
        panel=getattr(info, "rich_help_panel", None),
        is_switch=kind is bool,
        is_repeated=repeated,
        is_required=required,
        shown_default=info.show_default,
    )


def _kind(hint: Any) -> tuple[type, bool]:
    """The type of a value, and whether there may be several."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is list:
        return parts[0], True
    return _kind(parts[0]) if parts else (hint, False)


def _added(parameter: Any) -> Flag:
    """--help, and completion's."""
    return Flag(
        parameter=parameter.name,
        names=tuple(sorted(parameter.opts, key=len, reverse=True)),
        off=None,
        kind=bool,
        choices=(),
        least=None,
        most=None,
        metavar="",
        help=parameter.help or "",
        default=None,
        panel=RUNNING,
        is_switch=True,
        is_repeated=False,
        is_required=False,
        shown_default=False,
    )
