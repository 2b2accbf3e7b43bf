"""What a command says on stderr while it runs: notices, and how far it is.

On a terminal two lines that stay at the bottom; in a log a line about every half minute, none in a short run.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from calibaudit.cli.progress.board import Board
from calibaudit.cli.progress.lines import log_text, terminal_lines
from calibaudit.files.text import log_line
from calibaudit.models.distributed import rank

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from calibaudit.tasks.items import Task

EVERY = 30.0
"""Seconds between two lines of a log."""
_A_SECOND = 5
"""Times that the terminal's lines are drawn anew."""


class Reporter:
    """Notices on stderr, and a board that is told how far the work is."""

    def __init__(self, console: Console, board: Board | None = None) -> None:
        self._console = console
        self.board = board or Board()

    def expect(self, parts: Sequence[tuple[str, int]]) -> None:
        """Models to come and the items of each, before the first is at work."""
        self.board.expect(parts)

    def progress(self, label: str, done: int, total: int) -> None:
        self.board.update(label, done, total)

    def trained(self, label: str, step: int, n_steps: int, loss: float, tokens_per_second: float) -> None:
        """A step of training. loss: nats a token."""
        self.board.stage("")
        detail = f"step {step:,}/{n_steps:,}, loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s"
        self.board.update(label, step, n_steps, detail, "steps")

    def notices(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.notice(text)

    def warnings_of(self, tasks: Iterable[Task]) -> None:
        """What a user should know of the tasks, once they are loaded."""
        self.notices(warning for task in tasks for warning in task.warnings)

    def notice(self, text: str) -> None:
        _print_notice(self._console, text)


@contextmanager
def reporter(*, silent: bool) -> Iterator[Reporter]:
    """A Reporter, which shows how far the work is unless silent; of several processes the first does."""
    from rich.console import Console

    console = Console(stderr=True)
    report = Reporter(console)
    logger, stages = logging.getLogger("calibaudit"), logging.getLogger("calibaudit.stages")
    notices, told = _Notices(console), _Stages(report.board)
    logger.addHandler(notices)
    stages.addHandler(told)
    logger.propagate = stages.propagate = False
    stages.setLevel(logging.INFO)
    try:
        if silent or rank() > 0:
            yield report
        elif sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal:
            with _on_terminal(console, report.board):
                yield report
        else:  # FORCE_COLOR makes no terminal of a log
            with _in_log(console, report.board, EVERY):
                yield report
    finally:
        logger.removeHandler(notices)
        stages.removeHandler(told)
        stages.setLevel(logging.NOTSET)


@contextmanager
def _on_terminal(console: Console, board: Board) -> Iterator[None]:
    """Two lines at the bottom, drawn for the size that the terminal has by then; gone at the end."""
    from rich.live import Live

    def drawn() -> Text:
        return shown(console, board)

    with Live(
        get_renderable=drawn,
        console=console,
        transient=True,
        refresh_per_second=_A_SECOND,
        vertical_overflow="crop",
    ):
        yield


def shown(console: Console, board: Board) -> Text:
    """The lines for the console as large as it is now."""
    from rich.text import Text

    from calibaudit.report.terminal.printing import says

    state = board.state()
    width, height = console.size
    lines = [] if state is None else terminal_lines(state, width, height, ascii_only=not says(console, "━╌…"))
    return Text("\n".join(lines), no_wrap=True, overflow="crop", end="\n" if lines else "")


@contextmanager
def _in_log(console: Console, board: Board, every: float) -> Iterator[None]:
    """A line every so many seconds: as long as a command has none to say, it is taken for dead."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(every):
            state = board.state()
            if state is not None and (text := log_text(state)):
                _print_notice(console, text)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


class _Notices(logging.Handler):
    """The package's own warnings, as notices on stderr."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        _print_notice(self._console, record.getMessage())


class _Stages(logging.Handler):
    """What is logged of work that has no items: `hashing base`. done, total of the record: bytes, or whatever."""

    def __init__(self, board: Board) -> None:
        super().__init__(logging.INFO)
        self._board = board

    def emit(self, record: logging.LogRecord) -> None:
        done, total = getattr(record, "done", 0), getattr(record, "total", 0)
        share = f", {100 * done // total} %" if done and total else ""
        self._board.stage("" if total and done >= total else f"{record.getMessage()}{share}")


def _print_notice(console: Console, text: str) -> None:
    from rich.text import Text

    from calibaudit.report.terminal.printing import print_line

    print_line(console, Text(f"calibaudit: {log_line(text)}", style="dim"))
