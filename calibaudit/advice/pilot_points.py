"""Which of a pilot's runs is taken: two-sided in the gap, and never one that is worse otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.advice.cautions import WORSE
from calibaudit.advice.recommendation import NOT_SURE, TOO_SURE, UNLEARNED, PilotPoint, PilotRun
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.errors import CalibauditError

KEPT = 0.95
"""Of what the hard-label run learned of the tuning data (first choices right), so much must a pilot run learn too."""

_OFF = (TOO_SURE, NOT_SURE)


def hard_and_tried(runs: Sequence[PilotRun]) -> tuple[PilotRun, list[PilotRun]]:
    """The run with hard labels, and the others by factor. Raises CalibauditError where either is missing."""
    hard = [run for run in runs if run.epsilon == 0]
    tried = sorted((run for run in runs if run.epsilon > 0), key=lambda run: (run.epsilon, run.prior))
    if len(hard) != 1 or not tried:
        raise CalibauditError(
            f"a pilot needs one run with hard labels and others with smoothing; there are {len(hard)} and {len(tried)}"
        )
    return hard[0], tried


def point_of(run: PilotRun, against_hard: Comparison, hard: PilotRun, margin: float | None) -> PilotPoint:
    """margin: None for the run with hard labels itself.

    Worse: lower in accuracy or AUROC or higher in NLL, by the paired change's interval or by more than WORSE, or with
    less learned of the tuning data than KEPT of what the run with hard labels learned. Of a run that is not worse, a
    gap outside the margin is the fault.
    """
    overall = against_hard.pooled
    metrics = overall.after.metrics
    faults = []
    for name, sign in (("accuracy", -1), ("auroc", -1), ("nll", 1)):
        change = overall.change[name]
        if is_worse(change, sign):
            faults.append(f"worse {name}")
    if run.learned is not None and hard.learned is not None and run.learned < KEPT * hard.learned:
        faults.append(UNLEARNED)
    gap = _value(metrics["gap"])
    if not faults and margin is not None and abs(gap) > margin:
        faults.append(TOO_SURE if gap > 0 else NOT_SURE)
    return PilotPoint(
        epsilon=run.epsilon,
        prior=run.prior,
        gap=metrics["gap"],
        accuracy=_value(metrics["accuracy"]),
        ece=_value(metrics["ece"]),
        nll=_value(metrics["nll"]),
        auroc=metrics["auroc"].value,
        option_mass=metrics["option_mass"].value,
        learned=run.learned,
        rejected=", ".join(faults),
    )


def is_worse(change: Change, sign: int, allowed: float = WORSE) -> bool:
    """Whether the change's interval lies wholly on the bad side, or it is worse than `allowed`, sure or not.

    sign: 1 where a higher value is worse, else -1. False where there is no value.
    """
    ends = [sign * end for end in (change.low, change.high) if end is not None]
    return change.value is not None and (sign * change.value > allowed or (bool(ends) and min(ends) > 0))


def best_of(points: Sequence[PilotPoint], hard: PilotPoint) -> PilotPoint | None:
    """The smallest factor within the margin (of two, the lower NLL); else the nearest of those that are no worse.

    Only runs with a lower ECE than that with hard labels; and, where that is underconfident, none towards uniform,
    which takes confidence away. None where there is no such run.
    """
    able = [
        point for point in points if point.ece < hard.ece and not (_value(hard.gap) < 0 and point.prior == "uniform")
    ]
    if passing := [point for point in able if not point.rejected]:
        return min(passing, key=lambda point: (point.epsilon, point.nll))
    nearer = [point for point in able if point.rejected in _OFF and _off(point) < _off(hard)]
    return min(nearer, key=_off, default=None)


def pilot_interval(
    chosen: PilotPoint, hard: PilotPoint, points: Sequence[PilotPoint], margin: float
) -> tuple[float | None, float | None]:
    """The factors that could be the smallest within the margin, among the chosen prior's runs that are no worse.

    From the first whose gap's interval reaches into the margin, to the first whose interval lies in it; 1 where none
    does. (None, None) where there are too few independent items.
    """
    path = [hard] + [point for point in points if point.prior == chosen.prior and point.rejected in ("", *_OFF)]
    if any(point.gap.low is None or point.gap.high is None for point in path):
        return None, None
    ends = [(point.epsilon, point.gap.low or 0.0, point.gap.high or 0.0) for point in path]
    possible = [epsilon for epsilon, low, high in ends if low <= margin and high >= -margin]
    sure = [epsilon for epsilon, low, high in ends if low >= -margin and high <= margin]
    return min([chosen.epsilon, *possible]), max(chosen.epsilon, min(sure, default=1.0))


def _off(point: PilotPoint) -> float:
    return abs(_value(point.gap))


def _value(interval: Interval) -> float:
    assert interval.value is not None
    return interval.value
