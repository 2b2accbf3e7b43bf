"""The first screen of a report: is it worse, by how much, how sure, what now."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.advice.recommendation import Recommendation, usable
from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.files.shown.card import count
from calibaudit.report.document.gate import GateView
from calibaudit.report.words.commands import Command, audit_command, repair_command
from calibaudit.report.words.findings import advice, audit_sentences, first_sentence, lean, nothing_shown
from calibaudit.report.words.reach import all_at_ceiling
from calibaudit.report.words.text import MINUS, bounds, number, p_text, signed

ECE_IS = "ECE: how far confidence and accuracy are apart on average; 0 is best"
_CEILING, _HARDER = "At ceiling", "Ask harder questions, then judge"


@dataclass(frozen=True)
class Card:
    """One question of the first screen: its answer in large type, a few notes, and what to run."""

    question: str
    answer: str
    notes: tuple[str, ...] = ()
    command: Command | None = None


@dataclass(frozen=True)
class FirstScreen:
    """tone: worse, better or neutral. label: the answer in two words. sentence: the one that matters.

    gives_advice: whether the recommendation is among the notes.
    """

    tone: str
    label: str
    sentence: str
    cards: tuple[Card, ...]
    gives_advice: bool = False


def comparison_screen(
    comparison: Comparison, recommendation: Recommendation | None, gate: GateView | None = None
) -> FirstScreen:
    """Is it worse, by how much, how sure, what now; of a gate's result what the gate says to do."""
    tone, label = _judged(comparison)
    overall = comparison.pooled
    before, after = overall.before.metrics, overall.after.metrics
    change, gap = overall.change["ece"], overall.change["gap"]
    notes = [
        ECE_IS,
        f"Change {signed(change.value)}, corrected for noise",
        f"Gap, confidence − accuracy: {signed(before['gap'].value)} → {signed(after['gap'].value)}",
        f"Accuracy {number(before['accuracy'].value)} → {number(after['accuracy'].value)}",
    ]
    if any(number(side["ece"].value).startswith(MINUS) for side in (before, after)):
        notes.insert(2, "An ECE below 0: less error than noise alone gives on average")
    answer = f"ECE {number(before['ece'].value)} → {number(after['ece'].value)}"
    how_much = Card("By how much?", answer, tuple(notes))
    notes = (
        ["How often an ECE change of this size would be seen if there were none"] if change.p_value is not None else []
    )
    notes.append(f"{_ends(change, comparison.settings.level)} for the ECE change")
    if gap.p_value is not None:
        notes.append(f"{p_text(gap.p_value)} for the change in the gap")
    n = sum(task.ece_p_holm is not None and task.ece_p_holm < comparison.settings.alpha for task in comparison.tasks)
    if gate is not None:
        notes.append("Two-sided; the gate's one-sided tests are below")
    elif len(comparison.tasks) > 1 and change.p_value is not None:
        notes.append(f"Significant on {n} of {len(comparison.tasks)} tasks (Holm's correction for that many tests)")
    how_sure = Card("How sure is that?", p_text(change.p_value), tuple(notes))
    what_now = _what_now(comparison, recommendation, gate)
    gives_advice = _gives_advice(comparison, recommendation)
    return FirstScreen(tone, label, first_sentence(comparison), (how_much, how_sure, what_now), gives_advice)


def audit_screen(audit: ModelAudit) -> FirstScreen:
    """The same for one model: is it off, by how much, how sure, what now."""
    metrics = audit.pooled.metrics
    gap, ece, p_value = metrics["gap"], metrics["ece"], audit.pooled.calibrated_p
    leaning = lean(gap)
    off = leaning != 0 or (p_value is not None and p_value < audit.settings.alpha)
    label = {1: "Overconfident", -1: "Underconfident"}.get(leaning, "Not calibrated" if off else "No fault found")
    if all_at_ceiling(audit):
        off, label = False, _CEILING
    assert gap.value is not None
    how_much = Card(
        "By how much?",
        f"ECE {number(ece.value)}",
        (
            ECE_IS,
            f"{_ends(ece, audit.settings.level)}, corrected for noise",
            f"Accuracy {number(metrics['accuracy'].value)}, mean confidence {number(metrics['confidence'].value)}",
        ),
    )
    how_sure = Card(
        "How sure is that?",
        f"gap {signed(gap.value)} {bounds(gap.low, gap.high)}".strip(),
        (
            "Gap: confidence − accuracy; above 0: surer than right",
            f"{audit.settings.level * 100:g} % interval over {count(audit.pooled.n_items, 'item')}",
            "Too little evidence for a test of calibration"
            if p_value is None
            else f"A calibrated model would look this wrong with {p_text(p_value)}",
        ),
    )
    answer, notes = "Nothing to repair on these items", ["More items would show smaller errors"]
    if label == _CEILING:
        answer, notes = _HARDER, []
    elif off:
        answer, notes = "Do not take its confidence at face value", _by_temperature(metrics["temperature"])
    command = audit_command(audit.model, off=off, ceiling=label == _CEILING)
    now = Card("What now?", answer, tuple(notes), command)
    sentence = audit_sentences(audit)[0]
    return FirstScreen("worse" if off else "neutral", label, sentence, (how_much, how_sure, now))


