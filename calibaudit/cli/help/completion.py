"""What a shell is told may stand here. Only names are looked at: no task file is read, no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_BASH = r"""
%(complete_func)s() {
    local IFS=$' \t\n' line="${COMP_LINE:0:COMP_POINT}" typed word
    read -ra typed <<<"$line"
    local n=${#typed[@]}
    [[ "$line" == *[[:space:]] ]] || n=$((n - 1))
    word="${typed[n]:-}"
    IFS=$'\n'
    COMPREPLY=($(env COMP_WORDS="$line" COMP_CWORD="$n" %(autocomplete_var)s=complete_bash "$1"))
    if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%:*}:"}")
    fi
    if [[ "${COMPREPLY[0]:-}" == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o default -F %(complete_func)s %(prog_name)s
"""
"""bash takes demo:base for three words, and replaces the last; and a space after a folder would end the path."""

_AT_ONCE = '[ "$funcstack[1]" = "_%(prog_name)s" ] && %(complete_func)s "$@"'


def complete_tasks(incomplete: str) -> Iterator[str]:
    """The bundled tasks and groups, and task files and folders; behind a comma the next of a list."""
    before, comma, last = incomplete.rpartition(",")
    given = set(before.split(","))
    for name in (*_bundled_names(), *_paths(last, ".yaml", ".yml")):
        if name.startswith(last) and name not in given:
            yield before + comma + name


def complete_models(incomplete: str) -> Iterator[str]:
    """The bundled pair, saved scores, and folders; behind a comma the next of a list."""
    before, comma, last = incomplete.rpartition(",")
    for name in (*(() if comma else ("demo:base", "demo:instruct")), *_paths(last, ".json")):
        if name.startswith(last):
            yield before + comma + name


def complete_rows(incomplete: str) -> Iterator[str]:
    """The bundled tuning rows, files of rows, and folders."""
    for name in ("demo:sft", *_paths(incomplete, ".jsonl", ".json", ".csv", ".parquet")):
        if name.startswith(incomplete):
            yield name


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Completion of a word that is mostly one of a few."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def _bundled_names() -> list[str]:
    from calibaudit.tasks.yaml_file import bundled_folder

    return sorted(path.stem for path in bundled_folder().rglob("*.yaml") if path.name[0] not in "_.")


def _paths(begun: str, *endings: str) -> Iterator[str]:
    """Files with these endings, and folders, in the folder of the path that is begun."""
    folder = begun.rpartition("/")[0]
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = str(Path(folder) / entry.name)
        if entry.name.endswith(endings):
            yield name
        elif entry.is_dir():
            yield f"{name}/"


def complete_at_the_first_tab() -> None:
    """Have --install-completion write scripts that complete what has a colon in bash, and at once in zsh.

    zsh loads it as a function at the first Tab of a session. Typer's only says then who completes, and does not do it.
    """
    from typer import _completion_shared

    scripts = getattr(_completion_shared, "_completion_scripts", {})
    if "bash" in scripts:
        scripts["bash"] = _BASH
    if _AT_ONCE not in scripts.get("zsh", _AT_ONCE):
        scripts["zsh"] = f"{scripts['zsh'].rstrip()}\n{_AT_ONCE}\n"
