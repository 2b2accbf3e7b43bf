"""The baseline file that gets committed: one short line an item, the same bytes for the same scores; written and read.

Schema: baseline.schema.json, beside the documentation. `read_scores` reads it back, so every command that takes saved
scores takes it.

A score x is kept as its distance below the row's best, in steps of its square root: sqrt(-x) = 32 k / (2^18 - 1), k in
base 64 (A-Z a-z 0-9 - _), three letters a choice. So probabilities come back within .00006, ties stay ties, and only
what lies 1,024 nats below the best is cut. The row's level is not kept: softmax, and with it every metric, does not see
it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.files.text import json_kind, json_text, json_value
from calibaudit.scores.align import check_one_model
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.schema import KEYS, FloatArray, IntArray, check_keys, padded_flat
from calibaudit.scores.scores import ModelInfo, Scores


def bless(scores: Sequence[Scores], limits: Mapping[str, Any] | None = None) -> str:
    """The text of a baseline: these scores as `Scores.choice_scores` gives them, rounded as said above.

    limits: what a gate is to hold candidates to, by name (`gating.limits`); None: the baseline holds none.
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
        *(() if limits is None else _limit_lines(limits)),
        '"tasks": [',
    ]
    tasks = [_task_lines(part) for part in scores]
    for lines in tasks[:-1]:
        lines[-1] += ","
    return "\n".join([*head, *(line for lines in tasks for line in lines), "]", "}"]) + "\n"


def _limit_lines(limits: Mapping[str, Any]) -> list[str]:
    return ['"limits": {', *_joined([f" {json.dumps(k)}: {_json(v)}" for k, v in limits.items()]), "},"]


def _model(model: ModelInfo) -> dict[str, Any]:
    return {**dataclasses.asdict(model), "name": public_name(model)}


def public_name(model: ModelInfo) -> str:
    """The hub id, or a folder's name without its path: a committed file tells no one's folders."""
    name = model.name.rstrip("/\\")
    folder = model.revision.startswith("sha256:") or name.startswith(("/", ".", "~")) or "\\" in name
    return _last_part(name) if folder else name


def _last_part(name: str) -> str:
    return (PureWindowsPath(name).name if "\\" in name else PurePosixPath(name).name) or name


def _task_lines(scores: Scores) -> list[str]:
    names = None if scores.groups is None else list(dict.fromkeys(scores.groups))
    numbers = {name: i for i, name in enumerate(names or ())}
    values = scores.choice_scores()
    with np.errstate(invalid="ignore"):
        below = values - values.max(axis=1, keepdims=True)
    real = scores.n_tokens > 0
    if scores.option_mass is not None:
        with np.errstate(divide="ignore"):
            below = np.column_stack([below, np.log(scores.option_mass)])
        real = np.column_stack([real, np.ones(scores.n_items, dtype=bool)])
    group = () if scores.groups is None else ([numbers[name] for name in scores.groups],)
    rows = list(zip(scores.item_ids, scores.answer.tolist(), packed_rows(below, real), *group, strict=True))
    entries = {
        "task": scores.task,
        "version": scores.version,
        "scoring": scores.scoring,
        "fingerprint": scores.fingerprint,
        "chat_template": scores.chat_template,
        "n_truncated": scores.n_truncated,
        "n_healed": scores.n_healed,
        **({"n_moved": scores.n_moved} if scores.n_moved else {}),
        **({"n_bounded": scores.n_bounded} if scores.n_bounded else {}),
        **({"prompt": _prompt(scores.prompt)} if scores.prompt is not None else {}),
        **({"levels": list(scores.levels)} if scores.levels is not None else {}),
        "n_items": scores.n_items,
        "option_mass": scores.option_mass is not None,
    }
    groups = ['"groups": null,'] if names is None else _text_lines("groups", names)
    documents = [] if scores.documents is None else _text_lines("documents", scores.documents)
    return [
        "{",
        *(_entry(k, v) for k, v in entries.items()),
        *groups,
        *documents,
        '"items": [',
        *_joined(row_texts(rows)),
        "]",
        "}",
    ]


def _prompt(prompt: PromptFormat) -> dict[str, Any]:
    """A template's file by its name, as a folder is."""
    return dataclasses.replace(prompt, named=_last_part(prompt.named)).to_dict()


def _text_lines(name: str, texts: Sequence[str]) -> list[str]:
    return [f'"{name}": [', *_joined([_json(text) for text in texts]), "],"]


def _entry(name: str, value: Any) -> str:
    return f'"{name}": {_json(value)},'


def _json(value: Any) -> str:
    return json_text(value)


def _joined(lines: Sequence[str]) -> list[str]:
    """The lines with a comma after each but the last."""
    return [line + ("," if i < len(lines) - 1 else "") for i, line in enumerate(lines)]


BASELINE_VERSION = 1


_DIGITS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype=np.uint8)
_VALUES = np.full(256, -1, dtype=np.int32)
_VALUES[_DIGITS] = np.arange(64)
_MOST = 64**3 - 1
_STEP = 32 / _MOST


