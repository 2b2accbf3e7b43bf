"""Numbers of options from elsewhere: which kind they are of, whether they can be that, and as log-probabilities.

What a number is cannot be seen from it alone, so the caller names it; what contradicts the name is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.files.text import json_value
from calibaudit.scores.schema import ABOVE, ROUNDING, FloatArray, IntArray
from calibaudit.tasks.items import Scoring

Kind = Literal["logprobs", "probs", "logits"]
Values = npt.ArrayLike | Sequence[Sequence[float]]
Answers = Sequence[int] | npt.NDArray[Any]

_DIGITS = 12
"""Of what was brought to a sum: numbers that were equal stay equal, so that ranks see ties as ties."""


def of_one_kind(
    task: str, *, logprobs: Values | None, probs: Values | None, logits: Values | None
) -> tuple[Kind, Values]:
    """The one that is given. Raises ScoresError for none or several."""
    offered: dict[Kind, Values | None] = {"logprobs": logprobs, "probs": probs, "logits": logits}
    given = [(kind, values) for kind, values in offered.items() if values is not None]
    if len(given) != 1:
        named = " and ".join(kind for kind, _ in given) or "none"
        raise ScoresError(f"task {task!r}: give one of logprobs, probs and logits; {named} given")
    return given[0]


def rows_of(values: Values, kind: Kind, task: str) -> list[list[float]]:
    """Each item's numbers as a list. Raises ScoresError for what is not (items, choices)."""
    try:
        rows = [np.asarray(row, dtype=np.float64) for row in values]  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise ScoresError(f"task {task!r}: {kind} holds something other than numbers: {error}") from None
    if not rows:
        raise ScoresError(f"task {task!r}: no items")
    odd = next((i for i, row in enumerate(rows) if row.ndim != 1), None)
    if odd is not None:
        raise ScoresError(f"task {task!r}: {kind} of row {odd} has shape {rows[odd].shape}, expected (choices,)")
    return [row.tolist() for row in rows]


def checked_values(
    given: FloatArray,
    lengths: IntArray,
    kind: Kind,
    option_mass: Values | None,
    ids: Sequence[str],
    task: str,
    scoring: Scoring,
) -> tuple[FloatArray, FloatArray | None]:
    """Log-probabilities (items, choices), -inf in the padding, and the option mass (items,), None where it is unknown.

    given: (items, choices) of the kind; lengths: (items,). Raises ScoresError naming the item and the value.
    """
    _check_names(ids, lengths, task, scoring)
    real = np.arange(given.shape[1]) < lengths[:, None]
    place = _Place(task, ids)
    mass = _checked_mass(option_mass, place, scoring)
    place.refuse(
        real & ~np.isfinite(given),
        given,
        f"{kind}: {{value}} is not a finite number; make a ragged row shorter instead",
    )
    if kind == "logits":
        logprobs = given
    elif kind == "probs":
        rule = "{value} is not the probability of an option: it must be above 0 and at most 1"
        place.refuse(
            real & ((given <= 0) | (given > 1 + ROUNDING)), given, f"probs: {rule}; scores of any level are logits"
        )
        logprobs = np.log(np.where(real, given, 1.0))
    else:
        rule = "{value} is above 0, which no log-probability is; are they probabilities, or logits?"
        place.refuse(real & (given > ABOVE), given, f"logprobs: {rule}")
        logprobs = np.minimum(given, 0.0)
    logprobs = np.where(real, logprobs, -np.inf)
    if kind == "logits":
        return _on_options(logprobs, mass), mass
    total = np.exp(logprobs).sum(axis=1)
    if kind == "probs" and mass is None:
        rule = "{value}, not to 1; say option_mass where the rest is outside the options, or give them as logits"
        place.refuse(np.abs(total - 1) > ROUNDING, total, f"probs: the row sums to {rule}")
        return _on_options(logprobs, None), None
    if kind == "logprobs" and scoring == "letter":
        rule = "{value}, which exceeds 1: these are not log-probabilities of one distribution; pass scores as logits"
        place.refuse(total > 1 + ROUNDING, total, f"logprobs: the row's probabilities sum to {rule}")
    if mass is None:
        return logprobs, None
    rest = np.abs(total - 1) > ROUNDING
    rule = "{value}, neither to 1 nor to its option mass"
    place.refuse(rest & (np.abs(total - mass) > ROUNDING), total, f"{kind}: the row's probabilities sum to {rule}")
    return np.where(rest[:, None], logprobs, _on_options(logprobs, mass)), mass


