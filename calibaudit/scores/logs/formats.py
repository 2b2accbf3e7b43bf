"""Which of the formats a file or folder is in, found by looking at its content, and its scores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from calibaudit.errors import ScoresError, see
from calibaudit.files.paths import is_there, user_path
from calibaudit.files.read import as_expected, decode_json, open_file
from calibaudit.scores.logs.lm_eval import is_log_folder, read_lm_eval
from calibaudit.scores.logs.settings import ImportSettings, Notice, tell
from calibaudit.scores.scores import Scores
from calibaudit.scores.tables.rows import MAGIC, delimiter_of

Format = Literal["lm-evaluation-harness", "lighteval", "inspect-ai", "OpenCompass", "HELM", "table"]
_HEAD = 1 << 16
_FIRST_KEY = re.compile(r'\{\s*"((?:[^"\\]|\\.)*)"\s*:')
_IN_FOLDERS = ("details_*.parquet", "details/**/details_*.parquet", "*.eval", "scenario_state.json")
_OF_CHECKPOINTS = ("config.json", "adapter_config.json")
_IN_FOLDERS_BELOW = ("*/scenario_state.json",)


def is_log(path: Path) -> bool:
    """Whether this is a file or folder that scores can be read from, other than calibaudit's own files.

    A checkpoint's folder is none, whatever lies in it: logs put beside its weights must not speak for them.
    """
    if any(is_there(path / name) for name in _OF_CHECKPOINTS):
        return False
    return (
        (is_there(path) and (path.is_file() and format_of(path) is not None))
        or is_log_folder(path)
        or bool(_files_in(path))
    )


def read_logs(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    notice: Notice | None = None,
    settings: ImportSettings | None = None,
) -> tuple[Scores, ...]:
    """One model's scores out of its logs or tables.

    paths: one, or several of one model. Read are logs of lm-evaluation-harness, lighteval, inspect-ai, OpenCompass and
    HELM, and tables of numbers (CSV, TSV, JSON Lines, parquet). Of a folder, files that hold no scores are left out
    with a notice, as long as one does. notice: called with one line for each. settings: what the command's flags say.
    Raises ScoresError naming file and place.
    """
    settings = settings or ImportSettings()
    names = paths if isinstance(paths, Iterable) and not isinstance(paths, str | os.PathLike) else [paths]
    files_and_folders = [user_path(path, ScoresError) for path in names]
    found: list[Scores] = []
    theirs: list[Path] = []
    for path in files_and_folders:
        files = _files_in(path)
        if files:
            found += _of_folder(files, settings, notice)
        elif is_log_folder(path) or (path.is_file() and format_of(path) == "lm-evaluation-harness"):
            theirs.append(path)
        else:
            found += _of_file(path, settings, notice)
    if theirs:
        _without_table_flags(theirs[0], "lm-evaluation-harness", settings, notice)
        with as_expected(f"{', '.join(map(str, theirs))}: not as lm-evaluation-harness writes it", ScoresError):
            found += read_lm_eval(theirs, settings.scoring, notice)
    return _named(found, settings)


def format_of(path: Path) -> Format | None:
    """The format of a file, by its first bytes; None where it is none of them, or calibaudit's own."""
    try:
        with open_file(path, ScoresError) as file:
            head = file.read(_HEAD)
    except (ScoresError, OSError):
        return None
    if head.startswith(MAGIC):
        from calibaudit.scores.logs.lighteval import is_details
        from calibaudit.scores.tables.parquet import parquet_columns

        return "lighteval" if is_details(parquet_columns(path)) else "table"
    if head.startswith(b"PK\x03\x04"):
        from calibaudit.scores.logs.inspect_ai import is_eval_log

        return "inspect-ai" if is_eval_log(path) else None
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if text.startswith("{"):
        return _of_object(text, path)
    if text.startswith("["):
        return "table" if text[1:].lstrip().startswith("{") and '"answer"' in text.lower() else None
    header = text.split("\n", 1)[0].strip().lower()
    delimiter = delimiter_of(header)
    cells = [] if delimiter is None else [cell.strip(' "') for cell in header.split(delimiter)]
    return "table" if "answer" in cells or path.suffix in (".csv", ".tsv") else None


