"""The verdict on a repair in one sentence, with the figures that it hangs on."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.advice.cautions import WORSE
from calibaudit.advice.pilot_points import KEPT
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.estimates import Change
from calibaudit.files.text import one_line
from calibaudit.repair.candidates import Repair
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import CHEAP_TO_DEAR
from calibaudit.repair.verdict import FirstChoices, Retention
from calibaudit.report.words.text import bounds, number, p_text, short_names, signed

MEASURES = (
    ("accuracy", "accuracy"),
    ("ECE", "ece"),
    ("gap", "gap"),
    ("Brier", "brier"),
    ("NLL", "nll"),
    ("AUROC", "auroc"),
    ("on options", "option_mass"),
)
"""Title and metric of what is shown of base, before and after; the last where there are letter tasks."""

FAULTS = {
    "kept": "keeps too little of what tuning added",
    "accuracy": "lost accuracy",
    "auroc": "lost discrimination",
    "nll": "fits worse (NLL)",
    "brier": "fits worse (Brier)",
    "option_mass": "less of the probability is on the options",
    "inside_accuracy": "lost accuracy inside the chat template",
    "inside_mass": "less of the probability is on the options inside the chat template",
    "unmeasured": "what tuning added was not measured",
}
"""A fault in a few words."""

_LABELS = {
    "helped": ("better", "Helped"),
    "not_improved": ("worse", "Did not help"),
    "spoiled": ("worse", "Better calibrated, at a price"),
    "not_needed": ("neutral", "Nothing to repair"),
    "nothing_known": ("neutral", "No repair known"),
}
_MOST_REASON = 300  # characters of a reason that was written elsewhere


def repair_label(repair: Repair) -> tuple[str, str]:
    """(better, worse or neutral; the verdict in a word or three)."""
    if repair.verdict.outcome == "spoiled" and repair.verdict.faults == ("unmeasured",):
        return "neutral", "Better calibrated, not measured"
    return _LABELS[repair.verdict.outcome]


def repair_sentence(repair: Repair) -> str:
    """The verdict with its figures, from all held-out items pooled."""
    if repair.proof is None:
        return _nothing_done(repair)
    outcome, faults = repair.verdict.outcome, repair.verdict.faults
    pooled = repair.proof.repair.pooled
    figures = f"ECE {moved(repair.proof.repair, 'ece')} on {pooled.n_items:,} held-out items"
    accuracy = "" if "accuracy" in faults else f"; accuracy {moved(repair.proof.repair, 'accuracy')}"
    kept = "" if {"kept", "unmeasured"} & set(faults) else _kept_clause(repair.retention)
    if outcome == "helped":
        return f"It helped: {figures}{accuracy}{kept}."
    spoilt = _spoilt(repair, repair.proof)
    if outcome == "not_improved":
        fall = _no_fall(
            pooled.change["ece"], len(CHEAP_TO_DEAR) if repair.settings.method == "auto" else 1, repair.proof
        )
        also = f" It also {listed_words(spoilt)}." if spoilt else ""
        return f"It did not help: {figures}, {fall}{accuracy}{kept}.{also}"
    unmeasured = f"; {_unmeasured(repair)}" if "unmeasured" in faults else ""
    but = f", but {listed_words(spoilt)}" if spoilt else ""
    return f"Better calibrated{but}{unmeasured}. {figures}{accuracy}{kept}."


def tuned_name(repair: Repair) -> str:
    """The tuned model's, as short as pages call it; of the bundled pair `instruct`, which stands beside `base`."""
    return one_line(short_names(repair.base.name, repair.instruct.name)[1].removeprefix("demo:"), 60)


def reason_text(text: str, most: int = _MOST_REASON) -> str:
    """A reason that was written elsewhere, on one line and without its full stop."""
    return one_line(text, most).rstrip(".")


