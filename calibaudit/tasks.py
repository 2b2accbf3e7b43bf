"""What is asked: items, tasks, and the way from a name or a YAML file to them.

Importing this module loads neither `datasets` nor Jinja, pydantic or YAML; the functions that need them do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from calibaudit.errors import TaskError

Scoring = Literal["letter", "cloze", "cloze_token", "cloze_byte", "cloze_char", "pmi"]
SCORINGS: tuple[Scoring, ...] = get_args(Scoring)
LETTER: tuple[Scoring, ...] = ("letter",)
CLOZE: tuple[Scoring, ...] = tuple(scoring for scoring in SCORINGS if scoring != "letter")


def _sha256(content: object) -> str:
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Item:
    """One question. Choice k: prompt `system + context + leads[k]`, continuation `delimiter + choices[k]`.

    context: the prompt, few-shot examples included; without `system`. May be empty.
    choices: what is scored as a continuation, without `delimiter`.
    answer: index into choices.
    group: passage or subject shared with other items, or None.
    system: the task's description; stands before the context, or is the system turn of a chat.
    delimiter: stands between context and choice, except after a chat template.
    leads: for tasks whose choices differ *before* the scored text (winogrande): lead[k] is appended to the
        context of choice k. Empty, or one a choice.
    """

    id: str
    context: str
    choices: tuple[str, ...]
    answer: int
    group: str | None = None
    system: str = ""
    delimiter: str = " "
    leads: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of what the model sees of this item: not its id, answer or group."""
        return _sha256(
            {
                "system": self.system,
                "context": self.context,
                "leads": self.leads,
                "delimiter": self.delimiter,
                "choices": self.choices,
            }
        )


@dataclass(frozen=True)
class Task:
    """Items with one prompt format.

    warnings: one line each about what is odd in the data without making it unusable (identical choices in an
        item, ...); they come from the loader and say nothing about a model.
    """

    name: str
    version: str
    scoring: Scoring
    items: tuple[Item, ...]
    n_fewshot: int = 0
    warnings: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the scoring family (letter, cloze or pmi) and of each item's id, key, answer and group.

        Equal fingerprints: the same questions, seen the same way. The task's name plays no part.
        """
        family = "cloze" if self.scoring.startswith("cloze") else self.scoring
        return _sha256([family, [[item.id, item.key, item.answer, item.group] for item in self.items]])

    def limited(self, n_items: int | None) -> Task:
        """The task with its first `n_items` items (None: all). Raises TaskError below 1."""
        _check_limit(n_items)
        if n_items is None or n_items >= len(self.items):
            return self
        return replace(self, items=self.items[:n_items])

    def with_scoring(self, scoring: Scoring) -> Task:
        """The same items, scored another way; cloze, its normalisations and pmi may replace one another.

        Raises TaskError between letter and cloze: there the prompt itself would have to change, since letter
        lists the options in the prompt and scores their letters, cloze scores the options' own text.
        """
        if scoring not in SCORINGS:
            raise TaskError(f"scoring {scoring!r} is unknown: choose one of {', '.join(SCORINGS)}")
        possible = LETTER if self.scoring == "letter" else CLOZE
        if scoring not in possible:
            raise TaskError(
                f"task {self.name}: scoring {self.scoring} cannot become {scoring}: its prompts "
                + (
                    "list the options and its choices are letters"
                    if self.scoring == "letter"
                    else "do not list the options"
                )
                + f" (possible: {', '.join(possible)}; for another, write a task file with that prompt)"
            )
        return replace(self, scoring=scoring)


@dataclass(frozen=True)
class TaskSummary:
    """What is known of a task, or of a group of tasks, without loading its data.

    scoring: None when a group's members differ. source: data set or file. n_items: None where only the data set
    knows. members: names of a group's tasks; empty for a task.
    """

    name: str
    scoring: Scoring | None
    source: str
    n_items: int | None
    description: str
    members: tuple[str, ...] = ()


def load_tasks(
    names: Sequence[str],
    *,
    num_fewshot: int | None = None,
    seed: int = 1234,
    limit: int | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    scoring: Scoring | None = None,
) -> tuple[Task, ...]:
    """Tasks by name, in order, each once.

    names: a bundled task (`arc_easy`), a group (`mmlu`: its 57 subjects), a YAML file, or a folder of them.
    num_fewshot: examples before each question; None: what the task file says, or 0.
    seed: for the choice of examples. limit: only the first items of each task, whose prompts do not depend on it.
    mirror: folder laid out like the hub (`mirror/allenai/ai2_arc`), looked into before the hub.
    offline: never reach the network. scoring: replaces each task's own, see `Task.with_scoring`.
    Raises TaskError on an unknown name, a faulty file, unusable data.
    """
    from calibaudit.prompting import build_task
    from calibaudit.taskindex import find_definitions

    _check_limit(limit)
    if num_fewshot is not None and num_fewshot < 0:
        raise TaskError(f"num_fewshot {num_fewshot} is below 0: it is the number of examples before a question")
    if not names:
        raise TaskError("no task is named: `calibaudit tasks` lists the known ones")
    definitions = find_definitions(names)
    tasks = []
    for definition in definitions:
        task = build_task(definition, num_fewshot=num_fewshot, seed=seed, limit=limit, mirror=mirror, offline=offline)
        tasks.append(task if scoring is None else task.with_scoring(scoring))
    return tuple(tasks)


def load_task(
    name: str,
    *,
    num_fewshot: int | None = None,
    seed: int = 1234,
    limit: int | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    scoring: Scoring | None = None,
) -> Task:
    """The one task of this name or file; see `load_tasks`. Raises TaskError also when it names several."""
    from calibaudit.taskindex import find_definitions

    found = find_definitions([name])
    if len(found) != 1:
        raise TaskError(f"{name} is a group of {len(found)} tasks: take load_tasks, or name one of them")
    (task,) = load_tasks(
        [name], num_fewshot=num_fewshot, seed=seed, limit=limit, mirror=mirror, offline=offline, scoring=scoring
    )
    return task


def list_tasks() -> tuple[TaskSummary, ...]:
    """The bundled tasks and groups by name, without loading a data set. A group's own members stand only in it."""
    from calibaudit.taskindex import summarise_bundled

    return summarise_bundled()


def check_task_file(
    path: Path, *, data: bool = True, mirror: Path | None = None, offline: bool = False
) -> tuple[str, ...]:
    """Every fault of a task file, one line each; empty when it is sound.

    data: load its documents and build every item too (else the file alone is judged).
    """
    from calibaudit.prompting import find_faults
    from calibaudit.taskindex import definitions_of_file
    from calibaudit.taskyaml import TaskFileError

    try:
        definitions = definitions_of_file(path)
    except TaskFileError as error:
        return error.faults
    if not data:
        return ()
    found = [fault for definition in definitions for fault in find_faults(definition, mirror=mirror, offline=offline)]
    return tuple(dict.fromkeys(found))


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise TaskError(f"limit {limit} is below 1: it is the number of items to keep")
