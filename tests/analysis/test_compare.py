from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from made_scores import INFO, TUNED, made_scores
from scipy.stats import binom, ttest_rel
from test_audit import softmax

from calibaudit.analysis.audit import audit, audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import METRICS
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError
from calibaudit.metrics.sample import LINEAR

FAST = Settings()


def tuned(n_items=60, **fields):
    return made_scores(n_items, heat=2.2, noise=0.5, model=TUNED, **fields)


def facts(scores):
    probs = softmax(scores)
    return probs.max(axis=1), probs.argmax(axis=1) == scores.answer


def test_change_is_after_minus_before():
    before, after = made_scores(60), tuned()
    task = compare([before], [after], FAST).tasks[0]
    assert task.before.metrics == audit(before, FAST).metrics
    assert task.after.metrics == audit(after, FAST).metrics
    assert tuple(task.change) == METRICS
    for name in METRICS:
        if name != "option_mass":
            difference = task.after.metrics[name].value - task.before.metrics[name].value
            assert task.change[name].value == pytest.approx(difference)
    assert task.change["option_mass"] == task.change["option_mass"].__class__(None, None, None, None)
    assert task.change["ece_floor"].p_value is None
    assert task.change["ece_floor"].low is None


def test_change_interval_is_paired():
    # A shift that is nearly the same on every item: its interval is far narrower than either side's own.
    before, after = made_scores(150), made_scores(150, heat=1.02, model=TUNED)
    settings = Settings()
    task = compare([before], [after], settings).tasks[0]
    change, own = task.change["nll"], task.after.metrics["nll"]
    assert change.high - change.low < 0.2 * (own.high - own.low)
    nll = [-np.log(softmax(side)[np.arange(150), side.answer]) for side in (before, after)]
    spread = 2 * 1.96 * (nll[1] - nll[0]).std() / np.sqrt(150)
    assert change.high - change.low == pytest.approx(spread, rel=0.2)
    assert change.p_value == pytest.approx(ttest_rel(nll[1], nll[0]).pvalue, rel=0.1)  # a few df fewer


def test_the_same_model_twice_changes_nothing():
    scores = [made_scores(50, task="a", seed=1), made_scores(50, task="b", seed=2)]
    result = compare(scores, scores, FAST)
    for part in (*result.tasks, result.pooled, result.macro):
        for name in METRICS:
            change = part.change[name]
            if name == "option_mass":
                assert change.value is None
                continue
            assert change.value == 0
            assert change.p_value == (1 if name in (*LINEAR, "ece", "smooth_ece") else None)
            # Items never seen could still differ, so the interval need not have width 0; but it has no direction.
            if change.low is not None:
                assert change.low == pytest.approx(-change.high)
    assert [task.ece_p_holm for task in result.tasks] == [1, 1]


def test_swapping_the_sides_flips_the_signs():
    sides = [made_scores(60)], [tuned()]
    forth, back = compare(*sides, FAST), compare(*sides[::-1], FAST)
    for name in METRICS:
        one, other = forth.pooled.change[name], back.pooled.change[name]
        if one.value is not None:
            assert other.value == pytest.approx(-one.value)
            assert other.p_value == pytest.approx(one.p_value)
        if one.low is not None:
            assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-9)


def test_the_order_of_tasks_does_not_alter_numbers():
    names = ["c", "a", "b"]
    before = [made_scores(40, task=name, seed=i) for i, name in enumerate(names)]
    after = [tuned(40, task=name, seed=i) for i, name in enumerate(names)]
    forth, back = compare(before, after, FAST), compare(before[::-1], [after[1], after[0], after[2]], FAST)
    assert [task.name for task in back.tasks] == ["b", "a", "c"]
    for one, other in zip(forth.tasks, back.tasks[::-1], strict=True):
        assert one.to_dict() == other.to_dict()
    assert forth.pooled.to_dict() == back.pooled.to_dict()
    assert forth.macro.to_dict() == back.macro.to_dict()
    alone = compare(before[:1], after[:1], FAST).tasks[0]
    assert {**alone.to_dict(), "ece_p_holm": None} == {**forth.tasks[0].to_dict(), "ece_p_holm": None}


