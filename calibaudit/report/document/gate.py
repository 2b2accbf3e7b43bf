"""The gate's verdict on a report: its words for the first screen, and its checks as a table."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.gating.verdict import Part, Verdict
from calibaudit.report.document.tables import Head, Row, Table, p_cell
from calibaudit.report.words.text import bounds
from calibaudit.report.words.verdict import CHECK_NAMES, judged_sentence, limits_sentence, sentence, value_text

_OUTCOMES = {
    "passed": ("better", "Gate: passed", "Accept it: the gate passed"),
    "regressed": ("worse", "Gate: regressed", "Do not merge: calibration regressed"),
    "over_limit": ("worse", "Gate: over a limit", "Do not merge: it is over a limit"),
    "inconclusive": ("neutral", "Gate: inconclusive", "Undecided: score more items"),
}


@dataclass(frozen=True)
class GateView:
    """tone: worse, better or neutral. label: the outcome. action: what to do. table: the checks, task by task.

    facts: what was judged, and the limits in force with their sources; a sentence each.
    """

    tone: str
    label: str
    sentence: str
    action: str
    table: Table
    facts: tuple[str, ...]


def gate_view(verdict: Verdict) -> GateView:
    """What a report shows of the gate."""
    tone, label, action = _OUTCOMES[verdict.outcome]
    if verdict.n_to_settle is not None:
        action = f"Undecided: about {verdict.n_to_settle:,} items would settle it"
    rows = [row for task in verdict.tasks for row in _rows(task, task.name)]
    if len(verdict.tasks) > 1:
        rows += _rows(verdict.overall, "all (pooled)", whole=True)
    heads = (Head("", ("Check", "At most", "Found", "Interval", "p", "Finding")),)
    facts = tuple(text for text in (judged_sentence(verdict), limits_sentence(verdict)) if text)
    return GateView(tone, label, sentence(verdict), action, Table(heads, tuple(rows)), facts)


def _rows(part: Part, name: str, *, whole: bool = False) -> list[Row]:
    rows = []
    for check in part.checks:
        cells = (
            CHECK_NAMES[check.measure],
            value_text(check, check.allowed),
            value_text(check, check.found),
            bounds(check.low, check.high) or "–",
            p_cell(check.p_value),
            check.finding if part.judged else "not judged",
        )
        rows.append(Row(name, cells, whole))
    return rows
