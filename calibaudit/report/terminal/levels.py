"""The table by level of difficulty: accuracy and gap, a line a level."""

from __future__ import annotations

from rich.text import Text

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.report.terminal.layout import Column, styled, tables
from calibaudit.report.words.reach import level_title
from calibaudit.report.words.text import bounds, number, signed, wrapped


def level_table(result: Comparison | ModelAudit, width: int) -> list[Text]:
    """The easiest first; nothing where the task files say no level."""
    rows = result.by_level
    if not rows:
        return []
    count = Column("", ("n",), tuple((f"{row.n_items:,}",) for row in rows))
    if isinstance(result, Comparison):
        accuracy, gap = _pair("accuracy", result), _pair("gap", result)
        broad = _pair("gap", result, interval=f"{result.settings.level * 100:g} % interval")
        slim = [_pair("accuracy", result, change=False), _pair("gap", result, change=False)]
        layouts = [[count, accuracy, broad], [count, accuracy, gap], [count, *slim]]
    else:
        layouts = [[count, _single("accuracy", result), _single("gap", result)]]
    names = [str(row.level) for row in rows]
    lines = tables(names, layouts, len(rows), width, first="level")
    return [*styled(wrapped(level_title(result), width - 1), "bold"), *lines]


def _pair(key: str, comparison: Comparison, interval: str = "", *, change: bool = True) -> Column:
    form, cells = signed if key == "gap" else number, []
    for row in comparison.by_level:
        assert row.change is not None
        moved = row.change[key]
        cell = [form(side[key].value, 2) for side in row.sides]
        cell += [signed(moved.value, 2)] if change else []
        cells.append((*cell, bounds(moved.low, moved.high, 2)) if interval else tuple(cell))
    heads = ("was", "now", *(["change"] if change else []), *([interval] if interval else []))
    return Column(key, heads, tuple(cells))


def _single(key: str, audit: ModelAudit) -> Column:
    form, cells = signed if key == "gap" else number, []
    for row in audit.by_level:
        metric = row.sides[0][key]
        cells.append((form(metric.value, 2), bounds(metric.low, metric.high, 2)))
    return Column("", (key, ""), tuple(cells))
