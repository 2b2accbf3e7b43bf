"""What a shell is told may stand here. Only names are looked at: no task file is read, no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def complete_tasks(incomplete: str) -> Iterator[str]:
    """The bundled tasks and groups, and task files and folders; behind a comma the next of a list."""
    before, comma, last = incomplete.rpartition(",")
    given = set(before.split(","))
    for name in (*_bundled_names(), *_task_files(last)):
        if name.startswith(last) and name not in given:
            yield before + comma + name


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Completion of a word that is mostly one of a few."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def _bundled_names() -> list[str]:
    from calibaudit.tasks.yaml_file import bundled_folder

    return sorted(path.stem for path in bundled_folder().rglob("*.yaml") if path.name[0] not in "_.")


def _task_files(begun: str) -> Iterator[str]:
    folder = begun.rpartition("/")[0]
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = str(Path(folder) / entry.name)
        if entry.name.endswith((".yaml", ".yml")):
            yield name
        elif entry.is_dir():
            yield f"{name}/"
