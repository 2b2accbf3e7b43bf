"""Comparison -> Recommendation: how much smoothing would have kept the tuned model calibrated, towards what, how sure.

The `stack` estimate needs no training: mix the two models' option probabilities, (1 - w) instruct + w base, and take
the smallest w at which the mixture is no more overconfident than a margin allows. Label smoothing towards the base
model's own distribution with factor epsilon asks tuning for such a mixture, so w estimates epsilon.

The `pilot` estimate reads short tuning runs over a grid of factors instead (see piloting).

Smoothing over a vocabulary is not smoothing over the options (at 128,256 tokens, uniform smoothing of 0.1 is optimal at
a logit margin of 13.96 nats, over four options at 3.61), so the factor fitted over the options is reported as a
diagnosis, `option_epsilon`, and never as the factor for uniform smoothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from calibaudit.advice import cautions
from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.mixture import WEIGHTS, Mixture, first_within, mixture_of, percentiles
from calibaudit.advice.recommendation import (
    TOO_SURE,
    UNLEARNED,
    Demand,
    Method,
    PilotPoint,
    PilotRun,
    Prior,
    Recommendation,
)
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError
from calibaudit.scores.scores import Scores

MARGIN = 0.03
"""The gap that smoothing need not remove. In a simulated world with known posteriors, the weight found at this margin
(.51, .34) lay near the factors that training found best (.5 to .7; docs/recommendation.md)."""

NEAR = 0.01
"""No mixture can be asked for less than base's own gap and this (docs/studies.md: margin in reach)."""

LITERATURE = 0.1
"""Uniform smoothing in Huang, Lu, Zeng 2025 (arXiv 2508.00264): named when nothing better can be estimated."""

WORSE = 0.02
"""A pilot run whose accuracy or AUROC is lower, or whose NLL is higher, by more than this is worse, sure or not."""

KEPT = 0.95
"""Of what the hard-label run learned of the tuning data (first choices right), so much must a pilot run learn too."""


