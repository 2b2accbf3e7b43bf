"""A task of the harness -> a plain task: its documents as rows, what its functions made of them in columns."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.errors import TaskError
from calibaudit.files.text import json_kind
from calibaudit.tasks.convert.harness import gold_of, told
from calibaudit.tasks.items import scoring_of_choices

TEXT, CHOICES, ANSWER = "harness_text", "harness_choices", "harness_answer"
DESCRIPTION, PREFIX = "harness_description", "harness_gen_prefix"
"""Columns of the written documents: what doc_to_text, doc_to_choice, doc_to_target, ... gave."""

_FUNCTIONS = ("process_docs", "doc_to_text", "doc_to_choice", "doc_to_target", "process_results", "custom_dataset")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?")


class Refused(TaskError):
    """A task that calibaudit cannot ask, with the reason."""


@dataclass(frozen=True)
class Plain:
    """A task that needs no code. keys: its YAML but for the data's place. rows: the evaluated documents.

    pool: the documents that examples come from, in order; None: the evaluated ones. asked: the harness's own documents,
    one for each row. split, pool_split: their names.
    """

    name: str
    keys: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    pool: Sequence[Mapping[str, Any]] | None
    asked: Sequence[Any]
    split: str
    pool_split: str
    notices: tuple[str, ...]


def make_plain(task: Any, version: str, *, limit: int | None = None) -> Plain:
    """limit: only the first documents; examples are chosen from all.

    Raises Refused for what has no single right choice, TaskError where the task's functions fail.
    """
    name = str(getattr(task.config, "task", None) or "")
    check_kind(name, task)
    docs, pool = list(task.task_docs), list(getattr(task.sampler, "df", ()) if hasattr(task, "sampler") else ())
    notices = list(_notices(name, task, docs))
    same_docs = pool == docs
    docs = docs[:limit]
    rows = [_row(task, doc, f"{name}: document {index}") for index, doc in enumerate(docs)]
    shots = [_shot(task, doc) for doc in pool]
    if not task.multiple_input:
        _one_kind_of_answer(name, rows, shots)
    excludes = task.fewshot_cfg.split == task.config.test_split
    keys: dict[str, Any] = {}
    keys["doc_to_text"] = TEXT
    keys["doc_to_choice"] = _constant([*rows, *(shot for shot in shots if shot[CHOICES] is not None)], CHOICES)
    keys["doc_to_target"] = ANSWER
    if keys["doc_to_choice"] != CHOICES:
        for row in (*rows, *shots):
            del row[CHOICES]
    for key, column in (("description", DESCRIPTION), ("gen_prefix", PREFIX)):
        keys[key] = _literal([*rows, *shots] if column == PREFIX else rows, column)
        if keys[key] != column:
            for row in (*rows, *shots):
                del row[column]
    own = _own_columns(docs, pool if shots else [])
    rows = [{**{column: doc[column] for column in own}, **row} for doc, row in zip(docs, rows, strict=True)]
    shots = [{**{column: doc[column] for column in own}, **row} for doc, row in zip(pool, shots, strict=True)]
    one_file = same_docs and limit is None and shots == rows
    if excludes and not _tells_apart([*docs, *pool], [*rows, *shots]):
        raise Refused(
            f"{name}: a question is kept out of its own examples, and from what would be written "
            "it cannot be told which of them is the question itself"
        )
    split, pool_split = _split_names(task, same=one_file)
    keys = {**_places(split, pool_split if shots else split, excludes=excludes, one_file=one_file), **keys}
    keys |= _settings(task, rows, keys["doc_to_choice"])
    keys["metadata"] = _metadata(task, version)
    keys = {key: value for key, value in keys.items() if value is not None}
    return Plain(name, keys, rows, None if one_file or not shots else shots, docs, split, pool_split, tuple(notices))


def check_kind(name: str, task: Any) -> None:
    """Raises Refused for a task that is no multiple choice of texts with one right answer."""
    config: Any = getattr(task, "config", None)
    kind = getattr(config, "output_type", None)
    if kind != "multiple_choice":
        raise Refused(
            f"{name}: its output_type is {kind}: it has no choices to give probabilities to"
            if kind
            else f"{name}: it is a task written in Python, without keys that could be written down"
        )
    if config.doc_to_image is not None or config.doc_to_audio is not None:
        raise Refused(f"{name}: it asks about images or sounds; calibaudit audits text models")
    if config.doc_to_choice is None:
        raise Refused(f"{name}: it has no doc_to_choice, so there are no choices to give probabilities to")
    if callable(config.process_results) and isinstance(config.doc_to_target, int):
        function = function_name(config.process_results)
        raise Refused(
            f"{name}: its doc_to_target is always {config.doc_to_target}, and its own process_results ({function}) "
            "decides which choices are right, several perhaps; an item has one right choice here"
        )
    sampler = type(getattr(task, "sampler", None)).__name__
    if sampler not in ("ContextSampler", "FirstNSampler", "NoneType"):
        raise Refused(f"{name}: its sampler {sampler} is its own: which examples it draws cannot be written down")


def _row(task: Any, doc: Any, where: str) -> dict[str, Any]:
    """What the harness asks of one document, as columns."""
    try:
        row = _question(task, doc, task.doc_to_text(doc), task.doc_to_choice(doc), task.doc_to_target(doc), where)
        row[DESCRIPTION] = task.resolve_field(doc, task.config.description) or ""
        row[PREFIX] = task.doc_to_prefix(doc) or ""
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"{where}: the task's own functions fail: {told(error)}") from error
    return row


def _shot(task: Any, doc: Any) -> dict[str, Any]:
    """One document as an example; empty cells where the task's functions fail, as the harness does if it is drawn."""
    config = task.fewshot_cfg
    try:
        text, choices = task.doc_to_text(doc, config.doc_to_text), task.doc_to_choice(doc, config.doc_to_choice)
        row = _question(task, doc, text, choices, task.doc_to_target(doc, config.doc_to_target), "an example")
        row[DESCRIPTION] = task.resolve_field(doc, task.config.description) or ""
        row[PREFIX] = task.resolve_field(doc, config.gen_prefix) or ""
    except Exception:
        return dict.fromkeys((TEXT, CHOICES, ANSWER, DESCRIPTION, PREFIX))
    return row


