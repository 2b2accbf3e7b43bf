"""The diagrams of a report as parts of its page, each with a sentence for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibaudit.analysis.audit import Audit, ModelAudit, Reliability
from calibaudit.analysis.compare import Comparison
from calibaudit.figures import draw
from calibaudit.figures.svg import inline_svg
from calibaudit.files.text import one_line
from calibaudit.report.document.task_tables import MANY, most_changed
from calibaudit.report.figures.choose import change_panels, sides_of
from calibaudit.report.words.prompts import row_names
from calibaudit.report.words.text import number, short_names, signed

Sides = Sequence[tuple[str, Reliability]]


@dataclass(frozen=True)
class TaskDiagram:
    """ece: before and after, or of one model."""

    name: str
    n_items: int
    ece: str
    svg: str


def reliability(name: str, sides: Sides, level: float, *, small: bool = False) -> str:
    """name: stands in the ids. Empty where nothing can be drawn."""
    if not sides:
        return ""
    label = f"Reliability diagram of {_named(sides)}: accuracy at each confidence."
    figure = draw.draw_reliability(sides, level, width=300 if small else 360, legend=not small)
    return inline_svg(figure, f"reliability-{name}", label)


def confidence(sides: Sides) -> str:
    if not sides:
        return ""
    label = f"Histograms of the confidence of {_named(sides)}, right and wrong answers apart."
    return inline_svg(draw.draw_confidence(sides), "confidence", label)


def changes(comparison: Comparison) -> list[str]:
    """The forest plots, of all items pooled and the tasks of `most_changed`."""
    names = " → ".join(one_line(name, 60) for name in short_names(comparison.before.name, comparison.after.name))
    found: list[str] = []
    for panel in change_panels(comparison, most_changed(comparison.tasks)):
        rows = panel.rows
        moved = "; ".join(f"{one_line(name, 40)} {signed(change.value, panel.digits)}" for name, change, _ in rows[:8])
        label = f"{panel.title}, {names}: {moved}{' and more' if len(rows) > 8 else ''}."
        found.append(inline_svg(draw.draw_changes(panel, width=300), f"changes-{len(found)}", label))
    return found


def of_tasks(result: Comparison | ModelAudit, names: Sequence[str]) -> list[TaskDiagram]:
    """A small diagram a task, where there are several: the page's first diagram is the only task's own."""
    if len(result.tasks) < 2:
        return []
    entries: list[tuple[str, int, Sequence[Audit]]]
    if isinstance(result, Comparison):
        entries = [(name, task.n_items, (task.before, task.after)) for name, task in most_changed(result.tasks)]
    else:
        tasks = list(zip(row_names(result.tasks), result.tasks, strict=True))
        if len(tasks) > MANY:
            tasks = sorted(tasks, key=lambda task: -(task[1].audit.metrics["ece"].value or 0.0))[:MANY]
        entries = [(name, task.n_items, (task.audit,)) for name, task in tasks]
    return [
        TaskDiagram(
            name,
            n_items,
            " → ".join(number(audit.metrics["ece"].value) for audit in audits),
            reliability(f"task-{i}", sides_of(names, audits), result.settings.level, small=True),
        )
        for i, (name, n_items, audits) in enumerate(entries)
    ]


def _named(sides: Sides) -> str:
    return " and ".join(one_line(name, 60) for name, _ in sides)