def _of_object(text: str, path: Path) -> Format | None:
    first = _FIRST_KEY.match(text)
    keys = [first[1]] if first else []
    try:
        keys = list(decode_json(text.split("\n", 1)[0], finite=False))
        lines = True
    except ValueError:
        lines = False
    if {"adapter_spec", "request_states"} & set(keys[:1]):
        return "HELM"
    if keys and keys[0].isdigit():
        return "OpenCompass"
    if keys and keys[0] in ("version", "status", "eval") and re.search(r'"eval"\s*:\s*\{', text):
        return "inspect-ai"
    if {"doc_id", "arguments", "resps", "filtered_resps"} & set(keys):
        return "lm-evaluation-harness"
    if lines and "answer" in {key.lower() for key in keys}:
        return "table"
    return "lm-evaluation-harness" if path.suffix == ".jsonl" else None


def _files_in(path: Path) -> list[Path]:
    """The files of a folder that are in one of the formats but lm-evaluation-harness's; none for a checkpoint's."""
    if not path.is_dir() or is_log_folder(path) or (path / "config.json").exists():
        return []
    found = [file for pattern in (*_IN_FOLDERS, *_IN_FOLDERS_BELOW) for file in sorted(path.glob(pattern))]
    return found or [file for file in sorted(path.glob("*.json")) if format_of(file) in ("OpenCompass", "inspect-ai")]


def _of_folder(files: Sequence[Path], settings: ImportSettings, notice: Notice | None) -> list[Scores]:
    found: list[Scores] = []
    faults: list[ScoresError] = []
    for file in files:
        try:
            found += _of_file(file, settings, notice)
        except ScoresError as error:
            faults.append(error)
    if not found:
        raise faults[0]
    for fault in faults:
        tell(notice, f"left out: {fault}")
    return found


def _of_file(path: Path, settings: ImportSettings, notice: Notice | None) -> list[Scores]:
    """A file of one of the other formats; what its reader trips over names it, and the format that it looks like."""
    kind = format_of(path)
    if kind is None:
        if not path.exists():
            raise ScoresError(f"{path}: there is no such file or folder")
        what = "folder with logs" if path.is_dir() else "log or table"
        raise ScoresError(
            f"{path}: no {what} that is known: logs of lm-evaluation-harness, lighteval, inspect-ai, OpenCompass or "
            f"HELM, or a table with a column `answer` (CSV, TSV, JSONL, JSON, Parquet){see('import', '; ')}"
        )
    with as_expected(f"{path}: not as a {'table' if kind == 'table' else f'log of {kind}'} is", ScoresError):
        return _of_kind(kind, path, settings, notice)


def _of_kind(kind: Format, path: Path, settings: ImportSettings, notice: Notice | None) -> list[Scores]:
    if kind == "table":
        from calibaudit.scores.tables.table import read_table

        return read_table(path, settings, notice)
    _without_table_flags(path, kind, settings, notice)
    if kind == "lighteval":
        from calibaudit.scores.logs.lighteval import read_lighteval

        return [read_lighteval(path, settings, notice)]
    if kind == "inspect-ai":
        from calibaudit.scores.logs.inspect_ai import read_inspect

        return [read_inspect(path, settings, notice)]
    if kind == "OpenCompass":
        from calibaudit.scores.logs.opencompass import read_opencompass

        return [read_opencompass(path, settings, notice)]
    if kind == "HELM":
        from calibaudit.scores.logs.helm import read_helm

        return [read_helm(path, settings, notice)]
    return list(read_lm_eval([path], settings.scoring, notice))


def _without_table_flags(path: Path, kind: Format, settings: ImportSettings, notice: Notice | None) -> None:
    for flag in settings.of_tables():
        tell(notice, f"{path}: {flag} does not apply to a log of {kind}")


def _named(scores: Sequence[Scores], settings: ImportSettings) -> tuple[Scores, ...]:
    """Each task once, of one model, under the user's names."""
    tasks = [part.task for part in scores]
    twice = next((task for i, task in enumerate(tasks) if task in tasks[:i]), None)
    if twice is not None:
        raise ScoresError(f"task {twice!r} is in two of the files; give one model's logs, each task once")
    if settings.task is not None and len(scores) > 1:
        raise ScoresError(f"--task {settings.task} names one task, and there are {len(scores)}: {', '.join(tasks)}")
    named = [replace(part, task=settings.task) if settings.task is not None else part for part in scores]
    if settings.model is not None:
        named = [replace(part, model=replace(part.model, name=settings.model)) for part in named]
    return tuple(sorted(named, key=lambda part: part.task))
