"""How a repair was chosen and made, and when not to trust it: sentences for every page."""

from __future__ import annotations

from calibaudit.advice.words.repairs import LONG_CHOICES, ONLY_THE_DATA
from calibaudit.files.text import one_line
from calibaudit.repair.candidates import LEFT, Candidate, Repair, Setting, Trial
from calibaudit.repair.verdict import Retention
from calibaudit.report.words.repair import FAULTS, moved, reason_text, same_text, share_text, tuned_name
from calibaudit.report.words.text import bounds, number, signed

_TRIALS = {**FAULTS, "not_least": "another has a lower NLL"}

LEFT_TEXT = number(LEFT, 2)


def setting_text(setting: Setting) -> str:
    """`temperature, T 1.42`, `merge, .40 of base`, `smooth, .25 towards base`."""
    if setting.method in ("temperature", "aligned"):
        return f"{setting.method}, T {number(setting.value, 2)}"
    if setting.method == "merge":
        cooled = "" if setting.temperature is None else f", T {number(setting.temperature, 2)}"
        return f"merge, {_factor(setting.value)} of base{cooled}"
    return f"smooth, {_factor(setting.value)} {_towards(setting)}"


def cost_text(candidate: Candidate) -> str:
    """`3 s, no training`, `240 s of training`."""
    seconds = f"{candidate.seconds:,.0f} s" if candidate.seconds >= 1 else "< 1 s"
    return f"{seconds} of training" if candidate.method == "smooth" else f"{seconds}, no training"


def kept_text(retention: Retention) -> str:
    """`98 %`; `same` where only the first choices tell; else a dash."""
    if retention.kept is not None:
        return share_text(retention.kept)
    return "–" if retention.fault() is not None else "same"


def choice_sentences(repair: Repair) -> list[str]:
    """Why the chosen one was taken, and each of the others was not; none where there was nothing to choose from."""
    chosen = repair.chosen
    if chosen is None or chosen.verdict is None or len(repair.candidates) < 2:
        return []
    items = f"on the {repair.n_advice_items:,} selection items"
    if chosen.enough:
        above = f"not significantly more than {LEFT_TEXT} above base's"
        why = f"the cheapest that was enough (it passed, with an ECE {above})"
    elif chosen.verdict.passed:
        why = f"the best that passed (the cheapest whose ECE {items} is not significantly above the lowest)"
    else:
        why = f"none passed, and it has the lowest NLL {items}"
    found = [f"{chosen.method} was taken: {why}."]
    after = False
    for one in repair.candidates:
        after = after or one.chosen
        if not one.chosen:
            verb = "is not possible here" if one.impossible else "was not taken"
            found.append(f"{one.method} {verb}: {_why_not(one, after=after, taken=chosen)}.")
    return found


IN_TEMPLATE = "base, in template"
"""What the table calls base, asked as INSTRUCT was."""


def how_sentences(repair: Repair) -> list[str]:
    """What was done, what was tried, what of the tuning is left, what the data were."""
    chosen, found = repair.chosen, []
    if chosen is not None and chosen.setting is not None:
        found.append(_method(repair, chosen.setting))
    if repair.n_advice_items:
        found += [_trials(repair, one) for one in repair.candidates if one.trials]
    if repair.training is not None:
        found.append(f"Training: {training_facts(repair)}.")
    if repair.retention is not None:
        found += _kept(repair.retention, long_choices=_long_choices(repair))
    if repair.proof is not None:
        left = repair.proof.left
        found.append(f"Against base: ECE {moved(left, 'ece')}, accuracy {moved(left, 'accuracy')}.")
    if repair.proof is not None and repair.proof.matched is not None:
        inside_what = f"{tuned_name(repair)}'s chat template"
        found.append(f"{IN_TEMPLATE}: base asked inside {inside_what}; in the row base, outside it.")
    if repair.proof is not None and repair.proof.inside is not None:
        inside = repair.proof.inside
        parts = [f"accuracy {moved(inside, 'accuracy')}", f"ECE {moved(inside, 'ece')}"]
        if inside.pooled.change["option_mass"].value is not None:
            parts.append(f"probability on the options {moved(inside, 'option_mass')}")
        found.append(f"Inside the chat template: {', '.join(parts)}.")
    notes = [reason_text(note, 1000) for note in repair.notes]
    found += [f"{note[:1].upper()}{note[1:]}." for note in notes]
    found.append(data_sentence(repair))
    if chosen is not None and chosen.setting is not None:
        if chosen.setting.start == "base":
            found.append(f"{ONLY_THE_DATA[:1].upper()}{ONLY_THE_DATA[1:]}.")
        if chosen.setting.method in ("temperature", "aligned"):
            found.append(_sampling(chosen.setting.value))
        elif chosen.setting.temperature is not None:
            found.append(_sampling(chosen.setting.temperature, merged=True))
    return found


