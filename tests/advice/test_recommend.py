"""The mixture estimate against a hand loop and closed forms, and each warning made to appear."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores

from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.recommend import LITERATURE, MARGIN, recommend, recommend_from_pilot
from calibaudit.advice.recommendation import PilotRun, Recommendation
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ScoresError
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


@pytest.mark.parametrize("margin", [0.0, MARGIN, 0.1])
def test_the_weight_is_the_smallest_that_brings_the_gap_within_the_margin(margin: float) -> None:
    before, after = plain_pair()
    found = advice((before, after), margin=margin)
    assert (found.method, found.prior, found.margin) == ("stack", "base", margin)
    weight = found.epsilon.value
    assert weight is not None
    assert 0 < weight < 1
    assert hand_gap(before, after, weight) <= margin + 1e-9
    assert hand_gap(before, after, weight - 0.01) > margin
    assert found.epsilon.low is not None
    assert found.epsilon.high is not None
    assert 0 <= found.epsilon.low <= weight <= found.epsilon.high <= 1


def test_the_interval_covers_the_weight_of_a_large_sample() -> None:
    """Twenty samples of 1,000 items against the weight of 60,000: 95 % intervals may miss twice, not five times."""
    truth = advice(pair(60_000, seed=99), settings=Settings()).epsilon.value
    assert truth is not None
    missed = 0
    for seed in range(20):
        epsilon = advice(pair(1_000, seed=seed), settings=Settings()).epsilon
        assert epsilon.low is not None
        assert epsilon.high is not None
        missed += not epsilon.low <= truth <= epsilon.high
    assert missed <= 4


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


def test_nothing_to_repair_is_a_factor_of_zero() -> None:
    found = advice(plain_pair(4_000, heat=1.0))
    assert (found.epsilon.value, found.method) == (0.0, "stack")
    assert found.demand.option_epsilon is None or found.demand.option_epsilon < 0.05
    assert "already" in found.reason
    assert any("covers 0" in warning for warning in found.warnings)
    assert not any("covers 0" in warning for warning in advice(plain_pair()).warnings)


def test_a_base_beyond_the_margin_is_asked_for_no_more_than_it_can_give() -> None:
    before, after = made_scores(4_000, heat=1.5, model=INFO), made_scores(4_000, heat=3.0, model=TUNED)
    base, tuned = (hand_gap(before, after, weight) for weight in (1.0, 0.0))
    assert MARGIN < base < tuned
    found = advice((before, after))
    assert (found.method, found.prior, found.margin) == ("stack", "base", pytest.approx(base + 0.01))
    weight = found.epsilon.value
    assert weight is not None
    assert hand_gap(before, after, weight) <= base + 0.01 + 1e-9
    assert hand_gap(before, after, weight - 0.01) > base + 0.01
    assert advice((before, after), margin=MARGIN).method == "literature"  # a margin that is given is taken as it is


def test_underconfidence_is_warned_of() -> None:
    found = advice(plain_pair(4_000, heat=0.5))
    assert found.epsilon.value == 0.0
    assert any("underconfident: the factor answers overconfidence only" in warning for warning in found.warnings)
    assert not any("underconfident" in warning for warning in advice(plain_pair()).warnings)


def test_how_the_method_did_stands_wherever_smoothing_is_advised() -> None:
    found = advice(plain_pair())
    assert found.method == "stack"
    assert "ended .017 above the least ECE" in (found.evidence or "")
    assert advice(plain_pair(4_000, heat=1.0)).evidence is None


def test_where_base_is_no_better_the_literature_is_named_and_said_so() -> None:
    before, after = made_scores(2_000, heat=3.0), made_scores(2_000, heat=2.5, model=TUNED)
    found = advice((before, after))
    assert (found.epsilon.value, found.epsilon.low, found.prior, found.method) == (
        LITERATURE,
        None,
        "uniform",
        "literature",
    )
    assert "literature" in found.reason
    assert any("no less overconfident" in warning for warning in found.warnings)
    assert not any("no less overconfident" in warning for warning in advice(plain_pair()).warnings)


def test_tasks_of_opposite_sign_are_warned_of() -> None:
    found = advice(pair(task="a"), pair(task="b", seed=1, heat=0.3))
    assert any("disagree" in warning and "a" in warning and "b" in warning for warning in found.warnings)
    assert not any("disagree" in warning for warning in advice(pair(task="a"), pair(task="b", seed=1)).warnings)


def test_a_temperature_that_fits_better_is_named() -> None:
    """Here the tuned model is base with every logit times 2.5, so a temperature of 2.5 undoes it exactly."""
    found = advice(plain_pair())
    assert any("temperature of 2." in warning for warning in found.warnings)
    noisy_before, noisy_after = made_scores(2_000), made_scores(2_000, heat=2.5, noise=2.0, model=TUNED)
    assert not any("temperature" in warning for warning in advice((noisy_before, noisy_after)).warnings)


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
    found = advice(plain_pair(), head=SMALL_HEAD)
    assert any("128,256 over a hidden size of 64" in warning for warning in found.warnings)
    assert found.head == SMALL_HEAD
    for head in (None, HeadBound(2_048, 256, 40.0, 0.9999, 1.0, 0.0)):
        assert not any("hidden size" in warning for warning in advice(plain_pair(), head=head).warnings)
    unneeded = advice(plain_pair(4_000, heat=0.7), head=SMALL_HEAD)
    assert unneeded.epsilon.value == 0
    assert not any("hidden size" in warning for warning in unneeded.warnings)


def test_the_note_stands_wherever_smoothing_is_advised_and_is_no_warning() -> None:
    found = advice(plain_pair())
    assert found.note is not None
    assert "teach another" in found.note
    assert "abstain" in found.note
    assert not any("teach another" in warning for warning in found.warnings)
    assert advice(plain_pair(4_000, heat=0.7)).note is None


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
    assert found.note is not None


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
    assert "none came within 0.03" in found.reason
    assert any("try larger factors" in warning for warning in found.warnings)
    assert not any("larger factors" in warning for warning in piloted(HARD, run(0.3, heat=1.0)).warnings)


def test_no_run_that_helps_is_a_factor_of_zero_that_says_so() -> None:
    found = piloted(HARD, run(0.3, heat=3.0), run(0.7, heat=1.0, noise=2.0))
    assert (found.epsilon.value, found.epsilon.low, found.note) == (0.0, None, None)
    assert any("no smoothing that was tried helped" in warning for warning in found.warnings)
    assert not any("was tried helped" in warning for warning in piloted(HARD, run(0.3, heat=1.0)).warnings)


def test_hard_labels_within_the_margin_need_no_smoothing() -> None:
    found = piloted(run(0.0, heat=1.0), run(0.3, heat=0.9))
    assert found.epsilon.value == 0.0
    assert "already" in found.reason


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
