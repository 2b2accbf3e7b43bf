"""The table by level of difficulty: accuracy and gap, a line a level."""

from __future__ import annotations

from rich.text import Text

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.report.terminal.layout import Column, fitting, styled, table_lines
from calibaudit.report.words.text import bounds, number, signed, wrapped

TITLE = "By level of difficulty, as the task files have it: the larger the harder"


def level_table(result: Comparison | ModelAudit, width: int) -> list[Text]:
    """The easiest first; nothing where the task files say no level."""
    rows = result.by_level
    if not rows:
        return []
    count = Column("", ("n",), tuple((f"{row.n_items:,}",) for row in rows))
    if isinstance(result, Comparison):
        accuracy, gap = _pair("accuracy", result), _pair("gap", result)
        broad = _pair("gap", result, interval=f"{result.settings.level * 100:g} % interval")
        layouts = [[count, accuracy, broad], [count, accuracy, gap]]
    else:
        layouts = [[count, _single("accuracy", result), _single("gap", result)]]
    names = [str(row.level) for row in rows]
    lines = table_lines(names, fitting(layouts, names, width), len(rows), width, first="level")
    return [*styled(wrapped(TITLE, width - 1), "bold"), *lines]


def _pair(key: str, comparison: Comparison, interval: str = "") -> Column:
    form, cells = signed if key == "gap" else number, []
    for row in comparison.by_level:
        assert row.change is not None
        change = row.change[key]
        cell = [*(form(side[key].value, 2) for side in row.sides), signed(change.value, 2)]
        cells.append((*cell, bounds(change.low, change.high, 2)) if interval else tuple(cell))
    return Column(key, ("was", "now", "change", *([interval] if interval else [])), tuple(cells))


def _single(key: str, audit: ModelAudit) -> Column:
    form, cells = signed if key == "gap" else number, []
    for row in audit.by_level:
        metric = row.sides[0][key]
        cells.append((form(metric.value, 2), bounds(metric.low, metric.high, 2)))
    return Column("", (key, ""), tuple(cells))