def training_facts(repair: Repair) -> str:
    """Steps, rows, time."""
    run, training = repair.training, repair.settings.training
    assert run is not None
    rows = "" if repair.data is None else f" over {repair.data.n_examples:,} rows"
    how = "" if training.lora is None else f", LoRA of rank {training.lora.rank}"
    if training.logit_scale != 1:
        how += f", logits times {training.logit_scale:g} in the loss and now in the weights"
    if training.softcap is not None:
        kept = "and now in the config" if run.softcap_kept else "only, since the config has no place for it"
        how += f", logits capped at {training.softcap:g} in the loss {kept}"
    if run.n_known is not None:
        how += f", smoothed on the {run.n_known:,} rows that base knows"
    if run.packed:
        how += ", rows packed"
    if training.neftune_alpha is not None:
        how += f", NEFTune {training.neftune_alpha:g}"
    if training.lr_scheduler != "linear":
        how += f", {training.lr_scheduler.replace('_', ' ')} schedule"
    return (
        f"{run.n_steps:,} steps, {run.epochs:.3g} epochs{rows} "
        f"({run.n_tokens:,} tokens, {run.n_target_tokens:,} learned){how}, learning rate "
        f"{training.learning_rate:g}, {run.seconds:,.0f} s, {run.tokens_per_second:,.0f} tokens/s"
    )


def data_sentence(repair: Repair, source: str | None = None) -> str:
    """What became of the rows. source: how they are called, where not as they were named."""
    data = repair.data
    if data is None:
        return "Data: none, so nothing was trained, and what tuning taught was not measured."
    parts = [f"{data.n_rows:,} rows read", f"{data.n_examples:,} used", f"{data.n_faulty:,} unusable"]
    if data.n_truncated:
        parts.append(f"{data.n_truncated:,} cut to fit")
    left_out = (
        f"; {data.n_items_left_out:,} audited items left out, because their questions are in the rows"
        if data.n_items_left_out
        else ""
    )
    return f"Data: {reason_text(source or data.source)}: {', '.join(parts)}{left_out}."


def repair_warnings(repair: Repair) -> list[str]:
    """When not to trust it, a sentence each."""
    found, data = [], repair.data
    if data is not None and data.n_faulty:
        first = f": {data.faults[0]}" if data.faults else ""
        found.append(f"{data.n_faulty:,} of {data.n_rows:,} rows could not be used{first}")
    if repair.proof is not None:
        found += repair.proof.repair.warnings
    if repair.advice is not None and repair.advice.method == "pilot":  # only then it chose the factor
        found += [f"advice: {text}" for text in repair.advice.warnings]
    return [one_line(text, 1000) for text in found]


def _method(repair: Repair, setting: Setting) -> str:
    """What was done, in one sentence."""
    value, other = number(setting.value, 2), f"{repair.n_advice_items:,} other items"
    if setting.method == "temperature":
        return f"All logits are divided by {value}, the temperature with the lowest NLL on {other}."
    if setting.method == "aligned":
        return (
            f"All logits are divided by {value}, at which {tuned_name(repair)} is as sure as base where both choose "
            f"the same, on {other}; no labels were used."
        )
    if setting.method == "merge":
        shares = f"{_factor(1 - setting.value)} of {tuned_name(repair)}'s and {_factor(setting.value)} of base's"
        done = f"The weights are {shares}"
        if setting.temperature is None:
            return f"{done}."
        return f"{done}, and all logits are divided by {number(setting.temperature, 2)}."
    start = "Tuned again from base" if setting.start == "base" else f"Tuned further from {tuned_name(repair)}"
    factor = setting_text(setting).removeprefix("smooth, ")
    return f"{start} with smoothing {factor} ({_source(repair)})."


