"""Which figure shows what of a result: the diagrams that a file of their own can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibaudit.analysis.audit import Audit, Reliability
from calibaudit.analysis.compare import Comparison, Overall, TaskComparison
from calibaudit.figures import draw
from calibaudit.report.result_json import is_repair, repair_proof
from calibaudit.report.saved import audit_of, comparison_of, is_comparison
from calibaudit.report.words.prompts import row_names
from calibaudit.report.words.text import short_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANGES = {
    "ece": ("Change in ECE", ("better", "worse")),
    "gap": ("Change in the gap", ("less sure", "surer")),
    "accuracy": ("Change in accuracy", ("worse", "better")),
}
"""Of each metric its forest plot's title, and what a change below zero means and one above."""


def diagram_of(result: Mapping[str, Any], name: str, source: str = "the result") -> Figure:
    """The diagram `reliability`, `confidence` or `changes` of a result.

    Of a repair they are of the models before and after it. One model has no changes to draw.
    Raises ScoresError naming `source` when it is not a whole result, or of a repair where nothing was repaired.
    """
    if is_repair(result):
        result = repair_proof(result, source)
    if is_comparison(result):
        comparison = comparison_of(result, source)
        if name == "changes":
            return draw.draw_all_changes(
                change_panels(comparison), short_names(comparison.before.name, comparison.after.name)
            )
        names: Sequence[str] = short_names(comparison.before.name, comparison.after.name)
        sides, level = (comparison.pooled.before, comparison.pooled.after), comparison.settings.level
        return _drawn(name, sides_of(names, sides), level)
    audit = audit_of(result, source)
    return _drawn(name, sides_of(short_names(audit.model.name, "")[:1], (audit.pooled,)), audit.settings.level)


def sides_of(names: Sequence[str], audits: Sequence[Audit]) -> list[tuple[str, Reliability]]:
    """The diagrams' data with the models' names."""
    pairs = zip(names, audits, strict=True)
    return [(name, audit.reliability) for name, audit in pairs if audit.reliability is not None]


def change_panels(
    comparison: Comparison, tasks: Sequence[tuple[str, TaskComparison]] | None = None
) -> list[draw.Panel]:
    """The forest plots, one a metric of CHANGES: all items pooled first, then the tasks, with their names.

    tasks: which, and what they are called; None for all.
    """
    if tasks is None:
        tasks = list(zip(row_names(comparison.tasks), comparison.tasks, strict=True))
    parts: list[tuple[str, TaskComparison | Overall]] = list(tasks)
    if len(comparison.tasks) > 1:
        parts.insert(0, ("all (pooled)", comparison.pooled))
    alpha = comparison.settings.alpha
    return [
        draw.Panel(title, [(name, part.change[key], part.is_significant(key, alpha)) for name, part in parts], 3, ends)
        for key, (title, ends) in CHANGES.items()
    ]


def _drawn(name: str, sides: list[tuple[str, Reliability]], level: float) -> Figure:
    return draw.draw_confidence(sides) if name == "confidence" else draw.draw_reliability(sides, level)
