"""The page that `gate` prints: what it says and why, then expected against found, check by check and task by task."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from calibaudit.gating.verdict import Check, Part, Verdict
from calibaudit.report.terminal.layout import Column, fitting, styled, table_lines
from calibaudit.report.terminal.page import page_width, pair_lines, print_parts, warning_lines
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
_LAYOUTS = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 5), (0, 1, 2, 5), (0, 2, 5))  # as many columns as the width takes
_FINDINGS = {"kept": "ok", "broken": "BROKEN", "undecided": "undecided"}


def render_verdict(verdict: Verdict, warnings: Sequence[str], console: Console, *, quiet: bool = False) -> None:
    """Print the page. warnings: those of the comparison. quiet: only the sentence and the checks of all items."""
    width = page_width(console)
    several = len(verdict.tasks) > 1
    title = "expected and found, all items" if several else "expected and found"
    parts = [
        _header(verdict, width),
        styled(wrapped(sentence(verdict), width - 1), _STYLES[verdict.outcome]),
        _checks(title, verdict.overall, width),
        _held_to(verdict, width),
    ]
    if not quiet:
        if several:
            parts.append(_tasks(verdict, width))
        for task in _broken(verdict)[:_SHOWN]:
            parts.append(_checks(f"{task.name}: what is broken", task, width, broken=True))
        parts.append(warning_lines(warnings, width))
    print_parts(parts, console)


def _header(verdict: Verdict, width: int) -> list[Text]:
    lines = pair_lines(verdict.before.name, verdict.after.name, width)
    n = len(verdict.tasks)
    counts = f"{n} task{'s' * (n != 1)}, {verdict.overall.n_items:,} items"
    facts = [
        counts if verdict.coverage is None else judged_text(verdict.coverage),
        f"margin {number(verdict.limits.margin)}",
        f"false alarms at most {verdict.limits.alpha * 100:g} %",
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
    shown = next((kept for kept in _LAYOUTS if sum(widths[i] + 2 for i in kept) < width), _LAYOUTS[-1])
    lines = styled(wrapped(title, width - 1), "dim")
    for row in rows:
        cells = [row[i].rjust(widths[i]) if i == 2 else row[i].ljust(widths[i]) for i in shown[:-1]]
        line = Text("   " + "  ".join(cells) + "  ")
        line.append(row[5], style={"BROKEN": "bold red", "ok": "green"}.get(row[5], "yellow"))
        lines.append(line)
    return lines


def _tasks(verdict: Verdict, width: int) -> list[Text]:
    rows = verdict.tasks
    count = Column("", ("n",), tuple((f"{task.n_items:,}",) for task in rows))
    ece, gap = (
        Column(title, ("was", "now", "change"), tuple(_sides(task.checks[i]) for task in rows))
        for i, title in enumerate(("ECE", "|gap|"))
    )
    # p is blank where a task was not judged
    p = Column("", ("p (Holm)",), tuple((_least_p(task),) for task in rows))
    words = [_OUTCOMES.get(task.outcome, task.outcome) if task.judged else "too few items" for task in rows]
    outcome = Column("", ("",), tuple((word.ljust(max(map(len, words))),) for word in words))
    names = [task.name for task in rows]
    layouts = [[count, ece, gap, p, outcome], [count, ece, p, outcome], [outcome]]
    lines = table_lines(names, fitting(layouts, names, width), len(rows), width)
    for line in lines:
        line.rstrip()
        line.highlight_words(["regressed", "over limit"], "red")
    return lines


def _sides(check: Check) -> tuple[str, str, str]:
    return number(check.before), number(check.after), signed(check.found)


def _least_p(part: Part) -> str:
    known = [check.p_value for check in part.checks if check.p_value is not None]
    return p_text(min(known)).removeprefix("p ").removeprefix("= ") if known else ""


def _broken(verdict: Verdict) -> list[Part]:
    if len(verdict.tasks) == 1:
        return []
    broken = [task for task in verdict.tasks if any(check.finding == "broken" for check in task.checks)]
    return sorted(broken, key=lambda task: -max(check.found for check in task.checks[:2]))
