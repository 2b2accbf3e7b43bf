"""The baseline file that gets committed: one short line an item, the same bytes for the same scores; written and read.

Schema: docs/baseline.schema.json. `read_scores` reads it back, so every command that takes saved scores takes it.

A score x is kept as its distance below the row's best, in steps of its square root: sqrt(-x) = 32 k / (2^18 - 1), k in
base 64 (A-Z a-z 0-9 - _), three letters a choice. So probabilities come back within .00006, ties stay ties, and only
what lies 1,024 nats below the best is cut. The row's level is not kept: softmax, and with it every metric, does not see
it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.scores.align import check_one_model
from calibaudit.scores.scores import ModelInfo, Scores


def bless(scores: Sequence[Scores]) -> str:
    """The text of a baseline: these scores as `Scores.choice_scores` gives them, rounded as said above.

    Lengths and unconditional log-probabilities are already in those, so they come back as 1 and 0. A folder's path is
    cut to its name. Raises ScoresError when the scores are of several models, or none.
    """
    check_one_model(scores)
    head = [
        "{",
        _entry("baseline_version", BASELINE_VERSION),
        _entry("calibaudit_version", version("calibaudit")),
        '"model": {',
        *_joined([f" {json.dumps(k)}: {_json(v)}" for k, v in _model(scores[0].model).items()]),
        "},",
        '"tasks": [',
    ]
    tasks = [_task_lines(part) for part in scores]
    for lines in tasks[:-1]:
        lines[-1] += ","
    return "\n".join([*head, *(line for lines in tasks for line in lines), "]", "}"]) + "\n"


def _model(model: ModelInfo) -> dict[str, Any]:
    return {**dataclasses.asdict(model), "name": public_name(model)}


def public_name(model: ModelInfo) -> str:
    """The hub id, or a folder's name without its path: a committed file tells no one's folders."""
    name = model.name.rstrip("/\\")
    folder = model.revision.startswith("sha256:") or name.startswith(("/", ".", "~")) or "\\" in name
    return (PureWindowsPath(name).name if "\\" in name else PurePosixPath(name).name) or name if folder else name


def _task_lines(scores: Scores) -> list[str]:
    names = None if scores.groups is None else list(dict.fromkeys(scores.groups))
    numbers = {name: i for i, name in enumerate(names or ())}
    values = scores.choice_scores()
    with np.errstate(invalid="ignore"):
        below = values - values.max(axis=1, keepdims=True)
    rows = []
    for i, (identity, answer) in enumerate(zip(scores.item_ids, scores.answer, strict=True)):
        row = below[i][scores.n_tokens[i] > 0].tolist()
        if scores.option_mass is not None:
            row.append(_log(float(scores.option_mass[i])))
        rows.append(
            [identity, int(answer), packed(row), *([] if scores.groups is None else [numbers[scores.groups[i]]])]
        )
    entries = {
        "task": scores.task,
        "version": scores.version,
        "scoring": scores.scoring,
        "fingerprint": scores.fingerprint,
        "chat_template": scores.chat_template,
        "n_truncated": scores.n_truncated,
        "n_healed": scores.n_healed,
        "n_items": scores.n_items,
        "option_mass": scores.option_mass is not None,
    }
    groups = ['"groups": null,'] if names is None else ['"groups": [', *_joined([_json(name) for name in names]), "],"]
    return [
        "{",
        *(_entry(k, v) for k, v in entries.items()),
        *groups,
        '"items": [',
        *_joined(row_texts(rows)),
        "]",
        "}",
    ]


def _log(mass: float) -> float:
    return float(np.log(mass)) if mass > 0 else -np.inf


def _entry(name: str, value: Any) -> str:
    return f'"{name}": {_json(value)},'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _joined(lines: Sequence[str]) -> list[str]:
    """The lines with a comma after each but the last."""
    return [line + ("," if i < len(lines) - 1 else "") for i, line in enumerate(lines)]


BASELINE_VERSION = 1

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_MOST = 64**3 - 1
_STEP = 32 / _MOST


def packed(values: Iterable[float]) -> str:
    """Numbers at most 0 (nats), three letters each; -inf and what is below -1024 as the lowest, above 0 as 0."""
    found = []
    for value in values:
        k = min(_MOST, round(math.sqrt(max(0.0, -value)) / _STEP)) if math.isfinite(value) else _MOST
        found += [_DIGITS[k >> 12], _DIGITS[k >> 6 & 63], _DIGITS[k & 63]]
    return "".join(found)


def unpacked(text: str) -> list[float]:
    """The inverse of `packed`. ValueError on what it cannot have written."""
    if len(text) % 3:
        raise ValueError(f"{text!r} is not three letters a number")
    try:
        digits = [_VALUES[digit] for digit in text]
    except KeyError as error:
        raise ValueError(f"{text!r} holds {error.args[0]!r}, which is no base-64 letter") from None
    return [-(((a << 12 | b << 6 | c) * _STEP) ** 2) for a, b, c in zip(*[iter(digits)] * 3, strict=True)]


def plain(baseline: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A baseline file's content as that of a file of saved scores. Raises ScoresError naming `source` and the fault."""
    version = baseline.get("baseline_version")
    if version != BASELINE_VERSION:
        raise ScoresError(
            f"{source}: baseline_version {version!r}, but this calibaudit reads {BASELINE_VERSION}; bless it again"
        )
    tasks = baseline.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise ScoresError(f"{source}: a baseline without tasks; write it with `calibaudit bless`")
    return {
        "schema_version": 1,
        "model": baseline.get("model"),
        "scores": [_plain_task(task, source) for task in tasks],
    }


def _plain_task(task: Any, source: str) -> dict[str, Any]:
    if not isinstance(task, dict):
        raise ScoresError(f"{source}: a task in it is {type(task).__name__}, not a table; bless it again")
    where = f"{source}: task {task.get('task')!r}"
    items, names = task.get("items"), task.get("groups")
    if not isinstance(items, list) or not items:
        raise ScoresError(f"{where} has no items; bless it again")
    if task.get("n_items") != len(items):
        raise ScoresError(f"{where} says {task.get('n_items')!r} items and has {len(items)}; bless it again")
    rows, mass, groups = [], [], []
    for row in items:
        try:
            identity, answer, text, *group = row
            values = unpacked(text)
            if task["scoring"] == "letter" and task["option_mass"]:
                mass.append(math.exp(values.pop()))
            if names is not None:
                (index,) = group
                groups.append(names[_index(index)])
            elif group:
                raise ValueError("it has a group and its task none")
            rows.append((str(identity), _index(answer), values))
        except (TypeError, ValueError, KeyError, IndexError) as error:
            name = row[0] if isinstance(row, list) and row else row
            raise ScoresError(f"{where}: item {name!r} is malformed ({error}); bless it again") from error
    lengths = [[1] * len(values) for *_, values in rows]
    kept = ("task", "version", "scoring", "fingerprint", "chat_template", "n_truncated", "n_healed")
    return {
        **{name: task[name] for name in kept if name in task},
        "item_ids": [identity for identity, *_ in rows],
        "groups": None if names is None else groups,
        "answer": [answer for _, answer, _ in rows],
        "logprobs": [values for *_, values in rows],
        "n_tokens": lengths,
        "n_bytes": lengths,
        "n_chars": lengths,
        "unconditional": [[0.0] * len(row) for row in lengths] if task.get("scoring") == "pmi" else None,
        "option_mass": mass or None,
    }


def _index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no index")
    return value


def row_texts(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each row as one line of strict JSON without spaces."""
    import json

    return [json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for row in rows]
