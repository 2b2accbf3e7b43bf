"""Comparison -> Recommendation: what would repair the tuned model's calibration, by how much smoothing, how sure.

The `stack` estimate needs no training: mix the two models' option probabilities, (1 - w) instruct + w base, and take
the w at which the mixture is as sure as it is right (see `weights`). Label smoothing towards the base model's own
distribution with factor epsilon asks tuning for such a mixture, so w estimates epsilon. Where base does not bring the
tuned model near, no factor is named: a temperature is, where it measurably helps, or nothing.

The `pilot` estimate reads short tuning runs over a grid of factors instead (see `pilot`, `pilot_points`).

Smoothing over a vocabulary is not smoothing over the options (at 128,256 tokens, uniform smoothing of 0.1 is optimal at
a logit margin of 13.96 nats, over four options at 3.61), so the factor fitted over the options is reported as a
diagnosis, `option_epsilon`, and never as the factor for uniform smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibaudit.advice import cautions, reasons
from calibaudit.advice.calibrated import SMALL, calibrated, no_sign
from calibaudit.advice.cautions import Action
from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.mixture import Mixture, State, mixture_of
from calibaudit.advice.pilot_points import best_of, hard_and_tried, pilot_interval, point_of
from calibaudit.advice.recommendation import Demand, PilotRun, Recommendation
from calibaudit.advice.weights import NEAR, WEIGHTS, Target, not_ruled_out, target_of
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.reach import at_ceiling
from calibaudit.analysis.settings import Settings
from calibaudit.scores.scores import Scores

MARGIN = 0.03
"""The |gap| that a pilot's run may have: its grid of factors is coarse, so none need hit 0."""

HARD = "with hard labels "
_NONE = Interval(0.0, None, None)


def recommend(
    before: Sequence[Scores],
    after: Sequence[Scores],
    comparison: Comparison,
    *,
    margin: float | None = None,
    head: HeadBound | None = None,
) -> Recommendation:
    """What to do about the pair that `comparison` compares, from all items pooled.

    before, after: the scores that went into `comparison`. margin: the |gap| that is allowed, in [0, 1]; None: as near
    to 0 as mixtures come. head: that of the model to be tuned.
    """
    mixture = mixture_of(before, after, comparison.settings)
    demand, tuned = _demand(comparison, mixture), mixture.at(0.0)
    tolerance = NEAR if margin is None else margin
    warnings: list[str] = []
    epsilon, aim = _NONE, tolerance
    action: Action
    if demand.gap.low is None:
        action, reason = "nothing_known", reasons.too_few(comparison.pooled.n_items)
    elif calibrated(comparison, tolerance):
        action = "none_needed"
        reason = reasons.calibrated(tuned, tolerance, no_sign=no_sign(comparison))
    elif all(at_ceiling((task.before, task.after)) for task in comparison.tasks):
        action, reason = "nothing_known", reasons.CEILING
    else:
        target = target_of(mixture.gaps, margin)
        mixed = None if target is None else mixture.at(target.weight)
        why_not = _why_not_base(mixture, tuned, target, mixed, margin)
        if target is None or mixed is None or why_not:
            action, reason = _without_smoothing(mixture, demand, tuned, why_not)
        else:
            action, reason, aim = "smooth", reasons.smooth(tuned, mixed, target.weight), target.aim
            ends = not_ruled_out(mixture.gap, target, mixture.excess, mixture.design, comparison.settings.level)
            epsilon = Interval(target.weight, *ends)
            warnings += cautions.about_mixture(mixture.at(1.0), tuned, mixed, target.weight)
            warnings += _cheaper_temperature(mixture, demand, mixed.nll, "the mixture does")
    return Recommendation(
        action=action,
        epsilon=epsilon,
        prior="base",
        method="stack",
        reason=reason,
        nll_weight=float(WEIGHTS[mixture.nll.argmin()]),
        margin=aim,
        demand=demand,
        warnings=tuple(cautions.about_evidence(comparison, action) + warnings + cautions.about_head(head, epsilon)),
        head=head,
    )


