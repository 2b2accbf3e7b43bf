"""Findings as sentences: what tuning did to a model, and what to do about it."""

from __future__ import annotations

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Interval
from calibaudit.report.words.text import bounds, number, p_text, short_names, signed


def points(gap: float) -> str:
    """A gap (mean confidence minus accuracy) in words: `13.1 points surer than right`."""
    amount = f"{abs(gap) * 100:.1f}"
    if amount == "0.0":
        return "exactly as sure as right"
    return f"{amount} points {'surer' if gap > 0 else 'less sure'} than right"


def lean(gap: Interval) -> int:
    """1 overconfident, -1 underconfident, 0 neither: by the interval of the gap. 0 where there is no interval."""
    if gap.low is None or gap.high is None:
        return 0
    return (gap.low > 0) - (gap.high < 0)


def headline(comparison: Comparison) -> str:
    """The one sentence that matters, and the figures behind it, from all items pooled."""
    return f"{_verdict(comparison)} {_figures(comparison)}"


def audit_headline(audit: ModelAudit) -> str:
    """The same for one model."""
    overall = audit.pooled
    gap, ece, floor = (overall.metrics[name] for name in ("gap", "ece", "ece_floor"))
    assert gap.value is not None
    kind = {1: "The model is overconfident", -1: "The model is underconfident"}.get(
        lean(gap), "No sign of over- or underconfidence"
    )
    figures = f"ECE {number(ece.value)}"
    if interval := bounds(ece.low, ece.high):
        figures += f" {interval}"
    if overall.within_floor and not lean(gap):
        floor_text = f"no more than a perfectly calibrated model would show (up to {number(floor.high)})"
    else:
        floor_text = f"a perfectly calibrated model would show {number(floor.value)}"
    chance = "" if lean(gap) else ", which may be chance"
    return f"{kind}: {points(gap.value)}{chance}. {figures}; {floor_text}."


def advice(recommendation: Recommendation) -> str:
    """What to do about it, in one sentence: the factor, what to smooth towards, and how it was got."""
    epsilon = recommendation.epsilon
    assert epsilon.value is not None
    if recommendation.method == "literature":
        return f"Advice: none can be estimated ({recommendation.reason})."
    if epsilon.value == 0:
        return f"Advice: no smoothing is needed ({recommendation.reason})."
    factor = " ".join(part for part in (number(epsilon.value, 2), bounds(epsilon.low, epsilon.high, 2)) if part)
    prior = "base" if recommendation.prior == "base" else "the uniform distribution"
    return f"Advice: tune again from base with smoothing {factor} towards {prior} ({recommendation.method})."


def _verdict(comparison: Comparison) -> str:
    before_name, after_name = short_names(comparison.before.name, comparison.after.name)
    overall = comparison.pooled
    gap, change = overall.change["gap"], overall.change["ece"]
    gap_before, gap_after = overall.before.metrics["gap"], overall.after.metrics["gap"]
    assert gap_before.value is not None
    assert gap_after.value is not None
    assert change.value is not None
    was, now = lean(gap_before), lean(gap_after)
    moved = f"{points(gap_after.value)} ({before_name}: {_aside(gap_before.value, gap_after.value)})"
    alpha = comparison.settings.alpha
    if change.p_value is None:
        return f"Too little evidence to test the change: {after_name} is {moved}."
    if change.p_value >= alpha:
        if gap.p_value is not None and gap.p_value < alpha:
            return (
                f"The calibration error did not detectably change, but the confidence moved: {after_name} is {moved}."
            )
        if not (was or now) and overall.before.within_floor and overall.after.within_floor:
            return f"Both models look as well calibrated as {overall.n_items:,} items can show."
        return f"No detectable change in calibration: {after_name} is {moved}."
    if change.value < 0:
        return f"{after_name} is better calibrated than {before_name}: {moved}."
    if not now:
        return f"{after_name} is worse calibrated than {before_name}, though not on one side only: {moved}."
    kind = "overconfident" if now > 0 else "underconfident"
    if was == now:
        return f"{after_name} is more {kind} than {before_name}: {moved}."
    other = {0: "not", 1: "overconfident", -1: "underconfident"}[was]
    return f"{after_name} is {kind} where {before_name} was {other}: {moved}."


def _aside(gap: float, reference: float) -> str:
    amount = f"{abs(gap) * 100:.1f}"
    if amount == "0.0" or (gap > 0) == (reference > 0):
        return amount
    return f"{amount} {'surer' if gap > 0 else 'less sure'}"


def _figures(comparison: Comparison) -> str:
    overall = comparison.pooled
    change, floor = overall.change["ece"], overall.after.metrics["ece_floor"]
    before, after = (side.metrics["ece"].value for side in (overall.before, overall.after))
    interval = bounds(change.low, change.high)
    moved = " ".join(part for part in (signed(change.value), interval) if part)
    if overall.before.within_floor and overall.after.within_floor:
        floor_text = f"a perfectly calibrated model shows up to {number(floor.high)}"
    else:
        floor_text = f"floor {number(floor.value)}"
    return f"ECE {number(before)} → {number(after)} ({moved}, {p_text(change.p_value)}; {floor_text})."
