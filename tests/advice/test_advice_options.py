"""The repairs that could serve: their figures against NumPy alone, their order, which is advised, and what is said."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores
from scipy.optimize import minimize_scalar

from calibaudit.advice.cautions import MOST
from calibaudit.advice.mixture import State, sides_of
from calibaudit.advice.options.choosing import Case, Choice, choose
from calibaudit.advice.options.measuring import Sides, cross_fitted, halves, mixed, tempered
from calibaudit.advice.options.option import Changes, Figures, RepairOption
from calibaudit.advice.options.ranking import ABOVE_BASE, Measured, better, enough, helps, ranked, worse_in
from calibaudit.advice.recommend import recommend
from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.analysis.settings import Settings
from calibaudit.metrics import ece
from calibaudit.report.words.text import number
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import Scores

SETTINGS = Settings()


def softmax(scores: np.ndarray, temperature: np.ndarray | float = 1.0) -> np.ndarray:
    raised = np.exp(scores / np.reshape(temperature, (-1, 1)))
    return raised / raised.sum(axis=1, keepdims=True)


def by_hand(probs: np.ndarray, answer: np.ndarray) -> tuple[float, float]:
    """Accuracy and NLL."""
    rows = np.arange(len(answer))
    return float((probs.argmax(axis=1) == answer).mean()), float(-np.log(probs[rows, answer]).mean())


def advised(before: Scores, after: Scores, **options: Any) -> Recommendation:
    return recommend([before], [after], compare([before], [after]), **options)


def of(found: Recommendation, method: str) -> RepairOption:
    return next(option for option in found.options if option.method == method)


def sides(before: Scores, after: Scores) -> Sides:
    return Sides(*sides_of([before], [after], SETTINGS), SETTINGS)


def lossy_pair(n: int = 2_000, **fields: Any) -> tuple[Scores, Scores]:
    """Tuning lost accuracy, and made base, which was not sure enough, too sure."""
    return made_scores(n, model=INFO, heat=0.5, **fields), made_scores(n, model=TUNED, heat=1.2, noise=0.8, **fields)


def unevenly_hot(n: int, share: float, heat: float) -> Scores:
    """Of a calibrated model some answers made too sure, at random: no one temperature takes that back."""
    cool = made_scores(n)
    own = np.where(np.random.default_rng(5).random(n) < share, heat, 1.0)
    return made_scores(n, model=TUNED, logprobs=np.log(softmax(cool.logprobs, 1 / own)))


def test_a_temperature_is_judged_on_items_that_did_not_choose_it() -> None:
    before, after = lossy_pair()
    found = of(advised(before, after), "temperature")
    first = halves(np.arange(2_000))
    nll = 0.0
    for judged in (first, ~first):
        scores, answer = after.logprobs[~judged], after.answer[~judged]
        best = minimize_scalar(
            lambda t, scores=scores, answer=answer: by_hand(softmax(scores, t), answer)[1],
            bounds=(0.2, 20),
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        nll += by_hand(softmax(after.logprobs[judged], best), after.answer[judged])[1] * judged.mean()
    accuracy, _ = by_hand(softmax(after.logprobs), after.answer)
    assert found.figures is not None
    assert found.change is not None
    assert found.figures.nll.value == pytest.approx(nll, abs=1e-6)
    assert found.figures.accuracy.value == pytest.approx(accuracy, abs=1e-12)
    assert found.change.accuracy.value == 0
    own = by_hand(softmax(after.logprobs), after.answer)[1]
    assert found.change.nll.value == pytest.approx(nll - own, abs=1e-6)
    assert found.setting is not None
    whole = minimize_scalar(lambda t: by_hand(softmax(after.logprobs, t), after.answer)[1], bounds=(0.2, 20)).x
    assert found.setting.value == pytest.approx(whole, abs=1e-3)


def test_temperatures_of_no_use_look_none_the_better_for_being_fitted() -> None:
    """Of calibrated models a fitted temperature can only seem to help; cross-fitted it does not."""
    gains = []
    for seed in range(30):
        one = made_scores(200, seed=seed)
        _, change, _ = sides(one, one).figures(cross_fitted(sides(one, one).tuned) or pytest.fail("none"))
        gains.append(-(change.nll.value or 0.0))
    assert np.mean(gains) < 0


def test_halves_are_even_in_every_stretch_and_have_no_period() -> None:
    first = halves(np.arange(10_000))
    for start in range(0, 10_000, 50):
        assert 20 <= first[start : start + 50].sum() <= 30
    for period in range(2, 40):
        assert max(abs(first[offset::period].mean() - 0.5) for offset in range(period)) < 0.1
    unit = np.repeat(np.arange(40), 3)
    assert (halves(unit).reshape(40, 3) == halves(np.arange(40))[:, None]).all()


def test_no_temperature_where_a_half_has_none() -> None:
    """All right: T would go to 0. And one unit alone makes no halves."""
    right = made_scores(50)
    right = dataclasses.replace(right, answer=right.logprobs.argmax(axis=1))
    assert cross_fitted(sides(right, right).tuned) is None
    alone = made_scores(50, groups=("one",) * 50)
    assert cross_fitted(sides(alone, alone).tuned) is None


def test_the_mixture_is_what_numpy_says() -> None:
    before, after = lossy_pair()
    found = advised(before, after)
    option = of(found, "smooth")
    assert option.setting == found.epsilon
    weight = found.epsilon.value or math.nan
    probs = (1 - weight) * softmax(after.logprobs) + weight * softmax(before.logprobs)
    accuracy, nll = by_hand(probs, after.answer)
    assert option.figures is not None
    assert option.change is not None
    assert option.above_base is not None
    assert option.figures.accuracy.value == pytest.approx(accuracy, abs=1e-12)
    assert option.figures.nll.value == pytest.approx(nll, abs=1e-9)
    # the paired change, with the textbook interval of a mean of differences
    rows = np.arange(2_000)
    change = -np.log(probs[rows, after.answer]) + np.log(softmax(after.logprobs)[rows, after.answer])
    half = 1.96 * change.std(ddof=1) / np.sqrt(2_000)
    assert option.change.nll.low == pytest.approx(change.mean() - half, abs=1e-3)
    assert option.change.nll.high == pytest.approx(change.mean() + half, abs=1e-3)
    # without the noise's share both ECEs are near what the plug-in values say beyond their floors
    wanted = ece(probs.max(axis=1), probs.argmax(axis=1) == after.answer)
    assert option.figures.ece.value == pytest.approx(wanted, abs=0.035)


def test_ragged_choices_stay_padded() -> None:
    before, after = (made_scores(300, heat=heat) for heat in (1.0, 2.0))
    padded = []
    for scores in (before, after):
        logprobs = scores.logprobs.copy()
        logprobs[:100, 3] = -np.inf
        answer = np.minimum(scores.answer, 2)
        tokens = np.where(np.isfinite(logprobs), 1, 0)
        fields = {"logprobs": logprobs, "answer": answer, "n_tokens": tokens, "n_bytes": tokens, "n_chars": tokens}
        padded.append(dataclasses.replace(scores, **fields))
    both = sides(*padded)
    assert both.base is not None
    for items in (mixed(both.base, both.tuned, 0.3), tempered(both.tuned, 2.0)):
        scores = items.whole.scores
        assert np.isneginf(scores[:100, 3]).all()
        assert np.isfinite(scores[:100, :3]).all()
        assert np.isfinite(scores[100:]).all()


def test_what_is_of_whole_choices_says_so() -> None:
    for tokens, said in ((1, False), (3, True)):
        before, after = (
            dataclasses.replace(one, n_tokens=np.full((2_000, 4), tokens, dtype=np.int64)) for one in lossy_pair()
        )
        found = advised(before, after)
        for method in ("temperature", "aligned"):
            assert ("only where each is one token" in of(found, method).basis) is said
        assert "one token" not in of(found, "smooth").basis


def test_the_aligned_temperature_is_of_the_items_that_both_answer_alike() -> None:
    before, after = made_scores(2_000, model=INFO), made_scores(2_000, heat=2.5, noise=0.5, model=TUNED)
    found = of(advised(before, after), "aligned")
    agree = before.logprobs.argmax(axis=1) == after.logprobs.argmax(axis=1)
    target = softmax(before.logprobs[agree])
    best = minimize_scalar(
        lambda t: -(target * np.log(softmax(after.logprobs[agree], t))).sum(), bounds=(0.3, 7.5), method="bounded"
    ).x
    assert found.setting is not None
    assert found.figures is not None
    assert found.setting.value == pytest.approx(best, abs=1e-3)
    assert found.agreement == pytest.approx(agree.mean())
    assert found.figures.nll.value == pytest.approx(by_hand(softmax(after.logprobs, best), after.answer)[1], abs=1e-5)
    assert f"{int(agree.sum()):,} of 2,000 items" in found.basis


def test_the_least_nll_stands_first_and_what_only_a_trial_tells_last() -> None:
    found = advised(*lossy_pair())
    assert [option.method for option in found.options] == ["smooth", "temperature", "aligned", "merge"]
    known = [option.figures.nll.value or 0.0 for option in found.options if option.figures is not None]
    assert known == sorted(known)
    merge = of(found, "merge")
    assert (merge.setting, merge.figures, merge.change, merge.above_base) == (None, None, None, None)
    assert merge.basis == "unknown until tried"
    for option in found.options:
        data = " --data DATA" if option.method in ("smooth", "merge") else ""
        assert option.command == f"calibaudit fix INSTRUCT --base BASE --method {option.method}{data} --out DIR"
    assert [of(found, method).kept for method in ("temperature", "aligned")] == ["every first choice"] * 2
    assert "not measured" in of(found, "smooth").kept
    assert "an estimate" in of(found, "smooth").basis


def test_a_sign_of_preference_tuning_turns_the_advice_and_the_order() -> None:
    pair = lossy_pair()
    plain, signed = advised(*pair), advised(*pair, sign="its model card is tagged dpo")
    assert [one.action for one in (plain, signed)] == ["smooth", "temperature"]
    assert [option.method for option in signed.options] == ["temperature", "aligned", "merge", "smooth"]
    (warning,) = (text for text in signed.warnings if "more than supervised tuning" in text)
    assert "(its model card is tagged dpo)" in warning
    assert not any("more than supervised" in text for text in plain.warnings)
    assert "surely better than the temperature in accuracy and NLL" in signed.trades[0]
    for found in (plain, signed):  # ranked in both, so said in both
        assert any("preference or safety tuning" in text for text in found.notes)
    alone = advised(made_scores(2_000, heat=3.0), made_scores(2_000, heat=2.5, model=TUNED), sign="its name says so")
    assert (alone.notes, "smooth" in [option.method for option in alone.options]) == ((), False)
    assert not any("supervised tuning" in text for text in alone.warnings)


def test_accuracy_that_only_base_brings_back_speaks_for_smoothing_and_the_trade_is_said() -> None:
    before, after = lossy_pair()
    found = advised(before, after)
    assert enough(of(found, "temperature"))
    assert found.action == "smooth"
    was, now = (by_hand(softmax(one.logprobs), one.answer)[0] for one in (before, after))
    lost = f"none of the accuracy that tuning lost ({was:.3f} → {now:.3f})".replace("0.", ".")
    assert lost in found.trades[0]
    assert "where only confidences matter, it is the cheaper repair" in found.trades[0]
    assert found.trades[0].endswith(of(found, "temperature").command)
    assert found.trades[1].startswith(
        "weights merged with base's, and a temperature on top, may do as much without training"
    )


def test_a_temperature_is_advised_where_nothing_is_lost() -> None:
    found = advised(made_scores(2_000, model=INFO), made_scores(2_000, heat=2.5, model=TUNED))
    assert found.action == "temperature"
    assert found.epsilon == Interval(0.0, None, None)
    assert found.advised is of(found, "temperature")
    above = of(found, "temperature").above_base
    assert above is not None
    assert above.value is not None
    assert found.reason.endswith(f"and ECE is then {abs(above.value):.3f} above base's".replace(" 0.", " ."))
    (trade,) = found.trades
    assert trade.startswith(f"the mixture with {MOST:.2f} of base".replace("0.", "."))
    assert "surely worse than the temperature in ECE and NLL, and surely better in nothing" in trade


def test_what_a_temperature_leaves_speaks_for_smoothing() -> None:
    """Half of the answers six times as sure: nothing is lost, and no temperature mends it."""
    found = advised(made_scores(4_000, model=INFO), unevenly_hot(4_000, 0.5, 6.0))
    option = of(found, "temperature")
    assert option.above_base is not None
    assert (option.above_base.low or 0.0) > ABOVE_BASE
    assert not enough(option)
    assert found.action == "smooth"
    left = f"leaves ECE {option.above_base.value:.3f} above base's".replace(" 0.", " .")
    assert "the mixture is surely better" in found.trades[0]
    assert left in found.trades[0]


def test_what_the_items_cannot_tell_apart_is_told_and_the_cheaper_taken() -> None:
    found = advised(made_scores(300, heat=0.5, model=INFO), made_scores(300, heat=1.4, noise=0.3, model=TUNED))
    assert found.action == "temperature"
    (trade,) = found.trades
    assert trade.startswith("these items cannot tell the mixture with .")
    assert trade.endswith("from the temperature, so the cheaper one is advised")


def test_a_factor_that_would_undo_the_tuning_is_not_advised() -> None:
    """At .8 and more the mixture is as sure as right; half of base is the most that is advised, without an interval."""
    before = made_scores(2_000, heat=0.85, model=INFO)
    after = made_scores(2_000, heat=1.3, noise=1.0, model=TUNED)
    found = advised(before, after)
    assert (found.action, found.epsilon) == ("smooth", Interval(MOST, None, None))
    (warning,) = (text for text in found.warnings if "undoes much of the tuning" in text)
    assert ".50 is the most that is advised" in warning
    assert f"with {MOST:.2f} of base mixed in".replace("0.", ".") in found.reason
    # on the way there
    gaps = []
    for weight in (0.0, MOST, 1.0):
        probs = (1 - weight) * softmax(after.logprobs) + weight * softmax(before.logprobs)
        gaps.append(probs.max(axis=1).mean() - by_hand(probs, after.answer)[0])
    assert gaps[0] > gaps[1] > 0 > gaps[2]


def change(value: float, half: float = 0.001) -> Change:
    return Change(value, value - half, value + half, 0.01)


NONE = change(0.0)


@pytest.mark.parametrize(
    ("nll", "ece_by", "helping"),
    [(-0.01, -0.01, True), (-0.01, 0.001, True), (0.001, -0.01, True), (-0.01, 0.003, False), (-0.001, -0.001, False)],
)
def test_what_helps(nll: float, ece_by: float, helping: bool) -> None:
    assert helps(Changes(NONE, change(ece_by), change(nll))) is helping


def option(
    method: Any = "temperature",
    nll: float = 1.0,
    ece_by: float = -0.05,
    nll_by: float = -0.1,
    above: Change | None = NONE,
) -> RepairOption:
    figures = Figures(Interval(0.6, 0.58, 0.62), Interval(0.05, 0.03, 0.07), Interval(nll, nll - 0.1, nll + 0.1))
    changes = Changes(NONE, change(ece_by), change(nll_by))
    return RepairOption(method, Interval(2.0, 1.8, 2.2), figures, changes, above, "", "", "")


@pytest.mark.parametrize(
    ("given", "is_enough"),
    [
        ({}, True),
        ({"nll_by": -0.001}, False),
        ({"ece_by": 0.003}, False),
        ({"ece_by": 0.001}, True),
        ({"above": Change(0.05, 0.021, 0.08, 0.0)}, False),
        ({"above": Change(0.05, 0.019, 0.08, 0.0)}, True),  # more than .02 above base's, but not surely
        ({"above": Change(0.05, None, None, None)}, True),
        ({"above": None}, True),
    ],
)
def test_what_is_enough(given: dict[str, Any], is_enough: bool) -> None:
    assert enough(option(**given)) is is_enough


def test_better_and_worse_need_the_whole_interval() -> None:
    found = Changes(accuracy=change(0.01), ece=change(-0.01, 0.02), nll=change(0.01))
    assert (better(found), worse_in(found)) == (("accuracy",), ("NLL",))
    unknown = Change(0.1, None, None, None)
    assert better(Changes(unknown, unknown, unknown)) == worse_in(Changes(unknown, unknown, unknown)) == ()


def measured(*options: RepairOption) -> list[Measured]:
    return [Measured(one, None) for one in options]


def test_with_no_other_repair_a_temperature_that_is_not_enough_says_so() -> None:
    tuned = State(accuracy=0.6, gap=0.1, ece=0.1, nll=1.1)
    case = Case(sides(*lossy_pair(50)), tuned, "confidence exceeds accuracy by .100, and so on")
    left = option(above=Change(0.05, 0.03, 0.07, 0.0))
    assert choose(measured(left), case) == Choice(
        "temperature",
        "confidence exceeds accuracy by .100, and so on; divided by 2.00 the scores fit better (NLL 1.100 → 1.000, "
        "ECE .100 → .050); that leaves ECE .050 above base's, but nothing else that was measured is better",
    )
    assert choose([], case) == Choice(
        "nothing_known", "confidence exceeds accuracy by .100, and so on; a temperature does not help either"
    )
    smooth = dataclasses.replace(option("smooth"), setting=Interval(0.3, None, None))
    found = choose(measured(smooth), dataclasses.replace(case, why_not="", why="this is why"))
    assert (found.action, found.reason) == ("smooth", "this is why")


def test_every_order_of_the_found_gives_one_ranking() -> None:
    found = measured(option(nll=1.2), option("aligned", nll=1.3), option("smooth", nll=1.1))
    orders: Sequence[Any] = list(itertools.permutations(found))
    assert {tuple(o.method for o in ranked(one, from_instruct_first=False)) for one in orders} == {
        ("smooth", "temperature", "aligned")
    }
    assert {tuple(o.method for o in ranked(one, from_instruct_first=True)) for one in orders} == {
        ("temperature", "aligned", "smooth")
    }


def test_nothing_is_ranked_where_nothing_is_needed_or_known() -> None:
    for found in (
        advised(made_scores(4_000, model=INFO), made_scores(4_000, model=TUNED)),
        advised(*(made_scores(50, heat=heat, groups=("one",) * 50) for heat in (1.0, 2.5))),
    ):
        assert (found.options, found.trades, found.advised) == ((), (), None)


REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_pairs"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pair's scores lie beside the checkout, not in it")
def test_the_half_half_mixture_of_a_real_pair_beats_both_models() -> None:
    """Llama-3.1-8B and its Instruct on MMLU, all items; another program had .630 / .889 / .025 on half of them.

    Mixtures of the least ECE have .45 to .5 of base.
    """
    before, after = (read_scores(REAL / f"Llama-3.1-8B{name}.json") for name in ("", "-Instruct"))
    found = sides_of(before, after, SETTINGS)
    ensemble = Sides(*found, SETTINGS).ensemble()
    assert ensemble is not None
    answer = np.concatenate([one.answer for one in after])
    both = [softmax(np.concatenate([one.logprobs for one in side])) for side in (before, after)]
    for probs, figures, half in zip(
        (*both, sum(both) / 2),
        (ensemble.base, ensemble.instruct, ensemble.mixture),
        ((0.605, 0.928, 0.039), (0.594, 1.154, 0.119), (0.630, 0.889, 0.025)),
        strict=True,
    ):
        accuracy, nll = by_hand(probs, answer)
        assert figures.accuracy.value == pytest.approx(accuracy, abs=1e-9)
        assert figures.nll.value == pytest.approx(nll, abs=1e-6)
        assert (figures.accuracy.value, figures.nll.value) == pytest.approx(half[:2], abs=0.025)
        plug_in = ece(probs.max(axis=1), probs.argmax(axis=1) == answer)
        assert plug_in == pytest.approx(half[2], abs=0.005)
        assert plug_in - 0.01 < (figures.ece.value or 1) < plug_in  # without the noise's share
    for one in (ensemble.from_base, ensemble.from_instruct):
        assert better(one) == ("ECE", "accuracy", "NLL")
    advice = recommend(before, after, compare(before, after))
    assert (advice.action, advice.epsilon.value) == ("smooth", pytest.approx(0.44, abs=0.011))
    assert advice.epsilon.low == pytest.approx(0.417, abs=0.01)
    assert advice.epsilon.high == pytest.approx(0.465, abs=0.01)
    assert "exceeds accuracy by .118" in advice.reason
    assert "accuracy .594 → .62" in advice.reason
    assert (advice.of_ensemble or "").startswith(
        "half of base mixed into the tuned model's outputs is surely better than either"
    )
    assert "accuracy .627 against .603 and .594" in (advice.of_ensemble or "")
    temperature, aligned = of(advice, "temperature"), of(advice, "aligned")
    assert temperature.setting is not None
    assert aligned.setting is not None
    assert (temperature.setting.value, aligned.setting.value) == pytest.approx((2.29, 2.94), abs=0.07)
    assert aligned.agreement == pytest.approx(0.60, abs=0.01)
    assert enough(temperature)
    assert not enough(aligned)  # it overshoots: .048 above base's ECE
    # and what docs/recommendation.md says of them
    page = " ".join((Path(__file__).resolve().parents[2] / "docs" / "recommendation.md").read_text("utf-8").split())
    for name, one in (("base", ensemble.base), ("Instruct", ensemble.instruct), ("half of each", ensemble.mixture)):
        assert f"| {name} | {number(one.accuracy.value)} | {number(one.ece.value)} | {number(one.nll.value)} |" in page
    ends = [number(one.setting.value, 2) for one in (aligned, temperature) if one.setting]
    left = [number(one.figures.ece.value) for one in (aligned, temperature) if one.figures]
    assert f"it is {ends[0]} where answers choose {ends[1]}, and leaves an ECE of {left[0]} where those " in page
    assert f" where those leave {left[1]} (base " in page


def test_the_ensemble_is_only_praised_for_what_surely_beats_both() -> None:
    before, after = lossy_pair(3_000)
    found = advised(before, after)
    assert found.ensemble is not None
    rows, both = np.arange(3_000), [softmax(one.logprobs) for one in (before, after)]
    half = -np.log(sum(both)[rows, after.answer] / 2)
    for probs, one in zip(both, (found.ensemble.from_base, found.ensemble.from_instruct), strict=True):
        less = half + np.log(probs[rows, after.answer])
        z = less.mean() / less.std(ddof=1) * np.sqrt(3_000)
        assert abs(abs(z) - 1.96) > 0.2  # no borderline case
        assert ("NLL" in better(one)) is bool(z < -1.96)
    names = set(better(found.ensemble.from_base)) & set(better(found.ensemble.from_instruct))
    assert names == {"ECE", "NLL"}
    assert re.search(r"either model alone \(ECE \S+ against \.\d+ and \.\d+, NLL \S+ against", found.of_ensemble or "")
    none = advised(made_scores(2_000, model=INFO), made_scores(2_000, heat=2.5, model=TUNED))
    assert none.ensemble is not None
    assert none.of_ensemble is None