def _judged(comparison: Comparison) -> tuple[str, str]:
    """The tone and the label of the pooled ECE change, by the same rule as the headline's."""
    if all_at_ceiling(comparison):
        return "neutral", _CEILING
    change, gap = comparison.pooled.change["ece"], comparison.pooled.change["gap"]
    alpha = comparison.settings.alpha
    if change.p_value is None or change.value is None or change.low is None:
        return "neutral", "Too little evidence"
    if change.p_value >= alpha:
        moved = gap.p_value is not None and gap.p_value < alpha
        return "neutral", "Confidence moved" if moved else "No detectable change"
    return ("better", "Better") if change.value < 0 else ("worse", "Worse")


def _what_now(comparison: Comparison, recommendation: Recommendation | None, gate: GateView | None) -> Card:
    tone, label = _judged(comparison)
    temperature = comparison.pooled.after.metrics["temperature"]
    over = lean(comparison.pooled.after.metrics["gap"]) > 0
    notes: list[str] = []
    if gate is not None:
        answer = gate.action
    elif label == _CEILING:
        answer = _HARDER
    elif label == "Too little evidence":
        answer = "Score more items, then judge"
    elif tone == "worse":
        answer = "Do not ship its confidence as it is"
    elif tone == "better":
        answer = "Keep it, as far as calibration goes"
    elif label == "Confidence moved":
        answer = "Look at the tasks: which way did it move?"
    else:
        answer = (
            "Nothing to undo, but its confidence is too high" if over else "Nothing to repair that these items show"
        )
        high = comparison.pooled.change["ece"].high
        if high is not None and high > 0:
            notes.append(f"A rise in ECE of up to {number(high)} is not ruled out; more items would narrow that")
    advised = None if recommendation is None else recommendation.action
    if recommendation is not None and _gives_advice(comparison, recommendation):
        notes.append(_capital(advice(recommendation, comparison).removeprefix("Advice: ").rstrip(".")))
    if over and advised != "temperature" and label != _CEILING and _temperature_helps(recommendation):
        notes += _by_temperature(temperature)
    if n_warnings := len(comparison.warnings):
        notes.append(f"First read the {f'{n_warnings} warnings' if n_warnings > 1 else 'warning'} below")
    if n_warnings := len(recommendation.warnings) if recommendation else 0:
        what = f"{n_warnings} warnings" if n_warnings > 1 else "a warning"
        notes.append(f"The advice has {what} of its own, under Recommendation")
    command = None if gate is None else gate.command
    if recommendation is not None:
        command = repair_command(recommendation, comparison.before, comparison.after) or command
    return Card("What now?", answer, tuple(notes), command)


def _gives_advice(comparison: Comparison, recommendation: Recommendation | None) -> bool:
    """Whether the recommendation says more than that nothing is needed of a model that nothing is wrong with."""
    if recommendation is None:
        return False
    over = lean(comparison.pooled.after.metrics["gap"]) > 0
    says_none = recommendation.action == "none_needed" or nothing_shown(recommendation, comparison)
    return not says_none or over or _judged(comparison)[0] == "worse"


def _temperature_helps(recommendation: Recommendation | None) -> bool:
    """Whether it is among the repairs that could serve: only there was it measured that it helps."""
    return recommendation is not None and any(one.method == "temperature" for one in recommendation.options)


def _by_temperature(temperature: Interval) -> list[str]:
    if not usable(temperature):
        return []
    interval = bounds(temperature.low, temperature.high, 2)
    value = " ".join(part for part in (number(temperature.value, 2), interval) if part)
    return [f"Without training: divide the choices' scores by a temperature of {value}"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ends(found: Change | Interval, level: float) -> str:
    interval = bounds(found.low, found.high)
    return f"{level * 100:g} % interval {interval}" if interval else "no interval"
