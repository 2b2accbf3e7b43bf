"""Scores -> the worst confident errors: the items on which a model was surest and wrong, as a person can read them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibaudit.metrics.choices import log_softmax
from calibaudit.metrics.temperature import top_choices
from calibaudit.scores.align import paired
from calibaudit.scores.scores import Scores
from calibaudit.tasks.items import Item, Task

MAX_ERRORS = 20
MAX_PER_TASK = 5  # so that one task does not take all places, where others have errors too
MAX_OPTIONS = 8
MAX_QUESTION = 800  # characters: the end of the prompt, where the question stands
MAX_OPTION = 300


@dataclass(frozen=True)
class OptionShown:
    """One choice of an item. text: None without the task's text. before: the other model's probability, or None."""

    index: int
    text: str | None
    probability: float
    before: float | None


@dataclass(frozen=True)
class ConfidentError:
    """An item that was answered wrongly with much confidence.

    task: the task's label. question: the prompt without the lines that all of the task's items begin with, and of it
    the last MAX_QUESTION characters; None without the task's text. answer, chosen: indices of the right choice and of
    the most probable one. options: those two and the most probable of the others, at most MAX_OPTIONS of n_options,
    by index.
    """

    task: str
    item_id: str
    question: str | None
    answer: int
    chosen: int
    n_options: int
    options: tuple[OptionShown, ...]

    @property
    def confidence(self) -> float:
        return next(option.probability for option in self.options if option.index == self.chosen)

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "options": [dataclasses.asdict(option) for option in self.options]}


def worst_errors(scores: Sequence[Scores], tasks: Iterable[Task] = ()) -> tuple[ConfidentError, ...]:
    """One model's worst confident errors, most confident first, at most MAX_ERRORS.

    Each task has at most MAX_PER_TASK, or an equal share of MAX_ERRORS where that is more. tasks: where the text comes
    from; for scores whose fingerprint is none of theirs there are ids only.
    """
    return _worst([(None, part) for part in scores], tasks)


def worst_new_errors(
    before: Sequence[Scores], after: Sequence[Scores], tasks: Iterable[Task] = ()
) -> tuple[ConfidentError, ...]:
    """The worst confident errors of `after`, with what `before` gave to the same options: as `worst_errors`.

    Raises ScoresError when the two sides do not hold the same items.
    """
    return _worst(paired(before, after), tasks)


def _worst(pairs: Sequence[tuple[Scores | None, Scores]], tasks: Iterable[Task]) -> tuple[ConfidentError, ...]:
    texts = {task.fingerprint: task for task in tasks}
    most = max(MAX_PER_TASK, -(-MAX_ERRORS // len(pairs)))
    found: list[ConfidentError] = []
    for before, after in pairs:
        label = after.label if before is None or after.chat_template else before.label
        task = texts.get(after.fingerprint)
        shared = 0 if task is None else _shared_length(task)
        items = {} if task is None else {item.id: item for item in task.items}  # `after` may be in before's order
        confidence, correct = top_choices(after.choice_scores(), after.answer)
        order = np.argsort(np.where(correct, np.inf, -confidence), kind="stable")
        for i in map(int, order[: min(most, int((~correct).sum()))]):
            found.append(_error(label, i, before, after, items.get(after.item_ids[i]), shared))
    return tuple(sorted(found, key=lambda error: -error.confidence)[:MAX_ERRORS])


def _error(label: str, i: int, before: Scores | None, after: Scores, item: Item | None, shared: int) -> ConfidentError:
    now = _probabilities(after, i)
    was = None if before is None else _probabilities(before, i)
    answer, chosen = int(after.answer[i]), int(after.choice_scores()[i].argmax())
    n_options = int((after.n_tokens[i] > 0).sum())
    ranked = sorted(range(n_options), key=lambda k: (k not in (answer, chosen), -now[k]))
    return ConfidentError(
        task=label,
        item_id=after.item_ids[i],
        question=None if item is None else _question(item, shared),
        answer=answer,
        chosen=chosen,
        n_options=n_options,
        options=tuple(
            OptionShown(k, None if item is None else _option(item, k), now[k], None if was is None else was[k])
            for k in sorted(ranked[:MAX_OPTIONS])
        ),
    )


def _probabilities(scores: Scores, i: int) -> list[float]:
    row = np.exp(log_softmax(scores.choice_scores()[i : i + 1]))[0]
    return [round(float(p), 6) for p in row]


def _shared_length(task: Task) -> int:
    """Characters of whole lines that every prompt of the task begins with: instructions and few-shot examples."""
    contexts = [item.context for item in task.items]
    first, last = min(contexts), max(contexts)  # what these two share, all between them share
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first.rfind("\n", 0, length) + 1 if first != last else 0


def _question(item: Item, shared: int) -> str:
    """The prompt without what all items share, and of that the end: few-shot examples stand at its beginning."""
    text = _encodable(item.context[shared:] if item.context.strip() else item.system).strip()
    return text if len(text) <= MAX_QUESTION else "…" + text[1 - MAX_QUESTION :]


def _option(item: Item, k: int) -> str:
    lead = item.leads[k] if item.leads else ""
    text = _encodable(lead + item.delimiter * bool(lead) + item.choices[k]).strip()
    return text if len(text) <= MAX_OPTION else text[: MAX_OPTION - 1] + "…"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
