"""A gate's verdict as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.files.shown.card import count
from calibaudit.gating.coverage import Coverage
from calibaudit.gating.limits import InForce
from calibaudit.gating.verdict import Check, Verdict
from calibaudit.metrics.inference.estimate import MIN_UNITS
from calibaudit.report.words.text import bounds, number, p_text, short_name, short_names, signed

CHECK_NAMES = {
    "ece": "ECE change",
    "gap": "|gap| change",
    "max_ece": "ECE",
    "max_gap": "|gap|",
    "max_brier": "Brier",
}
"""What is checked, by `Check.measure`."""


def sentence(verdict: Verdict) -> str:
    """What the gate says and the figures that it hangs on, in one or two sentences."""
    before, after = verdict.before.name, verdict.after.name
    name = short_name(after) if before == after else short_names(before, after)[1]  # the other is `the baseline`
    if verdict.outcome == "regressed":
        return f"Regressed: {_regression(verdict, name)}"
    if verdict.outcome == "over_limit":
        return f"Over a limit: {_excess(verdict)}. No regression against the baseline was found."
    margin = number(verdict.limits.margin)
    ece, gap = verdict.overall.checks[:2]
    if verdict.outcome == "passed":
        return (
            f"Passed: the calibration of {name} is no worse than the baseline's by {margin} or more: "
            f"ECE {_moved(ece)}, |gap| {_moved(gap)}."
        )
    return f"Inconclusive: no regression found, but {_doubt(verdict)}"


LIMIT_NAMES = {
    "margin": "margin",
    "alpha": "alpha",
    "max_ece": "ECE at most",
    "max_gap": "|gap| at most",
    "max_brier": "Brier at most",
    "min_items": "tasks from {} items",
    "strict": "strict",
    "bins": "{} bins",
}


def limit_text(entry: InForce) -> str:
    """`margin .020`."""
    name, value = LIMIT_NAMES[entry.name], entry.value
    if value is None or isinstance(value, bool):
        return f"{name} {'on' if value else 'off' if value is not None else 'unlimited'}"
    return name.format(f"{value:,}") if "{}" in name else f"{name} {number(value)}"


def limit_texts(in_force: Sequence[InForce]) -> list[str]:
    """A text for each source, that of most limits first: `margin .020, alpha .050 (baseline)`.

    Limits on the candidate itself only where there are some, or where the baseline's is set aside.
    """
    texts: dict[str, list[str]] = {}
    for entry in in_force:
        if entry.value is not None or entry.is_looser:
            looser = ", looser than the baseline's" if entry.is_looser else ""
            texts.setdefault(f"{entry.source}{looser}", []).append(limit_text(entry))
    return [f"{', '.join(found)} ({source})" for source, found in sorted(texts.items(), key=lambda e: -len(e[1]))]


def limits_sentence(verdict: Verdict) -> str:
    """What is in force and where it comes from; "" where that is not known."""
    if not verdict.in_force:
        return ""
    none = "" if any(entry.source == "baseline" for entry in verdict.in_force) else "; the baseline holds none"
    return f"Limits: {'; '.join(limit_texts(verdict.in_force))}{none}."


def judged_text(coverage: Coverage) -> str:
    """`1 of 9 tasks, 300 of 2,400 items`; of a whole baseline `9 of 9 tasks, 2,400 items`."""
    (tasks, all_tasks), (items, all_items) = coverage.n_tasks, coverage.n_items
    share = f"{items:,}" if coverage.is_complete else f"{items:,} of {all_items:,}"
    return f"{tasks} of {all_tasks} task{'s' * (all_tasks != 1)}, {share} items"


def judged_sentence(verdict: Verdict) -> str:
    """What was judged, and what was left out, with the counts of tasks judged in part; "" where that is not known."""
    coverage = verdict.coverage
    if coverage is None:
        return ""
    left = [
        task.name + (f" ({task.n_judged:,} of {task.n_held:,} items)" if task.n_judged else "")
        for task in coverage.tasks
        if task.n_judged < task.n_held
    ]
    return f"Judged of the baseline: {judged_text(coverage)}{f'; left out: {_listed(left)}' if left else ''}."


def tests_sentence(verdict: Verdict) -> str:
    """Why a change can be significant elsewhere on the page and undecided here, or the other way round."""
    limits = verdict.limits
    over, there = "both measures", ""
    if len(verdict.tasks) > 1:
        over, there = "all items, the tasks and both measures", ", corrected for the tasks alone"
    return (
        f"Task by task can look different: here tests are one-sided for a worsening, at {limits.alpha * 100:g} % over "
        f"{over} together (Holm), and a change is ok only when its upper bound is below the margin of "
        f"{number(limits.margin)}; there intervals and stars are two-sided, of any change{there}."
    )


def expected_found(check: Check) -> str:
    """`expected at most +.020, found +.145 [.123, .189], p = .002`."""
    p_value = "" if check.p_value is None else f", {p_text(check.p_value)}"
    found = f"{value_text(check, check.found)} {bounds(check.low, check.high)}".strip()
    return f"expected at most {value_text(check, check.allowed)}, found {found}{p_value}"


def value_text(check: Check, value: float) -> str:
    """A value of the check: a change has its sign."""
    return number(value) if check.measure.startswith("max_") else signed(value)


def _regression(verdict: Verdict, name: str) -> str:
    if any(check.finding == "broken" for check in verdict.overall.checks[:2]):
        part, where = verdict.overall, ""
    else:
        part, where = (
            next(task for task in verdict.tasks if any(check.finding == "broken" for check in task.checks[:2])),
            " on {}",
        )
    broken = [check for check in part.checks[:2] if check.finding == "broken"]
    figures = " and ".join(
        f"{CHECK_NAMES[check.measure].split()[0]} {number(check.before)} → {number(check.after)} ({_figures(check)})"
        for check in broken
    )
    others = [task.name for task in verdict.tasks if task.outcome == "regressed" and task.name != part.name]
    more = f" Tasks that regressed: {_listed(others)}." if others and len(verdict.tasks) > 1 else ""
    return (
        f"{name} is worse calibrated than the baseline{where.format(part.name)}: {figures}; "
        f"a worsening of {number(verdict.limits.margin)} is allowed.{more}"
    )


def _excess(verdict: Verdict) -> str:
    parts = [verdict.overall, *(verdict.tasks if len(verdict.tasks) > 1 else ())]
    found = [
        f"{'' if part is verdict.overall else part.name + ' '}{CHECK_NAMES[check.measure]} {number(check.found)} "
        f"{bounds(check.low, check.high)}, at most {number(check.allowed)} is allowed"
        for part in parts
        for check in part.checks
        if check.finding == "broken"
    ]
    return _listed(found, "; ")


def _doubt(verdict: Verdict) -> str:
    overall = verdict.overall
    if not overall.judged:
        be = "is" if overall.n_items == 1 else "are"
        found = (
            f"{count(overall.n_items, 'item')} in {count(overall.n_units, 'independent unit')} {be} too few to judge"
        )
        if overall.n_units < MIN_UNITS:
            return f"{found}; at least {MIN_UNITS} independent units (groups, or items without groups) are needed."
        return f"{found}; at least {verdict.limits.min_items:,} items are needed."
    open_checks = [check for check in overall.checks if check.finding == "undecided"]
    worst = max(open_checks, key=lambda check: check.n_to_settle or float("inf"))
    more = (
        "To settle it would take more than a hundred times these items."
        if verdict.n_to_settle is None
        else f"About {count(verdict.n_to_settle, 'item')} would settle it."
    )
    interval = bounds(worst.low, worst.high)
    if worst.measure.startswith("max_"):
        return f"{CHECK_NAMES[worst.measure]} may lie in {interval}, at most {number(worst.allowed)} is allowed. {more}"
    return (
        f"{count(overall.n_items, 'item')} cannot rule out a worsening of {number(worst.allowed)}: "
        f"{CHECK_NAMES[worst.measure]} {signed(worst.found)} {interval}. {more}"
    )


def _figures(check: Check) -> str:
    parts = [" ".join(part for part in (signed(check.found), bounds(check.low, check.high)) if part)]
    return ", ".join([*parts, p_text(check.p_value)])


def _moved(check: Check) -> str:
    return f"{signed(check.found)} {bounds(check.low, check.high)}"


def _listed(entries: Sequence[str], between: str = ", ", most: int = 3) -> str:
    shown = between.join(entries[:most])
    return f"{shown} and {len(entries) - most} more" if len(entries) > most else shown
