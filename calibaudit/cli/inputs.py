"""What every command does around its work: read the flags, show progress, deliver the result, end with an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibaudit.errors import CalibauditError, Interrupted
from calibaudit.models.distributed import rank

if TYPE_CHECKING:
    from rich.console import Console

    from calibaudit.scores.scores import Scores
    from calibaudit.scoring.evaluate import RunOptions
    from calibaudit.tasks.items import Task

DEFAULT_TASKS = ("bundled",)
INTERRUPTED = 130
BROKEN_PIPE = 141


def exit_code_of(command: Callable[[], Any], *, debug: bool) -> int:
    """Runs the command; a failure becomes one line on stderr and its exit code. debug: the traceback first."""
    try:
        command()
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        kept = "finished items are kept, the same command goes on from there"
        print(f"calibaudit: interrupted; {stop if isinstance(stop, Interrupted) else kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader is gone (`| head`); Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if type(error).__name__ == "Exit":  # the parser's: --help, --version, tasks check
            return int(getattr(error, "exit_code", 0))
        if debug:
            traceback.print_exc()
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    if isinstance(error, CalibauditError):
        text, code = str(error), error.exit_code
    elif hasattr(error, "format_message"):  # the parser's: unknown flag, missing argument, bad value
        text, code = error.format_message().rstrip(".") + "; see --help", 2
    else:
        text, code = f"{type(error).__name__}: {error} (a fault of calibaudit's own: please report it with --debug)", 2
    print("calibaudit: " + " ".join(text.split()), file=sys.stderr)
    return code


def load_numpy() -> None:
    """Import NumPy, its linear algebra on one thread: the products here are small, and threads wait for each other.

    OPENBLAS_NUM_THREADS is obeyed where it is set, and taken back where it is not: PyTorch keeps its own threads.
    """
    name = "OPENBLAS_NUM_THREADS"
    chosen = name in os.environ
    os.environ.setdefault(name, "1")
    try:
        import numpy  # noqa: F401  # reads the variable once, now
    finally:
        if not chosen:
            del os.environ[name]


def run_options(
    chat_template: str,
    batch_size: str,
    dtype: str,
    device: str,
    cache_dir: Path | None,
    no_cache: bool,
    offline: bool,
) -> RunOptions:
    """Raises CalibauditError for a batch size that is neither `auto` nor a positive number."""
    from calibaudit.scoring.cache import default_cache_dir
    from calibaudit.scoring.evaluate import RunOptions

    if batch_size != "auto" and not (batch_size.isascii() and batch_size.isdigit() and int(batch_size) > 0):
        raise CalibauditError(f"--batch-size {batch_size}: give a number of rows from 1, or auto")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    return RunOptions(
        dtype=dtype,
        device=device,
        batch_size=None if batch_size == "auto" else int(batch_size),
        chat_template=chat_template,  # type: ignore[arg-type]  # one of the enum's values
        cache_dir=None if no_cache else cache_dir or default_cache_dir(),
        offline=offline,
    )


def pair_of(base: str | None, instruct: str | None) -> tuple[str, str]:
    """Both models of a comparison; the bundled pair when none is named. Raises CalibauditError for one alone."""
    if base is None:
        return "demo:base", "demo:instruct"
    if instruct is None:
        raise CalibauditError(f"{base} alone cannot be compared: name INSTRUCT too, or no model for the bundled pair")
    return base, instruct


def tasks_of(
    names: Sequence[str] | None,
    num_fewshot: int | None,
    fewshot_seed: int,
    limit: int | None,
    mirror: Path | None,
    offline: bool,
    scoring: str | None,
) -> tuple[Task, ...]:
    """The named tasks, loaded; the bundled ones when none is named. Raises TaskError when one is unusable."""
    from calibaudit.tasks.load import load_tasks

    return load_tasks(
        names or DEFAULT_TASKS,
        num_fewshot=num_fewshot,
        seed=fewshot_seed,
        limit=limit,
        mirror=mirror,
        offline=offline,
        scoring=scoring,  # type: ignore[arg-type]  # one of the enum's values
    )


def split_names(values: Sequence[str] | None) -> list[str] | None:
    """`-t a,b -t c` as [a, b, c]; None without -t. Raises CalibauditError when -t names nothing."""
    if not values:
        return None
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if not names:
        raise CalibauditError(f"-t {values[0]!r}: no task named; `calibaudit tasks` lists those known")
    return names


def saved_task_names(models: Sequence[str]) -> list[str] | None:
    """The tasks of the one saved file among the models, which the others are to be scored on; else None."""
    from calibaudit.scores.saved import is_saved_scores, saved

    files = [model for model in models if is_saved_scores(model)]
    return list(dict.fromkeys(entry.task for entry in saved(files[0], None))) if len(files) == 1 else None


def outputs(
    files: Sequence[Path] | None, plots: Sequence[Path] | None, *, two_models: bool = True, gated: bool = False
) -> list[Path]:
    """The files of -o and of --plot. Raises OutputError now for what could not be written after an hour of scoring."""
    from calibaudit.report.formats import check_format, check_picture
    from calibaudit.report.result_json import check_writable

    for path in plots or ():
        check_picture(path)
    paths = [*(files or ()), *(plots or ())]
    for path in paths:
        check_format(path, two_models=two_models, gated=gated)
        check_writable(path)
    return paths


def deliver(
    result: Mapping[str, Any], paths: Sequence[Path] | None, as_json: bool, render: Callable[[Console], None]
) -> None:
    """Saves the result, then prints it (the JSON alone, or the page): a reader that leaves early loses no file."""
    from rich.console import Console

    from calibaudit.report.formats import content
    from calibaudit.report.result_json import result_text, write_whole

    for data, path in [(content(result, path), path) for path in paths or ()]:
        write_whole(data, path)
    if as_json:
        sys.stdout.write(result_text(result))
        return
    console = Console()
    with console.capture() as page:  # rich itself would end a closed pipe with exit code 1
        render(console)
    sys.stdout.write(page.get())


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
        if label not in self._ids:
            self._ids[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._ids[label], completed=done, description=f"{label} {detail}".rstrip())

    def notices(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.notice(text)

    def notice(self, text: str) -> None:
        self._console.print(f"calibaudit: {text}", style="dim", markup=False, highlight=False, soft_wrap=True)


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
            TextColumn("{task.description}"),
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
        text = f"calibaudit: {record.getMessage()}"
        self._console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def scores_of(
    name: str, task_names: Sequence[str] | None, tasks: Sequence[Task] | None, options: RunOptions, report: Reporter
) -> list[Scores]:
    """Saved scores, or those of a checkpoint on the tasks (None: both sides are files)."""
    from calibaudit.scores.saved import is_saved_scores, saved
    from calibaudit.scoring.evaluate import evaluate

    if is_saved_scores(name):
        if tasks is not None:
            return saved(name, [task.name for task in tasks])
        return saved(name, None if task_names is None else _scored_names(task_names))
    assert tasks is not None
    return evaluate(
        name, tasks, options, lambda label, done, total: report.progress(f"{name} {label}", done, total), report.notice
    )


def _scored_names(names: Sequence[str]) -> list[str]:
    """Groups and task files as the names their scores are saved under; any other name as it is, it may be one."""
    from calibaudit.errors import TaskError
    from calibaudit.tasks.load import member_names

    found: dict[str, None] = {}
    for name in names:
        try:
            found |= dict.fromkeys(member_names(name))
        except TaskError:
            found[name] = None
    return list(found)
