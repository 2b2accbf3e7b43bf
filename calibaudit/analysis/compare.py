"""Two models' Scores -> Comparison: both audits, the paired changes, and what a reader must know about them.

Change intervals: the same bootstrap weights on both sides. p-values, for every metric but ece_floor: the two-sided
swap-permutation test, which exchanges the two sides of an item, or of a whole group, at random (also for `gap`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from calibaudit.analysis.audit import (
    Audit,
    few_items_warning,
    joined_scoring,
    listed,
    macro_audit,
    metrics_dict,
    row_audit,
    side_warnings,
)
from calibaudit.analysis.estimates import (
    METRICS,
    Change,
    Estimates,
    change_estimates,
    estimate,
    exists,
    finite,
    mean_estimates,
    mean_permuted,
    permuted_changes,
)
from calibaudit.analysis.samples import Row, task_row
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.resampling import holm
from calibaudit.scores.align import check_one_model, overall_order, paired
from calibaudit.scores.scores import ModelInfo, Scores


@dataclass(frozen=True, eq=False)
class TaskComparison:
    """Both models on one task. Pairs are (before, after). ece_p_holm: the ECE p-value adjusted over the tasks."""

    name: str
    version: str
    fingerprint: str
    n_items: int
    scoring: str
    chat_template: tuple[bool, bool]
    n_truncated: tuple[int, int]
    n_healed: tuple[int, int]
    before: Audit
    after: Audit
    change: Mapping[str, Change]
    ece_p_holm: float | None

    @property
    def label(self) -> str:
        """The task's name, with `(chat)` where a chat template stood around the prompt of either side."""
        return f"{self.name} (chat)" if any(self.chat_template) else self.name

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "n_items": self.n_items,
            "scoring": self.scoring,
            "chat_template": _sides(self.chat_template),
            "n_truncated": _sides(self.n_truncated),
            "n_healed": _sides(self.n_healed),
            "before": metrics_dict(self.before.metrics),
            "after": metrics_dict(self.after.metrics),
            "change": metrics_dict(self.change),
            "ece_p_holm": self.ece_p_holm,
            "reliability": _diagrams(self.before, self.after),
        }


