"""The gate's verdict on a report: its words for the first screen, and its checks as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from calibaudit.files.shown.card import count
from calibaudit.gating.verdict import Part, Verdict
from calibaudit.report.document.tables import Head, Row, Table, p_cell
from calibaudit.report.document.task_tables import MANY
from calibaudit.report.words.commands import Command, gate_command
from calibaudit.report.words.text import NOTHING, bounds
from calibaudit.report.words.verdict import (
    CHECK_NAMES,
    judged_sentence,
    limits_sentence,
    sentence,
    tests_sentence,
    value_text,
)

_OUTCOMES = {
    "passed": ("better", "Gate: passed", "Accept it: the gate passed"),
    "regressed": ("worse", "Gate: regressed", "Do not merge: calibration regressed"),
    "over_limit": ("worse", "Gate: over a limit", "Do not merge: it is over a limit"),
    "inconclusive": ("neutral", "Gate: inconclusive", "Inconclusive: score more items"),
}


_FINDINGS = {"broken": "✗ broken", "undecided": "? undecided", "kept": "✓ ok"}
"""What the terminal calls them, each with a mark of its own."""
_NOT_JUDGED = "– not judged"
_GROUPS = {
    "regressed": "Regressed",
    "over_limit": "Over a limit",
    "inconclusive": "Inconclusive",
    "passed": "Passed",
    "": "Not judged, of too few items",
}
HEADS = ("Check", "At most", "Found", "Interval", "p", "Finding")


@dataclass(frozen=True)
class PartShown:
    """The checks of a task, or of all items. rows: a check each, named by what is checked."""

    name: str
    whole: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class GateGroup:
    """Parts with one outcome. open: whether they are seen at once."""

    title: str
    open: bool
    parts: tuple[PartShown, ...]


@dataclass(frozen=True)
class GateView:
    """tone: worse, better or neutral. label: the outcome. action: what to do. command: what to run.

    overall: the checks of all items. judged: those of the tasks; of more than MANY they are in `groups`, as are those
    that were not judged. level: of a change's interval, such as `90 %`. facts: what was judged, and the limits in force
    with their sources, and how its tests differ from the comparison's; a sentence each.
    """

    tone: str
    label: str
    sentence: str
    action: str
    command: Command
    overall: PartShown
    judged: tuple[PartShown, ...]
    groups: tuple[GateGroup, ...]
    level: str
    facts: tuple[str, ...]

    @property
    def table(self) -> Table:
        """All checks, a row each: of all items first, then of the tasks."""
        parts = (self.overall, *self.judged, *(part for group in self.groups for part in group.parts))
        rows = (replace(row, name=part.name, cells=(row.name, *row.cells)) for part in parts for row in part.rows)
        return Table((Head("", HEADS),), tuple(rows))


def gate_view(verdict: Verdict) -> GateView:
    """What a report shows of the gate."""
    tone, label, action = _OUTCOMES[verdict.outcome]
    if verdict.n_to_settle is not None:
        action = f"Inconclusive: about {count(verdict.n_to_settle, 'item')} would settle it"
    single = len(verdict.tasks) == 1
    overall = _shown(verdict.overall, verdict.tasks[0].name if single else "all (pooled)", whole=not single)
    shown = [(task.outcome if task.judged else "", _shown(task, task.name)) for task in verdict.tasks if not single]
    many = len(shown) > MANY
    groups = []
    for outcome, title in _GROUPS.items():
        parts = tuple(part for found, part in shown if found == outcome)
        if parts and (many or not outcome):
            n = f"{len(parts)} task{'s' * (len(parts) != 1)}"
            groups.append(GateGroup(f"{title}: {n}", outcome in ("regressed", "over_limit"), parts))
    facts = tuple(
        text for text in (judged_sentence(verdict), limits_sentence(verdict), tests_sentence(verdict)) if text
    )
    judged = () if many else tuple(part for outcome, part in shown if outcome)
    level = f"{(1 - 2 * verdict.limits.alpha) * 100:g} %"
    command = gate_command(verdict)
    return GateView(tone, label, sentence(verdict), action, command, overall, judged, tuple(groups), level, facts)


def _shown(part: Part, name: str, *, whole: bool = False) -> PartShown:
    rows = []
    for check in part.checks:
        cells = (
            value_text(check, check.allowed),
            value_text(check, check.found),
            bounds(check.low, check.high) or NOTHING,
            p_cell(check.p_value),
            _FINDINGS[check.finding] if part.judged else _NOT_JUDGED,
        )
        rows.append(Row(CHECK_NAMES[check.measure], cells, whole, tone=check.finding if part.judged else ""))
    return PartShown(name, whole, tuple(rows))
