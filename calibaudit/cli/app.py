"""The command line: parse, call, render, exit code. Only Typer is imported at the top; the rest when a command runs.

Exit codes: 0 done; 1 the gate or a repair says no; 2 the call, the data or the model is unusable (one line on stderr);
3 inconclusive under --strict; 130 interrupted.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from calibaudit.cli.commands.card import card
from calibaudit.cli.commands.compare import compare
from calibaudit.cli.commands.config import config_app
from calibaudit.cli.commands.data import data_app
from calibaudit.cli.commands.env import show_environment
from calibaudit.cli.commands.fix import fix
from calibaudit.cli.commands.gate import bless, gate
from calibaudit.cli.commands.import_scores import import_lm_eval, import_scores
from calibaudit.cli.commands.recommend import recommend
from calibaudit.cli.commands.report import report
from calibaudit.cli.commands.score import score
from calibaudit.cli.commands.tasks import tasks_app
from calibaudit.cli.groups import flagged
from calibaudit.cli.help.completion import complete_at_the_first_tab
from calibaudit.cli.help.page import Command, Group
from calibaudit.cli.help.panels import in_running
from calibaudit.cli.outputs import complain, say, show_help, show_text, visible_streams
from calibaudit.cli.refusals import refusal
from calibaudit.cli.settings.given import by_file
from calibaudit.cli.streams import ReaderGone, steady_streams
from calibaudit.errors import CalibauditError, Interrupted

COMPLETE = "_CALIBAUDIT_COMPLETE"
INTERRUPTED = 130
BROKEN_PIPE = 141

app = typer.Typer(
    name="calibaudit",
    help="Audit what instruction tuning did to a language model's calibration.",
    cls=Group,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MEASURE, REPAIR, KEEP, LOOK = "Measure", "Repair", "Guard", "Look up and set up"
COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    MEASURE: {"compare": compare, "score": score, "import": import_scores, "report": report, "card": card},
    REPAIR: {"recommend": recommend, "fix": fix},
    KEEP: {"bless": bless, "gate": gate},
    LOOK: {"env": show_environment},
}
"""By the panel of the help page that they stand in."""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, in_running("--version", help="Show the version.")] = False,
    processes: Annotated[
        int,
        in_running(
            "--processes",
            metavar="N",
            min=1,
            max=1024,
            help="Run the command in N processes on this machine that share its work, as under torchrun.",
        ),
    ] = 1,
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"calibaudit {installed('calibaudit')}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        show_help(context)
    elif processes > 1:
        from calibaudit.cli.processes import run_in

        words = sys.argv[1:]
        raise typer.Exit(run_in(processes, words[words.index(context.invoked_subcommand) :]))


for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        app.command(name, cls=Command, rich_help_panel=panel)(flagged(command))
app.command("import-lm-eval", cls=Command, hidden=True)(flagged(import_lm_eval))
for name, group in {"tasks": tasks_app, "data": data_app, "config": config_app}.items():
    app.add_typer(group, name=name, rich_help_panel=LOOK)


def main() -> None:
    """The installed command."""
    try:
        _refuse_kernels_of_the_hub()
        with steady_streams():
            code = exit_code_of(_run, debug="--debug" in sys.argv)
    except KeyboardInterrupt:  # before the command has begun, or after its end
        code = INTERRUPTED
    sys.exit(code)


def _refuse_kernels_of_the_hub() -> None:
    """The package `kernels` fetches compiled code and runs it: for bitsandbytes as soon as that is imported."""
    sys.modules["kernels"] = None  # type: ignore[assignment]
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it would say that it has none


def _run() -> None:
    """Parse sys.argv and run. Not `app()`: that turns an interrupt and a closed pipe into exit codes of its own."""
    command = _parser()
    complete_at_the_first_tab()
    if COMPLETE in os.environ:  # a shell asks what could stand here
        command.main(prog_name=app.info.name)
    with visible_streams(), _context_of(command) as context:
        command.invoke(context)


@functools.cache
def _parser() -> Any:
    return typer.main.get_command(app)


def _context_of(command: Any) -> Any:
    """The call, parsed. Raises CalibauditError where a shell that nothing is known of asks for completion."""
    try:
        return command.make_context(app.info.name, sys.argv[1:])
    except typer.Exit as end:
        if end.exit_code == 0:
            raise
        shells = "bash, zsh, fish or PowerShell"
        raise CalibauditError(f"completion: unknown shell; run it from {shells}") from None


def exit_code_of(command: Callable[[], Any], *, debug: bool) -> int:
    """Runs the command; a failure becomes one line on stderr and its exit code. debug: the traceback first."""
    code = 0
    try:
        try:
            command()
        except Exception as end:
            if type(end).__name__ != "Exit":  # the parser's: --help, --version, a verdict
                raise
            code = int(getattr(end, "exit_code", 0))
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        complain(f"interrupted{f'; {stop}' if isinstance(stop, Interrupted) else ''}")
        return INTERRUPTED
    except (ReaderGone, BrokenPipeError):
        return BROKEN_PIPE
    except Exception as error:
        if debug:
            show_text(traceback.format_exc(), sys.stderr)
        return _failed(error)
    return code


def _failed(error: Exception) -> int:
    if isinstance(error, CalibauditError):
        text, code = by_file(str(error)), error.exit_code
    elif hasattr(error, "format_message"):  # the parser's: unknown flag, missing argument, bad value
        text, code = refusal(error), 2
    else:
        text = f"{type(error).__name__}: {error} (a bug in calibaudit; please report it with the output of --debug)"
        code = 2
    complain(text)
    return code
