"""Whether a repair helped: made cases in which it is known, the ones that would fool a rule by ECE alone among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_scores import TUNED, made_scores

from calibaudit.analysis.compare import compare
from calibaudit.errors import CalibauditError
from calibaudit.repair.verdict import FirstChoices, Retention, judge
from calibaudit.training.results.fit import Fit

N = 800
KEEPS = Retention(Fit(2.0, 0.60, 1000), Fit(0.1, 1.00, 1000), Fit(0.2, 0.99, 1000))  # .39 of .40


def keeping(share: float, taught: float = 0.4) -> Retention:
    """Rows on which tuning added `taught`, of which `share` is left."""
    return Retention(*(Fit(1.0, top1, 1000) for top1 in (0.5, 0.5 + taught, 0.5 + share * taught)))


def tuned(**how):
    return made_scores(N, heat=2.0, model=TUNED, **how)


def with_probs(scores, probs):
    return replace(scores, logprobs=np.log(probs))


def flat(scores, confidence: float = 0.6):
    """Every confidence the same; every first choice as it was."""
    first = scores.logprobs.argmax(axis=1)
    probs = np.full(scores.logprobs.shape, (1 - confidence) / 3)
    probs[np.arange(len(first)), first] = confidence
    return with_probs(scores, probs)


def wrong_on(scores, n_items: int):
    """The first choice and the second exchanged on that many items that were right."""
    logprobs = scores.logprobs.copy()
    rows = np.flatnonzero(logprobs.argmax(axis=1) == scores.answer)[:n_items]
    order = np.argsort(logprobs[rows], axis=1)
    top, second = logprobs[rows, order[:, -1]].copy(), logprobs[rows, order[:, -2]].copy()
    logprobs[rows, order[:, -1]], logprobs[rows, order[:, -2]] = second, top
    return replace(scores, logprobs=logprobs)


def letters(scores, mass: float):
    return replace(scores, scoring="letter", option_mass=np.full(N, mass))


def judged(after, retention=KEEPS, before=None, **how):
    return judge(compare([before or tuned()], [after]), retention, **how)


COOLED = made_scores(N, heat=1.0, model=TUNED)

CASES = {
    "cooled": (COOLED, KEEPS, "helped", ()),
    "cooled, and just enough kept": (COOLED, keeping(0.951), "helped", ()),
    "cooled, and just too little kept": (COOLED, keeping(0.949), "spoiled", ("kept",)),
    "base given back": (COOLED, keeping(0.0), "spoiled", ("kept",)),
    "less than base knew": (COOLED, keeping(-0.2), "spoiled", ("kept",)),
    "no rows": (COOLED, Retention(), "spoiled", ("unmeasured",)),
    "tuning added too little to measure": (COOLED, keeping(1.0, taught=0.04), "spoiled", ("unmeasured",)),
    "no rows, no first choice changed": (COOLED, Retention(first_choices=FirstChoices(1000, 1000)), "helped", ()),
    "no rows, one near tie turned": (COOLED, Retention(first_choices=FirstChoices(1000, 991)), "helped", ()),
    "no rows, many first choices changed": (
        COOLED, Retention(first_choices=FirstChoices(1000, 989)), "spoiled", ("unmeasured",),
    ),
    "first choices are not asked where the rows tell": (
        COOLED, replace(keeping(0.5), first_choices=FirstChoices(1000, 1000)), "spoiled", ("kept",),
    ),
    "the same model": (tuned(), KEEPS, "not_improved", ()),
    "hotter": (made_scores(N, heat=3.0, model=TUNED), KEEPS, "not_improved", ("auroc", "nll", "brier")),
    "every confidence .60": (flat(tuned()), KEEPS, "spoiled", ("auroc",)),
    "cooled, and 40 answers lost": (wrong_on(COOLED, 40), KEEPS, "spoiled", ("accuracy",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_made_cases(name):
    after, retention, outcome, faults = CASES[name]
    verdict = judged(after, retention)
    assert (verdict.outcome, verdict.faults) == (outcome, faults)
    assert verdict.exit_code == (0 if outcome == "helped" else 1)


def test_one_confidence_for_all_fits_worse_than_mild_overconfidence():
    before = made_scores(N, heat=1.5, model=TUNED)
    accuracy = float((before.logprobs.argmax(axis=1) == before.answer).mean())
    verdict = judged(flat(before, accuracy), before=before)
    assert (verdict.outcome, verdict.faults) == ("spoiled", ("auroc", "nll", "brier"))


def test_a_small_loss_that_is_sure_is_a_loss():
    # 15 of 1,000 answers lost and none gained: 1.5 points, below the margin, but the interval lies below 0
    before = tuned()
    after = wrong_on(with_probs(before, np.exp(COOLED.logprobs)), 15)
    change = compare([before], [after]).pooled.change["accuracy"]
    assert -0.02 < change.value < change.high < 0
    assert "accuracy" in judged(after, before=before).faults


def test_a_fall_that_may_be_chance_is_no_proof():
    before, after = (made_scores(60, heat=heat, model=TUNED) for heat in (2.0, 1.9))
    comparison = compare([before], [after])
    assert comparison.pooled.change["ece"].p_value > 0.05
    assert judge(comparison, KEEPS).outcome == "not_improved"


@pytest.mark.parametrize(("mass", "faults"), [(0.97, ("option_mass",)), (0.985, ())])
def test_options_must_stay_what_is_answered(mass, faults):
    verdict = judged(letters(COOLED, mass), before=letters(tuned(), 1.0))
    assert verdict.faults == faults


def test_within_the_template_it_is_looked_at_besides():
    before = tuned()
    lost = compare([letters(before, 1.0)], [letters(wrong_on(before, 40), 0.9)])
    verdict = judge(compare([before], [COOLED]), KEEPS, inside=lost)
    assert verdict.outcome == "spoiled"
    assert verdict.faults == ("inside_accuracy", "inside_mass")


def test_the_accuracy_margin_is_the_users():
    before = made_scores(1000, heat=2.0, model=TUNED)
    after = made_scores(1000, heat=0.8, noise=0.4, model=TUNED)
    change = compare([before], [after]).pooled.change["accuracy"]
    assert change.low < change.value < -0.01
    assert change.high > 0  # not sure: then the margin decides
    for margin, lost in ((-change.value - 0.001, True), (-change.value + 0.001, False)):
        assert ("accuracy" in judged(after, before=before, accuracy_margin=margin).faults) == lost


@pytest.mark.parametrize("margin", [-0.01, 1.5])
def test_margin_out_of_range(margin):
    with pytest.raises(CalibauditError, match=r"--accuracy-margin .* between 0 and 1"):
        judged(COOLED, accuracy_margin=margin)
