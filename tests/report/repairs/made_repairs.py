"""Repairs of made-up models, judged by the real rule: each branch of the verdict, and what a page may have to show."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from made_results import made_proof
from made_scores import INFO, TUNED, made_scores

from calibaudit.advice.recommend import recommend
from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.repair.candidates import Candidate, Repair, Setting, Trial
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import FixSettings
from calibaudit.repair.verdict import FirstChoices, RepairVerdict, Retention, judge
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.training.results.data import SftSummary
from calibaudit.training.results.fit import Fit
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.settings import TrainingSettings

N = 400
AUDIT = Settings()
FIXED = ModelInfo(**{**TUNED.to_dict(), "name": "fixed", "revision": "2" * 40})
DATA = SftSummary("rows.jsonl", 2304, 2300, 4, 12, 26_199, 3, ("row 7: no assistant turn",), (("notes", 9),))
RUN = TrainingRun(108, 3.0, 0.31, 328_515, 26_199, 184.2, 1784.0, None, None)
TEMPERATURE = Setting("temperature", 1.42)
ALIGNED = Setting("aligned", 2.9)
MERGE = Setting("merge", 0.4)
SMOOTH = Setting("smooth", 0.25, "base", "base")
SAME = FirstChoices(1152, 1150)


def keeping(share: float, taught: float = 0.4, first_choices: FirstChoices | None = None) -> Retention:
    """Rows on which tuning added `taught`, of which `share` is left."""
    fits = (Fit(1.0, top1, 1759) for top1 in (0.5, 0.5 + taught, 0.5 + share * taught))
    return Retention(*fits, first_choices)


def scores(heat: float, model: ModelInfo = FIXED, mass: float | None = None, **how: float) -> Scores:
    letter = {} if mass is None else {"scoring": "letter", "option_mass": np.full(N, mass)}
    return made_scores(N, heat=heat, model=model, **letter, **how)


def cooled(found: Scores, temperature: float = 1.9) -> Scores:
    """Base: the tuned model's scores, divided."""
    logits = found.logprobs / temperature
    return replace(found, model=INFO, logprobs=logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def flat(found: Scores, confidence: float = 0.6) -> Scores:
    """Every confidence the same; every first choice as it was."""
    first = found.logprobs.argmax(axis=1)
    probs = np.full(found.logprobs.shape, (1 - confidence) / 3)
    probs[np.arange(len(first)), first] = confidence
    return replace(found, logprobs=np.log(probs))


def wrong_on(found: Scores, n_items: int) -> Scores:
    """The first choice and the second exchanged on that many items that were right."""
    logprobs = found.logprobs.copy()
    rows = np.flatnonzero(logprobs.argmax(axis=1) == found.answer)[:n_items]
    order = np.argsort(logprobs[rows], axis=1)
    top, second = logprobs[rows, order[:, -1]].copy(), logprobs[rows, order[:, -2]].copy()
    logprobs[rows, order[:, -1]], logprobs[rows, order[:, -2]] = second, top
    return replace(found, logprobs=logprobs)


@functools.cache
def usual_proof() -> Proof:
    before = scores(2.0, TUNED)
    return made_proof([cooled(before)], [before], [scores(1.0)], AUDIT)


@functools.cache
def usual_advice() -> Recommendation:
    before = scores(2.0, TUNED)
    return recommend([cooled(before)], [before], usual_proof().tuning)


def repaired(
    after: Scores | None = None,
    retention: Retention | None = None,
    setting: Setting = TEMPERATURE,
    *,
    before: Scores | None = None,
    data: SftSummary | None = DATA,
    matched: bool = False,
    inside: tuple[Scores, Scores] | None = None,
    others: tuple[Candidate, ...] = (),
    **candidate: object,
) -> Repair:
    """A proven repair. inside: before and after within the template. others: tried before the chosen one."""
    retention = keeping(0.98) if retention is None else retention
    proof = usual_proof()
    if after is not None or before is not None:
        before = scores(2.0, TUNED) if before is None else before
        proof = made_proof([cooled(before)], [before], [scores(1.0) if after is None else after], AUDIT)
    if matched:
        warm = scores(1.2, INFO)
        proof = replace(proof, matched=compare([replace(warm, chat_template=True)], [scores(2.0, TUNED)], AUDIT))
    if inside is not None:
        proof = replace(proof, inside=compare([inside[0]], [inside[1]], AUDIT))
    verdict = judge(proof.repair, retention, inside=proof.inside)
    chosen = Candidate(
        method=setting.method,
        setting=setting,
        verdict=verdict,
        enough=verdict.passed,
        proven=proof.repair.pooled,
        retention=retention,
        seconds=240.0 if setting.method == "smooth" else 3.2,
        chosen=True,
    )
    chosen = replace(chosen, **candidate)
    training = TrainingSettings(label_smoothing=0.0, prior="uniform", learning_rate=3e-4)
    return Repair(
        base=INFO,
        instruct=TUNED,
        settings=FixSettings(training=training),
        data=data,
        advice=usual_advice(),
        n_advice_items=480,
        candidates=(*others, chosen),
        training=RUN if setting.method == "smooth" else None,
        retention=retention,
        proof=proof,
        verdict=verdict,
    )


def unrepaired(outcome: str, candidates: tuple[Candidate, ...] = (), data: SftSummary | None = DATA) -> Repair:
    whole = repaired()
    return replace(whole, data=data, candidates=candidates, retention=None, proof=None, verdict=RepairVerdict(outcome))


def tried(setting: Setting, faults: tuple[str, ...] = (), outcome: str | None = None, **fields: object) -> Candidate:
    """One that was not taken."""
    verdict = RepairVerdict(outcome or ("spoiled" if faults else "helped"), faults=faults)
    proven = repaired().candidates[0].proven
    found = Candidate(setting.method, setting, verdict, False, proven, keeping(0.91), 12.0)
    return dataclasses.replace(found, **fields)


def impossible(method: str, reason: str) -> Candidate:
    return Candidate(method, None, None, False, None, Retention(), 0.0, impossible=reason)


MERGE_TRIALS = (
    Trial(0.1, 1.0, 0.58, 0.10, 0.09, 1.1, ("not_least",), 1.05),
    Trial(0.4, 0.96, 0.6, 0.02, 0.03, 1.0, (), 0.99),
    Trial(0.5, 0.91, 0.6, 0.0, 0.02, 1.0, ("kept", "nll"), 0.98),
)
SMOOTH_TRIALS = (Trial(0.5, 0.9, rejected=("kept",)), Trial(0.25, 0.97, 0.6, 0.02, 0.03, 1.0))
WITHIN = (scores(2.0, TUNED, mass=0.9), scores(1.0, mass=0.9))
WORSE_WITHIN = (scores(2.0, TUNED, mass=0.9), wrong_on(scores(2.0, mass=0.8), 40))

CASES: dict[str, Callable[[], Repair]] = {
    "helped": repaired,
    "helped, first choices only": lambda: repaired(retention=Retention(first_choices=SAME), data=None),
    "helped within, too": lambda: repaired(matched=True, inside=WITHIN, setting=MERGE, trials=MERGE_TRIALS),
    "smoothed": lambda: repaired(setting=SMOOTH, trials=SMOOTH_TRIALS),
    "aligned": lambda: replace(repaired(setting=ALIGNED), notes=("the models agree on 61 % of the items",)),
    "letters": lambda: repaired(scores(1.0, mass=0.9), before=scores(2.0, TUNED, mass=0.9)),
    "no help": lambda: repaired(scores(2.0)),
    "hotter": lambda: repaired(scores(3.0)),
    "hardly any items": lambda: repaired(made_scores(4, model=FIXED), before=made_scores(4, heat=2.0, model=TUNED)),
    "undone": lambda: repaired(retention=keeping(0.0), setting=replace(SMOOTH, value=1.0), trials=(Trial(1.0, 0.0),)),
    "partly undone": lambda: repaired(retention=keeping(0.91), setting=MERGE),
    "all .60": lambda: repaired(flat(scores(2.0))),
    "less accurate": lambda: repaired(wrong_on(scores(1.0), 40)),
    "one confidence": lambda: repaired(flat(scores(1.6), 0.55), before=scores(1.6, TUNED)),
    "off the options": lambda: repaired(scores(1.0, mass=0.8), before=scores(2.0, TUNED, mass=0.9)),
    "worse within": lambda: repaired(inside=WORSE_WITHIN),
    "no data": lambda: repaired(retention=Retention(), data=None, setting=MERGE),
    "too little taught": lambda: repaired(retention=keeping(1.0, taught=0.04), setting=MERGE),
    "base lacks tokens": lambda: repaired(retention=Retention(None, Fit(1, 0.9, 9), Fit(1, 0.8, 9)), setting=MERGE),
    "many choices changed": lambda: repaired(retention=Retention(first_choices=FirstChoices(100, 90)), data=None),
    "all .60, no data": lambda: repaired(flat(scores(2.0)), Retention(), data=None),
    "cheap was enough": lambda: repaired(others=(impossible("aligned", "no final norm"),)),
    "best of three": lambda: repaired(
        setting=SMOOTH,
        trials=SMOOTH_TRIALS,
        enough=False,
        others=(
            tried(TEMPERATURE, retention=Retention(first_choices=SAME)),
            tried(MERGE, ("kept", "nll"), trials=MERGE_TRIALS),
        ),
    ),
    "none passed": lambda: repaired(
        retention=keeping(0.5), setting=SMOOTH, others=(tried(TEMPERATURE, outcome="not_improved"),)
    ),
    "not needed": lambda: unrepaired("not_needed"),
    "nothing known": lambda: unrepaired(
        "nothing_known",
        (impossible("temperature", "the head has no place for it."), impossible("merge", "other shapes")),
    ),
    "nothing known, no candidate": lambda: unrepaired("nothing_known"),
}


@functools.cache
def made(name: str) -> Repair:
    return CASES[name]()
