"""When a recommended smoothing factor is not to be trusted: each finding as one sentence, or nothing."""

from __future__ import annotations

from calibaudit.advice.head_bound import HeadBound, bound_warning
from calibaudit.analysis.compare import Comparison, Overall
from calibaudit.analysis.estimates import Interval

FEW_ITEMS = 500
LOW_OPTION_MASS = 0.5

CLEARLY = 0.002
"""Nats by which a temperature must fit better: it was fitted to these very items."""

NOTE = (
    "nothing measured here shows whether the model will teach another, or abstain by its confidence: smoothing "
    "harms both, so leave it out there"
)
"""Stands beside every factor above 0. It cannot be measured, so it is no warning."""


_STUDY = "in 60 settings with known answers (docs/studies.md)"
EVIDENCE = {
    "stack": f"{_STUDY} factors found this way ended .017 above the least ECE there was, uniform 0.1 .041, none .055",
    "pilot": f"{_STUDY} factors found this way ended .018 above the least ECE there was, uniform 0.1 .041, none .055",
    "literature": f"{_STUDY} uniform 0.1 ended .041 above the least ECE there was, none .055, .5 towards base .017",
}
"""Beside every factor above 0: how the method did in the study. The tables there are made by benchmarks/studies."""


def about_evidence(comparison: Comparison) -> list[str]:
    """Of the model after: a gap that may be none, tasks of two signs, low option mass, few items."""
    overall = comparison.pooled
    found = about_gap(overall.after.metrics["gap"])
    leans = {
        sign: [task.label for task in comparison.tasks if _lean(task.after.metrics["gap"]) == sign] for sign in (1, -1)
    }
    if leans[1] and leans[-1]:
        found.append(
            f"tasks disagree: overconfident on {', '.join(leans[1][:3])}, underconfident on "
            f"{', '.join(leans[-1][:3])}: one factor cannot serve both"
        )
    found += about_mass(overall.after.metrics["option_mass"].value)
    if overall.n_items < FEW_ITEMS:
        found.append(f"only {overall.n_items:,} items: take {FEW_ITEMS} or more before spending a training run on it")
    return found


def about_gap(gap: Interval) -> list[str]:
    if gap.low is None or gap.high is None:
        return ["too few independent items for an interval of the gap: there may be nothing to repair"]
    if gap.low <= 0 <= gap.high:
        return ["the gap's interval covers 0: there may be nothing to repair"]
    if gap.high < 0:
        return ["the tuned model is underconfident: the factor answers overconfidence only, and 0 is no repair of that"]
    return []


def about_base(overall: Overall, margin: float) -> list[str]:
    """before is the base model."""
    base, tuned = (side.metrics["gap"].value for side in (overall.before, overall.after))
    assert base is not None
    assert tuned is not None
    if tuned > margin and base >= tuned:
        return ["base is no less overconfident than the tuned model: smoothing towards it cannot repair that"]
    return []


def about_head(head: HeadBound | None, epsilon: float) -> list[str]:
    warning = None if head is None else bound_warning(head, epsilon)
    return [] if warning is None else [warning]


def about_length(hard: Interval, tuned: Interval | None) -> list[str]:
    """hard: the gap of a pilot's run with hard labels. tuned: that of the model whose tuning it stands for, if any."""
    if tuned is None or hard.high is None or tuned.low is None or hard.high >= tuned.low:
        return []
    return [
        f"the pilot's run with hard labels is {hard.value:.3f} surer than right, the tuned model {tuned.value:.3f}: "
        "too few steps or other data, so the whole tuning may need a larger factor"
    ]


def about_mass(mass: float | None, when: str = "") -> list[str]:
    """mass: of letter tasks, in [0, 1]; None where there are none. when: stands first in the sentence."""
    if mass is None or mass >= LOW_OPTION_MASS:
        return []
    return [
        f"{when}only {mass * 100:.0f} % of the probability is on the options of letter tasks: "
        "their confidences say little"
    ]


def about_temperature(temperature: float, scaled: float, smoothed: float, what: str) -> list[str]:
    """scaled, smoothed: NLL by the temperature and by `what`, in nats."""
    if scaled > smoothed - CLEARLY:
        return []
    return [
        f"dividing the tuned model's scores by a temperature of {temperature:.2f} fits these items better than "
        f"{what} (NLL {scaled:.3f} against {smoothed:.3f}): where only the options' probabilities are needed, "
        "that is the cheaper repair"
    ]


def _lean(gap: Interval) -> int:
    if gap.low is None or gap.high is None:
        return 0
    return (gap.low > 0) - (gap.high < 0)