def checked_answers(answer: Answers, lengths: IntArray, ids: Sequence[str], task: str) -> IntArray:
    """(items,) index from 0. Raises ScoresError for one that is no whole number or not one of the item's choices."""
    given = np.asarray(answer)
    if given.shape != lengths.shape:
        raise ScoresError(f"task {task!r}: answer has shape {given.shape}, {len(lengths)} items need ({len(lengths)},)")
    if given.dtype.kind not in "iuf":
        shown = given.tolist()[0]
        raise ScoresError(
            f"task {task!r}: item {ids[0]!r}: answer: expected an index from 0, found {json_value(shown)}"
        )
    place = _Place(task, ids)
    place.refuse(~np.isfinite(given) | (np.floor(given) != given), given, "answer {value} is not a whole number")
    right = given.astype(np.int64)
    place.refuse((right < 0) | (right >= lengths), right, "answer {value} is outside its choices; they count from 0")
    return right


class _Place:
    """Where a fault is said to be."""

    def __init__(self, task: str, ids: Sequence[str]) -> None:
        self.task, self.ids = task, ids

    def refuse(self, bad: npt.NDArray[np.bool_], values: npt.NDArray[Any], rule: str) -> None:
        """Raises ScoresError for the first item of which something is bad, with the value in the rule's place."""
        if bad.any():
            i = int((bad if bad.ndim == 1 else bad.any(axis=1)).argmax())
            value = values[i] if values.ndim == 1 else values[i][bad[i]][0]
            shown = f"{value:.6g}" if isinstance(value, float | int | np.number) else repr(value)
            raise ScoresError(f"task {self.task!r}: item {self.ids[i]!r}: {rule.format(value=shown)}")


def _check_names(ids: Sequence[str], lengths: IntArray, task: str, scoring: Scoring) -> None:
    if scoring not in ("letter", "cloze"):
        raise ScoresError(f"task {task!r}: scoring {scoring!r}: imported numbers are letter or cloze")
    if len(ids) != len(lengths):
        raise ScoresError(f"task {task!r}: item_ids has {len(ids)} entries, expected {len(lengths)}")
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise ScoresError(f"task {task!r}: item {name!r} occurs twice; name each item once")
        seen.add(name)
    if (lengths < 2).any():
        i = int((lengths < 2).argmax())
        raise ScoresError(f"task {task!r}: item {ids[i]!r}: {lengths[i]} choices; at least 2 are needed")


def _checked_mass(option_mass: Values | None, place: _Place, scoring: Scoring) -> FloatArray | None:
    if option_mass is None:
        return None
    if scoring != "letter":
        raise ScoresError(f"task {place.task!r}: option_mass belongs to letter scoring, not {scoring}")
    try:
        mass = np.array(option_mass, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ScoresError(f"task {place.task!r}: option_mass holds something other than numbers: {error}") from None
    n = len(place.ids)
    if mass.shape != (n,):
        raise ScoresError(f"task {place.task!r}: option_mass has shape {mass.shape}, {n} items need ({n},)")
    place.refuse(~((mass > 0) & (mass <= 1 + ROUNDING)), mass, "option_mass {value} is not a probability above 0")
    return np.minimum(mass, 1.0)


def _on_options(logprobs: FloatArray, mass: FloatArray | None) -> FloatArray:
    """Rows whose probabilities sum to the mass, or to 1; -inf stays."""
    top = logprobs.max(axis=1, keepdims=True)
    total = top + np.log(np.exp(logprobs - top).sum(axis=1, keepdims=True))
    found: FloatArray = logprobs - total + (0.0 if mass is None else np.log(mass)[:, None])
    return np.round(found, _DIGITS)
