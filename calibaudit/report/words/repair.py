"""What a repair's page and its model card say, in the same words."""

from __future__ import annotations

from calibaudit.repair.fix import Repair
from calibaudit.repair.proof import Proof
from calibaudit.report.words.text import bounds, number, p_text, signed
from calibaudit.training.fit import kept_share

LITTLE_KEPT = 0.5
MEASURES = (
    ("accuracy", "accuracy", 3),
    ("ECE", "ece", 3),
    ("gap", "gap", 3),
    ("Brier", "brier", 3),
    ("NLL", "nll", 3),
    ("AUROC", "auroc", 3),
)
"""Title, metric, digits of what is shown of base, before and after."""


def repair_sentence(repair: Repair) -> str:
    """The verdict, with the figures it hangs on, from all held-out items pooled."""
    if repair.proof is None:
        assert repair.advice is not None
        start = "No smoothing helps" if repair.verdict.outcome == "no_factor" else "Nothing to repair"
        return (
            f"{start}: {repair.advice.reason}, on {repair.n_advice_items:,} items. Nothing was saved; "
            "--smoothing with a factor trains all the same."
        )
    pooled = repair.proof.repair.pooled
    ece, accuracy = _moved(repair.proof, "ece"), _moved(repair.proof, "accuracy")
    items = f"on {pooled.n_items:,} held-out items"
    if repair.verdict.outcome == "helped":
        return f"It helped: ECE {ece} {items}; accuracy {accuracy}."
    if repair.verdict.outcome == "accuracy_lost":
        allowed = number(repair.verdict.accuracy_margin)
        return f"It cost accuracy: {accuracy}, more than the {allowed} that is allowed; ECE {ece}, {items}."
    return f"It did not help: ECE {ece} {items}, no fall beyond chance; accuracy {accuracy}."


def how(repair: Repair) -> str:
    """What was done, in one sentence."""
    settings, training = repair.settings, repair.settings.training
    start = "Tuned again from base" if settings.start == "base" else "Tuned on from instruct"
    prior = "towards base" if training.prior == "base" else "uniform over the vocabulary"
    if repair.advice is None or settings.smoothing is not None:
        source = "as given"
    else:
        source = f"{repair.advice.method}, from {repair.n_advice_items:,} other items"
        if repair.advice.prior != training.prior:
            source = f"a factor meant for the prior {repair.advice.prior}: {source}"
        interval = bounds(repair.advice.epsilon.low, repair.advice.epsilon.high, 2)
        source = f"{interval}; {source}" if interval else source
    factor = number(training.label_smoothing, 2)
    return f"{start} with smoothing {factor} {prior} ({source}){_levers(repair)}."


def _levers(repair: Repair) -> str:
    """What else the loss had, and where it is now."""
    training, run = repair.settings.training, repair.training
    found = []
    if run is not None and run.n_known is not None:
        found.append(f"in the {run.n_known:,} of {repair.data.n_examples:,} rows that base knows")
    if training.logit_scale != 1:
        found.append(f"with logits times {training.logit_scale:g}, which the saved weights have taken in")
    if training.softcap is not None:
        kept = "saved in the config" if run is not None and run.softcap_kept else "in training only"
        found.append(f"under a softcap of {training.softcap:g}, {kept}")
    return "".join(f", {text}" for text in found)


def training_facts(repair: Repair) -> str:
    """Steps, rows, time."""
    run, data = repair.training, repair.data
    assert run is not None
    adapter = "" if repair.settings.training.lora is None else f", LoRA of rank {repair.settings.training.lora.rank}"
    return (
        f"{run.n_steps:,} steps, {run.epochs:.3g} epochs over {data.n_examples:,} rows "
        f"({run.n_tokens:,} tokens, {run.n_target_tokens:,} learned){adapter}, learning rate "
        f"{repair.settings.training.learning_rate:g}, {run.seconds:,.0f} s, {run.tokens_per_second:,.0f} tokens/s"
    )


def retention(repair: Repair) -> str | None:
    """How much of what tuning taught is still there; None where nothing was trained."""
    if repair.fits is None:
        return None
    base, before, after = (repair.fits[name] for name in ("base", "before", "after"))
    shares = [f"{fit.top1 * 100:.0f} %" for fit in (base, before, after)]
    kept = kept_share(base, before, after)
    verdict = "" if kept is None else f": the repair keeps {kept * 100:.0f} % of what tuning added"
    return f"First choice right on the tuning data: base {shares[0]}, before {shares[1]}, after {shares[2]}{verdict}."


def repair_warnings(repair: Repair) -> list[str]:
    """When not to trust it, a sentence each."""
    found = []
    if repair.fits is not None:
        kept = kept_share(repair.fits["base"], repair.fits["before"], repair.fits["after"])
        if kept is not None and kept < LITTLE_KEPT:
            found.append(
                f"only {max(kept, 0) * 100:.0f} % of what tuning added is kept, so better calibration may only mean "
                "less tuning: train longer (--epochs), with a larger --learning-rate, or with less smoothing"
            )
    if repair.training is not None and repair.training.softcap_kept is False:
        found.append(
            f"the softcap of {repair.settings.training.softcap:g} acted in training only: this model's config has no "
            "entry for one, so what is saved and proven is without it"
        )
    if repair.data.n_faulty:
        found.append(
            f"{repair.data.n_faulty:,} of {repair.data.n_rows:,} rows could not be used: {repair.data.faults[0]}"
        )
    if repair.proof is not None:
        found += repair.proof.repair.warnings
    if repair.advice is not None:
        found += [f"advice: {text}" for text in repair.advice.warnings]
    return found


def _moved(proof: Proof, metric: str) -> str:
    pooled = proof.repair.pooled
    change = pooled.change[metric]
    was, now = (number(side.metrics[metric].value) for side in (pooled.before, pooled.after))
    interval = bounds(change.low, change.high)
    moved = " ".join(part for part in (signed(change.value), interval) if part)
    return f"{was} → {now} ({moved}, {p_text(change.p_value)})"