def recommend(
    before: Sequence[Scores],
    after: Sequence[Scores],
    comparison: Comparison,
    *,
    margin: float | None = None,
    head: HeadBound | None = None,
) -> Recommendation:
    """The smoothing factor for the pair that `comparison` compares, from all items pooled.

    before, after: the scores that went into `comparison`. margin: in [0, 1]; None: MARGIN, or base's own gap and NEAR
    where that is more and base is the less overconfident. head: that of the model to be tuned.
    """
    mixture = mixture_of(before, after, comparison.settings)
    gaps, nlls = mixture.means(None)
    if margin is None:
        tuned, base = float(gaps[0][0]), float(gaps[0][-1])
        margin = max(MARGIN, base + NEAR) if base < tuned else MARGIN
    weight = first_within(gaps, margin)[0]
    demand = _demand(comparison, mixture)
    warnings = cautions.about_evidence(comparison) + cautions.about_base(comparison.pooled, margin)
    prior: Prior
    method: Method
    if np.isnan(weight):
        epsilon, prior, method = Interval(LITERATURE, None, None), "uniform", "literature"
        reason = (
            f"no mixture with base is sure within {margin:.3g} of right; uniform smoothing of {LITERATURE:g} is what "
            "the literature uses"
        )
    else:
        low, high = mixture.interval(margin, comparison.settings.level)
        epsilon, prior, method = Interval(float(weight), low, high), "base", "stack"
        reason = (
            f"with this much of base mixed in, confidence exceeds accuracy by at most {margin:.3g}"
            if weight
            else f"confidence already exceeds accuracy by at most {margin:.3g}"
        )
        if weight:
            warnings += _by_temperature(mixture, demand, float(nlls[0][round(weight * 100)]), "the mixture does")
    return Recommendation(
        epsilon=epsilon,
        prior=prior,
        method=method,
        reason=reason,
        nll_weight=float(WEIGHTS[nlls[0].argmin()]),
        margin=margin,
        demand=demand,
        warnings=tuple(warnings + cautions.about_head(head, _value(epsilon))),
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
    """The smallest factor whose run's gap is within the margin, and which is not worse than the hard-label run.

    Worse: lower in accuracy or AUROC or higher in NLL, by the paired change's interval or by more than WORSE, or with
    less learned of the tuning data than KEPT of what that run learned. Where no
    run comes within the margin, the one that comes nearest, with a warning. Interval: over the same prior's runs,
    percentile bootstrap over items; a resample in which none is within the margin counts as 1.
    tuned_gap: that of the model whose tuning the pilot stands for, where there is one.
    Raises CalibauditError unless there is one run with hard labels and another, ScoresError when their items differ.
    """
    settings = dataclasses.replace(settings or Settings(), n_permutations=0)
    hard, tried = _hard_and_tried(runs)
    audit = compare(hard.scores, hard.scores, settings)
    mixture = mixture_of(hard.scores, hard.scores, settings)
    demand = _demand(audit, mixture)
    points = [_point(run, compare(hard.scores, run.scores, settings), hard, margin) for run in tried]
    warnings = cautions.about_evidence(audit) + cautions.about_length(demand.gap, tuned_gap)
    chosen = None
    if _value(demand.gap) <= margin:
        reason = f"with hard labels, confidence already exceeds accuracy by at most {margin:g}"
    elif (chosen := _best(points, _value(demand.gap))) is None:
        reason = f"none of the {len(tried)} smoothed pilot runs was less overconfident and no worse than hard labels"
        warnings.append("no smoothing that was tried helped: the factor 0 says that, not that nothing is wrong")
    elif chosen.rejected:
        reason = f"of {len(tried)} smoothed pilot runs none came within {margin:g} of right; this one came nearest"
        warnings.append(
            f"at the factor {chosen.epsilon:g} confidence still exceeds accuracy by {_value(chosen.gap):.3f}: "
            "try larger factors or more steps"
        )
    else:
        reason = (
            f"of {len(tried)} smoothed pilot runs it is the smallest factor at which confidence exceeds accuracy by at "
            f"most {margin:g} and nothing else is worse than with hard labels"
        )
    epsilon = Interval(0.0, None, None)
    if chosen is not None:
        warnings += cautions.about_mass(chosen.option_mass, "after that pilot run ")
        warnings += _by_temperature(mixture, demand, chosen.nll, "that pilot run does")
        fit = {point.epsilon for point in points if point.prior == chosen.prior and point.rejected in ("", TOO_SURE)}
        path = [hard, *(run for run in tried if run.prior == chosen.prior and run.epsilon in fit)]
        epsilon = Interval(chosen.epsilon, *_pilot_interval(path, margin, settings))
    return Recommendation(
        epsilon=epsilon,
        prior="base" if chosen is None else chosen.prior,
        method="pilot",
        reason=reason,
        nll_weight=None,
        margin=margin,
        demand=demand,
        warnings=tuple(warnings + cautions.about_head(head, _value(epsilon))),
        head=head,
        pilot=(_point(hard, audit, hard, None), *points),
    )


def _hard_and_tried(runs: Sequence[PilotRun]) -> tuple[PilotRun, list[PilotRun]]:
    hard = [run for run in runs if run.epsilon == 0]
    tried = sorted((run for run in runs if run.epsilon > 0), key=lambda run: (run.epsilon, run.prior))
    if len(hard) != 1 or not tried:
        raise CalibauditError(
            f"a pilot needs one run with hard labels and others with smoothing; there are {len(hard)} and {len(tried)}"
        )
    return hard[0], tried


def _point(run: PilotRun, against_hard: Comparison, hard: PilotRun, margin: float | None) -> PilotPoint:
    """margin: None for the run with hard labels itself."""
    overall = against_hard.pooled
    metrics = overall.after.metrics
    faults = []
    for name, sign in (("accuracy", -1), ("auroc", -1), ("nll", 1)):
        change = overall.change[name]
        ends = [sign * end for end in (change.low, change.high) if end is not None]
        if change.value is not None and (sign * change.value > WORSE or (ends and min(ends) > 0)):
            faults.append(f"worse {name}")
    if run.learned is not None and hard.learned is not None and run.learned < KEPT * hard.learned:
        faults.append(UNLEARNED)
    if not faults and margin is not None and _value(metrics["gap"]) > margin:
        faults.append(TOO_SURE)
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


def _best(points: Sequence[PilotPoint], hard_gap: float) -> PilotPoint | None:
    """The smallest factor that passes (of two, the lower NLL); else the nearest of those that are no worse."""
    if passing := [point for point in points if not point.rejected]:
        return min(passing, key=lambda point: (point.epsilon, point.nll))
    nearer = [point for point in points if point.rejected == TOO_SURE and _value(point.gap) < hard_gap]
    return min(nearer, key=lambda point: _value(point.gap), default=None)


def _pilot_interval(path: Sequence[PilotRun], margin: float, settings: Settings) -> tuple[float | None, float | None]:
    """path: the runs of one prior by factor, the one with hard labels first."""
    parts = [mixture_of(path[0].scores, run.scores, settings) for run in path]
    if not parts[0].has_draws:
        return None, None
    draws = parts[0].row.draws.weights.astype(np.float64)
    gaps = draws @ np.stack([part.gap[:, 0] for part in parts], axis=1) / draws.sum(axis=1, keepdims=True)
    return percentiles(first_within(gaps, margin, np.array([run.epsilon for run in path])), settings.level)


def _demand(comparison: Comparison, mixture: Mixture) -> Demand:
    found = comparison.pooled.after.metrics
    return Demand(found["gap"], found["temperature"], mixture.option_epsilon())


def _by_temperature(mixture: Mixture, demand: Demand, smoothed: float, what: str) -> list[str]:
    found = demand.temperature.value
    return [] if found is None else cautions.about_temperature(found, mixture.nll_at(found), smoothed, what)


def _value(interval: Interval) -> float:
    assert interval.value is not None
    return interval.value
