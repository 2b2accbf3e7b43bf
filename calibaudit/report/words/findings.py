"""Findings as sentences: what tuning did to a model, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from calibaudit.advice.calibrated import none_shown
from calibaudit.advice.cautions import MOST
from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.pilot_points import KEPT
from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.files.shown.card import count
from calibaudit.report.words.reach import all_at_ceiling, ceiling_sentence
from calibaudit.report.words.text import as_sentence, bounds, number, p_text, short_names, signed

_KINDS = {1: "overconfident", -1: "underconfident"}
_TELLING = ("gap", "brier", "nll")
"""Where none of these moves at all, the two models gave every item the same confidence."""


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
    return f"{first_sentence(comparison)} {_figures(comparison)}"


def audit_headline(audit: ModelAudit) -> str:
    """The same for one model."""
    return " ".join(audit_sentences(audit))


def audit_sentences(audit: ModelAudit) -> tuple[str, str]:
    """What one model is, and the figures behind it; at ceiling on every task, that alone and the figures."""
    overall = audit.pooled
    gap, ece = overall.metrics["gap"], overall.metrics["ece"]
    assert gap.value is not None
    leaning, p_value = lean(gap), overall.calibrated_p
    figures = f"ECE {_with_interval(ece.value, ece.low, ece.high)}"
    if p_value is None and gap.low is None:
        return f"Too little evidence to test calibration: the model is {points(gap.value)}.", f"{figures}."
    figures += "." if p_value is None else f"; a calibrated model would look this wrong with {p_text(p_value)}."
    if all_at_ceiling(audit):
        return ceiling_sentence(audit), figures
    if leaning:
        return f"The model is {_KINDS[leaning]}: {points(gap.value)}.", figures
    if _is_off(overall, audit.settings.alpha):
        return (
            f"The model is not calibrated, though it leans neither way: it is {points(gap.value)} on the whole, "
            "surer than right at some confidences and less sure at others.",
            figures,
        )
    what = f"No sign of miscalibration in {count(overall.n_items, 'item')}"
    return f"{what}: {points(gap.value)}, which may be chance.", figures


def advice(recommendation: Recommendation, comparison: Comparison | None = None) -> str:
    """What to do about it: nothing, a factor to begin with and what to smooth towards, or a temperature.

    comparison: of the pair, which tells whether there was anything to repair where no repair is known.
    """
    epsilon, temperature = recommendation.epsilon, recommendation.demand.temperature
    if recommendation.action == "none_needed":
        return f"Advice: no repair is needed ({recommendation.reason})."
    if recommendation.action == "nothing_known":
        if comparison is not None and nothing_shown(recommendation, comparison):
            return f"Advice: there is nothing to repair that these items show ({recommendation.reason})."
        return f"Advice: nothing measured here would repair it ({recommendation.reason})."
    if recommendation.action == "temperature":
        value = " ".join(
            part for part in (number(temperature.value, 2), bounds(temperature.low, temperature.high, 2)) if part
        )
        kept = next((f"; it keeps {one.kept}" for one in recommendation.options if one.method == "temperature"), "")
        return (
            f"Advice: divide the scores of the choices by a temperature of {value}: no training{kept}. fix tries it in "
            "the weights first, and goes on where that is not enough."
        )
    factor = " ".join(part for part in (number(epsilon.value, 2), bounds(epsilon.low, epsilon.high, 2)) if part)
    prior = "base" if recommendation.prior == "base" else "the uniform distribution"
    said = f"Advice: tune again from base with smoothing {factor} towards {prior} ({recommendation.method})."
    if recommendation.method != "stack":
        return said
    kept = f"less than {KEPT * 100:.0f} % of what tuning added"
    return f"{said} fix tries factors, from {number(MOST, 2)} down, and takes none that keeps {kept}."


def nothing_shown(recommendation: Recommendation, comparison: Comparison) -> bool:
    """Whether no repair is known of an error that may be chance. A pilot's advice is about a run of its own."""
    return recommendation.action == "nothing_known" and recommendation.method != "pilot" and none_shown(comparison)


def option_words(option: RepairOption) -> str:
    """What a repair that could serve keeps, costs and rests on."""
    return f"kept: {option.kept}; cost: {option.cost}; {option.basis}"


def trade_sentences(recommendation: Recommendation) -> tuple[str, ...]:
    """How the advised repair stands to the others; of their commands only what tells them from the page's own."""
    found = []
    for text in recommendation.trades:
        for option in recommendation.options:
            text = text.replace(option.command, f"fix --method {option.method}")
        found.append(as_sentence(text))
    return tuple(found)


@dataclass(frozen=True)
class _Facts:
    """What the first sentence hangs on. was, now: `lean`. worse: of the ECE, 1, -1, or 0 where no change is seen.
    surer: of the gap likewise. one_sided: the gap is at least half of the ECE after."""

    before: str
    after: str
    was: int
    now: int
    worse: int
    surer: int
    one_sided: bool
    moved: str