def packed(values: npt.ArrayLike) -> str:
    """Numbers at most 0 (nats), three letters each; -inf and what is below -1024 as the lowest, above 0 as 0."""
    flat = np.asarray(values, dtype=np.float64)
    steps = np.rint(np.sqrt(np.clip(-flat, 0.0, None)) / _STEP)
    k = np.where(np.isfinite(flat), np.minimum(steps, _MOST), _MOST).astype(np.int64)
    return _DIGITS[np.stack([k >> 12, k >> 6 & 63, k & 63], axis=-1)].tobytes().decode("ascii")


def packed_rows(values: FloatArray, real: npt.NDArray[np.bool_]) -> list[str]:
    """Each row's numbers where it is `real`, packed. Both (rows, columns)."""
    text = packed(values[real])
    ends = (3 * real.sum(axis=1).cumsum()).tolist()
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def unpacked(text: str) -> list[float]:
    """The inverse of `packed`. ValueError on what it cannot have written."""
    if len(text) % 3:
        raise ValueError(f"{text!r} does not have three letters a number")
    digits = _VALUES[np.frombuffer(text.encode("latin-1", "replace"), dtype=np.uint8)]
    if (digits < 0).any():
        raise ValueError(f"{text!r} holds {text[int((digits < 0).argmax())]!r}, which is not a base-64 letter")
    a, b, c = digits.reshape(-1, 3).T
    values: list[float] = (-np.float_power((a << 12 | b << 6 | c) * _STEP, 2)).tolist()
    return values


def unpacked_rows(texts: Sequence[str]) -> tuple[FloatArray, IntArray]:
    """All numbers of the texts in a row, and how many each has. ValueError as `unpacked` for one of them."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    if (lengths % 3).any():
        unpacked(texts[int((lengths % 3).argmax())])
    return np.array(unpacked("".join(texts)), dtype=np.float64), lengths // 3


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
        raise ScoresError(f"{source}: expected a table for each task, found {json_kind(task)}; bless it again")
    where = f"{source}: task {task.get('task')!r:.60}"
    check_keys(task, KEYS | {"n_items", "items"}, where)
    items, names = task.get("items"), task.get("groups")
    if not isinstance(items, list) or not items:
        raise ScoresError(f"{where} has no items; bless it again")
    if task.get("n_items") != len(items):
        raise ScoresError(f"{where} says {task.get('n_items')!r} items and has {len(items)}; bless it again")
    with_mass = task.get("scoring") == "letter" and task.get("option_mass") is not False
    identities, answers, texts, groups = [], [], [], []
    for row in items:
        try:
            identity, answer, text, *group = row
            if names is not None:
                (index,) = group
                groups.append(names[_index(index)])
            elif group:
                raise ValueError("it has a group and its task none")
            if not isinstance(identity, str) or not isinstance(text, str):
                raise TypeError(f"expected text, found {json_value(text if isinstance(identity, str) else identity)}")
            identities.append(identity)
            answers.append(_index(answer))
            texts.append(text)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise _malformed(where, row, error) from error
    values, counts = _numbers(texts, items, where, with_mass=with_mass)
    mass = None
    if with_mass:
        last = counts.cumsum() - 1
        mass = [math.exp(value) for value in values[last].tolist()]
        values, counts = np.delete(values, last), counts - 1
    lengths = padded_flat(np.ones(len(values)), counts, 0).astype(np.int64)
    kept = (
        *("task", "version", "scoring", "fingerprint", "chat_template", "n_truncated", "n_healed", "documents"),
        *("n_moved", "n_bounded", "prompt", "levels"),
    )
    return {
        **{name: task[name] for name in kept if name in task},
        "item_ids": identities,
        "groups": None if names is None else groups,
        "answer": answers,
        "logprobs": padded_flat(values, counts, -np.inf),
        "n_tokens": lengths,
        "n_bytes": lengths,
        "n_chars": lengths,
        "unconditional": np.where(lengths > 0, 0.0, -np.inf) if task.get("scoring") == "pmi" else None,
        "option_mass": mass,
    }


def _numbers(texts: list[str], items: list[Any], where: str, *, with_mass: bool) -> tuple[FloatArray, IntArray]:
    """`unpacked_rows`, with the name of the item whose text is at fault."""
    try:
        values, counts = unpacked_rows(texts)
    except (TypeError, ValueError):
        for row, text in zip(items, texts, strict=True):
            try:
                unpacked(text)
            except (TypeError, ValueError, AttributeError) as error:
                raise _malformed(where, row, error) from error
        raise
    if with_mass and not counts.all():
        raise _malformed(where, items[int(counts.argmin())], ValueError("it has no option mass"))
    return values, counts


def _malformed(where: str, row: Any, error: Exception) -> ScoresError:
    name = row[0] if isinstance(row, list) and row else row
    return ScoresError(f"{where}: item {name!r} is malformed ({error}); bless it again")


def _index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not an index")
    return value


def row_texts(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each row as one line of strict JSON without spaces."""
    return [json_text(row, separators=(",", ":")) for row in rows]