def _question(task: Any, doc: Any, text: Any, choices: Any, target: Any, where: str) -> dict[str, Any]:
    if not isinstance(choices, (list, tuple)):
        raise Refused(f"{where}: doc_to_choice: expected a list of strings, found {json_kind(choices)}")
    if isinstance(target, (list, tuple)):
        if len(target) != 1:
            raise Refused(f"{where}: {len(target)} right answers ({target!r:.80}); an item of calibaudit has one")
        (target,) = target
    told_choices = [choice if isinstance(choice, str) else str(choice) for choice in choices]
    if task.multiple_input:
        text, target = int(text), str(target)
    elif not isinstance(text, str):
        raise Refused(f"{where}: doc_to_text: expected text, found {json_kind(text)}")
    else:
        found = gold_of(target, told_choices)
        target = target if found is None else found
    return {TEXT: text, CHOICES: told_choices, ANSWER: target}


def _one_kind_of_answer(name: str, rows: Sequence[dict[str, Any]], shots: Sequence[dict[str, Any]]) -> None:
    """A column has one type: indices, or the choices' texts where an answer is none of them."""
    answers = [row[ANSWER] for row in (*rows, *shots)]
    kinds = {type(answer) for answer in answers} - {type(None)}
    if kinds - {int, str}:
        found = ", ".join(sorted({json_kind(answer) for answer in answers if answer is not None}))
        raise Refused(f"{name}: doc_to_target: expected a choice or its index, found {found}")
    if all(gold_of(row[ANSWER], row[CHOICES]) is None for row in rows):
        raise Refused(
            f"{name}: no document has a right answer by lm-evaluation-harness's own rule (the first: "
            f"{rows[0][ANSWER]!r:.80} among {rows[0][CHOICES]!r:.120}; a split whose labels are hidden?)"
        )
    if str in kinds:
        for row in (*rows, *shots):
            answer = row[ANSWER]
            if isinstance(answer, int):
                row[ANSWER] = row[CHOICES][answer] if 0 <= answer < len(row[CHOICES]) else str(answer)


def _constant(rows: Sequence[Mapping[str, Any]], column: str) -> Any:
    """The value that all rows have, else the column's name. Choices that are alike everywhere go into the YAML."""
    first = rows[0][column]
    return first if all(row[column] == first for row in rows) else column


def _literal(rows: Sequence[Mapping[str, Any]], column: str) -> str | None:
    """A text that all rows share, written so that no template reads it otherwise; else the column's name."""
    values = {row.get(column) for row in rows}
    if len(values) > 1:
        return column
    (text,) = values
    if not text:
        return None
    return text if not re.search(r"[{}#%]", text) and not text.isidentifier() else "{{ " + json.dumps(text) + " }}"