def _source(repair: Repair) -> str:
    """Where a smoothing factor comes from."""
    if repair.settings.smoothing is not None:
        return "as given"
    advice, trials = repair.advice, () if repair.chosen is None else repair.chosen.trials
    if len(trials) > 1:
        return "found by trying"
    if advice is None or (trials and advice.method != "pilot"):
        return "the first factor tried"
    interval = bounds(advice.epsilon.low, advice.epsilon.high, 2)
    return "; ".join(
        part for part in (interval, f"{advice.method}, from {repair.n_advice_items:,} other items") if part
    )


def _factor(value: float) -> str:
    """`.25`, `.125`."""
    return number(value, 2 if abs(round(value, 2) - value) < 1e-9 else 3)


def _towards(setting: Setting) -> str:
    return "uniform over the vocabulary" if setting.prior == "uniform" else "towards base"


def _trials(repair: Repair, candidate: Candidate) -> str:
    """Each value that was tried, what it kept, its gap, and why it was not used."""
    what = "Weights of base" if candidate.method == "merge" else "Smoothing factors"
    used = None if candidate.setting is None else candidate.setting.value
    tried = "; ".join(_trial(trial, used=trial.value == used) for trial in candidate.trials)
    return f"{what} tried, on {repair.n_advice_items:,} other items: {tried}."


def _trial(trial: Trial, *, used: bool) -> str:
    parts = ["kept not measured" if trial.kept is None else f"keeps {share_text(trial.kept)}"]
    parts.append("not scored" if trial.gap is None else f"gap {signed(trial.gap)}")
    if trial.nll_cooled is not None:
        parts.append(f"NLL with a temperature {number(trial.nll_cooled)}")
    why = [_TRIALS[name] for name in trial.rejected if name != "unmeasured"]
    end = ", ".join(part for part in ("used" if used else "", " and ".join(why)) if part)
    ended = f": {end}" if end else ""
    return f"{_factor(trial.value)} ({', '.join(parts)}){ended}"


def _long_choices(repair: Repair) -> bool:
    """Whether an item's choices have several tokens: by what was advised, else wherever they are not letters."""
    options = () if repair.advice is None else repair.advice.options
    cooled = [one for one in options if one.method in ("temperature", "aligned")]
    if cooled:
        return any(one.basis.endswith(LONG_CHOICES) for one in cooled)
    tasks = () if repair.proof is None else repair.proof.repair.tasks
    return any(task.scoring != "letter" for task in tasks)


def _kept(retention: Retention, *, long_choices: bool) -> list[str]:
    """How much of what tuning taught is still there."""
    found = []
    fits = {"base": retention.base, "before": retention.before, "after": retention.after}
    if any(fit is not None for fit in fits.values()):
        shares = ", ".join(f"{name} {share_text(fit.top1)}" for name, fit in fits.items() if fit is not None)
        kept = ""
        if retention.kept is not None:
            kept = f": the repair keeps {share_text(retention.kept)} of what tuning added"
        elif None not in fits.values():
            kept = ": tuning added less than .05, too little to measure what is kept of it"
        found.append(f"First choice right on the tuning rows: {shares}{kept}.")
    if retention.first_choices is not None:
        long = " The first choice of an item whose choices have several tokens may change." if long_choices else ""
        found.append(
            f"Compared before and after, {same_text(retention.first_choices)}: dividing changes none of them, but "
            f"rounding may flip a near tie.{long}"
        )
    return found


def _sampling(temperature: float, *, merged: bool = False) -> str:
    value = number(temperature, 2)
    then = f"the merged weights would at {value}" if merged else f"it did at {value} before"
    return f"Sampling changes: at temperature 1 the model now samples as {then}."


def _why_not(one: Candidate, *, after: bool, taken: Candidate) -> str:
    if one.impossible:
        return reason_text(one.impossible)
    if one.verdict is None:
        return "it was not judged"
    faults = ", ".join(FAULTS[fault] for fault in one.verdict.faults)
    if one.verdict.outcome == "not_improved":
        return f"its ECE did not fall significantly{f'; {faults}' if faults else ''}"
    if faults:
        return faults
    if taken.enough:
        return f"it passed, but left an ECE significantly more than {LEFT_TEXT} above base's"
    return "it passed too, but costs more" if after else "it passed, but its ECE is significantly above the lowest"
