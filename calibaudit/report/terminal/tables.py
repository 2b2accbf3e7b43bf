"""The tables of the terminal page: one line a task, as many figures as the width takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Change
from calibaudit.files.shown.card import all_of
from calibaudit.report.terminal.layout import Column, styled, tables
from calibaudit.report.words.prompts import row_names
from calibaudit.report.words.text import bounds, number, p_text, signed, wrapped

_THREE_DIGITS = frozenset({"ece", "ece_plugin", "ece_floor", "smooth_ece", "classwise_ece", "brier_reliability"})
_CHANGES = {
    "accuracy": "accuracy",
    "confidence": "confidence",
    "gap": "gap",
    "smooth_ece": "smooth ECE",
    "brier": "Brier",
    "nll": "NLL (nats)",
    "auroc": "AUROC",
    "temperature": "temperature",
    "option_mass": "option mass",
}


@dataclass(frozen=True, eq=False)
class TableRow:
    name: str
    n: str
    before: Audit
    after: Audit
    change: Mapping[str, Change]
    ece_p: float | None


def comparison_table(comparison: Comparison, width: int) -> list[Text]:
    """One line a task, then all items pooled and the mean of the tasks. A star: the ECE change is significant."""
    rows, n_tasks = comparison_rows(comparison), len(comparison.tasks)
    count = Column("", ("n",), tuple((row.n,) for row in rows))
    short = [pair(title, key, rows) for title, key in (("accuracy", "accuracy"), ("gap", "gap"), ("Brier", "brier"))]
    full = [
        pair(title, key, rows, change=True)
        for title, key in (("accuracy", "accuracy"), ("gap", "gap"), ("Brier", "brier"))
    ]
    more = (("NLL", "nll"), ("AUROC", "auroc"), ("temp.", "temperature"), ("smooth", "smooth_ece"))
    settings = comparison.settings
    slim = _ece(rows, settings.alpha, None)
    broad = _ece(rows, settings.alpha, f"{settings.level * 100:g} % interval")
    layouts = [
        [count, short[0], broad, *full[1:], *(pair(title, key, rows) for title, key in more)],
        [count, full[0], broad, *full[1:]],
        [count, short[0], broad, *short[1:]],
        [count, short[0], slim, *short[1:]],
        [short[0], slim, *short[1:], count],
    ]
    names = [row.name for row in rows]
    lines = tables(names, layouts, n_tasks, width)
    for line in lines:
        line.highlight_regex(r"\+\S+\*", "red")
        line.highlight_regex(r"−\S+\*", "green")
    notes = []
    if any("*" in line.plain for line in lines):
        holm = " after Holm over the tasks; an interval that excludes 0 is not enough" if n_tasks > 1 else ""
        notes.append(f"* p < {number(settings.alpha, 2)}{holm}")
    if any((side.metrics["ece"].value or 0) < -0.0005 for row in rows for side in (row.before, row.after)):
        notes.append("ECE below 0: less error than noise alone gives on average")
    lines += styled((part for note in notes for part in wrapped(note, width)), "dim")
    return lines


def comparison_rows(comparison: Comparison) -> list[TableRow]:
    """One a task, then all items pooled and the mean of the tasks."""
    rows = [
        TableRow(name, f"{task.n_items:,}", task.before, task.after, task.change, task.ece_p_holm)
        for name, task in zip(row_names(comparison.tasks), comparison.tasks, strict=True)
    ]
    n_tasks = len(rows)
    if n_tasks > 1:
        for name, overall in (("all (pooled)", comparison.pooled), ("all (macro)", comparison.macro)):
            n = f"{n_tasks} tasks" if overall is comparison.macro else f"{overall.n_items:,}"
            p_value = overall.change["ece"].p_value
            rows.append(TableRow(name, n, overall.before, overall.after, overall.change, p_value))
    return rows


def audit_table(audit: ModelAudit, width: int) -> list[Text]:
    """One line a task, then all items pooled and the mean of the tasks."""
    names = row_names(audit.tasks)
    rows = [(name, f"{task.n_items:,}", task.audit) for name, task in zip(names, audit.tasks, strict=True)]
    n_tasks = len(rows)
    if n_tasks > 1:
        rows.append(("all (pooled)", f"{audit.pooled.n_items:,}", audit.pooled))
        rows.append(("all (macro)", f"{n_tasks} tasks", audit.macro))

    def single(title: str, key: str, *, interval: bool = False) -> Column:
        digits, cells = digits_of(key), []
        for _, _, row in rows:
            metric = row.metrics[key]
            value = (signed if key == "gap" else number)(metric.value, digits)
            cells.append((value, bounds(metric.low, metric.high, digits)) if interval else (value,))
        return Column("", (title, "") if interval else (title,), tuple(cells))

    count = Column("", ("n",), tuple((n,) for _, n, _ in rows))
    main = (("accuracy", "accuracy"), ("ECE", "ece"), ("plug-in", "ece_plugin"), ("gap", "gap"), ("Brier", "brier"))
    more = (("NLL", "nll"), ("AUROC", "auroc"), ("temp.", "temperature"), ("smooth ECE", "smooth_ece"))
    broad = [count, *(single(title, key, interval=key != "ece_plugin") for title, key in main)]
    slim = [count, *(single(title, key) for title, key in main)]
    extra = [single(title, key) for title, key in more]
    names = [name for name, _, _ in rows]
    layouts = [broad + extra, *(slim + extra[:k] for k in range(len(extra), -1, -1))]
    return tables(names, layouts, n_tasks, width)


def changes(comparison: Comparison, width: int) -> list[Text]:
    """Each metric's change over all items pooled, with its interval and p-value, in as many columns as fit."""
    found = {title: comparison.pooled.change[key] for key, title in _CHANGES.items()}
    entries = [
        (title, signed(change.value), bounds(change.low, change.high), p_text(change.p_value))
        for title, change in found.items()
        if change.value is not None
    ]
    widths = [max(len(entry[i]) for entry in entries) for i in range(4)]
    cells = [
        f"{title:<{widths[0]}} {value:>{widths[1]}} {interval:>{widths[2]}}  {p:<{widths[3]}}"
        for title, value, interval, p in entries
    ]
    n_columns = max(1, (width - 1) // (len(cells[0]) + 3))
    n_lines = -(-len(cells) // n_columns)
    title = f"Change over {all_of(comparison.pooled.n_items, 'item')}, {comparison.settings.level * 100:g} % interval"
    lines = styled(wrapped(title, width - 1), "bold")
    lines += [Text((" " + "   ".join(cells[i::n_lines])).rstrip()) for i in range(n_lines)]
    return lines


def pair(title: str, key: str, rows: list[TableRow], *, change: bool = False) -> Column:
    digits, cells = digits_of(key), []
    for row in rows:
        form = signed if key == "gap" else number
        cell = [form(side.metrics[key].value, digits) for side in (row.before, row.after)]
        if change:
            cell.append(signed(row.change[key].value, digits))
        cells.append(tuple(cell))
    return Column(title, ("was", "now", "change") if change else ("was", "now"), tuple(cells))


def _ece(rows: list[TableRow], alpha: float, interval: str | None) -> Column:
    cells = []
    for row in rows:
        change = row.change["ece"]
        star = "*" if row.ece_p is not None and row.ece_p < alpha else " "
        cell = [number(row.before.metrics["ece"].value), number(row.after.metrics["ece"].value)]
        cell.append(signed(change.value) + star)
        if interval:
            cell.append(bounds(change.low, change.high))
        cells.append(tuple(cell))
    heads = ("was", "now", "change ", *([interval] if interval else []))
    return Column("ECE", heads, tuple(cells))


def digits_of(key: str) -> int:
    """Of a metric's value on the terminal."""
    return 3 if key in _THREE_DIGITS else 2