def _own_columns(docs: Sequence[Any], pool: Sequence[Any]) -> list[str]:
    """The documents' own columns that hold one kind of text or number everywhere; ids only if each stands once."""
    kept = []
    for column in docs[0]:
        if column.startswith("harness_"):
            continue
        values = [doc.get(column) for doc in (*docs, *pool)]
        kinds = {type(value) for value in values}
        if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
            continue
        if kinds == {float} and not all(map(math.isfinite, values)):
            continue
        if kinds == {str} and all(_DATE.match(value) for value in values):
            continue  # readers of JSON make dates of these
        if column == "id" and (len(set(values[: len(docs)])) < len(docs) or kinds > {str, int} or "" in values):
            continue
        kept.append(column)
    return kept


def _tells_apart(docs: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    def kinds(of: Sequence[Any]) -> int:
        return len({json.dumps(dict(one), sort_keys=True, default=str) for one in of})

    return kinds(docs) == kinds(rows)


def _split_names(task: Any, *, same: bool) -> tuple[str, str]:
    config = task.config
    split = str(config.test_split or config.validation_split)
    pool = config.fewshot_config.split or (
        "samples" if config.fewshot_config.samples is not None else config.training_split or config.validation_split
    )
    pool = str(pool or split)
    return split, pool if same or pool != split else "fewshot"


def _places(split: str, pool: str, *, excludes: bool, one_file: bool) -> dict[str, Any]:
    """The splits' keys, so that examples are drawn, and a question kept out of its own, as the harness does it."""
    if one_file or split == pool:
        return {"test_split": split, "fewshot_split": split if excludes else None}
    if excludes:
        return {"validation_split": split, "training_split": pool}
    return {"test_split": split, "fewshot_split": pool}


def _settings(task: Any, rows: Sequence[Mapping[str, Any]], choices: Any) -> dict[str, Any]:
    config, shot = task.config, task.fewshot_cfg
    other: dict[str, Any] = {}
    if type(getattr(task, "sampler", None)).__name__ == "FirstNSampler":
        other["sampler"] = "first_n"
    for key in ("target_delimiter", "fewshot_delimiter"):
        if getattr(shot, key) is not None and getattr(shot, key) != getattr(config, key):
            other[key] = getattr(shot, key)
    lists = [choices] if isinstance(choices, list) else [row[CHOICES] for row in rows]
    scoring = "cloze" if task.multiple_input else scoring_of_choices(lists, is_constant=isinstance(choices, list))
    return {
        "target_delimiter": config.target_delimiter,
        "fewshot_delimiter": config.fewshot_delimiter,
        "fewshot_config": other or None,
        "num_fewshot": config.num_fewshot,
        "output_type": "multiple_choice",
        "scoring": scoring,
    }


def _metadata(task: Any, version: str) -> dict[str, Any]:
    """Where it comes from, without a path of the machine that it was made on."""
    config = task.config
    source = {
        "task": config.task,
        "lm_eval": version,
        "dataset_path": str(config.dataset_path or "").rpartition("/")[2],
    }
    if config.dataset_path and not str(config.dataset_path).startswith(("/", ".", "~")):
        source["dataset_path"] = config.dataset_path
    if config.dataset_name:
        source["dataset_name"] = config.dataset_name
    functions = {key: function_name(getattr(config, key)) for key in _FUNCTIONS if callable(getattr(config, key, None))}
    return {
        **({"version": config.metadata["version"]} if "version" in (config.metadata or {}) else {}),
        "converted_from": {**source, **({"functions": functions} if functions else {})},
    }


def function_name(function: Callable[..., Any]) -> str:
    """`module.name`, the module without its folders."""
    while isinstance(function, functools.partial):
        function = function.func
    module = str(getattr(function, "__module__", "")).replace("\\", "/").rpartition("/")[2]
    return f"{module.removeprefix('lm_eval.tasks.')}.{getattr(function, '__name__', type(function).__name__)}"


def _notices(name: str, task: Any, docs: Sequence[Any]) -> list[str]:
    found = []
    if callable(task.config.process_results):
        found.append(
            f"{name}: its process_results is not kept: calibaudit computes its own metrics from log-probabilities"
        )
    if list(task.eval_docs) != docs:
        found.append(
            f"{name}: its functions give other documents each time they run (they shuffle without a seed): "
            "what is written is one such draw"
        )
    return found
