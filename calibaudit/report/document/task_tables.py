"""The tables with a row a task or a level: all tasks together first; of many tasks, in groups by what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison, TaskComparison
from calibaudit.analysis.estimates import Change
from calibaudit.report.document.tables import Head, Row, Table, p_cell
from calibaudit.report.words.findings import lean
from calibaudit.report.words.prompts import row_names
from calibaudit.report.words.text import NOTHING, bounds, number, signed

MANY = 24
"""Of more tasks there are groups, the largest change first, and diagrams only of those whose ECE changed most."""
OPEN = 10
"""Of each group so many stand at once, the rest unfolds; of groups after the first with a finding all does."""
_TWO_DIGITS = frozenset({"accuracy", "gap", "brier", "temperature"})


@dataclass(frozen=True)
class Group:
    """Tasks with one finding. title: the finding, and of how many tasks. open: whether its rows are seen at once."""

    title: str
    open: bool
    table: Table


def task_rows(result: Comparison | ModelAudit) -> Table:
    """The table of two models, or of one."""
    return comparison_rows(result) if isinstance(result, Comparison) else audit_rows(result)


def comparison_rows(comparison: Comparison) -> Table:
    """All items pooled and the mean of the tasks, where there are several; then one row a task."""
    settings, tasks = comparison.settings, comparison.tasks
    heads = (
        Head("", ("Items",)),
        Head("Accuracy", ("was", "now", "change")),
        Head("ECE", ("was", "now", "change", f"{settings.level * 100:g} % interval", "p (Holm)")),
        Head("Gap", ("was", "now", "change")),
        Head("Brier", ("was", "now")),
    )
    rows = []
    if len(tasks) > 1:
        pooled = ("all (pooled)", f"{comparison.pooled.n_items:,}", comparison.pooled)
        macro = ("all (macro)", f"{len(tasks)} tasks", comparison.macro)
        for name, n, overall in (pooled, macro):
            p_value = overall.change["ece"].p_value
            rows.append(
                _row(name, n, overall.before, overall.after, overall.change, p_value, settings.alpha, whole=True)
            )
    rows += [
        _row(name, f"{task.n_items:,}", task.before, task.after, task.change, task.ece_p_holm, settings.alpha)
        for name, task in zip(row_names(tasks), tasks, strict=True)
    ]
    return Table(heads, tuple(rows))


def audit_rows(audit: ModelAudit) -> Table:
    """The same of one model; intervals of what an audit is about."""
    heads = (
        Head("", ("Items",)),
        Head("Accuracy", ("value", "interval")),
        Head("ECE", ("value", "interval", "plug-in", "floor")),
        Head("Gap", ("value", "interval")),
        Head("", ("Brier", "AUROC", "Temperature")),
    )
    entries = []
    if len(audit.tasks) > 1:
        entries = [
            ("all (pooled)", f"{audit.pooled.n_items:,}", audit.pooled, True),
            ("all (macro)", f"{len(audit.tasks)} tasks", audit.macro, True),
        ]
    names = row_names(audit.tasks)
    entries += [(name, f"{t.n_items:,}", t.audit, False) for name, t in zip(names, audit.tasks, strict=True)]
    rows = []
    for name, n, row, whole in entries:
        cells = [n]
        for key in ("accuracy", "ece", "gap"):
            metric = row.metrics[key]
            cells += [_shown(key, metric.value), bounds(metric.low, metric.high, _digits(key)) or NOTHING]
            if key == "ece":
                cells += [_shown(also, row.metrics[also].value) for also in ("ece_plugin", "ece_floor")]
        cells += [_shown(key, row.metrics[key].value) for key in ("brier", "auroc", "temperature")]
        rows.append(Row(name, tuple(cells), whole))
    return Table(heads, tuple(rows))


def groups(result: Comparison | ModelAudit, table: Table) -> tuple[Group, ...]:
    """Of more than MANY tasks: by finding, the largest change (or ECE) first; none where there are fewer.

    table: `task_rows` of the result.
    """
    if len(result.tasks) <= MANY:
        return ()
    rows = [row for row in table.rows if not row.whole]
    if isinstance(result, Comparison):
        titles = {"worse": "Worse calibrated", "better": "Better calibrated", "": "No detectable change of ECE"}
        found = [(row.tone, task.change["ece"].value, row) for row, task in zip(rows, result.tasks, strict=True)]
    else:
        titles = {"1": "Overconfident", "-1": "Underconfident", "0": "No lean that shows"}
        found = [
            (str(lean(task.audit.metrics["gap"])), task.audit.metrics["ece"].value, row)
            for row, task in zip(rows, result.tasks, strict=True)
        ]
    by, parts, shown = "change" if isinstance(result, Comparison) else "ECE", [], False
    for key, title in titles.items():
        chosen = sorted((entry for entry in found if entry[0] == key), key=lambda entry: -abs(entry[1] or 0.0))
        if not chosen:
            continue
        rows = [row for _, _, row in chosen]
        seen = key not in ("", "0") and not shown
        first, rest = (rows[:OPEN], rows[OPEN:]) if seen else (rows, [])
        order = f", largest {by} first" if len(rows) > 1 else ""
        parts.append(Group(f"{title}: {_tasks(len(rows))}{order}", seen, replace(table, rows=tuple(first))))
        if rest:
            parts.append(Group(f"{title}: {len(rest)} more", False, replace(table, rows=tuple(rest))))
        shown = shown or seen
    return tuple(parts)


def most_changed(tasks: Sequence[TaskComparison]) -> list[tuple[str, TaskComparison]]:
    """The tasks with their names; of more than MANY those whose ECE changed most, the largest change first."""
    found = list(zip(row_names(tasks), tasks, strict=True))
    if len(found) <= MANY:
        return found
    return sorted(found, key=lambda entry: -abs(entry[1].change["ece"].value or 0.0))[:MANY]


def level_rows(result: Comparison | ModelAudit) -> Table:
    """One row a level of difficulty, the easiest first; of two models with the interval of the gap's change."""
    if isinstance(result, Comparison):
        heads = (
            Head("", ("Items",)),
            Head("Accuracy", ("was", "now", "change")),
            Head("Gap", ("was", "now", "change", f"{result.settings.level * 100:g} % interval")),
        )
    else:
        heads = (Head("", ("Items",)), Head("Accuracy", ("value", "interval")), Head("Gap", ("value", "interval")))
    rows = []
    for row in result.by_level:
        cells = [f"{row.n_items:,}"]
        for key in ("accuracy", "gap"):
            sides = [side[key] for side in row.sides]
            cells += [_shown(key, side.value) for side in sides]
            if row.change is None:
                cells.append(bounds(sides[0].low, sides[0].high, 2) or NOTHING)
            else:
                cells.append(signed(row.change[key].value, 2))
        if row.change is not None:
            cells.append(bounds(row.change["gap"].low, row.change["gap"].high, 2) or NOTHING)
        rows.append(Row(str(row.level), tuple(cells)))
    return Table(heads, tuple(rows))


def _tasks(n: int) -> str:
    return f"{n} task{'s' * (n != 1)}"


def _row(
    name: str,
    n: str,
    before: Audit,
    after: Audit,
    change: Mapping[str, Change],
    ece_p: float | None,
    alpha: float,
    *,
    whole: bool = False,
) -> Row:
    def trio(key: str) -> list[str]:
        sides = [_shown(key, side.metrics[key].value) for side in (before, after)]
        return [*sides, signed(change[key].value, _digits(key))]

    sure = ece_p is not None and ece_p < alpha
    moved = change["ece"]
    ece = trio("ece")
    ece = [*ece[:2], ece[2] + "*" * sure, bounds(moved.low, moved.high) or NOTHING, p_cell(ece_p)]
    tone = ("worse" if (moved.value or 0.0) > 0 else "better") if sure else ""
    return Row(name, (n, *trio("accuracy"), *ece, *trio("gap"), *trio("brier")[:2]), whole, tone=tone)


def _digits(key: str) -> int:
    return 2 if key in _TWO_DIGITS else 3


def _shown(key: str, value: float | None) -> str:
    return (signed if key == "gap" else number)(value, _digits(key))
