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

from collections.abc import Sequence
from contextlib import suppress

from calibaudit.advice import cautions
from calibaudit.advice.aligned import aligned_temperature
from calibaudit.advice.calibrated import calibrated, no_sign, none_shown
from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.mixture import Mixture, mixture_between, sides_of
from calibaudit.advice.options.choosing import Case, Choice, choose
from calibaudit.advice.options.measuring import Sides
from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.options.plan import Plan, plan_of
from calibaudit.advice.options.ranking import (
    Measured,
    aligned_option,
    merge_option,
    pilot_option,
    ranked,
    smooth_option,
    temperature_option,
)
from calibaudit.advice.pilot_points import best_of, hard_and_tried, pilot_interval, point_of
from calibaudit.advice.recommendation import Demand, PilotPoint, PilotRun, Recommendation, usable
from calibaudit.advice.weights import NEAR, WEIGHTS
from calibaudit.advice.words import reasons, repairs
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.reach import at_ceiling
from calibaudit.analysis.settings import Settings, checked_settings, plain_number
from calibaudit.errors import CalibauditError, ScoresError, told
from calibaudit.scores.align import score_list
from calibaudit.scores.scores import Scores

MARGIN = 0.03
"""The |gap| that a pilot's run may have: its grid of factors is coarse, so none need hit 0."""

HARD = "with hard labels "
_NONE = Interval(0.0, None, None)


def recommend(
    before: Scores | Sequence[Scores],
    after: Scores | Sequence[Scores],
    comparison: Comparison | None = None,
    *,
    margin: float | None = None,
    head: HeadBound | None = None,
    sign: str | None = None,
) -> Recommendation:
    """What to do about the pair, from all items pooled.

    before, after: base's and the tuned model's scores. comparison: theirs, where it is made already. margin: the |gap|
    that is allowed, in [0, 1]; None: as near to 0 as mixtures come. head: that of the model to be tuned. sign: what
    tells that the tuned model holds more than supervised tuning (`tuning_signs`); None where nothing does.
    Raises CalibauditError for a margin outside its range, ScoresError as `compare`.
    """
    margin = _checked_margin(margin)
    if comparison is not None and not isinstance(comparison, Comparison):
        raise CalibauditError(f"comparison is {told(comparison)}; give what compare(before, after) gave, or nothing")
    before, after = score_list(before, "before"), score_list(after, "after")
    comparison = comparison or compare(before, after)
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
        plan = plan_of(mixture, margin, comparison.settings.level)
        found = _found(before, after, sides, demand, plan)
        options = ranked(found, from_instruct_first=sign is not None)
        accuracy = comparison.pooled.change["accuracy"]
        choice = choose(found, Case(sides, tuned, plan.why_not, plan.why, accuracy, sign is not None))
        if choice.action == "nothing_known" and none_shown(comparison):
            choice = Choice("nothing_known", reasons.by_chance(tuned, comparison.pooled.n_items))
        if sign is not None and plan.factor is not None:
            warnings.append(repairs.more_than_sft(sign))
        if choice.action == "smooth":
            assert plan.factor is not None
            assert plan.mixed is not None
            assert plan.weight is not None
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
    settings = checked_settings(settings)
    hard, tried = hard_and_tried(runs)
    audit = compare(hard.scores, hard.scores, settings)
    _, items = sides_of(hard.scores, hard.scores, settings)
    sides, mixture = Sides(None, items, settings), mixture_between(items, items)
    demand, tuned = _demand(audit, mixture), mixture.at(0.0)
    plain = point_of(hard, audit, hard, None)
    points = [point_of(run, compare(hard.scores, run.scores, settings), hard, margin) for run in tried]
    warnings = cautions.about_length(demand.gap, tuned_gap)
    chosen, epsilon = None, _NONE
    found: list[Measured] = []
    if calibrated(audit, margin):
        choice = Choice("none_needed", reasons.calibrated(tuned, margin, no_sign=no_sign(audit), of=HARD))
    else:
        if usable(demand.temperature):
            one = temperature_option(sides, demand.temperature, one_token=_one_token(hard.scores))
            found += [] if one is None else [one]
        chosen = best_of(points, plain)
        if chosen is None:
            choice = choose(found, Case(sides, tuned, reasons.pilot_fails(tuned, len(tried))))
        else:
            assert chosen.gap.value is not None
            within = not chosen.rejected
            reason = reasons.pilot_smooth(tuned, chosen.gap.value, len(tried), margin, within=within)
            choice = Choice("smooth", reason)
            epsilon = Interval(chosen.epsilon, *pilot_interval(chosen, plain, points, margin))
            run = next(one for one in tried if (one.epsilon, one.prior) == (chosen.epsilon, chosen.prior))
            warnings += _about_run(chosen, found)
            learned = None if run.learned is None or not hard.learned else run.learned / hard.learned
            found.append(pilot_option(sides, epsilon, sides_of(hard.scores, run.scores, settings)[1], learned))
    return Recommendation(
        action=choice.action,
        epsilon=epsilon,
        prior="base" if chosen is None else chosen.prior,
        method="pilot",
        reason=choice.reason,
        nll_weight=None,
        margin=margin,
        demand=demand,
        warnings=tuple(cautions.about_evidence(audit, choice.action) + warnings + cautions.about_head(head, epsilon)),
        head=head,
        pilot=(plain, *points),
        options=ranked(found, from_instruct_first=False),
    )


def _checked_margin(margin: float | None) -> float | None:
    found = plain_number(margin)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise CalibauditError(f"margin is {told(margin)}; give the allowed |gap|, between 0 and 1, such as 0.03")
    return found


def _about_run(chosen: PilotPoint, found: Sequence[Measured]) -> list[str]:
    """What to know of the pilot run that is taken. found: the temperature, where one could serve."""
    warnings = []
    if chosen.rejected:
        assert chosen.gap.value is not None
        warnings.append(
            f"at the factor {chosen.epsilon:g} confidence still {reasons.side(chosen.gap.value)}: "
            "try larger factors or more steps"
        )
    warnings += cautions.about_mass(chosen.option_mass, "after that pilot run ")
    for option in (one.option for one in found):
        assert option.setting is not None
        assert option.figures is not None
        warnings += cautions.about_temperature(option.setting.value, option.figures.nll.value, chosen.nll)
    return warnings


def _found(
    before: Sequence[Scores], after: Sequence[Scores], sides: Sides, demand: Demand, plan: Plan
) -> list[Measured]:
    """Every repair that could serve, cheapest first."""
    one_token = _one_token(after)
    found = [temperature_option(sides, demand.temperature, one_token=one_token) if usable(demand.temperature) else None]
    with suppress(ScoresError):  # the two answer nothing alike
        aligned = aligned_temperature(before, after, sides.settings)
        found.append(aligned_option(sides, aligned, one_token=one_token))
    if plan.factor is not None:
        found += [merge_option(), smooth_option(sides, plan.factor)]
    return [one for one in found if one is not None]


def _one_token(scores: Sequence[Scores]) -> bool:
    """Whether every choice is a token, so that what divides the scores divides the checkpoint's logits too."""
    return all(int(part.n_tokens.max()) <= 1 for part in scores)


def _demand(comparison: Comparison, mixture: Mixture) -> Demand:
    found = comparison.pooled.after.metrics
    return Demand(found["gap"], found["temperature"], mixture.option_epsilon())
