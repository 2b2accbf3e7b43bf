"""The commands below `calibaudit config`. Only Typer is imported at the top; the rest when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibaudit.cli.help.page import Command, Group
from calibaudit.cli.help.panels import PANELS, in_output
from calibaudit.cli.options import AsJson, Debug, SettingsFile
from calibaudit.cli.outputs import say, show_help, show_text

if TYPE_CHECKING:
    from calibaudit.cli.help.flags import Flag

config_app = typer.Typer(cls=Group, invoke_without_command=True)

_SHOWN = "default", "nothing"


@config_app.callback()
def explain(context: typer.Context) -> None:
    """Write or show the settings file with your defaults."""
    if context.invoked_subcommand is None:
        show_help(context)


@config_app.command("init", cls=Command)
def write_settings(
    context: typer.Context,
    output: Annotated[
        Path,
        in_output(
            "--output", "-o", metavar="FILE", help="The file; -: print it. To pyproject.toml its tables are added."
        ),
    ] = Path("calibaudit.toml"),
    force: Annotated[bool, in_output("--force", help="Replace the file where there is one.")] = False,
    debug: Debug = False,
) -> None:
    """Write a settings file with every key, commented out.

    calibaudit finds it from its own folder and from those below it. A file of another name is given with --config.
    """
    from calibaudit.cli.settings.files import SHARED_FILE, has_table
    from calibaudit.cli.settings.template import template
    from calibaudit.errors import CalibauditError, OutputError
    from calibaudit.files.read import read_text
    from calibaudit.files.write import check_writable, write_whole

    shared = output.name == SHARED_FILE
    text = template({name: keys for name, (_, keys) in _commands(context).items()}, in_pyproject=shared)
    if str(output) == "-":
        show_text(text)
        return
    if output.exists():
        if shared and has_table(output):
            raise CalibauditError(
                f"{output}: has a [tool.calibaudit] already; `calibaudit config init -o -` shows all keys"
            )
        if shared:
            text = f"{read_text(output, CalibauditError).rstrip()}\n\n{text}"
        elif not force:
            raise OutputError(f"{output}: already exists; give --force to replace it, or another name with -o")
    check_writable(output)
    write_whole(text, output)
    say(f"{output}: every key is in it, commented out; `calibaudit config show` says what is in force")


@config_app.command("show", cls=Command)
def show_settings(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(metavar="COMMAND", help="Show all options of this command.", show_default="what the file sets"),
    ] = None,
    config: SettingsFile = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is in force, and where each value came from.

    Exit 2 if the settings file has an unknown key or a value of the wrong kind. What only a run can tell, such as that
    a task does not exist, the command itself will say.
    """
    from calibaudit.cli.settings.files import COMMANDS, settings_file
    from calibaudit.cli.settings.given import given_by
    from calibaudit.errors import CalibauditError

    if command is not None and command not in COMMANDS:
        raise CalibauditError(f"{command} reads no settings file; these do: {', '.join(COMMANDS)}")
    path = settings_file(config)
    known = _commands(context)
    every = tuple(parser for parser, _ in known.values())
    given = {
        name: {} if path is None else given_by(path, name, parser, every, moved=config is None)
        for name, (parser, _) in known.items()
    }
    shown = COMMANDS if command is None else (command,)
    if json:
        from calibaudit.files.text import json_text

        found = {name: [_entry(flag, given[name]) for flag in _ordered(known[name][1])] for name in shown}
        show_text(json_text({"file": None if path is None else str(path), "commands": found}, indent=2))
    elif command is None:
        _show_file(path, given)
    else:
        _show_command(path, command, _ordered(known[command][1]), given[command])


def _commands(context: typer.Context) -> dict[str, tuple[Any, dict[str, Flag]]]:
    """Those that read a settings file: the parser's object of each, and its options by key."""
    from calibaudit.cli.settings.files import COMMANDS
    from calibaudit.cli.settings.given import keys_of

    found: Any = context.find_root().command
    return {name: (found.commands[name], keys_of(found.commands[name])) for name in COMMANDS}


def _ordered(keys: dict[str, Flag]) -> list[Flag]:
    return sorted(keys.values(), key=lambda flag: PANELS.index(flag.panel or PANELS[-1]))


def _entry(flag: Flag, given: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """One option: its value, and the file's key that set it (None: it has its default)."""
    key, value = given.get(flag.parameter, (None, flag.default))
    words = flag.shown_default if isinstance(flag.shown_default, str) else None
    if isinstance(value, str) and flag.kind in (int, float):
        value = flag.kind(value)
    plain = value if isinstance(value, bool | int | float | list | None) else str(value)
    return {"key": flag.key, "panel": flag.panel, "value": plain, "set_by": key, "default": words}


def _words(value: Any) -> str:
    """A value as a TOML file has it, without the quotation marks."""
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _show_file(path: Path | None, given: dict[str, dict[str, tuple[str, Any]]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from calibaudit.report.terminal.printing import print_line, print_table

    if path is None:
        say("No settings file from here upwards: every option has its default. calibaudit config init writes one.")
        return
    values: dict[str, Any] = {}
    reached: dict[str, list[str]] = {}
    for name, found in given.items():
        for key, value in found.values():
            values[key] = value
            reached.setdefault(key, []).append(name)
    console = Console()
    print_line(console, Text(f"{path} sets{'' if values else ' nothing'}", style="bold"))
    if values:
        rows = [[key, _words(value), ", ".join(reached[key])] for key, value in values.items()]
        print_table(console, ["key", "value", "for"], rows, right=-1)


def _show_command(path: Path | None, name: str, flags: list[Flag], given: dict[str, tuple[str, Any]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from calibaudit.report.terminal.printing import print_line, print_table

    rows: list[list[str]] = []
    panel = None
    for flag in flags:
        if flag.panel != panel:
            panel = flag.panel
            rows += [["", "", ""]] * bool(rows) + [[str(panel), "", ""]]
        entry = _entry(flag, given)
        value = entry["default"] if entry["set_by"] is None and entry["default"] else _words(entry["value"])
        rows.append([f"  {flag.key}", entry["set_by"] or "default", "none" if value in ("", "None") else value])
    console = Console()
    print_line(console, Text(f"{name}: {path or 'no settings file'}", style="bold"))
    print_table(console, ["key", "set by", "value"], rows, right=-1)