def test_groups_make_the_test_honest():
    # Ten items asked nine times each: without groups the p-value takes them for ninety.
    before, after = made_scores(10, seed=2), tuned(10, seed=2)
    again = np.tile(np.arange(10), 9)

    def many(part, groups):
        fields = {"logprobs": part.logprobs[again], "answer": part.answer[again], "groups": groups}
        return made_scores(90, model=part.model, **fields)

    settings = Settings()
    groups = tuple(map(str, again))
    loose = compare([many(before, None)], [many(after, None)], settings).tasks[0].change["nll"]
    tight = compare([many(before, groups)], [many(after, groups)], settings).tasks[0].change["nll"]
    single = compare([before], [after], settings).tasks[0].change["nll"]
    assert tight.value == pytest.approx(loose.value)
    assert tight.high - tight.low == pytest.approx(3 * (loose.high - loose.low), rel=0.25)
    assert tight.p_value > loose.p_value
    assert tight.p_value == pytest.approx(single.p_value)


def test_macro_and_pooled():
    before = [made_scores(30, task="a", seed=1), made_scores(90, task="b", seed=2)]
    after = [tuned(30, task="a", seed=1), tuned(90, task="b", seed=2)]
    result = compare(before, after, FAST)
    for name in ("ece", "auroc", "temperature"):
        values = [task.change[name].value for task in result.tasks]
        assert result.macro.change[name].value == pytest.approx(np.mean(values))
    weighted = (30 * result.tasks[0].change["brier"].value + 90 * result.tasks[1].change["brier"].value) / 120
    assert result.pooled.change["brier"].value == pytest.approx(weighted)
    assert (result.pooled.n_items, result.macro.n_items, result.macro.n_tasks) == (120, 120, 2)
    assert_one_inference(result)


def test_macro_takes_the_tasks_where_a_metric_exists_on_both_sides():
    plain = made_scores(40, task="a", seed=1), tuned(40, task="a", seed=1)
    base = made_scores(40, task="b", seed=2)
    answer = base.logprobs.argmax(axis=1)
    right = made_scores(40, task="b", seed=2, answer=answer), tuned(40, task="b", seed=2, answer=answer)
    result = compare([plain[0], right[0]], [plain[1], right[1]], FAST)
    assert result.tasks[1].before.metrics["auroc"].value is None
    assert result.tasks[1].after.metrics["auroc"].value is not None
    assert result.macro.n_tasks_with["auroc"] == 1
    change = result.macro.change["auroc"]
    assert change.value == pytest.approx(result.tasks[0].change["auroc"].value)
    assert result.macro.after.metrics["auroc"].value == pytest.approx(result.tasks[0].after.metrics["auroc"].value)


def test_pooled_option_mass_is_that_of_the_letter_tasks():
    masses = np.linspace(0.8, 1, 40), np.linspace(0.3, 0.5, 40)
    before = [made_scores(40, task="a", scoring="letter", option_mass=masses[0]), made_scores(40, task="b", seed=1)]
    after = [tuned(40, task="a", scoring="letter", option_mass=masses[1]), tuned(40, task="b", seed=1)]
    result = compare(before, after, FAST)
    assert result.pooled.change["option_mass"].value == pytest.approx(-0.5)
    assert result.pooled.change["option_mass"].p_value < 1e-6
    assert result.pooled.n_tasks_with["option_mass"] == 1
    assert any("tuned: little of the probability is on the options (a 40 %)" in text for text in result.warnings)