@dataclass(frozen=True, eq=False)
class Overall:
    """All tasks together: `pooled` takes all items as one sample, `macro` is the mean of the tasks' values.

    n_tasks_with: how many tasks count for each metric. A macro value is the mean of the tasks where the metric exists
    on both sides; a pooled option_mass is that of the letter tasks.
    """

    before: Audit
    after: Audit
    change: Mapping[str, Change]
    n_items: int
    n_tasks: int
    n_tasks_with: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {
            "n_items": self.n_items,
            "n_tasks": self.n_tasks,
            "n_tasks_with": {name: self.n_tasks_with[name] for name in METRICS},
            "before": metrics_dict(self.before.metrics),
            "after": metrics_dict(self.after.metrics),
            "change": metrics_dict(self.change),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """What lies between two models on the same items. `after` may be the tuned sibling of `before`, or any model."""

    before: ModelInfo
    after: ModelInfo
    settings: Settings
    tasks: tuple[TaskComparison, ...]
    pooled: Overall
    macro: Overall
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the envelope (schema version, date) that `report.result_json` puts around it."""
        diagrams = {"reliability": _diagrams(self.pooled.before, self.pooled.after)}
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "settings": self.settings.to_dict(),
            "tasks": [task.to_dict() for task in self.tasks],
            "overall": {"pooled": {**self.pooled.to_dict(), **diagrams}, "macro": self.macro.to_dict()},
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False)
class _Side:
    """One model's rows and estimates, task by task."""

    scores: Sequence[Scores]
    rows: Sequence[Row]
    parts: Sequence[Estimates]


def compare(before: Sequence[Scores], after: Sequence[Scores], settings: Settings | None = None) -> Comparison:
    """Both models on the tasks they share.

    Raises ScoresError when the two sides do not hold the same items of the same tasks under the same scoring; how rows
    are paired: see `scores.align.paired`.
    """
    settings = settings or Settings()
    check_one_model(before)
    check_one_model(after)
    pairs = paired(before, after)
    keys = [(old.fingerprint, old.chat_template, new.chat_template) for old, new in pairs]
    order = overall_order(keys)
    left, right = (_side([pair[i] for pair in pairs], settings) for i in (0, 1))
    permuted = [permuted_changes([old], [new]) for old, new in zip(left.rows, right.rows, strict=True)]
    audits = [
        [
            row_audit(s.task, s.scoring, [r], e, settings)
            for s, r, e in zip(side.scores, side.rows, side.parts, strict=True)
        ]
        for side in (left, right)
    ]
    changes = [change_estimates(*sides, settings) for sides in zip(left.parts, right.parts, permuted, strict=True)]
    adjusted = holm([_or_nan(change["ece"].p_value) for change in changes])
    tasks = tuple(
        TaskComparison(
            name=old.task,
            version=old.version,
            fingerprint=old.fingerprint,
            n_items=old.n_items,
            scoring=old.scoring,
            chat_template=(old.chat_template, new.chat_template),
            n_truncated=(old.n_truncated, new.n_truncated),
            n_healed=(old.n_healed, new.n_healed),
            before=audits[0][i],
            after=audits[1][i],
            change=MappingProxyType(changes[i]),
            ece_p_holm=finite(adjusted[i]),
        )
        for i, (old, new) in enumerate(pairs)
    )
    return Comparison(
        before=left.scores[0].model,
        after=right.scores[0].model,
        settings=settings,
        tasks=tasks,
        pooled=_pooled(left, right, order, permuted, settings),
        macro=_macro(left, right, order, permuted, settings),
        warnings=tuple(_warnings(left, right, tasks)),
    )


def _side(scores: Sequence[Scores], settings: Settings) -> _Side:
    rows = [task_row(part, settings) for part in scores]
    return _Side(scores, rows, [estimate([row], settings) for row in rows])


def _pooled(
    left: _Side, right: _Side, order: Sequence[int], permuted: Sequence[Mapping[str, Any]], settings: Settings
) -> Overall:
    rows = [[side.rows[i] for i in order] for side in (left, right)]
    if len(order) == 1:
        sides, swapped = [left.parts[0], right.parts[0]], permuted[0]
    else:
        sides, swapped = [estimate(part, settings) for part in rows], permuted_changes(*rows)
    scoring = joined_scoring(left.scores)
    before, after = (row_audit("pooled", scoring, *part, settings) for part in zip(rows, sides, strict=True))
    with_mass = sum(part.option_mass is not None for part in left.scores)
    n_tasks_with = {name: with_mass if name == "option_mass" else len(order) for name in METRICS}
    change = MappingProxyType(change_estimates(sides[0], sides[1], swapped, settings))
    return Overall(before, after, change, before.n_items, len(order), MappingProxyType(n_tasks_with))


def _macro(
    left: _Side, right: _Side, order: Sequence[int], permuted: Sequence[Mapping[str, Any]], settings: Settings
) -> Overall:
    parts = [[side.parts[i] for i in order] for side in (left, right)]
    used = {name: [all(exists(part, name) for part in pair) for pair in zip(*parts, strict=True)] for name in METRICS}
    sides = [mean_estimates(part, used) for part in parts]
    change = change_estimates(sides[0], sides[1], mean_permuted([permuted[i] for i in order], used), settings)
    scoring, n_items = joined_scoring(left.scores), sum(part.n_items for part in left.scores)
    before, after = (macro_audit(scoring, n_items, side, settings) for side in sides)
    n_tasks_with = MappingProxyType({name: sum(used[name]) for name in METRICS})
    return Overall(before, after, MappingProxyType(change), n_items, len(order), n_tasks_with)


def _warnings(left: _Side, right: _Side, tasks: Sequence[TaskComparison]) -> list[str]:
    found = side_warnings(left.scores, [task.before for task in tasks], "before: ")
    found += side_warnings(right.scores, [task.after for task in tasks], "after: ")
    word = {False: "off", True: "on"}
    mixed = [
        f"{task.name}: {word[task.chat_template[0]]} before, {word[task.chat_template[1]]} after"
        for task in tasks
        if task.chat_template[0] != task.chat_template[1]
    ]
    if mixed:
        found.append(
            f"the chat template is on one side only ({listed(mixed)}): the template alone can move confidence; use "
            "--chat-template off for the same prompt"
        )
    old, new = left.scores[0].model, right.scores[0].model
    if old.dtype != new.dtype:
        found.append(f"the dtype differs ({old.dtype} before, {new.dtype} after): rounding alone can move confidence")
    floored = [task.label for task in tasks if task.before.within_floor and task.after.within_floor]
    if floored:
        found.append(
            f"on both sides the ECE is no larger than a perfectly calibrated model's could be ({listed(floored)}): "
            "ECE has nothing to compare there, or too few items to see it"
        )
    return found + few_items_warning([(task.label, task.n_items) for task in tasks])


def _diagrams(before: Audit, after: Audit) -> dict[str, Any]:
    return {
        name: None if side.reliability is None else side.reliability.to_dict()
        for name, side in (("before", before), ("after", after))
    }


def _sides(pair: tuple[Any, Any]) -> dict[str, Any]:
    return {"before": pair[0], "after": pair[1]}


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
