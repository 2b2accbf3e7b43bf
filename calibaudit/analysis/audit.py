"""Scores -> Audit: every metric of one model on one task, with its interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.by_level import LevelRow, audit_by_level
from calibaudit.analysis.estimates import METRICS, Change, Interval, finite
from calibaudit.analysis.in_short import SIDE_HEADS, named, side_facts, side_row, side_rows
from calibaudit.analysis.inference import Levels, levels
from calibaudit.analysis.samples import Items, items_of, rows_of
from calibaudit.analysis.settings import Settings, checked_settings
from calibaudit.analysis.side_warnings import few_items_warning, side_warnings
from calibaudit.analysis.thinking import ThinkingEffect, thinking_effect
from calibaudit.errors import ScoresError
from calibaudit.figures.axes import plot_confidence, plot_reliability
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.files.shown.kept import ReadOnly
from calibaudit.files.shown.numbers import number, p_text
from calibaudit.metrics import reliability
from calibaudit.scores.align import check_one_model, overall_order, score_list, unseen_doublings
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.scores import ModelInfo, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Reliability(Shown):
    """A reliability diagram's data. edges (bins + 1,); count, confidence, accuracy (bins,), NaN in empty bins."""

    edges: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            getattr(self, field.name).setflags(write=False)

    def _card(self) -> Card:
        rows = [
            (f"{number(low, 2)} to {number(high, 2)}", f"{n:,}", number(float(c)), number(float(a)))
            for low, high, n, c, a in zip(
                self.edges[:-1], self.edges[1:], self.count, self.confidence, self.accuracy, strict=True
            )
            if n
        ]
        facts = (count(len(self.count), "bin"), count(int(self.count.sum()), "item"))
        return Card("Reliability", "", facts, ("confidence in", "items", "mean confidence", "accuracy"), tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists; None in empty bins, whole numbers as counts."""
        return {
            "edges": self.edges.tolist(),
            "count": self.count.tolist(),
            "confidence": [finite(x) for x in self.confidence],
            "accuracy": [finite(x) for x in self.accuracy],
        }


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Shown):
    """One model on one task, or overall. `metrics` has every key of METRICS in that order; a value of None
    inside an Interval says that it does not exist there (option_mass of a cloze task, auroc with one class).
    n_items: different items; one that was asked twice, under two scorings or templates, counts once.
    reliability: None for a mean over tasks, which has no single diagram; its counts are of answers.

    ece is without the noise's share; ece_plugin, as papers print it, is to be read beside ece_floor: what a perfectly
    calibrated model with these confidences shows on average, its low and high what such a model shows in the middle
    `level` of cases. calibrated_p: of `this model is calibrated`; None for a mean over tasks or too little evidence.
    """

    task: str
    scoring: str
    n_items: int
    metrics: Mapping[str, Interval]
    reliability: Reliability | None
    calibrated_p: float | None = None

    def _card(self) -> Card:
        facts = (count(self.n_items, "item"), self.scoring)
        found = self.calibrated_p
        notes = () if found is None else (f"A calibrated model would look as wrong with {p_text(found)}.",)
        heads = (", ".join(facts), "value", "interval")
        return Card("Audit", self.task, (*facts, *side_facts(self.metrics)), heads, side_rows(self.metrics), 0, notes)

    @property
    def within_floor(self) -> bool:
        """Is the plug-in ECE one that a perfectly calibrated model with these confidences would often show?"""
        ece, floor = self.metrics["ece_plugin"].value, self.metrics["ece_floor"].high
        return ece is not None and floor is not None and ece <= floor

    def plot_reliability(
        self, ax: Axes | None = None, *, label: str | None = None, color: Any = None, level: float = 0.95
    ) -> Axes:
        """The reliability diagram: accuracy at each confidence, with the 95 % Wilson interval of each bin.

        ax: matplotlib axes to draw into, several audits one after the other if you like; None: those of a new pyplot
        figure. label: the legend's, instead of the task's name. color: any that matplotlib knows. level: of the
        intervals, in (0, 1). Bins of fewer than 10 items are hollow marks off the line. Returns the axes.
        Raises ScoresError for a mean over tasks, which has no diagram.
        """
        sides = [(self.task if label is None else label, self._diagram())]
        return plot_reliability(sides, level, ax, color=color)

    def plot_confidence(self, ax: Axes | None = None) -> Axes:
        """How many items have each confidence, right and wrong answers apart. ax, errors: as `plot_reliability`."""
        return plot_confidence(self._diagram(), ax)

    def _diagram(self) -> Reliability:
        if self.reliability is None:
            raise ScoresError(f"{self.task}: a mean over tasks has no reliability diagram; draw `pooled`, or one task")
        return self.reliability

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "task": self.task,
            "scoring": self.scoring,
            "n_items": self.n_items,
            "metrics": metrics_dict(self.metrics),
            "calibrated_p": self.calibrated_p,
            "reliability": _diagram(self),
        }


def metrics_dict(metrics: Mapping[str, Interval | Change]) -> dict[str, dict[str, float | None]]:
    """Plain dictionaries in the order of METRICS."""
    return {name: dataclasses.asdict(metrics[name]) for name in METRICS}


@dataclass(frozen=True, eq=False, repr=False)
class TaskAudit(Shown):
    """An Audit and what was audited. n_truncated, n_healed, n_moved, prompt, chance: see Scores."""

    name: str
    version: str
    fingerprint: str
    chat_template: bool
    n_truncated: int
    n_healed: int
    audit: Audit
    n_moved: int = 0
    prompt: PromptFormat | None = None
    chance: float | None = None

    @property
    def n_items(self) -> int:
        return self.audit.n_items

    @property
    def scoring(self) -> str:
        return self.audit.scoring

    @property
    def label(self) -> str:
        return f"{self.name} (chat)" if self.chat_template else self.name

    def _card(self) -> Card:
        return dataclasses.replace(self.audit._card(), kind="TaskAudit", subject=self.label)


@dataclass(frozen=True, eq=False, repr=False)
class ModelAudit(Shown):
    """One model on its tasks. pooled: all items as one sample; macro: the mean of the tasks' values.

    n_tasks_with: of how many tasks each macro value is the mean, because not every metric exists on every task.
    thinking: what thinking before the answers did; None where they are direct.
    by_level: the easiest first; none where the task files say no level.
    """

    model: ModelInfo
    settings: Settings
    tasks: tuple[TaskAudit, ...]
    pooled: Audit
    macro: Audit
    n_tasks_with: Mapping[str, int]
    warnings: tuple[str, ...]
    thinking: ThinkingEffect | None = None
    by_level: tuple[LevelRow, ...] = ()

    def _card(self) -> Card:
        rows = [side_row(task.label, task.n_items, task.audit.metrics) for task in self.tasks]
        n_items, whole = self.pooled.n_items, 0
        if len(rows) > 1:
            whole = 2
            rows += [side_row(f"all ({name})", n_items, getattr(self, name).metrics) for name in ("pooled", "macro")]
        facts = (count(len(self.tasks), "task"), count(n_items, "item"), *side_facts(self.pooled.metrics))
        facts += (count(len(self.warnings), "warning"),) if self.warnings else ()
        return Card("ModelAudit", self.model.name, facts, SIDE_HEADS, tuple(rows), whole, self.warnings)

    def plot_reliability(self, ax: Axes | None = None, *, task: str | None = None) -> Axes:
        """The reliability diagram of all items pooled, or of one task; the rest as `Audit.plot_reliability`.

        task: its name or label. Raises ScoresError for one that was not audited.
        """
        audit = self.pooled if task is None else named(self.tasks, task).audit
        return audit.plot_reliability(ax, label=self.model.name, level=self.settings.level)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the envelope (schema version, date) that `report.result_json` puts around it."""
        return {
            "model": self.model.to_dict(),
            "settings": self.settings.to_dict(),
            "tasks": [
                {
                    "name": task.name,
                    "version": task.version,
                    "fingerprint": task.fingerprint,
                    "n_items": task.n_items,
                    "chance": task.chance,
                    "scoring": task.scoring,
                    "chat_template": task.chat_template,
                    "n_truncated": task.n_truncated,
                    "n_healed": task.n_healed,
                    "n_moved": task.n_moved,
                    "prompt": None if task.prompt is None else task.prompt.to_dict(),
                    "metrics": metrics_dict(task.audit.metrics),
                    "calibrated_p": task.audit.calibrated_p,
                    "reliability": _diagram(task.audit),
                }
                for task in self.tasks
            ],
            "overall": {
                "pooled": {**self._overall(self.pooled), "reliability": _diagram(self.pooled)},
                "macro": self._overall(self.macro),
            },
            "warnings": list(self.warnings),
            "thinking": None if self.thinking is None else self.thinking.to_dict(),
            "by_level": [row.to_dict() for row in self.by_level],
        }

    def _overall(self, audit: Audit) -> dict[str, Any]:
        with_mass = sum(task.scoring == "letter" for task in self.tasks)
        pooled = {name: with_mass if name == "option_mass" else len(self.tasks) for name in METRICS}
        p_value = {"calibrated_p": audit.calibrated_p} if audit is self.pooled else {}
        return {
            "n_items": audit.n_items,
            "n_tasks": len(self.tasks),
            "n_tasks_with": pooled if audit is self.pooled else dict(self.n_tasks_with),
            "metrics": metrics_dict(audit.metrics),
            **p_value,
        }


def audit(scores: Scores, settings: Settings | None = None) -> Audit:
    """Every metric of one model on one task, with its interval; of several tasks: `audit_model`.

    settings: bins, level of the intervals, seed. Raises ScoresError when the scores are unusable.
    """
    settings = checked_settings(settings)
    if not isinstance(scores, Scores):
        raise ScoresError(f"audit takes one task's Scores, not {type(scores).__name__}: for several, audit_model(...)")
    items = items_of(rows_of([scores], settings))
    return items_audit(scores.task, scores.scoring, items, levels(items, settings), settings)


def audit_model(scores: Scores | Sequence[Scores], settings: Settings | None = None) -> ModelAudit:
    """Every metric of one model on each of its tasks, on all items pooled, and in the mean over tasks.

    scores: of one task, or of several. settings: bins, level of the intervals, seed. Raises ScoresError when there is
    nothing to audit, the scores are of several models, or a task stands there twice.
    """
    settings, scores = checked_settings(settings), score_list(scores)
    check_one_model(scores)
    rows = rows_of(scores, settings)
    single = [items_of([row]) for row in rows]
    audits = [
        items_audit(part.task, part.scoring, items, levels(items, settings), settings)
        for part, items in zip(scores, single, strict=True)
    ]
    order = overall_order([(part.fingerprint, part.chat_template) for part in scores])
    pooled = single[0] if len(rows) == 1 else items_of([rows[i] for i in order])
    macro = pooled.as_macro()
    macro_levels = levels(macro, settings)
    scoring = joined_scoring(scores)
    return ModelAudit(
        model=scores[0].model,
        settings=settings,
        tasks=tuple(
            TaskAudit(
                part.task,
                part.version,
                part.fingerprint,
                part.chat_template,
                part.n_truncated,
                part.n_healed,
                result,
                part.n_moved,
                part.prompt,
                part.chance,
            )
            for part, result in zip(scores, audits, strict=True)
        ),
        pooled=items_audit("pooled", scoring, pooled, levels(pooled, settings), settings),
        macro=items_audit("macro", scoring, macro, macro_levels, settings),
        n_tasks_with=ReadOnly(macro_levels.n_tasks_with),
        warnings=(
            *side_warnings(scores, masses(audits)),
            *few_items_warning([(part.label, part.n_items) for part in scores]),
            *filter(None, [unseen_doublings(scores)]),
        ),
        thinking=thinking_effect(scores, settings.n_bins),
        by_level=audit_by_level([scores[i] for i in order], settings),
    )


def items_audit(task: str, scoring: str, items: Items, found: Levels, settings: Settings) -> Audit:
    """The Audit of one side's items."""
    diagram = None
    if not items.macro:
        bins = reliability(items.whole.confidence, items.whole.correct, n_bins=settings.n_bins)
        diagram = Reliability(bins.edges, bins.count, bins.confidence, bins.accuracy)
    return Audit(task, scoring, items.n_items, ReadOnly(found.metrics), diagram, found.calibrated_p)


def masses(audits: Sequence[Audit]) -> list[float | None]:
    """Of each, the mean probability on the options."""
    return [audit.metrics["option_mass"].value for audit in audits]


def joined_scoring(scores: Sequence[Scores]) -> str:
    """`cloze + letter`: every scoring there is, by name."""
    return " + ".join(sorted({part.scoring for part in scores}))


def _diagram(audit: Audit) -> dict[str, Any] | None:
    return None if audit.reliability is None else audit.reliability.to_dict()
