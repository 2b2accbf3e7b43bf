"""When a recommended smoothing factor is not to be trusted: each finding as one sentence, or nothing."""

from __future__ import annotations

from typing import Literal

from calibaudit.advice.calibrated import SMALL
from calibaudit.advice.evidence import STUDY
from calibaudit.advice.head_bound import HeadBound, bound_warning
from calibaudit.advice.mixture import State
from calibaudit.advice.words import reasons
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Interval
from calibaudit.files.shown.card import count

Action = Literal["none_needed", "smooth", "temperature", "nothing_known"]
"""What to do: nothing, for the model is calibrated; tune again with smoothing; divide its scores by the fitted
temperature; or nothing that was measured would help."""

FEW_ITEMS = 500
LOW_OPTION_MASS = 0.5

MOST = 0.5
"""The largest factor that `stack` advises: up to it the study's models kept nearly all that they were taught."""

WORSE = 0.02
"""Accuracy or AUROC that is lower, or NLL that is higher, by more than this is worse, sure or not."""

CLEARLY = 0.002
"""By so much NLL (nats) or ECE must be lower for a temperature to be clearly better."""

NOTE = (
    "nothing measured here shows whether the model will teach another or abstain by its confidence: smoothing "
    "harms both, so do not smooth such a model"
)
"""Stands beside every factor above 0. It cannot be measured, so it is no warning."""


def about_evidence(comparison: Comparison, action: Action) -> list[str]:
    """Of the model after: a gap that may be none, tasks of two signs, low option mass, few items."""
    overall = comparison.pooled
    found = [] if action == "none_needed" else about_gap(overall.after.metrics["gap"]) + _about_tasks(comparison)
    found += about_mass(overall.after.metrics["option_mass"].value)
    if overall.n_items < FEW_ITEMS:
        purpose = "before spending a training run on it" if action == "smooth" else "before relying on this"
        found.append(f"only {count(overall.n_items, 'item')}: take {FEW_ITEMS} or more {purpose}")
    return found


def about_gap(gap: Interval) -> list[str]:
    if gap.low is None or gap.high is None:
        return ["too few independent items for an interval of the gap: there may be nothing to repair"]
    if gap.low <= 0 <= gap.high:
        return ["the gap's interval covers 0: there may be nothing to repair"]
    return []


def about_mixture(base: State, tuned: State, mixed: State, weight: Interval) -> list[str]:
    """What to know of the mixture that smoothing is to imitate. base: before tuning. weight: at which it is best."""
    assert weight.value is not None
    found = []
    if base.gap * tuned.gap > 0 and abs(base.gap) >= abs(tuned.gap):
        found.append(
            "base alone is no better calibrated than the tuned model; only their mixture is, because they err "
            "on different items, and a model tuned towards base need not become such a mixture"
        )
    if abs(mixed.gap) > SMALL:
        found.append(f"it helps only in part: in that mixture confidence still {reasons.side(mixed.gap)}")
    if weight.value > MOST:
        found.append(
            f"the mixture that comes nearest has {reasons.share(weight.value)} of base, and a factor so large undoes "
            f"much of the tuning itself, so {reasons.share(MOST)} is the most that is advised: in the "
            f"study .7 kept less than .95 of it in {STUDY.below} of {STUDY.n_one_stage} cells"
        )
    if mixed.accuracy < tuned.accuracy - WORSE:
        lost = f"{reasons.number(tuned.accuracy)} to {reasons.number(mixed.accuracy)}"
        found.append(f"that mixture is less often right than the tuned model: accuracy goes from {lost}")
    return found


def about_head(head: HeadBound | None, epsilon: Interval) -> list[str]:
    warning = None if head is None or epsilon.value is None else bound_warning(head, epsilon.value)
    return [] if warning is None else [warning]


def about_length(hard: Interval, tuned: Interval | None) -> list[str]:
    """hard: the gap of a pilot's run with hard labels. tuned: that of the model whose tuning it stands for, if any."""
    if tuned is None or hard.value is None or tuned.value is None or hard.high is None or tuned.low is None:
        return []
    if tuned.low <= 0 or hard.high >= tuned.low:
        return []
    return [
        f"after the pilot's run with hard labels confidence {reasons.side(hard.value)}, the tuned model's "
        f"{reasons.side(tuned.value)}: too few steps or different data, so the full tuning may need a larger factor"
    ]


def about_mass(mass: float | None, when: str = "") -> list[str]:
    """mass: of letter tasks, in [0, 1]; None where there are none. when: stands first in the sentence."""
    if mass is None or mass >= LOW_OPTION_MASS:
        return []
    return [
        f"{when}only {mass * 100:.0f} % of the probability is on the options of letter tasks: "
        "their confidences say little"
    ]


def about_temperature(temperature: float | None, scaled: float | None, smoothed: float) -> list[str]:
    """scaled, smoothed: NLL by the temperature and of the pilot run, in nats."""
    if temperature is None or scaled is None or scaled > smoothed - CLEARLY:
        return []
    return [
        f"dividing the tuned model's scores by a temperature of {temperature:.2f} fits these items better than "
        f"that pilot run does (NLL {scaled:.3f} against {smoothed:.3f}): where only the options' probabilities are "
        "needed, that is the cheaper repair"
    ]


def _about_tasks(comparison: Comparison) -> list[str]:
    leans = {
        sign: [task.label for task in comparison.tasks if _lean(task.after.metrics["gap"]) == sign] for sign in (1, -1)
    }
    if not leans[1] or not leans[-1]:
        return []
    return [
        f"tasks disagree: overconfident on {', '.join(leans[1][:3])}, underconfident on {', '.join(leans[-1][:3])}: "
        "any repair for all of them is a compromise"
    ]


def _lean(gap: Interval) -> int:
    if gap.low is None or gap.high is None:
        return 0
    return (gap.low > 0) - (gap.high < 0)
