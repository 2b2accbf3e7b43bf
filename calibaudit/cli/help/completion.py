"""What a shell is told may stand here. Only names are looked at: no task file is read, no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_AT_ONCE = '[ "$funcstack[1]" = "_%(prog_name)s" ] && %(complete_func)s "$@"'


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


def complete_at_the_first_tab() -> None:
    """Have --install-completion write a script that completes at once in zsh.

    zsh loads it as a function at the first Tab of a session. Typer's only says then who completes, and does not do it.
    """
    from typer import _completion_shared

    scripts = getattr(_completion_shared, "_completion_scripts", {})
    if _AT_ONCE not in scripts.get("zsh", _AT_ONCE):
        scripts["zsh"] = f"{scripts['zsh'].rstrip()}\n{_AT_ONCE}\n"