def first_sentence(comparison: Comparison) -> str:
    """What lies between the two models, from all items pooled; or that every task is at ceiling."""
    if all_at_ceiling(comparison):
        return ceiling_sentence(comparison)
    before, after = short_names(comparison.before.name, comparison.after.name)
    overall, alpha = comparison.pooled, comparison.settings.alpha
    gaps = overall.before.metrics["gap"], overall.after.metrics["gap"]
    values = gaps[0].value, gaps[1].value
    assert values[0] is not None
    assert values[1] is not None
    ece, gap = overall.change["ece"], overall.change["gap"]
    moved = f"{points(values[1])} ({before}: {_aside(values[0], values[1])})"
    if ece.p_value is None or gap.p_value is None:
        return f"Too little evidence to test the change: {after} is {moved}."
    error = overall.after.metrics["ece"].value
    one_sided = error is not None and abs(values[1]) >= error / 2
    facts = _Facts(before, after, lean(gaps[0]), lean(gaps[1]), _sign(ece, alpha), _sign(gap, alpha), one_sided, moved)
    if facts.worse:
        return _ece_changed(facts)
    if facts.surer:
        return _gap_changed(facts)
    return _unchanged(comparison, facts, (values[0], values[1]))


def _ece_changed(facts: _Facts) -> str:
    before, after, was, now, moved = facts.before, facts.after, facts.was, facts.now, facts.moved
    if facts.worse < 0:
        still = f", though still {_KINDS[now]}" if now else ""
        return f"{after} is better calibrated than {before}{still}: {moved}."
    if not now or not facts.one_sided:
        return (
            f"{after} is worse calibrated than {before}, surer than right at some confidences and less sure at others: "
            f"on the whole it is {moved}."
        )
    if was == now:
        # The error grew for sure; that the lean did is a finding of its own.
        if facts.surer == now:
            return f"{after} is more {_KINDS[now]} than {before}: {moved}."
        return f"{after} is worse calibrated than {before}, and {_KINDS[now]} like it: {moved}."
    other = f"where {before} was {_KINDS[was]}" if was else f"where {before} showed no lean"
    return f"{after} is worse calibrated than {before}: it is {_KINDS[now]} {other}, {moved}."


def _gap_changed(facts: _Facts) -> str:
    """The ECE shows no change; the gap, a paired mean and so more exact, does: the sentence says what carries it."""
    before, after, was, now, moved = facts.before, facts.after, facts.was, facts.now, facts.moved
    by = "by the gap between confidence and accuracy, though the ECE alone does not show it"
    if now == facts.surer and was == now:
        return f"{after} is more {_KINDS[now]} than {before}, {by}: {moved}."
    if now == facts.surer and not was:
        return f"{after} is {_KINDS[now]} where {before} showed no lean, {by}: {moved}."
    if now == -facts.surer:
        return f"{after} is less {_KINDS[now]} than {before}, {by}: {moved}."
    if was == -facts.surer and not now:
        return f"{after} shows no lean where {before} is {_KINDS[was]}, {by}: {moved}."
    word = "surer" if facts.surer > 0 else "less sure"
    return f"{after} has become {word} than {before} without a detectable change in calibration error: {moved}."


def _unchanged(comparison: Comparison, facts: _Facts, gaps: tuple[float, float]) -> str:
    before, after, n = facts.before, facts.after, count(comparison.pooled.n_items, "item")
    overall, alpha = comparison.pooled, comparison.settings.alpha
    off = [_is_off(side, alpha) for side in (overall.before, overall.after)]
    same = all(overall.change[name].value == 0 for name in _TELLING)
    if same and (facts.now or off[1]):
        kind = f"{_KINDS[facts.now]}: {points(gaps[1])}" if facts.now else "not calibrated"
        return f"Both models answer the {n} alike, and both are {kind}."
    if same:
        return f"Both models answer the {n} alike, with no sign of miscalibration."
    if facts.was == facts.now != 0:
        return f"No detectable change: both models are {_KINDS[facts.now]}, {after} is {facts.moved}."
    if not any(off) and not facts.was and not facts.now:
        return f"Both models look as well calibrated as {n} can show."
    wrong = [name for name, is_off in zip((before, after), off, strict=True) if is_off]
    more = {0: "", 1: f"; {wrong[0]} is not calibrated" if wrong else "", 2: "; neither is calibrated"}[len(wrong)]
    return f"No detectable change in calibration: {after} is {facts.moved}{more}."


def _is_off(side: Audit, alpha: float) -> bool:
    """Surely not calibrated. Results of version 1 have no test of it, but the floor."""
    return not side.within_floor if side.calibrated_p is None else side.calibrated_p < alpha


def _sign(change: Change, alpha: float) -> int:
    """1 or -1 where a change is more than chance, else 0."""
    if change.p_value is None or change.value is None or change.p_value >= alpha:
        return 0
    if abs(change.value) < 0.0005:  # sure, and nothing that the page could show
        return 0
    return 1 if change.value > 0 else -1


def _aside(gap: float, reference: float) -> str:
    amount = f"{abs(gap) * 100:.1f}"
    said = f"{abs(reference) * 100:.1f}" != "0.0"  # which side the reference is on
    if amount == "0.0" or (said and (gap > 0) == (reference > 0)):
        return amount
    return f"{amount} {'surer' if gap > 0 else 'less sure'}"


def _figures(comparison: Comparison) -> str:
    change = comparison.pooled.change["ece"]
    before, after = (side.metrics["ece"].value for side in (comparison.pooled.before, comparison.pooled.after))
    moved = _with_interval(change.value, change.low, change.high, signed)
    return f"ECE {number(before)} → {number(after)} ({moved}, {p_text(change.p_value)})."


def _with_interval(
    value: float | None, low: float | None, high: float | None, form: Callable[[float | None], str] = number
) -> str:
    return " ".join(part for part in (form(value), bounds(low, high)) if part)
