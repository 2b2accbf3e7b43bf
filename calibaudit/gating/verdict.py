"""Two models' Scores + Limits -> Verdict: has calibration regressed, and is the candidate within absolute limits?

The rule, where it comes from and how often it errs: the documentation's page on the gate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibaudit.analysis.samples import items_of, rows_of
from calibaudit.analysis.settings import Settings, checked_settings
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.files.shown.numbers import NOTHING, bounds, number, signed
from calibaudit.gating.coverage import Coverage
from calibaudit.gating.evidence import Evidence, Level, Moved, weigh
from calibaudit.gating.limits import MAXIMA, InForce, Limits, checked_limits
from calibaudit.gating.same_prompts import check_same_prompts
from calibaudit.metrics.inference.estimate import MIN_UNITS
from calibaudit.metrics.inference.multiple_tests import weighted_holm
from calibaudit.scores.align import check_one_model, overall_order, paired, score_list
from calibaudit.scores.scores import ModelInfo, Scores

Finding = Literal["kept", "broken", "undecided"]
Outcome = Literal["passed", "regressed", "over_limit", "inconclusive"]
MEASURES = ("ece", "gap")

_POWER = 1 + 0.8416 / 1.6449
"""When this times half the bounds' distance is the margin, no change, or two margins, is settled 4 times in 5."""
_HOPELESS = 100
"""No count of items is named beyond this many times those at hand: the value is at the limit."""


@dataclass(frozen=True)
class Check:
    """One thing expected, and what was found.

    measure: ece, gap (its absolute value): found is the change, allowed the margin. max_ece, max_gap, max_brier: found
    is the candidate's value, allowed the limit. low, high: what was found is above the one and below the other, each
    with an error of at most alpha (a limit's: of its share). p_value: one-sided, adjusted over all tasks and measures.
    n_to_settle: the items that would settle an undecided check; None where it is settled, or too near the limit.
    """

    measure: str
    allowed: float
    before: float
    after: float
    found: float
    low: float | None
    high: float | None
    p_value: float | None
    finding: Finding
    n_to_settle: int | None


@dataclass(frozen=True, repr=False)
class Part(Shown):
    """One task, or all items pooled: its checks. judged: False for a task too small to be judged on its own."""

    name: str
    n_items: int
    n_units: int
    judged: bool
    outcome: Outcome
    checks: tuple[Check, ...]

    def _card(self) -> Card:
        found = [f"{check.measure} {signed(check.found)} {check.finding}" for check in self.checks]
        judged = () if self.judged else ("too few items to be judged alone",)
        facts = (self.outcome, count(self.n_items, "item"), *found, *judged)
        return Card("Part", self.name, facts, _HEADS, tuple(_row(check) for check in self.checks))

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "checks": [dataclasses.asdict(check) for check in self.checks]}


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
    """What the gate says. n_to_settle: items that would settle an inconclusive one; None where no count would.

    in_force: each limit with its source, where that is known. coverage: what of the baseline was judged; None where the
    baseline is a checkpoint, which was asked what the candidate was.
    """

    outcome: Outcome
    limits: Limits
    before: ModelInfo
    after: ModelInfo
    overall: Part
    tasks: tuple[Part, ...]
    n_to_settle: int | None
    in_force: tuple[InForce, ...] = ()
    coverage: Coverage | None = None

    def _card(self) -> Card:
        facts = [self.outcome.replace("_", " "), count(self.overall.n_items, "item"), count(len(self.tasks), "task")]
        facts += [
            f"{_MEASURES.get(check.measure, check.measure)} {number(check.before)} -> {number(check.after)}"
            for check in self.overall.checks
            if check.measure in MEASURES
        ]
        facts += [f"margin {number(self.limits.margin)}", f"exit code {self.exit_code}"]
        rows = list(map(_row, self.overall.checks))
        broken = [part for part in self.tasks if part.outcome in ("regressed", "over_limit")]
        if len(self.tasks) > 1:
            rows += [_row(check, part.name) for part in broken for check in part.checks if check.finding == "broken"]
        notes = [f"{self.outcome.replace('_', ' ')}: {count(self.overall.n_items, 'item')}, exit code {self.exit_code}"]
        if self.n_to_settle is not None:
            notes.append(f"About {count(self.n_to_settle, 'item')} would settle it.")
        return Card("Verdict", (self.before.name, self.after.name), tuple(facts), _HEADS, tuple(rows), 0, tuple(notes))

    @property
    def exit_code(self) -> int:
        """0 passed, 1 regressed or over a limit, 3 inconclusive under strict (else 0)."""
        if self.outcome in ("regressed", "over_limit"):
            return 1
        return 3 if self.outcome == "inconclusive" and self.limits.strict else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "n_to_settle": self.n_to_settle,
            "limits": self.limits.to_dict(),
            "in_force": [entry.to_dict() for entry in self.in_force],
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
            "overall": self.overall.to_dict(),
            "tasks": [task.to_dict() for task in self.tasks],
        }


