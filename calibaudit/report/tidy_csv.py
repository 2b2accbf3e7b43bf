"""A result as a long table: one line a number, for a spreadsheet, pandas or R."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from calibaudit.analysis.compare import Overall, TaskComparison
from calibaudit.analysis.estimates import METRICS, Change, Interval
from calibaudit.files.text import cell
from calibaudit.report.result_json import is_repair, repair_proof
from calibaudit.report.saved import audit_of, comparison_of, is_comparison

COLUMNS = ("task", "side", "metric", "value", "low", "high", "p_value")
POOLED, MACRO = "all (pooled)", "all (macro)"

Rows = Iterator[tuple[str, str, Mapping[str, Interval] | Mapping[str, Change]]]


def tidy_csv(result: Mapping[str, Any], source: str = "the result") -> str:
    """The table as CSV (RFC 4180 but for the line ends), every number in full; empty where there is none.

    A task's name that a spreadsheet would take for a formula has an apostrophe before it; numbers stay numbers.

    side: before, after or change of a comparison, model of an audit; of a repair also base, and base_in_template where
    base was scored within the tuned model's template besides. Raises ScoresError naming `source`.
    """
    if is_repair(result):
        rows = _repair_rows(result, source)
    else:
        rows = _comparison_rows(result, source) if is_comparison(result) else _audit_rows(result, source)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task, side, metrics in rows:
        for name in (name for name in METRICS if name in metrics):
            metric = metrics[name]
            p_value = metric.p_value if isinstance(metric, Change) else None
            writer.writerow([cell(task), side, name, *map(_number, (metric.value, metric.low, metric.high, p_value))])
    return buffer.getvalue()


def _comparison_rows(result: Mapping[str, Any], source: str) -> Rows:
    comparison = comparison_of(result, source)
    entries: list[tuple[str, TaskComparison | Overall]] = [(task.label, task) for task in comparison.tasks]
    entries += [(POOLED, comparison.pooled), (MACRO, comparison.macro)]
    for name, entry in entries:
        yield name, "before", entry.before.metrics
        yield name, "after", entry.after.metrics
        yield name, "change", entry.change
    for row in comparison.by_level:
        for side, metrics in zip(("before", "after"), row.sides, strict=True):
            yield f"level {row.level}", side, metrics
        if row.change is not None:
            yield f"level {row.level}", "change", row.change


def _repair_rows(result: Mapping[str, Any], source: str) -> Rows:
    repair = repair_proof(result, source)
    for key, side in (("tuning", "base"), ("matched", "base_in_template")):
        if result["proof"].get(key) is not None:
            base = comparison_of(result["proof"][key], source)
            for task in base.tasks:
                yield task.label, side, task.before.metrics
            yield POOLED, side, base.pooled.before.metrics
            yield MACRO, side, base.macro.before.metrics
    yield from _comparison_rows(repair, source)


def _audit_rows(result: Mapping[str, Any], source: str) -> Rows:
    audit = audit_of(result, source)
    for task in audit.tasks:
        yield task.label, "model", task.audit.metrics
    yield POOLED, "model", audit.pooled.metrics
    yield MACRO, "model", audit.macro.metrics
    for row in audit.by_level:
        yield f"level {row.level}", "model", row.sides[0]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
