"""Which of the formats a file or folder is in, found by looking, and its scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calibaudit.scores.logs.lm_eval import is_log_folder, read_lm_eval
from calibaudit.scores.scores import Scores


def is_log(path: Path) -> bool:
    """Whether this is a file or folder that scores can be read from, other than calibaudit's own files."""
    return (path.suffix == ".jsonl" and path.is_file()) or is_log_folder(path)


def read_logs(paths: Sequence[Path], notice: Callable[[str], None] | None = None) -> tuple[Scores, ...]:
    """One model's scores out of its logs; tasks in order of name. Raises ScoresError naming file and place.

    notice: called with one line for each file that is passed over.
    """
    return read_lm_eval(paths, notice=notice)
