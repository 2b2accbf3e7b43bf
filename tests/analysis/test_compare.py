from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores
from scipy.stats import kstest
from test_audit import hand_ece, softmax

from calibaudit.analysis.audit import audit, audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import METRICS, permuted_changes
from calibaudit.analysis.samples import task_row
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError

FAST = Settings(n_resamples=80, n_permutations=80)


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


def test_permuted_changes_against_a_hand_loop():
    before, after = made_scores(30), tuned(30)
    rows = task_row(before, FAST), task_row(after, FAST)
    found = permuted_changes([rows[0]], [rows[1]])
    (c0, a0), (c1, a1) = facts(before), facts(after)
    p0, p1 = softmax(before), softmax(after)
    truth = np.eye(4)[before.answer]
    for r in range(0, 80, 9):
        swap = rows[0].draws.swaps[r]
        assert (swap == rows[1].draws.swaps[r]).all()
        old = hand_ece(np.where(swap, c1, c0), np.where(swap, a1, a0))
        new = hand_ece(np.where(swap, c0, c1), np.where(swap, a0, a1))
        assert found["ece"][r] == pytest.approx(new - old)
        mixed = np.where(swap[:, None], p0, p1), np.where(swap[:, None], p1, p0)
        brier = [((side - truth) ** 2).sum(axis=1).mean() for side in mixed]
        assert found["brier"][r] == pytest.approx(brier[0] - brier[1])


def test_p_value_counts_the_permutations_at_least_as_far():
    before, after = made_scores(30), tuned(30)
    permuted = permuted_changes([task_row(before, FAST)], [task_row(after, FAST)])
    change = compare([before], [after], FAST).tasks[0].change
    for name in ("ece", "gap", "brier", "auroc"):
        reached = sum(abs(value) >= abs(change[name].value) - 1e-12 for value in permuted[name])
        assert change[name].p_value == pytest.approx((1 + reached) / 81)


def test_change_interval_is_paired():
    # A shift that is nearly the same on every item: its interval is far narrower than either side's own.
    before, after = made_scores(150), made_scores(150, heat=1.02, model=TUNED)
    settings = Settings(n_resamples=300, n_permutations=0)
    task = compare([before], [after], settings).tasks[0]
    change, own = task.change["nll"], task.after.metrics["nll"]
    assert change.high - change.low < 0.2 * (own.high - own.low)
    nll = [-np.log(softmax(side)[np.arange(150), side.answer]) for side in (before, after)]
    spread = 2 * 1.96 * (nll[1] - nll[0]).std() / np.sqrt(150)
    assert change.high - change.low == pytest.approx(spread, rel=0.2)
    assert change.p_value is None


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
            assert change.p_value == (None if name == "ece_floor" else 1)
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
            assert other.p_value == one.p_value
        if name in ("accuracy", "gap", "brier"):
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

    settings = Settings(n_resamples=200, n_permutations=400)
    groups = tuple(map(str, again))
    loose = compare([many(before, None)], [many(after, None)], settings).tasks[0].change["nll"]
    tight = compare([many(before, groups)], [many(after, groups)], settings).tasks[0].change["nll"]
    single = compare([before], [after], settings).tasks[0].change["nll"]
    assert tight.value == pytest.approx(loose.value)
    assert tight.high - tight.low == pytest.approx(3 * (loose.high - loose.low), rel=0.25)
    assert tight.p_value > loose.p_value
    assert tight.p_value == pytest.approx(single.p_value, abs=0.05)


def test_p_values_are_uniform_when_the_models_are_interchangeable():
    settings = Settings(n_resamples=0, n_permutations=39)
    found = {"ece": [], "gap": [], "nll": [], "auroc": []}
    for seed in range(40):
        before, after = made_scores(40, seed=seed, noise=0.7), made_scores(40, seed=seed, noise=0.7)
        rng = np.random.default_rng([seed, 5])
        swap = rng.random((40, 1)) < 0.5
        logits = before.logprobs + 0.8 * rng.normal(size=(40, 4))
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        sides = np.where(swap, logits, before.logprobs), np.where(swap, before.logprobs, logits)
        before, after = (
            dataclasses.replace(part, logprobs=side) for part, side in zip((before, after), sides, strict=True)
        )
        change = compare([before], [after], settings).tasks[0].change
        for name, values in found.items():
            values.append(change[name].p_value)
    for name, values in found.items():
        assert kstest(values, "uniform").pvalue > 0.005, name


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
    permuted = [
        permuted_changes([task_row(one, FAST)], [task_row(other, FAST)])["ece"]
        for one, other in zip(before, after, strict=True)
    ]
    reached = (np.abs(np.mean(permuted, axis=0)) >= abs(result.macro.change["ece"].value) - 1e-12).sum()
    assert result.macro.change["ece"].p_value == pytest.approx((1 + reached) / 81)


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
    assert result.pooled.change["option_mass"].p_value == pytest.approx(1 / 81)
    assert result.pooled.n_tasks_with["option_mass"] == 1
    assert any("after: little of the probability is on the options (a 40 %)" in text for text in result.warnings)


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
    assert "before: contexts lost their beginning to fit the model's window (quiz 2 of 40 items)" in text
    assert "after: choices that share their first token" in text
    assert "use --chat-template off for the same prompt" in text
    assert "float32 before, bfloat16 after" in text
    assert "fewer than 100 items: expect wide intervals (quiz (chat) 40)" in text
    assert "no larger than a perfectly calibrated model's could be" in text


def test_clean_scores_warn_of_nothing():
    assert compare([made_scores(300)], [tuned(300)], FAST).warnings == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"task": "other"}, "task 'quiz' was not scored after"),
        ({"scoring": "cloze_byte"}, "scoring differs: cloze before, cloze_byte after"),
        ({"n_items": 19}, "the number of items differs: 20 before, 19 after"),
        ({"fingerprint": "changed"}, "another content"),
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
    assert change.p_value == 1
    assert (change.low, change.high) == (None, None)
    assert audit_model([made_scores(1)], FAST).pooled.metrics["auroc"].value is None
