"""Scores -> the baseline file that gets committed: one short line an item, the same bytes for the same scores.

Schema: docs/baseline.schema.json. `read_scores` reads it back, so every command that takes saved scores takes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from calibaudit.scores.align import check_one_model
from calibaudit.scores.packing import BASELINE_VERSION, packed, row_texts
from calibaudit.scores.scores import ModelInfo, Scores


def bless(scores: Sequence[Scores]) -> str:
    """The text of a baseline: these scores as `Scores.choice_scores` gives them, rounded as `packing` says.

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
