"""Comparison -> Recommendation: what would repair the tuned model's calibration, what it would give, how sure.

A temperature is measured on the items themselves. The `stack` estimate of smoothing needs no training either: mix the
two models' option probabilities, (1 - w) instruct + w base, and take the w at which the mixture is as sure as it is
right (see `weights`). Label smoothing towards the base model's own distribution with factor epsilon asks tuning for
such a mixture, so w estimates epsilon; what a large w would undo is not asked for (`cautions.MOST`). Where base does
not bring the tuned model near, no factor is named. What is advised: `options.choosing`.

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
    sign: str | None = None,
) -> Recommendation:
    """What to do about the pair that `comparison` compares, from all items pooled.

    before, after: the scores that went into `comparison`. margin: the |gap| that is allowed, in [0, 1]; None: as near
    to 0 as mixtures come. head: that of the model to be tuned. sign: what tells that the tuned model holds more than
    supervised tuning (`tuning_signs`); None where nothing does.
    """
    base, items = sides_of(before, after, comparison.settings)
    sides, mixture = Sides(base, items, comparison.settings), mixture_between(base, items)
    demand, tuned = _demand(comparison, mixture), mixture.at(0.0)
    tolerance = NEAR if margin is None else margin
    warnings: list[str] = []
    options: tuple[RepairOption, ...] = ()
    epsilon, aim = _NONE, tolerance
    if demand.gap.low is None:
        choice = Choice("nothing_known", reasons.too_few(comparison.pooled.n_items))
    elif calibrated(comparison, tolerance):
        choice = Choice("none_needed", reasons.calibrated(tuned, tolerance, no_sign=no_sign(comparison)))
    elif all(at_ceiling((task.before, task.after)) for task in comparison.tasks):
        choice = Choice("nothing_known", reasons.CEILING)
    else:
        plan = plan_of(mixture, margin)
        found = _found(before, after, sides, demand, plan)
        options = ranked(found, from_instruct_first=sign is not None)
        accuracy = comparison.pooled.change["accuracy"]
        choice = choose(found, Case(sides, tuned, plan.why_not, plan.why, accuracy, sign is not None))
        if sign is not None and plan.factor is not None:
            warnings.append(repairs.more_than_sft(sign))
        if choice.action == "smooth":
            assert plan.factor is not None
            assert plan.mixed is not None
            epsilon, aim = plan.factor, plan.aim
            warnings += cautions.about_mixture(mixture.at(1.0), tuned, plan.mixed, plan.weight)
    return Recommendation(
        action=choice.action,
        epsilon=epsilon,
        prior="base",
        method="stack",
        reason=choice.reason,
        nll_weight=float(WEIGHTS[mixture.nll.argmin()]),
        margin=aim,
        demand=demand,
        warnings=tuple(
            cautions.about_evidence(comparison, choice.action) + warnings + cautions.about_head(head, epsilon)
        ),
        head=head,
        options=options,
        trades=choice.trades,
        ensemble=None if demand.gap.low is None else sides.ensemble(),
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


def _found(
    before: Sequence[Scores], after: Sequence[Scores], sides: Sides, demand: Demand, plan: Plan
) -> list[Measured]:
    """Every repair that could serve, cheapest first."""
    one_token = all(int(part.n_tokens.max()) <= 1 for part in after)
    one_prompt = {part.chat_template for part in before} == {part.chat_template for part in after}
    found = [None if _temperature(demand) is None else temperature_option(sides, demand.temperature, one_token)]
    aligned = aligned_temperature(before, after, sides.settings)
    if aligned is not None:
        found.append(aligned_option(sides, aligned, one_token=one_token, one_prompt=one_prompt))
    if plan.factor is not None:
        found += [merge_option(), smooth_option(sides, plan.factor)]
    return [one for one in found if one is not None]


def _demand(comparison: Comparison, mixture: Mixture) -> Demand:
    found = comparison.pooled.after.metrics
    return Demand(found["gap"], found["temperature"], mixture.option_epsilon())


def _temperature(demand: Demand) -> float | None:
    """None also where its inverse may be 0: then the scores may hold nothing, and it would only flatten them."""
    value, high = demand.temperature.value, demand.temperature.high
    return None if value is None or (high is not None and high > math.e * value) else value