def listed_words(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def share_text(share: float) -> str:
    """`98 %`: never rounded up to what is asked, nor to 100; below 0 it is 0."""
    percent = max(share, 0.0) * 100
    for digits in range(4):
        text = f"{percent:.{digits}f}"
        if not any(percent < limit <= float(text) for limit in (KEPT * 100, 100)):
            break
    return f"{text} %"


def same_text(found: FirstChoices) -> str:
    """`the likeliest next token is the same on 1,150 of 1,152 prompts of the items`."""
    n_same = f"all {found.n:,}" if found.n_same == found.n else f"{found.n_same:,} of {found.n:,}"
    return f"the likeliest next token is the same on {n_same} prompts of the items"


def moved(comparison: Comparison, metric: str, *, test: bool = True) -> str:
    """`.123 → .030 (−.093 [−.120, −.066], p < .001)`, or without the test `.123 → .030, −.093 [−.120, −.066]`."""
    pooled = comparison.pooled
    change = pooled.change[metric]
    form = signed if metric == "gap" else number
    was, now = (form(side.metrics[metric].value) for side in (pooled.before, pooled.after))
    by = " ".join(part for part in (signed(change.value), bounds(change.low, change.high)) if part)
    return f"{was} → {now} ({by}, {p_text(change.p_value)})" if test else f"{was} → {now}, {by}"


def _nothing_done(repair: Repair) -> str:
    """Why nothing was repaired."""
    advice, items = repair.advice, f", on {repair.n_advice_items:,} items"
    reason = "" if advice is None else f": {reason_text(advice.reason)}{items}"
    if repair.verdict.outcome == "not_needed":
        all_the_same = "" if repair.data is None else "; --smoothing with a factor tunes anyway"
        return f"Nothing to repair{reason}. Nothing was saved{all_the_same}."
    why = "; ".join(f"{one.method} ({reason_text(one.impossible)})" for one in repair.candidates if one.impossible)
    return f"No repair is known{f': {why}' if why else reason}. Nothing was saved."


def _no_fall(ece: Change, n_tried: int, proof: Proof) -> str:
    """Why a change of the ECE is no proof. n_tried: the repairs that `auto` may judge on the same items."""
    alpha = proof.repair.settings.alpha
    if ece.p_value is None:
        return "too few for a test"
    if ece.value is not None and ece.value < 0 and ece.p_value < alpha:
        return f"no significant fall, with up to {n_tried} repairs judged (p < {number(alpha / n_tried)} is required)"
    return "no fall beyond chance"


def _kept_clause(retention: Retention | None) -> str:
    if retention is None:
        return ""
    if retention.kept is not None:
        return f"; it keeps {share_text(retention.kept)} of what tuning added"
    return "" if retention.first_choices is None else f"; {same_text(retention.first_choices)}"


def _spoilt(repair: Repair, proof: Proof) -> list[str]:
    """Each fault that was seen, in words that go on from `Better calibrated, but`."""
    found, faults = [], repair.verdict.faults
    if "kept" in faults and repair.retention is not None and repair.retention.kept is not None:
        kept = repair.retention.kept
        how_far = "the tuning" if kept < 0.5 else "some of the tuning"
        asked = f"keeps {share_text(kept)} of what tuning added, at least {share_text(KEPT)} is required"
        found.append(f"undid {how_far} ({asked})")
    if "accuracy" in faults:
        found.append(f"lost accuracy ({_fault(proof.repair, 'accuracy', -1, repair.verdict.accuracy_margin)})")
    if "auroc" in faults:
        found.append(f"lost discrimination (AUROC {_fault(proof.repair, 'auroc', -1)})")
    fitted = {"NLL": "nll", "Brier": "brier"}
    fits = [f"{title} {_fault(proof.repair, key, 1)}" for title, key in fitted.items() if key in faults]
    if fits:
        found.append(f"fits worse ({'; '.join(fits)})")
    if "option_mass" in faults:
        found.append(f"puts less of the probability on the options ({_fault(proof.repair, 'option_mass', -1)})")
    if proof.inside is not None:
        within = "inside the chat template"
        if "inside_accuracy" in faults:
            found.append(f"lost accuracy {within} ({_fault(proof.inside, 'accuracy', -1)})")
        if "inside_mass" in faults:
            mass = _fault(proof.inside, "option_mass", -1)
            found.append(f"puts less of the probability on the options {within} ({mass})")
    return found


def _fault(comparison: Comparison, metric: str, sign: int, allowed: float = WORSE) -> str:
    """The figures of what got worse; of a change that may be chance, how much is allowed. sign: 1: more is worse."""
    change = comparison.pooled.change[metric]
    ends = [sign * end for end in (change.low, change.high) if end is not None]
    sure = bool(ends) and min(ends) > 0
    more = "" if sure else f", more than the allowed {number(allowed)}"
    return f"{moved(comparison, metric, test=False)}{more}"


def _unmeasured(repair: Repair) -> str:
    """Why it is not known what the repair keeps of the tuning."""
    kept = repair.retention or Retention()
    why = "what tuning added was not measured: give --data"
    if repair.data is not None:
        fits = {"base": kept.base, tuned_name(repair): kept.before, "the repaired model": kept.after}
        lacking = [name for name, fit in fits.items() if fit is None]
        why = "tuning added too little to measure (less than .05 of the first choices)"
        if lacking:
            why = f"what tuning added was not measured: {lacking[0]} lacks tokens of the rows"
    if kept.first_choices is not None:
        why += f", and {same_text(kept.first_choices)} only"
    return why