_MEASURES = {"ece": "ECE", "gap": "|gap|", "max_ece": "ECE limit", "max_gap": "|gap| limit", "max_brier": "Brier limit"}
_HEADS = ("", "before", "after", "found", "between", "allowed", "finding")


def _row(check: Check, task: str = "") -> tuple[str, ...]:
    name = _MEASURES.get(check.measure, check.measure)
    between = bounds(check.low, check.high) or NOTHING
    change = check.measure in MEASURES
    before = number(check.before) if change else NOTHING
    found = signed(check.found) if change else number(check.found)
    shown = (before, number(check.after), found, between, number(check.allowed), check.finding)
    return (f"{task}: {name}" if task else name, *shown)


def gate(
    before: Scores | Sequence[Scores],
    after: Scores | Sequence[Scores],
    limits: Limits | None = None,
    settings: Settings | None = None,
) -> Verdict:
    """The candidate `after` held against the baseline `before`: has its calibration regressed?

    before, after: one task's scores, or several tasks'. limits: None for the defaults; those that a blessed baseline
    holds are the command's to read. settings: bins and seed; alpha is the limits'.

    Raises ScoresError when the two sides do not hold the same items of the same tasks, under the same scoring and the
    same chat template: that is never a regression.
    """
    limits, settings = checked_limits(limits), checked_settings(settings)
    before, after = score_list(before, "before"), score_list(after, "after")
    check_one_model(before)
    check_one_model(after)
    pairs = paired(before, after)
    for old, new in pairs:
        check_same_prompts(old, new)
    order = overall_order([(old.fingerprint, old.chat_template) for old, _ in pairs])
    olds, news = zip(*pairs, strict=True)
    rows = [rows_of(side, settings, also) for side, also in ((olds, news), (news, olds))]
    sides = [items_of([side[i] for i in order]) for side in rows]
    judged = [items_of([row]).n_items >= limits.min_items for row in rows[0]]
    overall_share, task_share = shares(len(pairs), sum(judged))
    overall = weigh("all", sides[0], sides[1], overall_share, limits.alpha)
    tasks = [
        dataclasses.replace(overall, name=old.label)
        if len(pairs) == 1
        else weigh(old.label, items_of([was]), items_of([now]), task_share, limits.alpha)
        for (old, _), was, now in zip(pairs, *rows, strict=True)
    ]
    outcome, whole, parts = decide(overall, tasks, limits)
    return Verdict(outcome, limits, before[0].model, after[0].model, whole, parts, _to_settle(outcome, whole))


def shares(n_tasks: int, n_judged: int) -> tuple[float, float]:
    """How alpha is divided: (for all items pooled, for each task judged on its own). One task is the whole."""
    if n_tasks == 1 or not n_judged:
        return 1.0, 1.0
    return 0.5, 0.5 / n_judged


def decide(overall: Evidence, tasks: Sequence[Evidence], limits: Limits) -> tuple[Outcome, Part, tuple[Part, ...]]:
    """The rule itself, on the evidence alone; overall's and the tasks' parts, the latter in their order.

    A measure has regressed when its p-value, adjusted by weighted Holm over all that is tested, is at most alpha AND
    its change exceeds the margin. It is kept when the change's upper bound lies below the margin. A limit is broken
    when the candidate's lower bound lies above it, kept when the upper one does not. Anything else is undecided.
    Regressed: any measure of any part. Over limit: else any limit of any part. Passed: else, when all of overall's
    checks are kept. Inconclusive: else.
    """
    single = len(tasks) == 1
    parts = [overall] if single else [overall, *tasks]
    judged = [_enough(part, limits) for part in parts]
    p_values = _adjusted(parts, judged)
    found = [
        _part(part, known, adjusted, limits) for part, known, adjusted in zip(parts, judged, p_values, strict=True)
    ]
    whole = found[0]
    rest = (dataclasses.replace(whole, name=tasks[0].name),) if single else tuple(found[1:])
    outcomes = {part.outcome for part in (whole, *rest)}
    for failure in ("regressed", "over_limit"):
        if failure in outcomes:
            return failure, whole, rest
    return whole.outcome, whole, rest


