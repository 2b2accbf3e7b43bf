"""The tables of `--expert`: the ECE change with interval and p, plug-in values, Brier's parts, risk."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.report.terminal.layout import Column, styled, tables
from calibaudit.report.terminal.tables import comparison_rows, digits_of, pair
from calibaudit.report.words.prompts import row_names
from calibaudit.report.words.text import NOTHING, bounds, number, p_text, signed, wrapped

_PLUG_INS = (("plug-in", "ece_plugin"), ("floor", "ece_floor"))
_MORE = (
    ("classwise", "classwise_ece"),
    ("reliability", "brier_reliability"),
    ("resolution", "brier_resolution"),
    ("risk 80 %", "risk_80"),
    ("AURC", "aurc"),
)
_NOTE = (
    "classwise: ECE of every option's probability. reliability, resolution: parts of the Brier score (miscalibration; "
    "what the confidence tells apart, more is better). risk 80 %: errors among the surest 80 % of the items. AURC: "
    "that error rate averaged over all shares."
)
_TITLE = "Expert: classwise ECE, Brier's parts, risk"


def expert_tables(comparison: Comparison, width: int) -> list[Text]:
    """What an expert asks for besides, task by task."""
    rows, n_tasks = comparison_rows(comparison), len(comparison.tasks)
    names, level = [row.name for row in rows], f"{comparison.settings.level * 100:g} % interval"
    cells = []
    for row in rows:
        moved = row.change["ece"]
        interval = bounds(moved.low, moved.high)
        cells.append((signed(moved.value), interval, _p_cell(moved.p_value), _p_cell(row.ece_p)))
    change = Column("ECE", ("change", level, "p", "Holm"), tuple(cells))
    plug_ins = [pair(title, key, rows) for title, key in _PLUG_INS]
    more = [pair(title, key, rows) for title, key in _MORE]
    return [
        *_titled("Expert: the ECE change", names, [change, *plug_ins], n_tasks, width),
        Text(""),
        *_titled(_TITLE, names, more, n_tasks, width),
        *styled(wrapped(_NOTE, width - 1), "dim"),
    ]


def expert_audit_tables(audit: ModelAudit, width: int) -> list[Text]:
    """The same for one model."""
    names = row_names(audit.tasks)
    audits, n_tasks = [task.audit for task in audit.tasks], len(audit.tasks)
    if n_tasks > 1:
        names, audits = [*names, "all (pooled)", "all (macro)"], [*audits, audit.pooled, audit.macro]
    cells = []
    for row in audits:
        ece = row.metrics["ece"]
        cells.append((number(ece.value), bounds(ece.low, ece.high), _p_cell(row.calibrated_p)))

    def single(title: str, key: str) -> Column:
        return Column("", (title,), tuple((number(row.metrics[key].value, digits_of(key)),) for row in audits))

    error = Column("ECE", ("value", f"{audit.settings.level * 100:g} % interval", "p calibrated"), tuple(cells))
    plug_ins = [single(title, key) for title, key in _PLUG_INS]
    more = [single(title, key) for title, key in _MORE]
    return [
        *_titled("Expert: ECE, and whether the model is calibrated", names, [error, *plug_ins], n_tasks, width),
        Text(""),
        *_titled(_TITLE, names, more, n_tasks, width),
        *styled(wrapped(_NOTE, width - 1), "dim"),
    ]


def _titled(title: str, names: Sequence[str], columns: Sequence[Column], n_tasks: int, width: int) -> list[Text]:
    return [*styled(wrapped(title, width - 1), "bold"), *tables(names, [columns], n_tasks, width)]


def _p_cell(p_value: float | None) -> str:
    return NOTHING if p_value is None else p_text(p_value).removeprefix("p ").removeprefix("= ")
