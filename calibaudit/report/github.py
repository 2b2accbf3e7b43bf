"""What `gate` leaves on GitHub Actions: annotations in the log, and a page in the step's summary.

Workflow commands, their escapes and their limits: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calibaudit.files.text import log_line, one_line
from calibaudit.gating.verdict import Part, Verdict
from calibaudit.report.document.markdown import markdown_page
from calibaudit.report.words.verdict import CHECK_NAMES, expected_found, sentence

MAX_SUMMARY = 1024 * 1024
"""Bytes of a step's summary; of a longer one GitHub shows nothing."""
MAX_ANNOTATIONS = 10
"""Annotations of one kind that a step may have; GitHub drops the rest."""

_KINDS = {"passed": "notice", "regressed": "error", "over_limit": "error", "inconclusive": "warning"}
_CUT = "\n\nThe rest of this page is left out: it would be over 1 MiB.\n"


def on_actions() -> bool:
    """Whether GitHub Actions, or a system that behaves like it, reads the log."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def summary_path() -> Path | None:
    """The file that the step's summary is made of; None outside of GitHub Actions."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(name) if name else None


@contextmanager
def inert_log(active: bool) -> Iterator[None]:
    """What is printed inside is no workflow command, whatever a task or a model is called."""
    if not active:
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}")
    try:
        yield
    finally:
        print(f"::{token}::")
        sys.stdout.flush()


def annotation_lines(verdict: Verdict, warnings: Sequence[str] = ()) -> list[str]:
    """Workflow commands, one a line: the verdict, each task that failed, and the comparison's warnings."""
    strict = verdict.outcome == "inconclusive" and verdict.limits.strict
    lines = [_command("error" if strict else _KINDS[verdict.outcome], "calibaudit gate", sentence(verdict))]
    broken = [task for task in verdict.tasks if task.outcome in ("regressed", "over_limit")]
    if len(verdict.tasks) > 1:
        lines += [_task(task) for task in broken[: MAX_ANNOTATIONS - 1]]
    room = MAX_ANNOTATIONS - sum(line.startswith("::warning ") for line in lines)
    return lines + [_command("warning", "calibaudit", text) for text in warnings[:room]]


def annotate(verdict: Verdict, warnings: Sequence[str] = ()) -> None:
    """Prints the annotations: the only lines of the log that are meant as commands."""
    for line in annotation_lines(verdict, warnings):
        print(line)


def step_summary(result: Mapping[str, Any], room: int = MAX_SUMMARY) -> bytes:
    """The result's Markdown page as UTF-8, at most `room` bytes; a longer one has fewer rows in its tables."""
    page = markdown_page(result).encode()
    if len(page) > room:
        page = _with_fewer_rows(result, room)
    if len(page) <= room:
        return page
    cut = _CUT.encode()
    end = page.rfind(b"\n", 0, max(0, room - len(cut)))
    return page[:end] + cut if end > 0 else b""


def append_summary(result: Mapping[str, Any], path: Path) -> None:
    """Add the page to the step's summary, which earlier commands of the step may have begun. Raises OSError."""
    begun = path.stat().st_size if path.exists() else 0
    page = step_summary(result, MAX_SUMMARY - begun - 2)
    if not page:
        raise OSError(f"no room is left in the summary of {MAX_SUMMARY:,} bytes")
    with path.open("ab") as file:
        file.write((b"\n\n" if begun else b"") + page)


def _with_fewer_rows(result: Mapping[str, Any], room: int) -> bytes:
    """The page with as many rows as fit, to a sixteenth; without any, it may still be too long."""
    page = markdown_page(result, most_rows=0).encode()
    least, most = 0, max(len(result["tasks"]), sum(len(part["checks"]) for part in result["verdict"]["tasks"]))
    step = most // 16 + 1
    while len(page) <= room and most - least > step:
        middle = (least + most) // 2
        tried = markdown_page(result, most_rows=middle).encode()
        if len(tried) <= room:
            least, page = middle, tried
        else:
            most = middle
    return page


def _task(task: Part) -> str:
    broken = [check for check in task.checks if check.finding == "broken"]
    text = "; ".join(f"{CHECK_NAMES[check.measure]}: {expected_found(check)}" for check in broken)
    return _command("error", f"calibaudit gate: {task.name}", f"{task.name}: {text}")


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(one_line(title, 120))}::{_data(log_line(message, 1000))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
