"""Results and words out: what can be written is checked before anything is scored; files are written whole.

Everything that a command says goes through here, `report.terminal.printing` or `report.github`: in none of it is a
character that acts on a terminal, or a line that a CI system takes for a command.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from calibaudit.files.text import log_line, screen_text

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from calibaudit.cli.groups import FileFlags, PageFlags


def checked_outputs(files: FileFlags, *, two_models: bool = True, gated: bool = False) -> list[Path]:
    """The files of -o and of --plot. Raises OutputError now for what could not be written after an hour of scoring."""
    from calibaudit.errors import OutputError
    from calibaudit.files.paths import expanded
    from calibaudit.files.write import check_writable
    from calibaudit.report.formats import check_format, check_picture

    plots = [expanded(path, OutputError) for path in files.plot or ()]
    for path in plots:
        check_picture(path)
    paths = [*(expanded(path, OutputError) for path in files.output or ()), *plots]
    for path in paths:
        check_format(path, two_models=two_models, gated=gated)
        check_writable(path)
    return paths


def portable(result: Mapping[str, Any], page: PageFlags) -> Mapping[str, Any]:
    """The result as it is saved: without the folders of this machine, unless they were asked for."""
    from calibaudit.report.words.folders import without_folders

    return result if page.full_paths else without_folders(result)


def say(text: object) -> None:
    """A line on stdout."""
    _write(log_line(text), sys.stdout)


def complain(text: object) -> None:
    """A line on stderr, `calibaudit: ` before it."""
    _write(f"calibaudit: {log_line(text)}", sys.stderr)


def show_text(text: str, stream: TextIO | None = None) -> None:
    """Several lines as they are: a help text, a traceback. stream: stdout when left out."""
    _write(screen_text(text.rstrip("\n")), stream or sys.stdout)


def show_help(context: typer.Context) -> None:
    """The help page of the command; what it quotes is made visible where it is laid out."""
    _write(context.get_help(), sys.stdout)


@contextmanager
def visible_streams() -> Iterator[None]:
    """Within it, what other packages log and warn of is made visible too."""
    factory, form = logging.getLogRecordFactory(), warnings.formatwarning

    def formatted(*arguments: Any, **options: Any) -> str:
        return screen_text(form(*arguments, **options))

    logging.setLogRecordFactory(_VisibleRecord)
    warnings.formatwarning = formatted
    try:
        yield
    finally:
        logging.setLogRecordFactory(factory)
        warnings.formatwarning = form


class _VisibleRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return screen_text(super().getMessage())


def _write(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def deliver(
    result: Mapping[str, Any], paths: Sequence[Path], page: PageFlags, render: Callable[[Console], None]
) -> None:
    """Saves the result, then prints it (the JSON alone, or the page): a reader that leaves early loses no file."""
    result = portable(result, page)
    from rich.console import Console

    from calibaudit.files.write import write_whole
    from calibaudit.report.formats import content
    from calibaudit.report.result_json import result_text

    for data, path in [(content(result, path), path) for path in paths]:
        write_whole(data, path)
    if paths and not (page.quiet or page.json):
        complain(f"saved {', '.join(map(str, paths))}")
    if page.json:
        sys.stdout.write(result_text(result))
        return
    console = Console()
    with console.capture() as shown:  # rich itself would end a closed pipe with exit code 1
        render(console)
    sys.stdout.write(shown.get())
