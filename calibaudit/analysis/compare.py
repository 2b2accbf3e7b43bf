"""Two models' Scores -> Comparison: both audits, the paired changes, and what a reader must know about them.

How intervals and p-values are made: `analysis.inference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibaudit.analysis.audit import Audit, items_audit, joined_scoring, masses, metrics_dict
from calibaudit.analysis.by_level import LevelRow, compare_by_level
from calibaudit.analysis.estimates import METRICS, Change, finite
from calibaudit.analysis.in_short import metric_name, named, paired_card, task_heads, task_row
from calibaudit.analysis.inference import compared
from calibaudit.analysis.samples import Items, items_of, rows_of
from calibaudit.analysis.settings import Settings, checked_settings
from calibaudit.analysis.side_warnings import few_items_warning, listed, prompt_warnings, side_warnings
from calibaudit.analysis.thinking import ThinkingEffect, thinking_effect
from calibaudit.errors import ScoresError
from calibaudit.figures.axes import plot_changes, plot_reliability
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.files.shown.kept import ReadOnly
from calibaudit.files.shown.numbers import number
from calibaudit.metrics.inference.multiple_tests import holm
from calibaudit.scores.align import check_one_model, overall_order, paired, score_list, unseen_doublings
from calibaudit.scores.names import short_names
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.scores import ModelInfo, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class TaskComparison(Shown):
    """Both models on one task. Pairs are (before, after), prompts as in Scores.

    ece_p_holm: the ECE p-value adjusted over the tasks. chance: the accuracy of guessing; None in older results.
    """

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
    n_moved: tuple[int, int] = (0, 0)
    prompts: tuple[PromptFormat | None, PromptFormat | None] = (None, None)
    chance: float | None = None

    @property
    def label(self) -> str:
        """The task's name, with `(chat)` where a chat template stood around the prompt of either side."""
        return f"{self.name} (chat)" if any(self.chat_template) else self.name

    def _card(self) -> Card:
        return paired_card("TaskComparison", self.label, self)

    def is_significant(self, metric: str, alpha: float) -> bool:
        """Of its change: of ECE by the p-value adjusted over the tasks (Holm), else where the interval leaves 0 out."""
        if metric == "ece":
            return self.ece_p_holm is not None and self.ece_p_holm < alpha
        change = self.change[metric]
        return change.low is not None and change.high is not None and not change.low <= 0 <= change.high

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "n_items": self.n_items,
            "chance": self.chance,
            "scoring": self.scoring,
            "chat_template": _sides(self.chat_template),
            "n_truncated": _sides(self.n_truncated),
            "n_healed": _sides(self.n_healed),
            "n_moved": _sides(self.n_moved),
            "prompt": _sides(_dicts(*self.prompts)),
            "before": metrics_dict(self.before.metrics),
            "after": metrics_dict(self.after.metrics),
            "change": metrics_dict(self.change),
            "ece_p_holm": self.ece_p_holm,
            "calibrated_p": _sides((self.before.calibrated_p, self.after.calibrated_p)),
            "reliability": _diagrams(self.before, self.after),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Overall(Shown):
    """All tasks together: `pooled` takes all items as one sample, `macro` is the mean of the tasks' values.

    n_items: different items; one that was asked twice, under two scorings or templates, counts once.

    n_tasks_with: how many tasks count for each metric. A macro value is the mean of the tasks where the metric exists
    on both sides; a pooled option_mass is that of the letter tasks.
    """

    before: Audit
    after: Audit
    change: Mapping[str, Change]
    n_items: int
    n_tasks: int
    n_tasks_with: Mapping[str, int]

    def _card(self) -> Card:
        return paired_card("Overall", count(self.n_tasks, "task"), self)

    def is_significant(self, metric: str, alpha: float) -> bool:
        """Of its change, by its p-value."""
        p_value = self.change[metric].p_value
        return p_value is not None and p_value < alpha

    def to_dict(self) -> dict[str, Any]:
        return {
            "n_items": self.n_items,
            "n_tasks": self.n_tasks,
            "n_tasks_with": {name: self.n_tasks_with[name] for name in METRICS},
            "before": metrics_dict(self.before.metrics),
            "after": metrics_dict(self.after.metrics),
            "change": metrics_dict(self.change),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """What lies between two models on the same items. `after` may be the tuned sibling of `before`, or any model.

    thinking: of both, what thinking before the answers did; None where they are direct.
    by_level: the easiest first; none where the task files say no level.
    """

    before: ModelInfo
    after: ModelInfo
    settings: Settings
    tasks: tuple[TaskComparison, ...]
    pooled: Overall
    macro: Overall
    warnings: tuple[str, ...]
    thinking: tuple[ThinkingEffect | None, ThinkingEffect | None] = (None, None)
    by_level: tuple[LevelRow, ...] = ()

    def _card(self) -> Card:
        level, alpha = self.settings.level, self.settings.alpha
        rows = [task_row(task.label, task, task.ece_p_holm, alpha) for task in self.tasks]
        whole = [
            task_row(f"all ({name})", part, part.change["ece"].p_value, alpha)
            for name, part in (("pooled", self.pooled), ("macro", self.macro))
            if len(rows) > 1
        ]
        facts = (count(len(rows), "task"), *paired_card("", "", self.pooled).facts)
        facts += (count(len(self.warnings), "warning"),) if self.warnings else ()
        star = f"* p < {number(alpha, 2)}{' after Holm over the tasks' if whole else ''}"
        names = self.before.name, self.after.name
        return Card("Comparison", names, facts, task_heads(level), (*rows, *whole), len(whole), (star, *self.warnings))

    def plot_reliability(self, ax: Axes | None = None, *, task: str | None = None) -> Axes:
        """Both models' reliability diagram over all items pooled, or on one task: as `Audit.plot_reliability`.

        ax: matplotlib axes to draw into; None: those of a new pyplot figure. task: its name or label. Returns the axes.
        Raises ScoresError for a task that was not compared.
        """
        part = self.pooled if task is None else named(self.tasks, task)
        names = self.before.name, self.after.name
        if names[0] == names[1]:
            names = f"{names[0]} (before)", f"{names[1]} (after)"
        found = [
            (name, side.reliability)
            for name, side in zip(names, (part.before, part.after), strict=True)
            if side.reliability is not None
        ]
        return plot_reliability(found, self.settings.level, ax)

    def plot_changes(self, metric: str = "ece", ax: Axes | None = None) -> Axes:
        """A forest plot: the change of a metric on each task and over all items pooled, with its interval.

        metric: a key of `pooled.change`, in its own unit. Filled marks are significant (`changes`). ax: matplotlib axes
        to draw into, below what an earlier call drew there; None: those of a new pyplot figure. Returns the axes.
        Raises ScoresError for an unknown metric, and for one that has no change: ece_floor, brier_uncertainty, or what
        has no value on these tasks.
        """
        rows = self.changes(metric)
        if metric in _NO_CHANGE:
            raise ScoresError(f"{metric} is not a property of a model, so its change says nothing; plot another metric")
        if all(change.value is None for _, change, _ in rows):
            raise ScoresError(f"{metric} has no value on these tasks, so there is no change to plot")
        return plot_changes(rows, f"Change in {metric_name(metric)}", ax)

    def changes(self, metric: str = "ece") -> list[tuple[str, Change, bool]]:
        """(label, change, whether it is significant) of all items pooled, where there are several tasks, and of each.

        Significant: ECE by the p-value adjusted over the tasks (Holm), the others where the interval leaves 0 out; all
        items pooled by their p-value. Raises ScoresError for an unknown metric.
        """
        if metric not in METRICS:
            raise ScoresError(f"unknown metric {metric!r}; the metrics are {', '.join(METRICS)}")
        parts: list[tuple[str, TaskComparison | Overall]] = [(task.label, task) for task in self.tasks]
        if len(parts) > 1:
            parts.insert(0, ("all (pooled)", self.pooled))
        return [(name, part.change[metric], part.is_significant(metric, self.settings.alpha)) for name, part in parts]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the envelope (schema version, date) that `report.result_json` puts around it."""
        before, after = self.pooled.before, self.pooled.after
        diagrams = {
            "calibrated_p": _sides((before.calibrated_p, after.calibrated_p)),
            "reliability": _diagrams(before, after),
        }
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "settings": self.settings.to_dict(),
            "tasks": [task.to_dict() for task in self.tasks],
            "overall": {"pooled": {**self.pooled.to_dict(), **diagrams}, "macro": self.macro.to_dict()},
            "warnings": list(self.warnings),
            "thinking": _sides(_dicts(*self.thinking)),
            "by_level": [row.to_dict() for row in self.by_level],
        }


def compare(
    before: Scores | Sequence[Scores], after: Scores | Sequence[Scores], settings: Settings | None = None
) -> Comparison:
    """Both models on the tasks they share: `after` less `before`, paired item by item.

    before, after: one task's scores, or several tasks'. settings: bins, level of the intervals, seed.
    Raises ScoresError when the two sides do not hold the same items of the same tasks under the same scoring; how rows
    are paired: see `scores.align.paired`.
    """
    settings = checked_settings(settings)
    before, after = score_list(before, "before"), score_list(after, "after")
    check_one_model(before)
    check_one_model(after)
    pairs = paired(before, after)
    order = overall_order([(old.fingerprint, old.chat_template, new.chat_template) for old, new in pairs])
    sides = [[pair[i] for pair in pairs] for i in (0, 1)]
    left, right = (rows_of(side, settings, also) for side, also in (sides, sides[::-1]))
    parts = [
        _overall(old.task, old.scoring, items_of([was]), items_of([now]), settings)
        for (old, _), was, now in zip(pairs, left, right, strict=True)
    ]
    adjusted = holm([_or_nan(part.change["ece"].p_value) for part in parts])
    tasks = tuple(
        TaskComparison(
            name=old.task,
            version=old.version,
            fingerprint=old.fingerprint,
            n_items=part.n_items,
            scoring=old.scoring,
            chat_template=(old.chat_template, new.chat_template),
            n_truncated=(old.n_truncated, new.n_truncated),
            n_healed=(old.n_healed, new.n_healed),
            before=part.before,
            after=part.after,
            change=part.change,
            ece_p_holm=finite(adjusted[i]),
            n_moved=(old.n_moved, new.n_moved),
            prompts=(old.prompt, new.prompt),
            chance=old.chance,
        )
        for i, ((old, new), part) in enumerate(zip(pairs, parts, strict=True))
    )
    scoring = joined_scoring([old for old, _ in pairs])
    was, now = (items_of([rows[i] for i in order]) for rows in (left, right))
    return Comparison(
        before=before[0].model,
        after=after[0].model,
        settings=settings,
        tasks=tasks,
        pooled=_overall("pooled", scoring, was, now, settings),
        macro=_overall("macro", scoring, was.as_macro(), now.as_macro(), settings),
        warnings=tuple(_warnings(sides, tasks)),
        thinking=(thinking_effect(sides[0], settings.n_bins), thinking_effect(sides[1], settings.n_bins)),
        by_level=compare_by_level(*_ordered(sides, order), settings),
    )


_NO_CHANGE = ("ece_floor", "brier_uncertainty")
"""What chance shows of a calibrated model, and how mixed the answers are: neither is an error that tuning changes."""


def _ordered(sides: Sequence[Sequence[Scores]], order: Sequence[int]) -> tuple[list[Scores], list[Scores]]:
    before, after = sides
    return [before[i] for i in order], [after[i] for i in order]


def _overall(name: str, scoring: str, before: Items, after: Items, settings: Settings) -> Overall:
    left, right, change = compared(before, after, settings)
    return Overall(
        before=items_audit(name, scoring, before, left, settings),
        after=items_audit(name, scoring, after, right, settings),
        change=ReadOnly(change),
        n_items=before.n_items,
        n_tasks=len(before.rows),
        n_tasks_with=ReadOnly(left.n_tasks_with),
    )


def _warnings(sides: Sequence[Sequence[Scores]], tasks: Sequence[TaskComparison]) -> list[str]:
    old_side, new_side = (
        side_warnings(side, masses(audits))
        for side, audits in zip(sides, ([t.before for t in tasks], [t.after for t in tasks]), strict=True)
    )
    before, after = short_names(sides[0][0].model.name, sides[1][0].model.name)
    found = [f"{'both' if text in new_side else before}: {text}" for text in old_side]
    found += [f"{after}: {text}" for text in new_side if text not in old_side]
    found += prompt_warnings(list(zip(*sides, strict=True)))
    other = [a.label for a, b in zip(*sides, strict=True) if None not in (a.levels, b.levels) and a.levels != b.levels]
    if other:
        found.append(f"the items' levels differ between the two sides ({listed(other)}); those before are shown")
    old, new = sides[0][0].model, sides[1][0].model
    if old.dtype != new.dtype:
        found.append(f"the dtype differs ({old.dtype} before, {new.dtype} after): rounding alone can move confidence")
    found += few_items_warning([(task.label, task.n_items) for task in tasks])
    unseen = unseen_doublings([*sides[0], *sides[1]])
    return found if unseen is None else [*found, unseen]


def _diagrams(before: Audit, after: Audit) -> dict[str, Any]:
    return {
        name: None if side.reliability is None else side.reliability.to_dict()
        for name, side in (("before", before), ("after", after))
    }


def _dicts(
    before: PromptFormat | ThinkingEffect | None, after: PromptFormat | ThinkingEffect | None
) -> tuple[Any, Any]:
    return None if before is None else before.to_dict(), None if after is None else after.to_dict()


def _sides(pair: tuple[Any, Any]) -> dict[str, Any]:
    return {"before": pair[0], "after": pair[1]}


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
