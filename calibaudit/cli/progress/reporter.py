"""Progress bars and notices on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from calibaudit.files.text import log_line
from calibaudit.models.distributed import rank

if TYPE_CHECKING:
    from rich.console import Console

    from calibaudit.tasks.items import Task


_MOST_LABEL = 200


class Reporter:
    """Progress bars and notices on stderr."""

    def __init__(self, console: Console, bars: Any) -> None:
        self._console = console
        self._bars = bars
        self._ids: dict[str, Any] = {}

    def progress(self, label: str, done: int, total: int, detail: str = "") -> None:
        """detail: what is shown after the label."""
        if self._bars is None:
            return
        shown = log_line(f"{label} {detail}", _MOST_LABEL)
        if label not in self._ids:
            self._ids[label] = self._bars.add_task(shown, total=total)
        self._bars.update(self._ids[label], completed=done, description=shown)

    def trained(self, label: str, step: int, n_steps: int, loss: float, tokens_per_second: float) -> None:
        """A step of training. loss: nats a token."""
        self.progress(label, step, n_steps, f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s")

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
    """A Reporter; its bars show only on a terminal, and not when silent."""
    from rich.console import Console

    console = Console(stderr=True)
    handler = _Notices(console)
    logger = logging.getLogger("calibaudit")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        if silent or not console.is_terminal or rank() > 0:
            yield Reporter(console, None)
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bars:
            yield Reporter(console, bars)
    finally:
        logger.removeHandler(handler)


class _Notices(logging.Handler):
    """The package's own warnings, as notices on stderr."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        _print_notice(self._console, record.getMessage())


def _print_notice(console: Console, text: str) -> None:
    from rich.text import Text

    from calibaudit.report.terminal.printing import print_line

    print_line(console, Text(f"calibaudit: {log_line(text)}", style="dim"))
