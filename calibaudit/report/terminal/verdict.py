"""The page that `gate` prints: what it says and why, then expected against found, check by check and task by task."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.files.shown.card import count
from calibaudit.gating.verdict import MEASURES, Part, Verdict
from calibaudit.report.terminal.layout import Column, styled, tables
from calibaudit.report.terminal.page import page_width, pair_lines, print_parts, warning_lines
from calibaudit.report.words.models import run_facts
from calibaudit.report.words.text import bounds, number, p_text, signed, wrapped
from calibaudit.report.words.verdict import (
    CHECK_NAMES,
    judged_sentence,
    judged_text,
    limits_sentence,
    sentence,
    value_text,
)

_STYLES = {"passed": "bold green", "regressed": "bold red", "over_limit": "bold red", "inconclusive": "bold yellow"}
_OUTCOMES = {"over_limit": "over limit"}
_SHOWN = 5  # tasks whose broken checks are listed; the table and the JSON have them all
_P_NOTE = "p: of no worsening, after Holm over the tasks and both measures"
_FINDINGS = {"kept": "ok", "broken": "BROKEN", "undecided": "undecided"}


def render_verdict(
    verdict: Verdict, warnings: Sequence[str], console: Console, *, asked: Sequence[str] = (), quiet: bool = False
) -> None:
    """Print the page. warnings: those of the comparison. asked: how (`words.prompts.asked_facts`).

    quiet: only the sentence, the checks and the table.
    """
    width = page_width(console)
    several = len(verdict.tasks) > 1
    level = f"{(1 - 2 * verdict.limits.alpha) * 100:g} % interval of a change"
    title = f"expected and found{', all items' if several else ''}; {level}"
    parts = [
        _header(verdict, asked, width),
        styled(wrapped(sentence(verdict), width - 1), _STYLES[verdict.outcome]),
        _checks(title, verdict.overall, width),
        _held_to(verdict, width),
    ]
    if several:
        parts.append(_tasks(verdict, width))
    if not quiet:
        for task in _broken(verdict)[:_SHOWN]:
            parts.append(_checks(f"{task.name}: what is broken", task, width, broken=True))
        parts.append(warning_lines(warnings, width))
    print_parts(parts, console)


def _header(verdict: Verdict, asked: Sequence[str], width: int) -> list[Text]:
    lines = pair_lines(verdict.before.name, verdict.after.name, width)
    n = len(verdict.tasks)
    counts = f"{n} task{'s' * (n != 1)}, {count(verdict.overall.n_items, 'item')}"
    facts = [
        counts if verdict.coverage is None else judged_text(verdict.coverage),
        *asked,
        f"margin {number(verdict.limits.margin)}",
        f"false alarms at most {verdict.limits.alpha * 100:g} %",
        *run_facts(verdict),
    ]
    return [*styled(lines, "bold"), *styled(wrapped(", ".join(facts), width - 4), "dim")]


def _held_to(verdict: Verdict, width: int) -> list[Text]:
    """What was left out, and the limits with their sources."""
    texts = [limits_sentence(verdict)]
    if verdict.coverage is not None and not verdict.coverage.is_complete:
        texts.insert(0, judged_sentence(verdict))
    return [line for text in texts if text for line in styled(wrapped(text, width - 1), "dim")]


def _checks(title: str, part: Part, width: int, *, broken: bool = False) -> list[Text]:
    rows = [
        (
            CHECK_NAMES[check.measure],
            f"at most {value_text(check, check.allowed)}",
            value_text(check, check.found),
            bounds(check.low, check.high),
            "" if check.p_value is None else p_text(check.p_value),
            _FINDINGS[check.finding] if part.judged else "not judged",
        )
        for check in part.checks
        if check.finding == "broken" or not broken
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    is_one_line = sum(size + 2 for size in widths) + 3 <= width
    lines = styled(wrapped(title, width - 1), "dim")
    for row in rows:
        cells = [row[i].rjust(widths[i]) if i == 2 else row[i].ljust(widths[i]) for i in range(6)]
        line = Text("   " + "  ".join(cells[: 5 if is_one_line else 3]) + "  ")
        line.append(row[5], style={"BROKEN": "bold red", "ok": "green"}.get(row[5], "yellow"))
        lines.append(line)
        if not is_one_line:  # what it is judged by is not left out
            lines.append(Text(f"     {cells[3]}  {row[4]}".rstrip()))
    return [line for line in lines if line.plain.strip()]


def _tasks(verdict: Verdict, width: int) -> list[Text]:
    """What each task is judged by: changes and p-values, the values that have a limit, the finding."""
    rows, n_changes = verdict.tasks, len(MEASURES)
    count = Column("", ("n",), tuple((f"{task.n_items:,}",) for task in rows))
    pairs = [(i, title) for i, title in enumerate(("ECE", "|gap|"))]
    full = ("was", "now", "change", "p")
    broad = [Column(title, full, tuple(_moved(task, i) for task in rows)) for i, title in pairs]
    slim = [Column(title, ("change", "p"), tuple(_moved(task, i)[2:] for task in rows)) for i, title in pairs]
    limits = [
        Column(
            CHECK_NAMES[check.measure],
            (f"≤ {number(check.allowed)}",),
            tuple((number(task.checks[i].found),) for task in rows),
        )
        for i, check in enumerate(rows[0].checks)
        if i >= n_changes
    ]
    words = [_OUTCOMES.get(task.outcome, task.outcome) if task.judged else "too few items" for task in rows]
    outcome = Column("", ("",), tuple((word.ljust(max(map(len, words))),) for word in words))
    names = [task.name for task in rows]
    layouts = [
        [count, *broad, *limits, outcome],
        [count, *slim, *limits, outcome],
        [*slim, *limits, outcome],
        [outcome, *slim, *limits],
    ]
    lines = tables(names, layouts, len(rows), width)
    for line in lines:
        line.rstrip()
        line.highlight_words(["regressed", "over limit"], "red")
    return [*lines, *styled(wrapped(_P_NOTE, width - 1), "dim")]


def _moved(task: Part, i: int) -> tuple[str, str, str, str]:
    """Of one measure; p is blank where the task was not judged."""
    check = task.checks[i]
    p = "" if check.p_value is None else p_text(check.p_value).removeprefix("p ").removeprefix("= ")
    return number(check.before), number(check.after), signed(check.found), p


def _broken(verdict: Verdict) -> list[Part]:
    if len(verdict.tasks) == 1:
        return []
    broken = [task for task in verdict.tasks if any(check.finding == "broken" for check in task.checks)]
    return sorted(broken, key=lambda task: -max(check.found for check in task.checks[:2]))
