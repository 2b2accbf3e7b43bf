"""What the running command was given, and by whom: the command line, or a settings file."""

from __future__ import annotations

import re
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer

from calibaudit.cli.help.flags import Flag, flags_of

_RUNNING: ContextVar[typer.Context | None] = ContextVar("running", default=None)
_FILE, _KEYS = "calibaudit.config", "calibaudit.keys"
_FLAG_FIRST = re.compile(r"--([a-z][a-z-]*)(?=[ :])")
_NAMING = ("tasks", "data", "base", "out", "output", "plot", "mirror", "cache_dir", "tokenizer")
NOT_KEYS = ("config", "help")


def sources(*, flags_only: bool = False) -> dict[str, str]:
    """Of each parameter of the running command that was given, its flag, or the settings file that gave it.

    flags_only: those of the command line alone.
    """
    context = _RUNNING.get()
    found: dict[str, str] = {}
    for parameter in () if context is None else context.command.params:
        name = parameter.name or ""
        given = getattr(context.get_parameter_source(name), "name", "") if context is not None else ""
        if given == "COMMANDLINE":
            found[name] = max(parameter.opts, key=len)
        elif given == "DEFAULT_MAP" and not flags_only and context is not None:
            found[name] = str(context.meta.get(_FILE, "a settings file"))
    return found


def read_settings(context: typer.Context, value: Path | None) -> Path | None:
    """The callback of --config: what the file in force says becomes the command's defaults."""
    from calibaudit.cli.settings.files import settings_file

    _RUNNING.set(context)
    path = settings_file(value)
    if path is not None:
        context.meta[_FILE] = str(path)
        parent = context.parent.command if context.parent else context.command
        commands = tuple(getattr(parent, "commands", {}).values())
        found = given_by(path, context.info_name or "", context.command, commands, moved=value is None)
        context.meta[_KEYS] = {name: key for name, (key, _) in found.items()}
        context.default_map = {name: given for name, (_, given) in found.items()}
    return value


def given_by(
    path: Path, name: str, command: Any, commands: tuple[Any, ...], *, moved: bool
) -> dict[str, tuple[str, Any]]:
    """What a settings file gives the command called `name`: by parameter, the key in the file and the value.

    commands: all that there are, whose keys a file may hold. moved: whether paths are relative to the file's folder
    (a file that was found), not to this one (a file that --config names). Raises CalibauditError.
    """
    from calibaudit.cli.settings.files import command_defaults
    from calibaudit.cli.settings.values import as_given, from_folder

    own = keys_of(command)
    known = {key for other in commands for key in keys_of(other)}
    found = {}
    for parameter, setting in command_defaults(path, name, own.keys(), known).items():
        flag = own[parameter.replace("_", "-")]
        value = as_given(path, setting.key, setting.value, flag)
        found[parameter] = (setting.key, from_folder(value, flag, path.parent) if moved else value)
    return found


def keys_of(command: Any) -> dict[str, Flag]:
    """The command's options by the keys that a settings file calls them by."""
    declared = [flag for flag in flags_of(command) if flag.names and not hasattr(command, "commands")]
    return {flag.key: flag for flag in declared if flag.key not in NOT_KEYS}


def by_file(text: str) -> str:
    """A fault of a value that a settings file gave, with the file and the key in front.

    That is one that begins with the flag, or that names a path or a task which the file names.
    """
    context, found = _RUNNING.get(), _FLAG_FIRST.match(text)
    if context is None:
        return text
    keys: dict[str, str] = context.meta.get(_KEYS, {})
    for name, source in sources().items():
        if name not in keys or source.startswith("--") or source in text:
            continue
        if found and found[1] == name.replace("_", "-"):
            return f"{source}: {keys[name]}{text[found.end() :]}"
        if not found and name in _NAMING and any(_names(text, part) for part in _parts(context.default_map, name)):
            return f"{source}: {keys[name]}: {text}"
    return text


def _parts(given: Any, name: str) -> list[str]:
    value = (given or {}).get(name, "")
    return [part.strip() for one in (value if isinstance(value, list) else [value]) for part in str(one).split(",")]


def _names(text: str, part: str) -> bool:
    return bool(part) and (text.startswith((f"{part}:", f"{part} ")) or repr(part) in text)
