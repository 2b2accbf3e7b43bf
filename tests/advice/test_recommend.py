"""What is advised: the mixture estimate against a hand loop and closed forms, each outcome, each warning."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scores import INFO, TUNED, made_scores

from calibaudit.advice.cautions import MOST, about_mixture
from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.mixture import mixture_of
from calibaudit.advice.options.option import RepairOption
from calibaudit.advice.options.plan import plan_of
from calibaudit.advice.recommend import MARGIN, recommend, recommend_from_pilot
from calibaudit.advice.recommendation import PilotRun, Recommendation
from calibaudit.advice.weights import NEAR, Target, not_ruled_out, target_of
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.report.words.findings import advice as words
from calibaudit.scores.scores import Scores

SETTINGS = Settings()


def pair(n: int = 2_000, heat: float = 2.5, **fields: Any) -> tuple[Scores, Scores]:
    return made_scores(n, model=INFO, **fields), made_scores(n, model=TUNED, heat=heat, **fields)


@functools.cache
def plain_pair(n: int = 2_000, heat: float = 2.5) -> tuple[Scores, Scores]:
    """A pair that several tests look at: made and compared once."""
    return pair(n, heat)


@functools.cache
def compared(before: tuple[Scores, ...], after: tuple[Scores, ...], settings: Settings) -> Comparison:
    return compare(before, after, settings)


def advice(*pairs: tuple[Scores, Scores], settings: Settings = SETTINGS, **options: Any) -> Recommendation:
    before, after = (tuple(p[i] for p in pairs) for i in (0, 1))
    return recommend(before, after, compared(before, after, settings), **options)


def hand_gap(before: Scores, after: Scores, weight: float) -> float:
    """Mean confidence minus accuracy of the mixture, item by item."""
    total = 0.0
    for row_b, row_a, y in zip(before.logprobs, after.logprobs, after.answer, strict=True):
        probs = [(1 - weight) * np.exp(a) + weight * np.exp(b) for a, b in zip(row_a, row_b, strict=True)]
        total += max(probs) - (int(np.argmax(probs)) == y)
    return total / len(after.answer)


def crossing_pair(n: int = 2_000, **fields: Any) -> tuple[Scores, Scores]:
    """The tuned model is too sure and less often right, base not sure enough: a mixture is as sure as right."""
    return made_scores(n, model=INFO, heat=0.5, **fields), made_scores(n, model=TUNED, heat=1.2, noise=0.8, **fields)


def option(found: Recommendation, method: str) -> RepairOption:
    """Of the repairs that could serve the one by that method."""
    return next(one for one in found.options if one.method == method)


@pytest.mark.parametrize("margin", [MARGIN, 0.06])
def test_a_given_margin_takes_the_smallest_weight_within_it(margin: float) -> None:
    before, after = crossing_pair()
    found = advice((before, after), margin=margin)
    assert (found.action, found.method, found.prior, found.margin) == ("smooth", "stack", "base", margin)
    weight = found.epsilon.value
    assert weight is not None
    assert 0 < weight < 1
    assert abs(hand_gap(before, after, weight)) <= margin + 1e-9
    assert hand_gap(before, after, weight - 0.01) > margin


def test_left_to_itself_the_weight_is_where_the_gap_crosses_zero() -> None:
    before, after = crossing_pair()
    found = advice((before, after))
    weight = found.epsilon.value
    assert (found.action, found.margin) == ("smooth", 0.0)
    assert weight is not None
    assert 0 < weight < 1
    at, below, above = (hand_gap(before, after, weight + step) for step in (0.0, -0.01, 0.01))
    assert below > 0 > above
    assert abs(at) <= min(abs(below), abs(above))
    assert found.epsilon.low is not None
    assert found.epsilon.high is not None
    assert 0 < found.epsilon.low < weight < found.epsilon.high <= 1


def test_the_interval_is_of_the_weights_that_a_test_does_not_reject() -> None:
    """By hand, with the normal test of a mean: at the ends the gap is just about significant."""
    before, after = crossing_pair()
    epsilon = advice((before, after)).epsilon
    for end in (epsilon.low, epsilon.high):
        assert end is not None
        mixed = (1 - end) * np.exp(after.logprobs) + end * np.exp(before.logprobs)
        excess = mixed.max(axis=1) - (mixed.argmax(axis=1) == after.answer)
        z = abs(excess.mean()) / (excess.std(ddof=1) / np.sqrt(len(excess)))
        assert z == pytest.approx(1.96, abs=0.2)  # an item more or less right from one weight to the next


def test_the_interval_covers_the_weight_of_a_large_sample() -> None:
    """Eighty samples of 1,000 items against the weight of 100,000: 95 % intervals miss 4, and 11 once in 500 times."""

    def found(n: int, seed: int) -> tuple[Target, tuple[float | None, float | None]]:
        mixture = mixture_of(*([side] for side in crossing_pair(n, seed=seed)), SETTINGS)
        target = target_of(mixture.gaps)
        assert target is not None
        return target, not_ruled_out(mixture.gap, target, mixture.excess, mixture.design, 0.95)

    truth, missed = found(100_000, 999)[0].weight, 0
    for seed in range(80):
        low, high = found(1_000, seed)[1]
        assert low is not None
        assert high is not None
        missed += not low <= truth <= high
    assert missed <= 10


def test_the_option_epsilon_closes_the_gap_when_mixed_with_uniform() -> None:
    before, after = plain_pair()
    epsilon = advice((before, after)).demand.option_epsilon
    assert epsilon is not None
    probs = np.exp(after.logprobs)
    confidence, accuracy = probs.max(axis=1).mean(), (probs.argmax(axis=1) == after.answer).mean()
    assert (1 - epsilon) * confidence + epsilon / 4 == pytest.approx(accuracy, abs=1e-12)


def test_the_nll_weight_is_the_best_of_the_grid() -> None:
    before, after = plain_pair()
    found = advice((before, after)).nll_weight
    rows = np.arange(len(after.answer))

    def nll(weight: float) -> float:
        mixed = (1 - weight) * np.exp(after.logprobs) + weight * np.exp(before.logprobs)
        return float(-np.log(mixed[rows, after.answer]).mean())

    assert found == pytest.approx(min((nll(w / 100), w / 100) for w in range(101))[1])


def test_nothing_is_needed_of_a_calibrated_model() -> None:
    found = advice(plain_pair(4_000, heat=1.0))
    assert (found.action, found.epsilon.value, found.method) == ("none_needed", 0.0, "stack")
    assert "no more than chance gives" in found.reason
    assert found.warnings == ()


def test_few_items_do_not_make_a_model_calibrated() -> None:
    """Every interval covers 0 then; what is seen is still advised upon, with a warning."""
    found = advice(plain_pair(30))
    gap = found.demand.gap
    assert gap.low is not None
    assert gap.low < 0 < 0.03 < (gap.value or 0)
    assert found.action != "none_needed"
    assert any("covers 0" in warning for warning in found.warnings)


@pytest.mark.parametrize(("heat", "least"), [(3.0, 0.2), (20.0, 0.37)])
def test_identical_models_that_are_too_sure_are_not_told_that_nothing_is_needed(heat: float, least: float) -> None:
    found = advice((made_scores(2_000, heat=heat), made_scores(2_000, heat=heat, model=TUNED)))
    gap = found.demand.gap.value
    assert gap is not None
    assert gap > least
    assert (found.action, found.epsilon.value, found.epsilon.high) == ("temperature", 0.0, None)
    assert found.reason.startswith(f"confidence exceeds accuracy by {gap:.3f}".replace(" 0.", " ."))
    assert "does not bring the two closer" in found.reason
    assert f"divided by {found.demand.temperature.value:.2f}" in found.reason


def test_where_neither_base_nor_a_temperature_helps_nothing_is_advised() -> None:
    """As sure as ever of guesses: 49 points and more too sure, and the scores do not tell right from wrong."""
    rng = np.random.default_rng(0)
    sure = np.log(np.full((2_000, 4), 0.08))
    sure[np.arange(2_000), rng.integers(0, 4, 2_000)] = np.log(0.76)
    found = advice((made_scores(2_000, logprobs=sure), made_scores(2_000, logprobs=sure, model=TUNED)))
    assert 0.45 < (found.demand.gap.value or 0) < 0.56
    assert (found.action, found.epsilon.value) == ("nothing_known", 0.0)
    assert "a temperature does not help either" in found.reason


def test_a_base_that_is_itself_overconfident_is_asked_for_no_more_than_it_can_give() -> None:
    before, after = made_scores(1_000, heat=1.5, model=INFO), made_scores(1_000, heat=3.0, model=TUNED)
    base, tuned = (hand_gap(before, after, weight) for weight in (1.0, 0.0))
    assert MARGIN < base < tuned / 2
    mixture, least = mixture_of([before], [after], SETTINGS), min(hand_gap(before, after, i / 100) for i in range(101))
    plan = plan_of(mixture, None, 0.95)
    assert plan.weight is not None
    assert plan.aim == pytest.approx(least + NEAR)
    weight = plan.weight.value
    assert weight is not None
    assert hand_gap(before, after, weight) <= least + NEAR + 1e-9 < hand_gap(before, after, weight - 0.01)
    assert plan.factor == Interval(MOST, None, None)  # and no more than is advised
    assert weight > MOST
    found = advice((before, after))
    assert (found.action, option(found, "smooth").setting) == ("temperature", plan.factor)
    given = advice((before, after), margin=MARGIN)  # a margin that is given is taken as it is
    assert (given.action, given.margin, [one.method for one in given.options]) == (
        "temperature",
        MARGIN,
        ["temperature", "aligned"],
    )
    assert "does not bring it within .030" in given.reason


def with_noise(scores: Scores, seed: int) -> Scores:
    noise = np.random.default_rng([7, seed]).normal(size=scores.logprobs.shape)
    logprobs = 1.2 * (scores.logprobs + noise)
    logprobs -= np.log(np.exp(logprobs).sum(axis=1, keepdims=True))
    return dataclasses.replace(scores, logprobs=logprobs)


def test_models_that_are_both_too_sure_may_be_nearer_when_mixed() -> None:
    """Both 20 points too sure, on different items: base could serve, and no warning says that it cannot help."""
    before, after = (with_noise(made_scores(4_000, model=model), i) for i, model in ((1, INFO), (0, TUNED)))
    base, tuned = (hand_gap(before, after, weight) for weight in (1.0, 0.0))
    assert base >= tuned > 0.15
    found = advice((before, after))
    assert found.action == "temperature"  # the mixture leaves most of the ECE, the temperature none
    assert "surely worse in ECE" in found.trades[0]
    mixture = mixture_of([before], [after], SETTINGS)
    plan = plan_of(mixture, None, 0.95)
    assert option(found, "smooth").setting == plan.factor == plan.weight
    assert plan.weight is not None
    assert plan.mixed is not None
    warnings = about_mixture(mixture.at(1.0), mixture.at(0.0), plan.mixed, plan.weight)
    assert any("only their mixture is" in warning for warning in warnings)
    assert any("helps only in part" in warning for warning in warnings)
    assert not any("cannot" in warning for warning in warnings)


def test_underconfidence_is_repaired_where_base_moves_it_the_right_way() -> None:
    before, after = made_scores(4_000, heat=2.0, model=INFO), made_scores(4_000, heat=0.6, noise=0.6, model=TUNED)
    found = advice((before, after))
    assert hand_gap(before, after, 0.0) < -0.03
    assert (found.action, found.prior, found.margin) == ("smooth", "base", 0.0)
    assert abs(hand_gap(before, after, found.epsilon.value or 0.0)) < 0.01
    assert found.reason.startswith("confidence falls short of accuracy by .0")


def test_underconfidence_that_base_shares_is_left_to_a_temperature_below_one() -> None:
    """The gap of -.34 of which it once said that it `exceeds by at most 0.03`."""
    pair = made_scores(4_000, heat=0.05, model=INFO), made_scores(4_000, heat=0.02, model=TUNED)
    found = advice(pair)
    gap = found.demand.gap.value
    assert gap is not None
    assert -0.36 < gap < -0.3
    assert (found.action, found.epsilon.value, found.notes) == ("temperature", 0.0, ())
    assert (found.demand.temperature.value or 9) < 1
    assert found.reason.startswith(f"confidence falls short of accuracy by {-gap:.3f}".replace(" 0.", " ."))
    assert "exceeds" not in found.reason


def test_a_model_that_is_only_right_on_the_whole_is_not_called_calibrated() -> None:
    """Too sure on one task, not sure enough on the other: no gap overall, and nothing that serves both."""
    a = made_scores(3_000, task="a", heat=2.2, model=TUNED)
    b = made_scores(3_000, task="b", seed=1, heat=0.38, model=TUNED)
    before = (made_scores(3_000, task="a"), made_scores(3_000, task="b", seed=1))
    found = recommend(before, (a, b), compare(before, (a, b)))
    assert abs(found.demand.gap.value or 0) < MARGIN
    assert found.action != "none_needed"


def test_how_the_method_did_stands_wherever_smoothing_is_advised() -> None:
    found = advice(crossing_pair())
    assert (found.action, found.method) == ("smooth", "stack")
    assert "ended .020 above the least ECE" in (found.evidence or "")
    assert advice(plain_pair(4_000, heat=1.0)).evidence is None


def test_a_base_that_is_worse_is_not_smoothed_towards() -> None:
    found = advice((made_scores(2_000, heat=3.0), made_scores(2_000, heat=2.5, model=TUNED)))
    assert (found.action, found.epsilon.value, found.prior) == ("temperature", 0.0, "base")
    assert "does not bring the two closer" in found.reason


def test_tasks_of_opposite_sign_are_warned_of() -> None:
    found = advice(pair(task="a"), pair(task="b", seed=1, heat=0.3))
    assert any("disagree" in warning and "a" in warning and "b" in warning for warning in found.warnings)
    assert not any("disagree" in warning for warning in advice(pair(task="a"), pair(task="b", seed=1)).warnings)


def test_few_items_and_low_option_mass_are_warned_of() -> None:
    assert any("only 200 items" in warning for warning in advice(plain_pair(200)).warnings)
    assert not any("items: take" in warning for warning in advice(plain_pair(500)).warnings)
    for mass, warned in ((0.3, True), (0.7, False)):
        letter = {"scoring": "letter", "option_mass": np.full(2_000, mass)}
        assert any("30 % of the probability" in warning for warning in advice(pair(**letter)).warnings) is warned
        assert any("options of letter" in warning for warning in advice(pair(**letter)).warnings) is warned
    assert not any("options of letter" in warning for warning in advice(plain_pair()).warnings)


def test_items_that_depend_on_each_other_give_no_interval_and_say_so() -> None:
    found = advice(pair(groups=tuple(f"passage-{i % 3}" for i in range(2_000))))
    assert found.epsilon.low is None
    assert any("too few independent items" in warning for warning in found.warnings)
    assert not any("independent" in warning for warning in advice(plain_pair()).warnings)


SMALL_HEAD = HeadBound(128_256, 64, reach=4.0, median_prob=0.0004, top_prob=0.3, least_entropy=1.2)


def test_a_head_that_cannot_be_sure_is_warned_of() -> None:
    found = advice(crossing_pair(), head=SMALL_HEAD)
    assert any("128,256 over a hidden size of 64" in warning for warning in found.warnings)
    assert found.head == SMALL_HEAD
    for head in (None, HeadBound(2_048, 256, 40.0, 0.9999, 1.0, 0.0)):
        assert not any("hidden size" in warning for warning in advice(crossing_pair(), head=head).warnings)
    unneeded = advice(plain_pair(4_000, heat=1.0), head=SMALL_HEAD)
    assert unneeded.epsilon.value == 0
    assert not any("hidden size" in warning for warning in unneeded.warnings)


def test_the_note_stands_wherever_smoothing_is_advised_and_is_no_warning() -> None:
    found = advice(crossing_pair())
    assert "teach another" in found.notes[0]
    assert "abstain" in found.notes[0]
    assert not any("teach another" in warning for warning in found.warnings)
    assert advice(plain_pair(4_000, heat=1.0)).notes == ()


def run(epsilon: float, prior: Any = "base", *, heat: float, n: int = 2_000, **fields: Any) -> PilotRun:
    return PilotRun(epsilon, prior, (made_scores(n, model=TUNED, heat=heat, **fields),))


def piloted(*runs: PilotRun, **options: Any) -> Recommendation:
    return recommend_from_pilot(runs, settings=SETTINGS, **options)


HARD = run(0.0, "uniform", heat=2.5)


def gap_of(one: PilotRun) -> float:
    probs = np.exp(one.scores[0].logprobs)
    return float((probs.max(axis=1) - (probs.argmax(axis=1) == one.scores[0].answer)).mean())


def test_the_pilot_takes_the_smallest_factor_within_the_margin() -> None:
    runs = [run(0.7, heat=1.0), HARD, run(0.3, heat=1.05), run(0.1, heat=2.0), run(0.5, heat=1.02)]
    assert gap_of(runs[2]) <= MARGIN < gap_of(runs[3])
    found = piloted(*runs)
    assert (found.epsilon.value, found.prior, found.method, found.nll_weight) == (0.3, "base", "pilot", None)
    assert found.epsilon.low is not None
    assert found.epsilon.high is not None
    assert found.epsilon.low <= 0.3 <= found.epsilon.high
    assert {found.epsilon.low, found.epsilon.high} <= {0.3, 0.5, 0.7, 1.0}
    assert [point.epsilon for point in found.pilot] == [0.0, 0.1, 0.3, 0.5, 0.7]
    assert [point.rejected for point in found.pilot] == ["", "still too sure", "", "", ""]
    assert found.pilot[2].gap.value == pytest.approx(gap_of(runs[2]))
    assert found.demand.gap.value == pytest.approx(gap_of(HARD))
    assert "of 4 smoothed pilot runs" in found.reason
    assert "teach another" in found.notes[0]


def test_a_pilots_run_and_a_temperature_stand_against_its_hard_labels() -> None:
    hard, low = (dataclasses.replace(one, learned=share) for one, share in ((HARD, 0.8), (run(0.3, heat=1.0), 0.78)))
    found = piloted(hard, low, run(0.5, heat=0.9))
    assert (found.action, found.epsilon.value) == ("smooth", 0.3)
    smooth, temperature = option(found, "smooth"), option(found, "temperature")
    assert found.advised is smooth
    assert smooth.setting == found.epsilon
    assert smooth.kept == "98 % of what hard labels learned"
    assert smooth.figures is not None
    assert smooth.change is not None
    nll = [float(-one.scores[0].logprobs[np.arange(2_000), one.scores[0].answer].mean()) for one in (hard, low)]
    assert smooth.figures.nll.value == pytest.approx(nll[1])
    assert smooth.change.nll.value == pytest.approx(nll[1] - nll[0])
    assert "one seed" in smooth.basis
    assert temperature.setting == found.demand.temperature
    assert {one.above_base for one in found.options} == {None}  # no base in it
    assert (found.ensemble, found.trades) == (None, ())
    assert "preference or safety tuning" in found.notes[1]


def test_of_two_priors_the_smaller_factor_and_then_the_lower_nll_is_taken() -> None:
    found = piloted(HARD, run(0.3, "base", heat=1.05), run(0.1, "uniform", heat=1.0))
    assert (found.epsilon.value, found.prior) == (0.1, "uniform")
    found = piloted(HARD, run(0.3, "base", heat=0.6), run(0.3, "uniform", heat=1.0))
    assert (found.epsilon.value, found.prior) == (0.3, "uniform")


@pytest.mark.parametrize(
    ("spoiled", "fault"), [({"heat": 1.0, "noise": 1.0}, "worse accuracy"), ({"heat": 0.05}, "worse nll")]
)
def test_a_run_that_is_worse_than_hard_labels_is_not_taken(spoiled: dict[str, float], fault: str) -> None:
    hard = run(0.0, heat=1.6)
    found = piloted(hard, run(0.1, **spoiled), run(0.5, heat=1.0))  # type: ignore[arg-type]
    assert found.epsilon.value == 0.5
    assert fault in found.pilot[1].rejected


def test_a_run_whose_confidence_no_longer_ranks_is_not_taken() -> None:
    """Calibrated and as accurate as ever, but as sure of every item as of any other: AUROC one half."""
    hard = HARD.scores[0]
    best, accuracy = hard.logprobs.argmax(axis=1), (hard.logprobs.argmax(axis=1) == hard.answer).mean()
    flat = np.full(hard.logprobs.shape, np.log((1 - accuracy) / 3))
    flat[np.arange(len(best)), best] = np.log(accuracy)
    found = piloted(HARD, PilotRun(0.1, "base", (made_scores(2_000, model=TUNED, logprobs=flat),)), run(0.5, heat=1.0))
    assert found.pilot[1].rejected == "worse auroc"
    assert found.epsilon.value == 0.5


def test_a_run_that_learned_less_than_hard_labels_is_not_taken() -> None:
    hard, low, high = run(0.0, heat=2.5), run(0.3, heat=1.0), run(0.5, heat=1.0)
    learned = [dataclasses.replace(one, learned=share) for one, share in ((hard, 0.8), (low, 0.75), (high, 0.77))]
    found = piloted(*learned)
    assert [point.rejected for point in found.pilot] == ["", "less learned", ""]
    assert [point.learned for point in found.pilot] == [0.8, 0.75, 0.77]
    assert found.epsilon.value == 0.5


def test_no_run_within_the_margin_is_the_nearest_with_a_warning() -> None:
    found = piloted(HARD, run(0.3, heat=2.0), run(0.7, heat=1.6))
    assert (found.epsilon.value, found.method) == (0.7, "pilot")
    assert "none came within .030" in found.reason
    assert any("try larger factors" in warning for warning in found.warnings)
    assert not any("larger factors" in warning for warning in piloted(HARD, run(0.3, heat=1.0)).warnings)


def test_no_run_that_helps_is_a_factor_of_zero_that_says_so() -> None:
    found = piloted(HARD, run(0.3, heat=3.0), run(0.7, heat=1.0, noise=2.0))
    assert (found.epsilon.value, found.epsilon.low, found.notes) == (0.0, None, ())
    assert found.action == "temperature"
    assert "none of the 2 smoothed pilot runs came closer" in found.reason


def test_hard_labels_within_the_margin_need_no_smoothing() -> None:
    found = piloted(run(0.0, heat=1.0), run(0.3, heat=0.9))
    assert (found.action, found.epsilon.value) == ("none_needed", 0.0)
    assert found.reason.startswith("with hard labels confidence ")


def test_a_pilot_is_two_sided() -> None:
    """A run that is not sure enough is not taken, nor one towards uniform where hard labels are not sure enough."""
    found = piloted(HARD, run(0.3, heat=0.6), run(0.5, heat=1.0))
    assert [point.rejected for point in found.pilot] == ["", "not sure enough", ""]
    assert found.epsilon.value == 0.5
    unsure = run(0.0, "uniform", heat=0.4)
    found = piloted(unsure, run(0.3, "uniform", heat=1.0), run(0.5, "base", heat=1.0))
    assert (found.action, found.epsilon.value, found.prior) == ("smooth", 0.5, "base")
    found = piloted(unsure, run(0.3, "uniform", heat=0.5), run(0.5, "uniform", heat=0.3))
    assert (found.action, found.epsilon.value) == ("temperature", 0.0)
    assert found.reason.startswith("with hard labels confidence falls short of accuracy by ")


def test_what_a_pilot_is_warned_of() -> None:
    letter = {"scoring": "letter", "n": 300}
    hard = run(0.0, heat=2.5, option_mass=np.full(300, 0.9), **letter)
    found = piloted(
        hard, run(0.3, heat=1.0, option_mass=np.full(300, 0.4), **letter), head=SMALL_HEAD, margin=0.1
    ).warnings
    assert any(text.startswith("after that pilot run only 40 %") for text in found)
    assert any("only 300 items" in text for text in found)
    assert any("hidden size of 64" in text for text in found)
    plain = piloted(HARD, run(0.3, heat=1.0), head=None).warnings
    assert not any(sign in text for text in plain for sign in ("only", "hidden size", "temperature"))
    hotter = piloted(HARD, run(0.3, heat=1.3, noise=0.0), margin=0.1).warnings
    assert any("temperature of 2." in text and "that pilot run does" in text for text in hotter)


def test_a_pilot_that_is_too_short_is_told_by_the_tuned_models_gap() -> None:
    runs = (run(0.0, heat=1.5), run(0.3, heat=1.0))
    for tuned, warned in ((Interval(0.3, 0.28, 0.32), True), (Interval(0.1, 0.0, 0.32), False), (None, False)):
        assert any("too few steps" in text for text in piloted(*runs, tuned_gap=tuned).warnings) is warned


def test_a_pilot_needs_hard_labels_and_the_same_items() -> None:
    for runs in ([HARD], [run(0.3, heat=1.0)], [HARD, HARD, run(0.3, heat=1.0)]):
        with pytest.raises(CalibauditError, match="one run with hard labels"):
            piloted(*runs)
    with pytest.raises(ScoresError):
        piloted(HARD, run(0.3, heat=1.0, seed=5))


def test_the_result_is_plain_json() -> None:
    data = json.loads(json.dumps(piloted(HARD, run(0.3, heat=1.0), head=SMALL_HEAD).to_dict(), allow_nan=False))
    assert data["pilot"][1]["prior"] == "base"
    assert data["head"]["hidden_size"] == 64
    data = json.loads(json.dumps(advice(plain_pair()).to_dict(), allow_nan=False))
    assert set(data) >= {"epsilon", "prior", "method", "reason", "warnings", "demand"}
    assert set(data["epsilon"]) == {"value", "low", "high"}


def test_each_answer_in_words() -> None:
    smooth = advice(crossing_pair())
    factor = f"{smooth.epsilon.value:.2f} [{smooth.epsilon.low:.2f}, {smooth.epsilon.high:.2f}]".replace("0.", ".")
    start = f"Advice: tune again from base with smoothing {factor} towards base (stack)."
    assert words(smooth) == (
        f"{start} fix tries factors, from .50 down, and takes none that keeps less than 95 % of what tuning added."
    )
    assert smooth.command == "calibaudit fix INSTRUCT --base BASE --method smooth --data DATA --out DIR"
    none = advice(plain_pair(4_000, heat=1.0))
    assert words(none) == f"Advice: no repair is needed ({none.reason})."
    assert none.command is None
    scaled = advice((made_scores(2_000, heat=3.0), made_scores(2_000, heat=3.0, model=TUNED)))
    assert words(scaled).startswith("Advice: divide the scores of the choices by a temperature of 2.")
    assert words(scaled).endswith(
        "]: no training; it keeps every first choice. "
        "fix tries it in the weights first, and goes on where that is not enough."
    )
    assert scaled.command == "calibaudit fix INSTRUCT --base BASE --data DATA --out DIR"
    nothing = dataclasses.replace(none, action="nothing_known", reason="why")
    assert words(nothing) == "Advice: nothing measured here would repair it (why)."


def numbers_in(value: Any) -> set[str]:
    """Every number of nested results as the sentences write it, with two and with three digits."""
    if isinstance(value, bool | str) or value is None:
        return set()
    if isinstance(value, int | float):
        return {f"{abs(value):.{digits}f}".removeprefix("0") for digits in (2, 3)}
    inner = value.values() if isinstance(value, dict) else value
    return {number for one in inner for number in numbers_in(one)}


def check_traceable(found: Recommendation, comparison: Comparison) -> None:
    """No number of a sentence about the repairs that is not in the result."""
    known = numbers_in(found.to_dict()) | numbers_in(comparison.pooled.to_dict())
    fits = found.reason.partition("; divided by")[2]
    for sentence in (*found.trades, found.of_ensemble or "", fits):
        for number in re.findall(r"\d*\.\d+", sentence):
            assert number.removeprefix("0") in known, (number, sentence)


CONTRADICTIONS = ("cannot repair", "no factor", "no smoothing", "does not bring", "nothing to repair on")


@settings(max_examples=60, deadline=None)
@given(
    heats=st.tuples(st.floats(0.1, 6), st.floats(0.1, 6)),
    noises=st.tuples(st.floats(0, 2), st.floats(0, 2)),
    n=st.sampled_from([40, 300, 1_500]),
    seeds=st.tuples(st.integers(0, 50), st.booleans()),
    margin=st.sampled_from([None, None, 0.0, 0.03, 0.2]),
)
def test_advice_and_warnings_never_contradict(
    heats: tuple[float, float], noises: tuple[float, float], n: int, seeds: tuple[int, bool], margin: float | None
) -> None:
    seed, same = seeds
    after = made_scores(n, seed=seed, heat=heats[1], noise=noises[1], model=TUNED)
    before = made_scores(n, seed=seed, heat=heats[1 if same else 0], noise=noises[1 if same else 0])
    comparison = compare([before], [after])
    found = recommend([before], [after], comparison, margin=margin)
    sentence, gap, ece = words(found), found.demand.gap, comparison.pooled.after.metrics["ece"]
    assert gap.value is not None
    assert found.epsilon.value is not None
    assert (found.epsilon.value > 0) is (found.action == "smooth")
    check_traceable(found, comparison)
    assert ("towards base (stack)" in sentence) is (found.action == "smooth")
    assert (found.advised is None) is (found.action in ("none_needed", "nothing_known"))
    assert (found.command is None) is (found.advised is None)
    assert not found.options or found.action != "none_needed"
    if found.action == "smooth":
        assert not any(text in warning for text in CONTRADICTIONS for warning in found.warnings)
        weight = found.epsilon.value
        assert abs(hand_gap(before, after, weight)) < abs(gap.value)
        assert 0 < weight <= MOST
        if found.epsilon.low is None or found.epsilon.high is None:
            assert found.epsilon == Interval(MOST, None, None)
        else:
            assert 0 <= found.epsilon.low <= weight <= found.epsilon.high <= 1
        assert not same
    if found.action == "temperature":
        fitted, given = found.demand.temperature.value, option(found, "temperature")
        assert given.setting == found.demand.temperature
        assert f"divided by {fitted:.2f}" in found.reason
        assert given.change is not None
        gains = [given.change.nll.value or 0.0, given.change.ece.value or 0.0]
        assert min(gains) < -0.002
        assert max(gains) < 0.002
    if found.action == "none_needed":
        assert gap.low is not None
        assert gap.high is not None
        assert ece.value is not None
        no_sign = gap.low <= 0 <= gap.high and (ece.low is None or ece.low <= 0) and abs(gap.value) <= 0.03
        small = max(abs(gap.value), ece.value) <= (0.01 if margin is None else margin)
        assert no_sign or small
        assert not any("repair" in warning or "disagree" in warning for warning in found.warnings)
    else:
        assert "needed" not in sentence
    side = "exceeds" if gap.value > 0 else "falls short of"
    if f"{abs(gap.value):.3f}" != "0.000":
        assert f"confidence {side} accuracy by {abs(gap.value):.3f}".replace(" 0.", " .") in found.reason
