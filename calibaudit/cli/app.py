"""The command line: parse, call, render, exit code. Only Typer is imported at the top; the rest when a command runs.

Exit codes: 0 done; 1 the gate or a repair says no; 2 the call, the data or the model is unusable (one line on stderr);
3 inconclusive under --strict; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from calibaudit.cli.commands.card import card
from calibaudit.cli.commands.compare import compare
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
from calibaudit.cli.outputs import complain, say, show_text, visible_streams
from calibaudit.cli.streams import ReaderGone, steady_streams
from calibaudit.errors import CalibauditError, Interrupted

INTERRUPTED = 130
BROKEN_PIPE = 141

app = typer.Typer(
    name="calibaudit",
    help="Audit what instruction tuning did to a language model's calibration.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(tasks_app, name="tasks")
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            max=1024,
            help="Run the command in N processes of this machine that share its work, as under torchrun, but with its "
            "own exit code.",
        ),
    ] = 1,
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"calibaudit {installed('calibaudit')}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        show_text(context.get_help())
    elif processes > 1:
        from calibaudit.cli.processes import run_in

        words = sys.argv[1:]
        raise typer.Exit(run_in(processes, words[words.index(context.invoked_subcommand) :]))


for command in (compare, score, gate, bless, recommend, fix, report, card):
    app.command()(flagged(command))
app.command("import")(flagged(import_scores))
app.command("import-lm-eval", hidden=True)(flagged(import_lm_eval))
app.command("env")(show_environment)


def main() -> None:
    """The installed command."""
    with steady_streams():
        code = exit_code_of(_run, debug="--debug" in sys.argv)
    sys.exit(code)


def _run() -> None:
    """Parse sys.argv and run. Not `app()`: that turns an interrupt and a closed pipe into exit codes of its own."""
    command = typer.main.get_command(app)
    with visible_streams(command), command.make_context("calibaudit", sys.argv[1:]) as context:
        command.invoke(context)


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
        text, code = str(error), error.exit_code
    elif hasattr(error, "format_message"):  # the parser's: unknown flag, missing argument, bad value
        text, code = error.format_message().rstrip(".") + "; see --help", 2
    else:
        text, code = f"{type(error).__name__}: {error} (a fault of calibaudit's own: please report it with --debug)", 2
    complain(text)
    return code
