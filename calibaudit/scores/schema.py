"""What scores must be, whoever made them: a run, a file, a baseline, another tool's log. One check, and its numbers.

What is read from files is looked at before it is an array: NumPy would make 1 of `true`, of "1" and of 1.9.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.files.text import json_value
from calibaudit.tasks.items import SCORINGS

LEAST = -1e6
"""Below it a number is no log-probability but a mask (float32's least, -3.4e38, is a usual one)."""
ABOVE = 1e-4
"""How far above 0 a log-probability may be by rounding."""
ROUNDING = 1 / 256
"""How far a sum of probabilities may be from what it should be: bfloat16's steps are a 256th of a number."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ROWS = {"logprobs": -np.inf, "n_tokens": 0, "n_bytes": 0, "n_chars": 0, "unconditional": -np.inf}
"""The fields that hold a number a choice, with what pads them."""
KEYS = frozenset(
    {
        *("task", "version", "scoring", "fingerprint", "chat_template", "n_truncated", "n_healed", "item_ids"),
        *("groups", "answer", *ROWS, "option_mass", "documents", "n_moved", "prompt", "thinking", "levels"),
        "n_bounded",
    }
)
"""What the dictionary of one task's scores may have."""
_TEXTS = ("task", "version", "fingerprint")
_COUNTS = ("n_truncated", "n_healed", "n_moved", "n_bounded")


def check_scores(scores: Any) -> None:
    """scores: a Scores. Raises ScoresError naming the task, and the item where one is at fault."""
    where = f"scores of task {scores.task!r:.80}"
    n = _check_kinds(scores, where)
    _check_shapes(scores, where, n)
    real = scores.n_tokens > 0
    _check_logprobs(scores, "logprobs", real, where)
    if scores.unconditional is not None:
        _check_logprobs(scores, "unconditional", real, where)
    mass = scores.option_mass
    if mass is not None and not ((mass >= 0) & (mass <= 1 + ROUNDING)).all():
        i = int((~((mass >= 0) & (mass <= 1 + ROUNDING))).argmax())
        raise ScoresError(f"{where}: item {scores.item_ids[i]!r}: option mass {mass[i]:.6g} is not a probability")
    outside = ~real[np.arange(n), scores.answer.clip(0, real.shape[1] - 1)] | (scores.answer < 0)
    outside |= scores.answer >= real.sum(axis=1)
    if outside.any():
        i = int(outside.argmax())
        raise ScoresError(
            f"{where}: item {scores.item_ids[i]!r}: answer {scores.answer[i]} is outside its {real[i].sum()} choices"
        )
    if scores.scoring == "pmi" and scores.unconditional is None:
        raise ScoresError(f"{where}: scoring pmi needs the unconditional log-probabilities")


def _check_kinds(scores: Any, where: str) -> int:
    """How many items there are."""
    for name in _TEXTS:
        if not isinstance(getattr(scores, name), str):
            raise ScoresError(f"{where}: {name}: expected text, found {json_value(getattr(scores, name))}")
    if not isinstance(scores.item_ids, tuple) or len(scores.item_ids) == 0:
        raise ScoresError(f"{where}: no items")
    if scores.scoring not in SCORINGS:
        raise ScoresError(f"{where}: scoring {scores.scoring!r:.40} is not one of {', '.join(SCORINGS)}")
    if not isinstance(scores.chat_template, (bool, np.bool_)):
        raise ScoresError(f"{where}: chat_template: expected true or false, found {json_value(scores.chat_template)}")
    for name in _COUNTS:
        value = getattr(scores, name)
        if not is_whole(value):
            raise ScoresError(f"{where}: {name}: expected a whole number from 0, found {json_value(value)}")
    for name in ("item_ids", "groups", "documents"):
        values = getattr(scores, name)
        if values is not None and set(map(type, values)) - {str}:
            odd = next(value for value in values if type(value) is not str)
            raise ScoresError(f"{where}: {name}: expected text in every entry, found {json_value(odd)}")
    odd = [level for level in scores.levels or () if level is not None and not is_whole(level)]
    if odd:
        raise ScoresError(f"{where}: levels: expected whole numbers from 0 or null, found {json_value(odd[0])}")
    return len(scores.item_ids)


def _check_shapes(scores: Any, where: str, n: int) -> None:
    shape: tuple[int, ...] = getattr(scores.logprobs, "shape", ())
    if len(shape) != 2 or shape[0] != n or shape[1] == 0:
        raise ScoresError(f"{where}: logprobs has shape {shape}, expected ({n}, choices)")
    for name in (*ROWS, "answer", "option_mass"):
        array = getattr(scores, name)
        kinds = "iu" if name in ("answer", "n_tokens", "n_bytes", "n_chars") else "iuf"
        if array is not None and (not isinstance(array, np.ndarray) or array.dtype.kind not in kinds):
            raise ScoresError(f"{where}: {name} is not an array of {'whole ' if kinds == 'iu' else ''}numbers")
    for name in ROWS:
        array = getattr(scores, name)
        if array is not None and array.shape != shape:
            raise ScoresError(f"{where}: {name} has shape {array.shape}, expected {shape}")
        if array is not None and array.dtype.kind in "iu" and (array < 0).any():
            i = int((array < 0).any(axis=1).argmax())
            raise ScoresError(f"{where}: item {scores.item_ids[i]!r}: {name} holds {array[i].min()}, which is below 0")
    for name in ("answer", "option_mass", "groups", "documents", "levels"):
        value = getattr(scores, name)
        if value is not None and (len(value) != n or getattr(value, "ndim", 1) != 1):
            raise ScoresError(f"{where}: {name} has {len(value)} entries, expected {n}")


def _check_logprobs(scores: Any, name: str, real: npt.NDArray[np.bool_], where: str) -> None:
    array = getattr(scores, name)
    bad = (
        np.isnan(array) | (array == np.inf) | (real & (array < LEAST)) | (array > ABOVE) | (~real & np.isfinite(array))
    )
    if not bad.any():
        return
    i = int(bad.any(axis=1).argmax())
    value = array[i][bad[i]][0]
    if not np.isfinite(value):
        rule = "log-probability is not finite"
    elif value > ABOVE:
        rule = f"log-probability {value:.6g} is above 0, which none is; are they probabilities, or logits?"
    elif value < LEAST:
        rule = f"log-probability {value:.3g} is none: it is below {LEAST:.0e} nats"
    else:
        rule = f"{np.isfinite(array[i]).sum()} log-probabilities, and {real[i].sum()} choices that have a length"
    raise ScoresError(f"{where}: item {scores.item_ids[i]!r}: {'' if name == 'logprobs' else name + ': '}{rule}")


def check_keys(data: Mapping[str, Any], known: Sequence[str] | frozenset[str], where: str) -> None:
    """Raises ScoresError for a key that no version of such a file has."""
    unknown = next((key for key in data if key not in known), None)
    if unknown is not None:
        raise ScoresError(f"{where}: unknown key {unknown!r:.60}; was it written by a newer calibaudit?")


def is_whole(value: object) -> bool:
    """A whole number from 0 that a file can hold; not a truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 0 <= int(value) < _LARGEST


def whole(value: Any) -> int:
    """The same, or TypeError."""
    if not is_whole(value):
        raise TypeError(f"expected a whole number from 0, found {json_value(value)}")
    return int(value)


_LARGEST = 2**53
"""Beyond it whole numbers are not all floating-point numbers too."""


T = TypeVar("T")


def built(kind: type[T], entries: Any) -> T:
    """A dataclass of its saved entries, each of the kind that its annotation says; floats are finite.

    Raises TypeError for entries of other kinds or names. What is no text, number, truth value or null is not looked at.
    """
    if not isinstance(entries, Mapping):
        raise TypeError(f"expected an object, found {json_value(entries)}")
    hints = get_type_hints(kind)
    for name, value in entries.items():
        if name in hints and not _fits(value, hints[name]):
            raise TypeError(f"{name} is {value!r:.40}")
    return kind(**entries)


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint if hint in (str, int, bool, NoneType) else True


def whole_numbers(values: Any) -> IntArray:
    """A list of whole numbers as an array. Raises TypeError or ValueError for anything else in it."""
    _check_numbers(values, {int})
    return np.array(values, dtype=np.int64)


def floats(values: Any) -> FloatArray:
    """A list of numbers as an array. Raises as above."""
    _check_numbers(values, {int, float})
    return np.array(values, dtype=np.float64)


def rows_of_numbers(rows: Any, fill: float) -> FloatArray | IntArray:
    """`padded` of a file's lists of numbers; whole ones where the padding is. Raises as above."""
    if not isinstance(rows, list) or set(map(type, rows)) - {list}:
        raise TypeError(f"expected a list of lists of numbers, found {json_value(rows)}")
    is_whole = not np.isinf(fill)
    _check_numbers(list(itertools.chain.from_iterable(rows)), {int} if is_whole else {int, float})
    found = padded(rows, fill)
    return found.astype(np.int64) if is_whole else found


def _check_numbers(values: Any, kinds: set[type]) -> None:
    if not isinstance(values, list):
        raise TypeError(f"expected a list of numbers, found {json_value(values)}")
    if set(map(type, values)) - kinds:
        odd = next(value for value in values if type(value) not in kinds)
        raise TypeError(f"expected a {'' if float in kinds else 'whole '}number, found {json_value(odd)}")
    if values and int in kinds and not -_LARGEST < min(values) <= max(values) < _LARGEST and float not in kinds:
        raise ValueError(f"{max(values, key=abs)!r:.40} is too large")


def padded(rows: Sequence[Sequence[float]], fill: float) -> FloatArray:
    """Ragged rows as one (rows, longest) array, `fill` in the padding."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.float64, count=int(lengths.sum()))
    return padded_flat(flat, lengths, fill)


def padded_flat(flat: FloatArray, lengths: IntArray, fill: float) -> FloatArray:
    """The same of rows that stand one behind the other; lengths: (rows,)."""
    longest = int(lengths.max(initial=0))
    if (lengths == longest).all():
        return flat.reshape(len(lengths), longest)
    array = np.full((len(lengths), longest), fill, dtype=np.float64)
    array[np.arange(longest) < lengths[:, None]] = flat
    return array
