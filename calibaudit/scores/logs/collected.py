"""Items collected from a log -> Scores: what all log formats but lm-evaluation-harness's have in common."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.files.read import as_expected
from calibaudit.scores.logs.settings import Notice, tell
from calibaudit.scores.schema import padded
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.tasks.items import PERCENT_LEFT_OUT, Item, Scoring, Task, document_hash

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
T = TypeVar("T")


@dataclass(frozen=True)
class Logged:
    """One item. choices: as they were scored, a space before them included.

    lls: (choices,) summed log-probabilities in nats, but for a constant an item where `option_mass` is None.
    content: what tells the question apart from others, before any prompt. n_tokens, unconditional: (choices,), empty
    where the log does not say. option_mass: in [0, 1], None where it is unknown.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    lls: tuple[float, ...]
    content: object
    n_tokens: tuple[int, ...] = ()
    unconditional: tuple[float, ...] = ()
    option_mass: float | None = None


def usable(entries: Iterable[T], read: Callable[[T], Logged], where: str, notice: Notice | None) -> list[Logged]:
    """Each entry read; one that cannot be is left out and counted.

    Raises ScoresError where that is more than one in twenty, with the first one's reason.
    """
    found, faults = [], []
    for entry in entries:
        try:
            with as_expected("an entry is not as its format has it", ScoresError):
                found.append(read(entry))
        except ScoresError as error:
            faults.append(str(error))
    n = len(found) + len(faults)
    if n == 0:
        raise ScoresError(f"{where}: no items in it")
    if 100 * len(faults) > PERCENT_LEFT_OUT * n:
        raise ScoresError(f"{where}: {len(faults)} of {n} items cannot be used; {faults[0]}")
    if faults:
        tell(notice, f"{where}: {len(faults)} of {n} items left out; {faults[0]}")
    return found


def are_letters(items: Sequence[Logged]) -> bool:
    """Whether the choices of every item are A, B, C ... in order."""
    return all([c.strip() for c in item.choices] == list(LETTERS[: len(item.choices)]) for item in items)


def scores_of(
    items: Sequence[Logged],
    where: str,
    *,
    task: str,
    model: ModelInfo,
    asked: Scoring | None,
    possible: Sequence[Scoring],
    version: str = "",
    chat_template: bool = False,
) -> Scores:
    """possible: the scorings that the log holds enough for, the one taken without `asked` first.

    Raises ScoresError naming the file `where` and the item or the scoring.
    """
    scoring = asked or possible[0]
    if scoring not in possible:
        raise ScoresError(f"{where}: scoring {scoring} is not available from it; choose one of {', '.join(possible)}")
    for item in items:
        _check(item, where)
    names = [item.id for item in items]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise ScoresError(f"{where}: item {twice!r} occurs twice; give one run's log")
    asked_of = tuple(
        Item(i.id, i.question, i.choices, i.answer, None, "", "", (), document_hash(i.content)) for i in items
    )
    ones = [i.n_tokens or (1,) * len(i.choices) for i in items]
    masses = [i.option_mass for i in items] if scoring == "letter" else [None]
    return Scores(
        task=task,
        version=version,
        scoring=scoring,
        fingerprint=Task(task, version, scoring, asked_of).fingerprint,
        model=model,
        chat_template=chat_template,
        item_ids=tuple(names),
        groups=None,
        logprobs=padded([i.lls for i in items], -np.inf),
        answer=np.array([i.answer for i in items], dtype=np.int64),
        n_tokens=padded(ones, 0).astype(np.int64),
        n_bytes=padded([[len(c.strip().encode()) for c in i.choices] for i in items], 0).astype(np.int64),
        n_chars=padded([[len(c.strip()) for c in i.choices] for i in items], 0).astype(np.int64),
        option_mass=None if None in masses else np.array(masses, dtype=np.float64),
        unconditional=padded([i.unconditional for i in items], -np.inf) if scoring == "pmi" else None,
        documents=tuple(item.document for item in asked_of),
    )


def with_mass(item: Logged) -> Logged:
    """The item of a letter task whose log-probabilities are the whole vocabulary's."""
    return replace(item, option_mass=min(1.0, sum(map(math.exp, item.lls))))


def _check(item: Logged, where: str) -> None:
    place = f"{where}: item {item.id!r}"
    if len(item.choices) != len(item.lls):
        raise ScoresError(f"{place}: {len(item.choices)} choices and {len(item.lls)} log-probabilities")
    if len(item.lls) < 2:
        raise ScoresError(f"{place}: {len(item.lls)} choice; at least 2 are needed")
    bad = next((value for value in (*item.lls, *item.unconditional) if not math.isfinite(value)), None)
    if bad is not None:
        raise ScoresError(f"{place}: a log-probability is {bad}; the model overflowed there, run it again in float32")
    if not 0 <= item.answer < len(item.lls):
        raise ScoresError(f"{place}: answer {item.answer} is outside its {len(item.lls)} choices")