def assert_one_inference(result):
    """Every printed change: p < alpha just when the interval excludes 0, the estimate inside, a star only with it."""
    alpha = result.settings.alpha
    for part in (*result.tasks, result.pooled, result.macro):
        for name, change in part.change.items():
            if change.p_value is None:
                assert change.low is None, name
                assert change.high is None, name
                continue
            assert change.low <= change.value <= change.high, name
            assert (change.p_value < alpha) == (not change.low <= 0 <= change.high), (name, change)
            difference = part.after.metrics[name].value - part.before.metrics[name].value
            assert change.value == pytest.approx(difference), name
        for side in (part.before, part.after):
            for name, metric in side.metrics.items():
                if metric.low is not None and name != "ece_floor":
                    assert metric.low <= metric.value <= metric.high, name
    for task in result.tasks:
        if task.ece_p_holm is not None and task.ece_p_holm < alpha:
            assert not task.change["ece"].low <= 0 <= task.change["ece"].high


@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 2**16),
    heats=st.tuples(st.floats(0.1, 8), st.floats(0.1, 8)),
    group=st.sampled_from([None, 1, 3]),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_estimate_interval_and_p_are_one(n, seed, heats, group, level):
    groups = None if group is None else tuple(str(i // group) for i in range(n))
    sides = [
        [
            made_scores(n, task=name, seed=seed + i, heat=heat, noise=0.3 * j, groups=groups, model=model)
            for i, name in enumerate("ab")
        ]
        for j, (heat, model) in enumerate(zip(heats, (INFO, TUNED), strict=True))
    ]
    assert_one_inference(compare(*sides, Settings(level=level)))


def test_one_side_of_one_class_is_one_inference_too():
    base = made_scores(40)
    answer = base.logprobs.argmax(axis=1)
    right = made_scores(40, answer=answer), tuned(40, answer=answer)
    assert_one_inference(compare([right[0]], [right[1]], FAST))
    assert_one_inference(compare([right[0]], [right[0]], FAST))


def test_calibrated_models_of_different_accuracy_are_not_told_apart():
    """Both calibrated, .85 against .62 and back: exchanging the sides would call a fifth of these a change."""
    alarms = 0
    for seed in range(120):
        sharp, plain = (calibrated_scores(400, seed, accuracy) for accuracy in (0.85, 0.62))
        first, second = (sharp, plain) if seed % 2 else (plain, sharp)
        second = dataclasses.replace(second, model=TUNED)
        alarms += compare([first], [second], FAST).pooled.change["ece"].p_value < 0.05
    assert alarms <= binom.ppf(0.99, 120, 0.05)


def calibrated_scores(n, seed, accuracy):
    """Two choices, the first right as often as it says; its confidence is spread about `accuracy`."""
    rng = np.random.default_rng([seed, round(100 * accuracy)])
    confidence = np.clip(rng.normal(accuracy, 0.08, n), 0.51, 0.99)
    hit = rng.random(n) < confidence
    logprobs = np.log(np.column_stack([confidence, 1 - confidence]))
    # The answers are the items': where this model is wrong, the item's first option is the other one.
    logprobs = np.where(hit[:, None], logprobs, logprobs[:, ::-1])
    return made_scores(n, n_choices=2, logprobs=logprobs, answer=np.zeros(n, dtype=np.int64))


def test_more_tasks_than_a_thousandth_can_tell_apart():
    """60 tasks: the smallest p is Holm's times 60, and must be able to lie below .05."""
    before = [made_scores(150, task=f"t{i}", seed=i) for i in range(60)]
    after = [made_scores(150, task=f"t{i}", seed=i, heat=4 if i == 7 else 1, model=TUNED) for i in range(60)]
    starred = [task.name for task in compare(before, after, FAST).tasks if task.ece_p_holm < 0.05]
    assert starred == ["t7"]


def test_holm_over_the_tasks():
    names = ["a", "b", "c"]
    before = [made_scores(40, task=name, seed=i) for i, name in enumerate(names)]
    after = [made_scores(40, task=name, seed=i, heat=1.3, noise=0.2, model=TUNED) for i, name in enumerate(names)]
    result = compare(before, after, FAST)
    p = sorted((task.change["ece"].p_value, i) for i, task in enumerate(result.tasks))
    largest = 0.0
    for rank, (value, i) in enumerate(p):
        largest = max(largest, min(1.0, value * (3 - rank)))
        assert result.tasks[i].ece_p_holm == pytest.approx(largest)


def test_both_templates_are_rows_of_their_own():
    before = [made_scores(40, chat_template=True), made_scores(40)]
    after = [tuned(40), tuned(40, chat_template=True)]
    result = compare(before, after, FAST)
    assert [task.label for task in result.tasks] == ["quiz", "quiz (chat)"]
    assert [task.chat_template for task in result.tasks] == [(False, False), (True, True)]
    assert not any("template" in text for text in result.warnings)


def test_a_side_scored_once_meets_each_row_of_the_other():
    result = compare([made_scores(40)], [tuned(40), tuned(40, chat_template=True)], FAST)
    assert [task.chat_template for task in result.tasks] == [(False, False), (False, True)]
    assert [text for text in result.warnings if "quiz: off before, on after" in text]
    # The same items twice are no more evidence than once.
    single = compare([made_scores(40)], [tuned(40)], FAST)
    assert result.pooled.change["brier"].high == pytest.approx(single.pooled.change["brier"].high, rel=0.05)


def test_warnings():
    before = [made_scores(40, n_truncated=2), made_scores(300, task="big", seed=3)]
    after = [tuned(40, chat_template=True, n_healed=5), made_scores(300, task="big", seed=3, model=TUNED)]
    after = [dataclasses.replace(part, model=dataclasses.replace(TUNED, dtype="bfloat16")) for part in after]
    text = "\n".join(compare(before, after, FAST).warnings)
    assert "base: contexts lost their beginning to fit the model's window (quiz 2 of 40 items)" in text
    assert "tuned: choices share their first token" in text
    assert "use --chat-template off for the same prompt" in text
    assert "float32 before, bfloat16 after" in text
    assert "fewer than 100 items: expect wide intervals (quiz (chat) 40)" in text


def test_clean_scores_warn_of_nothing():
    assert compare([made_scores(300)], [tuned(300)], FAST).warnings == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"task": "other"}, "task 'quiz' was not scored after"),
        ({"scoring": "cloze_byte"}, "scoring differs: cloze before, cloze_byte after"),
        ({"n_items": 19}, "the number of items differs: 20 before, 19 after"),
        ({"fingerprint": "changed", "documents": None}, "another content"),
        ({"item_ids": tuple(f"quiz-{i + 1}" for i in range(20))}, "'quiz-0' before stands where 'quiz-1' stands after"),
        ({"groups": ("g",) * 20}, "groups differ"),
    ],
)
def test_sides_that_do_not_fit_together(fields, text):
    with pytest.raises(ScoresError, match=text):
        compare([made_scores(20)], [made_scores(**{"n_items": 20, "model": TUNED, **fields})], FAST)


def test_unusable_lists():
    with pytest.raises(ScoresError, match="was not scored before"):
        compare([made_scores(20)], [made_scores(20), made_scores(20, task="b")], FAST)
    with pytest.raises(ScoresError, match="the same"):
        compare([made_scores(20)] * 2, [made_scores(20)] * 2, FAST)
    three = [made_scores(20, chat_template=flag) for flag in (False, True, True)]
    with pytest.raises(ScoresError, match="3 times before and 2 times after"):
        compare(three, three[:2], FAST)
    with pytest.raises(ScoresError, match="two models in one list"):
        compare([made_scores(20)], [made_scores(20, model=INFO), made_scores(20, task="b", model=TUNED)], FAST)


def test_one_item_says_little_and_says_so():
    result = compare([made_scores(1)], [tuned(1)], FAST)
    change = result.pooled.change["ece"]
    assert change.value is not None
    assert (change.low, change.high, change.p_value) == (None, None, None)
    assert audit_model([made_scores(1)], FAST).pooled.metrics["auroc"].value is None
