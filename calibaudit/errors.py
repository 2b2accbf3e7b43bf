"""What can go wrong for a user. The command line prints the message as one line and exits with `exit_code`.

A message names the thing, the value and the rule, and says what to do. `assert` is for our own mistakes only.
"""

from __future__ import annotations


def see(page: str, before: str = "") -> str:
    """Where a page of the documentation stands on the web, `before` in front of it; empty as long as it is nowhere.

    A wheel holds no documentation, so a message says by itself what is needed. page: its name, such as `import`. The
    address is that of `[project.urls] Documentation` in the installed package's metadata.
    """
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("calibaudit").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    base = named.get("Documentation", "").strip().rstrip("/")
    return f"{before}{base}/{page}.html" if base else ""


def told(value: object) -> str:
    """A wrong argument as a message shows it: on one line, and short."""
    return f"{' '.join(repr(value).split()):.60}"


class CalibauditError(Exception):
    """The call, the data or the model is unusable (exit code 2)."""

    exit_code = 2


class TaskError(CalibauditError):
    """A task name, file, source or item is unusable."""


class ModelError(CalibauditError):
    """A checkpoint cannot be found, loaded or run."""


class ScoresError(CalibauditError):
    """Scores are unusable: not a number, wrong shape, or not comparable with another side's."""


class SftError(CalibauditError):
    """Tuning data are unusable: nothing to read, no row that can be trained on, a chat template that loses content."""


class TrainingError(CalibauditError):
    """Training cannot start, go on or be resumed."""


class OutputError(CalibauditError):
    """A result cannot be written."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence that says how to go on (exit code 130)."""