def _enough(part: Evidence, limits: Limits) -> bool:
    known = part.n_items >= limits.min_items and part.n_units >= MIN_UNITS
    return known and part.ece.p_value is not None and part.gap.p_value is not None


def _adjusted(parts: Sequence[Evidence], judged: Sequence[bool]) -> list[dict[str, float]]:
    """Each part's adjusted p-values by measure; none for parts not judged."""
    n_tasks = sum(judged[1:])
    overall_share, task_share = shares(len(parts), n_tasks)
    keys, p_values, weights = [], [], []
    for i, (part, known) in enumerate(zip(parts, judged, strict=True)):
        for name in MEASURES if known else ():
            p_value = getattr(part, name).p_value
            assert p_value is not None
            keys.append((i, name))
            p_values.append(p_value)
            weights.append(task_share if i else overall_share)
    found: list[dict[str, float]] = [{} for _ in parts]
    for (i, name), value in zip(keys, weighted_holm(p_values, weights), strict=True):
        found[i][name] = float(value)
    return found


def _part(evidence: Evidence, judged: bool, p_values: dict[str, float], limits: Limits) -> Part:
    checks = [
        _change_check(name, getattr(evidence, name), p_values.get(name), evidence, limits, judged) for name in MEASURES
    ]
    regressed = any(check.finding == "broken" for check in checks)
    for name in MAXIMA:
        limit = getattr(limits, name)
        if limit is not None:
            checks.append(_limit_check(name, getattr(evidence, name), limit, evidence, judged))
    findings = {check.finding for check in checks}
    outcome: Outcome = "passed" if findings == {"kept"} else "inconclusive"
    if "broken" in findings:
        outcome = "regressed" if regressed else "over_limit"
    return Part(evidence.name, evidence.n_items, evidence.n_units, judged, outcome, tuple(checks))


def _change_check(
    name: str, moved: Moved, p_value: float | None, evidence: Evidence, limits: Limits, judged: bool
) -> Check:
    finding: Finding = "undecided"
    if judged and p_value is not None:
        if p_value <= limits.alpha and moved.change > limits.margin:
            finding = "broken"
        elif moved.high is not None and moved.high < limits.margin:
            finding = "kept"
    n_to_settle = None
    if finding == "undecided" and moved.low is not None and moved.high is not None:
        half = (moved.high - moved.low) / 2
        n_to_settle = _items(evidence.n_items, half * _POWER / limits.margin, limits.min_items)
    interval = moved.low, moved.high
    return Check(name, limits.margin, moved.before, moved.after, moved.change, *interval, p_value, finding, n_to_settle)


def _limit_check(name: str, level: Level, limit: float, evidence: Evidence, judged: bool) -> Check:
    finding: Finding = "undecided"
    n_to_settle = None
    if level.low is not None and level.high is not None:
        if judged and level.low > limit:
            finding = "broken"
        elif judged and level.high <= limit:
            finding = "kept"
        else:
            middle, half = (level.high + level.low) / 2, (level.high - level.low) / 2
            distance = abs(middle - limit)
            n_to_settle = _items(evidence.n_items, half / distance if distance else math.inf, 1)
    return Check(name, limit, level.value, level.value, level.value, level.low, level.high, None, finding, n_to_settle)


def _items(n_items: int, ratio: float, least: int) -> int | None:
    """Items at which an interval `ratio` times too wide would fit, to two figures, rounded up; more than there are."""
    if ratio**2 > _HOPELESS:
        return None
    needed = max(n_items * ratio**2, n_items + 1, least)
    unit = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return int(math.ceil(round(needed / unit, 6)) * unit)


def _to_settle(outcome: Outcome, overall: Part) -> int | None:
    """The largest count among overall's undecided checks; None when one of them has none."""
    if outcome != "inconclusive":
        return None
    counts = [check.n_to_settle for check in overall.checks if check.finding == "undecided"]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None