def recommend_from_pilot(
    runs: Sequence[PilotRun],
    margin: float = MARGIN,
    *,
    settings: Settings | None = None,
    head: HeadBound | None = None,
    tuned_gap: Interval | None = None,
) -> Recommendation:
    """The smallest factor whose run has a |gap| within the margin, and which is not worse than the hard-label run.

    Nothing is needed where the hard-label run is calibrated (see `calibrated`). What is worse, and what is taken where
    no run is within the margin: `pilot_points`. Where none helps, a temperature is named if it does, or nothing.
    tuned_gap: that of the model whose tuning the pilot stands for, where there is one.
    Raises CalibauditError unless there is one run with hard labels and another, ScoresError when their items differ.
    """
    settings = settings or Settings()
    hard, tried = hard_and_tried(runs)
    audit = compare(hard.scores, hard.scores, settings)
    mixture = mixture_of(hard.scores, hard.scores, settings)
    demand, tuned = _demand(audit, mixture), mixture.at(0.0)
    plain = point_of(hard, audit, hard, None)
    points = [point_of(run, compare(hard.scores, run.scores, settings), hard, margin) for run in tried]
    warnings = cautions.about_length(demand.gap, tuned_gap)
    chosen, epsilon = None, _NONE
    action: Action
    if calibrated(audit, margin):
        action, reason = "none_needed", reasons.calibrated(tuned, margin, no_sign=no_sign(audit), of=HARD)
    elif (chosen := best_of(points, plain)) is None:
        action, reason = _without_smoothing(mixture, demand, tuned, reasons.pilot_fails(tuned, len(tried)))
    else:
        assert chosen.gap.value is not None
        action = "smooth"
        reason = reasons.pilot_smooth(tuned, chosen.gap.value, len(tried), margin, within=not chosen.rejected)
        if chosen.rejected:
            warnings.append(
                f"at the factor {chosen.epsilon:g} confidence still {reasons.side(chosen.gap.value)}: "
                "try larger factors or more steps"
            )
        warnings += cautions.about_mass(chosen.option_mass, "after that pilot run ")
        warnings += _cheaper_temperature(mixture, demand, chosen.nll, "that pilot run does")
        epsilon = Interval(chosen.epsilon, *pilot_interval(chosen, plain, points, margin))
    return Recommendation(
        action=action,
        epsilon=epsilon,
        prior="base" if chosen is None else chosen.prior,
        method="pilot",
        reason=reason,
        nll_weight=None,
        margin=margin,
        demand=demand,
        warnings=tuple(cautions.about_evidence(audit, action) + warnings + cautions.about_head(head, epsilon)),
        head=head,
        pilot=(plain, *points),
    )


def _why_not_base(
    mixture: Mixture, tuned: State, target: Target | None, mixed: State | None, margin: float | None
) -> str:
    """Why smoothing towards base is not advised; empty where it is."""
    nearest = float(WEIGHTS[abs(mixture.gaps).argmin()])
    best = mixture.at(nearest)
    if target is None or mixed is None:
        return reasons.base_fails(tuned, best, nearest, margin)
    if target.index == 0:
        return reasons.not_the_gap(tuned) if target.crosses or target.given else reasons.no_nearer(tuned)
    if margin is None and abs(best.gap) > max(SMALL, abs(tuned.gap) / 2):
        return reasons.base_fails(tuned, best, nearest, None)
    if mixed.ece >= tuned.ece:
        return reasons.no_lower_ece(tuned, mixed, target.weight)
    return ""


def _without_smoothing(mixture: Mixture, demand: Demand, tuned: State, why: str) -> tuple[Action, str]:
    """A temperature where it measurably helps, else nothing that was measured."""
    temperature = _temperature(demand)
    if temperature is not None:
        scaled = mixture.scaled(temperature)
        gains = (tuned.nll - scaled.nll, tuned.ece - scaled.ece)
        if max(gains) > cautions.CLEARLY and min(gains) > -cautions.CLEARLY:
            return "temperature", f"{why}; {reasons.by_temperature(tuned, scaled, temperature)}"
    return "nothing_known", f"{why}; {reasons.NO_TEMPERATURE}"


def _demand(comparison: Comparison, mixture: Mixture) -> Demand:
    found = comparison.pooled.after.metrics
    return Demand(found["gap"], found["temperature"], mixture.option_epsilon())


def _temperature(demand: Demand) -> float | None:
    """None also where its inverse may be 0: then the scores may hold nothing, and it would only flatten them."""
    value, high = demand.temperature.value, demand.temperature.high
    return None if value is None or (high is not None and high > math.e * value) else value


def _cheaper_temperature(mixture: Mixture, demand: Demand, smoothed: float, what: str) -> list[str]:
    found = _temperature(demand)
    return [] if found is None else cautions.about_temperature(found, mixture.scaled(found).nll, smoothed, what)
