"""What is asked: items, tasks, and the way from a name or a YAML file to them.

Importing this module loads neither `datasets` nor Jinja, pydantic or YAML; the functions that need them do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set
from typing import Any

from calibaudit.errors import TaskError
from calibaudit.files.paths import user_folder, user_path
from calibaudit.files.text import one_line
from calibaudit.tasks.items import Scoring, Task, TaskSummary, check_limit


def load_tasks(
    names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    num_fewshot: int | None = None,
    seed: int = 1234,
    limit: int | None = None,
    per_level: int | None = None,
    mirror: str | os.PathLike[str] | None = None,
    offline: bool = False,
    scoring: Scoring | None = None,
    system: str = "",
    answer_prefix: str | None = None,
) -> tuple[Task, ...]:
    """Tasks by name, in order, each once.

    names: one name, or several: a bundled task (`arithmetic`), a public one (`arc_easy`), a group (`mmlu`: its 57
    subjects), a YAML file, or a folder of them.
    num_fewshot: examples before each question; None: what the task file says, or 0.
    seed: for the choice of examples. limit: only the first items of each task, per_level: only those of each of its
    levels of difficulty (with both, the first of those); prompts depend on neither.
    mirror: folder laid out like the hub (`mirror/allenai/ai2_arc`), looked into before the hub.
    offline: never reach the network. scoring: replaces each task's own, see `Task.with_scoring`. system: stands before
    each task's description. answer_prefix: what every answer begins with; None: each task's own `gen_prefix`.
    Raises TaskError on an unknown name, a faulty file, unusable data.
    """
    from calibaudit.tasks.build import build_task
    from calibaudit.tasks.registry import find_definitions

    asked = _names(names)
    check_limit(limit)
    check_limit(per_level)
    if num_fewshot is not None and num_fewshot < 0:
        raise TaskError(f"num_fewshot {num_fewshot} is below 0: it is the number of examples before a question")
    if not asked:
        raise TaskError("no task is named: `calibaudit tasks` lists the known ones")
    definitions = find_definitions(asked)
    folder = None if mirror is None else user_folder(mirror, TaskError, "--mirror")
    tasks = []
    for definition in definitions:
        task = build_task(
            definition,
            num_fewshot=num_fewshot,
            seed=seed,
            limit=limit if per_level is None else None,
            mirror=folder,
            offline=offline,
            system=system,
            answer_prefix=answer_prefix,
        )
        task = task if per_level is None else task.per_level(per_level).limited(limit)
        tasks.append(task if scoring is None else task.with_scoring(scoring))
    return tuple(tasks)


def load_task(
    name: str | os.PathLike[str],
    *,
    num_fewshot: int | None = None,
    seed: int = 1234,
    limit: int | None = None,
    per_level: int | None = None,
    mirror: str | os.PathLike[str] | None = None,
    offline: bool = False,
    scoring: Scoring | None = None,
    system: str = "",
    answer_prefix: str | None = None,
) -> Task:
    """The one task of this name or file.

    name: as one of `load_tasks`; so are the other arguments and the errors. TaskError also where it names several.
    """
    from calibaudit.tasks.registry import find_definitions

    found = find_definitions(_names(name))
    if len(found) != 1:
        raise TaskError(f"{name} is a group of {len(found)} tasks: use load_tasks, or name one of them")
    (task,) = load_tasks(
        name,
        num_fewshot=num_fewshot,
        seed=seed,
        limit=limit,
        per_level=per_level,
        mirror=mirror,
        offline=offline,
        scoring=scoring,
        system=system,
        answer_prefix=answer_prefix,
    )
    return task


def _names(names: object) -> list[str]:
    """The names, as texts. Raises TaskError for what is none."""
    if isinstance(names, str | os.PathLike):
        return [os.fspath(names)]
    given: list[Any] = list(names) if isinstance(names, Sequence | Set | Iterator) else [names]
    for name in given:
        if not isinstance(name, str | os.PathLike):
            raise TaskError(
                f'{one_line(repr(name), 80)} is not a task\'s name or file: write load_tasks(["arithmetic", "words"])'
            )
    return [os.fspath(name) for name in given]


def member_names(name: str) -> tuple[str, ...]:
    """Names of the tasks that a name, group, YAML file or folder stands for; no data is loaded. Raises TaskError."""
    from calibaudit.tasks.registry import find_definitions

    return tuple(definition.spec.task for definition in find_definitions([name]))


def list_tasks() -> tuple[TaskSummary, ...]:
    """The bundled tasks and groups by name, without loading a data set. A group's own members stand only in it."""
    from calibaudit.tasks.registry import summarise_bundled

    return summarise_bundled()


def check_task_file(
    path: str | os.PathLike[str],
    *,
    data: bool = True,
    mirror: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> tuple[str, ...]:
    """Every fault of a task file, one line each; empty when it is sound.

    data: load its documents and build every item too (else the file alone is judged).
    """
    from calibaudit.tasks.build import find_faults
    from calibaudit.tasks.registry import definitions_of_file
    from calibaudit.tasks.yaml_file import TaskFileError

    try:
        definitions = definitions_of_file(user_path(path, TaskError))
    except TaskFileError as error:
        return error.faults
    except TaskError as error:  # no file is there to have faults
        return (str(error),)
    if not data:
        return ()
    folder = None if mirror is None else user_folder(mirror, TaskError, "--mirror")
    found = [fault for definition in definitions for fault in find_faults(definition, mirror=folder, offline=offline)]
    return tuple(dict.fromkeys(found))
