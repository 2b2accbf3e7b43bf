"""The mixture that smoothing towards base would aim at, the factor to begin with, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.advice.calibrated import SMALL
from calibaudit.advice.cautions import MOST
from calibaudit.advice.mixture import Mixture, State
from calibaudit.advice.weights import WEIGHTS, Target, not_ruled_out, target_of
from calibaudit.advice.words import reasons
from calibaudit.analysis.estimates import Interval


@dataclass(frozen=True)
class Plan:
    """factor: the factor to begin with, None where smoothing towards base is not advised; why_not says why then.

    weight: of base in the mixture that is aimed at, with its interval. factor is the same, or MOST without an interval
    where that is less. mixed: the mixture by the factor. why: what it does, in a sentence. aim: the |gap| aimed at.
    """

    why_not: str
    why: str = ""
    aim: float = 0.0
    weight: Interval | None = None
    factor: Interval | None = None
    mixed: State | None = None


def plan_of(mixture: Mixture, margin: float | None, level: float) -> Plan:
    """margin: the |gap| that is allowed; None: as near to 0 as mixtures come. level: of the weight's interval."""
    target, tuned = target_of(mixture.gaps, margin), mixture.at(0.0)
    nearest = float(WEIGHTS[abs(mixture.gaps).argmin()])
    best = mixture.at(nearest)
    if target is None:
        return Plan(reasons.base_fails(tuned, best, nearest, margin))
    if target.index == 0:
        return Plan(reasons.not_the_gap(tuned) if target.crosses or target.given else reasons.no_nearer(tuned))
    if margin is None and abs(best.gap) > max(SMALL, abs(tuned.gap) / 2):
        return Plan(reasons.base_fails(tuned, best, nearest, None))
    factor = min(target.weight, MOST)
    mixed = mixture.at(factor)
    if abs(mixed.gap) >= abs(tuned.gap):
        return Plan(reasons.base_fails(tuned, mixed, factor, margin))
    if mixed.ece >= tuned.ece:
        return Plan(reasons.no_lower_ece(tuned, mixed, factor))
    weight = _weight(mixture, target, level)
    return Plan(
        why_not="",
        why=reasons.smooth(tuned, mixed, factor),
        aim=target.aim,
        weight=weight,
        factor=weight if factor == target.weight else Interval(MOST, None, None),
        mixed=mixed,
    )


def _weight(mixture: Mixture, target: Target, level: float) -> Interval:
    return Interval(target.weight, *not_ruled_out(mixture.gap, target, mixture.excess, mixture.design, level))
