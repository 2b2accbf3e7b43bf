from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from made_scores import INFO, TUNED, made_scores
from scipy.stats import binom, sem, t
from sklearn.metrics import log_loss, roc_auc_score

from calibaudit.analysis.audit import audit, audit_model
from calibaudit.analysis.estimates import METRICS
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.metrics import split_ece
from calibaudit.metrics.sample import EXPERT, LINEAR, PLUG_INS

FAST = Settings()


def hand_ece(confidence, correct, n_bins=15):
    """Bin by bin with plain Python: (k/n, (k+1)/n], 0 in the first."""
    error = 0.0
    for k in range(n_bins):
        inside = [i for i, c in enumerate(confidence) if k / n_bins < c <= (k + 1) / n_bins or (k == 0 and c == 0)]
        error += abs(sum(correct[i] - confidence[i] for i in inside))
    return error / len(confidence)


def softmax(scores):
    probs = np.exp(scores.logprobs)
    return probs / probs.sum(axis=1, keepdims=True)


def test_values_against_independent_answers():
    scores = made_scores(150, seed=3, heat=1.7)
    probs = softmax(scores)
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == scores.answer
    result = audit(scores, FAST)
    value = {name: metric.value for name, metric in result.metrics.items()}

    assert tuple(result.metrics) == METRICS
    assert result.n_items == 150
    assert value["accuracy"] == pytest.approx(correct.mean())
    assert value["confidence"] == pytest.approx(confidence.mean())
    assert value["gap"] == pytest.approx(confidence.mean() - correct.mean())
    assert value["ece_plugin"] == pytest.approx(hand_ece(confidence, correct))
    assert value["ece"] == pytest.approx(split_ece(confidence, correct).value)
    assert value["brier"] == pytest.approx(((probs - np.eye(4)[scores.answer]) ** 2).sum(axis=1).mean())
    assert value["nll"] == pytest.approx(log_loss(scores.answer, probs))
    assert value["auroc"] == pytest.approx(roc_auc_score(correct, confidence))
    assert value["option_mass"] is None


def test_what_has_an_interval_and_what_has_none():
    metrics = audit(made_scores(150, option_mass=np.full(150, 0.7), scoring="letter"), FAST).metrics
    assert set(METRICS) == {*LINEAR, *PLUG_INS, *EXPERT, "ece", "smooth_ece", "ece_floor"}
    for name in (*LINEAR, "ece", "smooth_ece"):
        assert metrics[name].low <= metrics[name].value <= metrics[name].high, name
    for name in (*PLUG_INS, *EXPERT):
        assert (metrics[name].low, metrics[name].high) == (None, None), name


def test_plain_means_have_students_interval():
    scores = made_scores(150, seed=3, heat=1.7)
    probs = softmax(scores)
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == scores.answer
    metrics = audit(scores, FAST).metrics
    for name, values in (("gap", confidence - correct), ("nll", -np.log(probs[np.arange(150), scores.answer]))):
        squares = (values - values.mean()) ** 2  # rare large values: the variance itself is known from few
        df = min(149, 2 * 150 / (150 * (squares**2).sum() / squares.sum() ** 2 - 1))
        half = t.ppf(0.975, df) * sem(values)
        assert (metrics[name].low, metrics[name].high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_pooled_is_all_items_and_macro_the_mean():
    first, second = made_scores(30, task="a", seed=1), made_scores(50, task="b", seed=2, heat=2)
    result = audit_model([first, second], FAST)
    for name in ("ece", "ece_plugin", "brier", "auroc"):
        value = [task.audit.metrics[name].value for task in result.tasks]
        assert result.macro.metrics[name].value == pytest.approx(np.mean(value))
    assert result.pooled.n_items == 80
    assert result.macro.reliability is None
    confidence = np.concatenate([softmax(part).max(axis=1) for part in (first, second)])
    correct = np.concatenate([softmax(part).argmax(axis=1) == part.answer for part in (first, second)])
    assert result.pooled.metrics["ece_plugin"].value == pytest.approx(hand_ece(confidence, correct))
    # Each task's number of items is fixed: a mean over tasks varies as the tasks do, each about its own mean.
    spread = [task.audit.metrics["brier"] for task in result.tasks]
    half = np.sqrt(sum(((part.high - part.low) / 2) ** 2 for part in spread)) / 2
    macro = result.macro.metrics["brier"]
    assert macro.high - macro.low == pytest.approx(2 * half, rel=0.05)


@pytest.mark.parametrize("right", [True, False])
def test_no_certainty_from_one_kind_of_item(right):
    base = made_scores(30)
    answer = base.logprobs.argmax(axis=1) if right else base.logprobs.argmin(axis=1)
    metrics = audit(made_scores(30, answer=answer), FAST).metrics
    for name in ("accuracy", "gap", "ece", "brier", "nll"):
        assert metrics[name].high - metrics[name].low > 0.05, name
        assert metrics[name].low <= metrics[name].value <= metrics[name].high


def test_a_perfect_ranking_is_no_certainty():
    probs = np.tile([[0.9, 0.1], [0.6, 0.4]], (20, 1))
    answer = np.tile([0, 1], 20)
    scores = made_scores(40, n_choices=2, logprobs=np.log(probs), answer=answer)
    auroc = audit(scores, FAST).metrics["auroc"]
    assert auroc.value == 1
    assert auroc.low < 0.95


def test_is_it_calibrated():
    p_values = [audit(made_scores(300, seed=seed), FAST).calibrated_p for seed in range(80)]
    assert sum(p < 0.05 for p in p_values) <= binom.ppf(0.99, 80, 0.05)
    assert audit(made_scores(2000, seed=1, heat=1.6), FAST).calibrated_p < 1e-3
    assert audit(made_scores(9), FAST).calibrated_p is None


def test_the_floor_is_what_a_calibrated_model_shows():
    scores = made_scores(120, seed=5)
    confidence = softmax(scores).max(axis=1)
    rng = np.random.default_rng(11)
    draws = [hand_ece(confidence, rng.random(120) < confidence) for _ in range(400)]
    floor = audit(scores, FAST).metrics["ece_floor"]
    assert floor.value == pytest.approx(np.mean(draws), rel=0.05)
    assert floor.low == pytest.approx(np.quantile(draws, 0.025), rel=0.15)
    assert floor.high == pytest.approx(np.quantile(draws, 0.975), rel=0.15)


def test_a_value_that_does_not_exist_is_none():
    # An answer that is always the most probable choice: one class, and no finite temperature.
    base = made_scores(30)
    right = made_scores(30, answer=base.logprobs.argmax(axis=1))
    metrics = audit(right, FAST).metrics
    for name in ("auroc", "temperature", "option_mass"):
        assert (metrics[name].value, metrics[name].low, metrics[name].high) == (None, None, None)
    assert metrics["accuracy"].value == 1.0


def test_a_metric_missing_on_one_task_is_left_out_of_the_mean():
    plain = made_scores(40, task="a", seed=1)
    right = made_scores(40, task="b", seed=2)
    right = made_scores(40, task="b", seed=2, answer=right.logprobs.argmax(axis=1))
    letter = made_scores(40, task="c", seed=3, scoring="letter", option_mass=np.linspace(0.2, 0.4, 40))
    result = audit_model([plain, right, letter], FAST)
    assert result.n_tasks_with["auroc"] == 2
    assert result.n_tasks_with["option_mass"] == 1
    auroc = [task.audit.metrics["auroc"].value for task in result.tasks]
    assert auroc[1] is None
    assert result.macro.metrics["auroc"].value == pytest.approx((auroc[0] + auroc[2]) / 2)
    assert result.pooled.metrics["option_mass"].value == pytest.approx(0.3)
    assert result.pooled.metrics["option_mass"].low == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("groups", [None, tuple("abc" * 20)])
def test_no_interval_without_ten_independent_units(groups):
    scores = made_scores(60 if groups else 9, groups=groups)
    metrics = audit(scores, FAST).metrics
    for name in METRICS:
        if name != "ece_floor":
            assert metrics[name].low is None
            assert metrics[name].high is None
    assert metrics["accuracy"].value is not None


def test_groups_widen_the_interval():
    # Fifteen questions asked ten times each: 150 rows, the evidence of fifteen.
    part = made_scores(15, seed=4)
    again = np.tile(np.arange(15), 10)
    fields = {
        "logprobs": part.logprobs[again],
        "answer": part.answer[again],
        "item_ids": tuple(map(str, range(150))),
    }
    loose = audit(made_scores(150, **fields), Settings()).metrics["brier"]
    grouped = made_scores(150, **fields, groups=tuple(map(str, again)))
    tight = audit(grouped, Settings()).metrics["brier"]
    ratio = (tight.high - tight.low) / (loose.high - loose.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.2)
    assert tight.value == pytest.approx(loose.value)


def test_numbers_depend_on_the_seed_and_the_task_alone():
    first, second = made_scores(60, task="a", seed=1), made_scores(60, task="b", seed=2)
    alone = audit(first, FAST).metrics
    assert audit_model([first], FAST).tasks[0].audit.metrics == alone
    assert audit_model([second, first], FAST).tasks[1].audit.metrics == alone
    other = audit(first, Settings(seed=1)).metrics
    assert [name for name in METRICS if other[name] != alone[name]] == ["ece_floor"]  # all else is drawn from nothing

    forth, back = audit_model([first, second], FAST), audit_model([second, first], FAST)
    assert forth.pooled.metrics == back.pooled.metrics
    assert forth.macro.metrics == back.macro.metrics


def test_one_task_pooled_and_macro_values_are_the_tasks():
    result = audit_model([made_scores(60)], FAST)
    assert result.pooled.metrics == result.tasks[0].audit.metrics
    for name in METRICS:
        assert result.macro.metrics[name].value == pytest.approx(result.tasks[0].audit.metrics[name].value)


def test_both_templates_of_one_task_count_as_one_piece_of_evidence():
    off = made_scores(80)
    on = made_scores(80, chat_template=True)
    single = audit_model([off], Settings()).pooled.metrics["brier"]
    both = audit_model([off, on], Settings())
    assert [task.label for task in both.tasks] == ["quiz", "quiz (chat)"]
    assert both.pooled.metrics["brier"].low == pytest.approx(single.low, abs=0.001)
    assert both.pooled.metrics["brier"].high == pytest.approx(single.high, abs=0.001)
    assert both.pooled.n_items == 80
    once, twice = (part.pooled.metrics["ece_floor"] for part in (audit_model([off], Settings()), both))
    assert (twice.value, twice.high) == pytest.approx((once.value, once.high), rel=0.06)


def test_reliability_adds_up():
    scores = made_scores(90)
    diagram = audit(scores, FAST).reliability
    filled = diagram.count > 0
    assert diagram.count.sum() == 90
    share = diagram.count[filled] / 90
    ece = (share * np.abs(diagram.accuracy[filled] - diagram.confidence[filled])).sum()
    assert ece == pytest.approx(audit(scores, FAST).metrics["ece_plugin"].value)
    assert np.isnan(diagram.accuracy[~filled]).all()
    plain = diagram.to_dict()
    assert plain["accuracy"][0] is None
    assert plain["count"] == diagram.count.tolist()
    with pytest.raises(ValueError, match="read-only"):
        diagram.count[0] = 1


def test_results_are_frozen():
    result = audit(made_scores(20), FAST)
    with pytest.raises(TypeError):
        result.metrics["ece"] = None
    with pytest.raises(AttributeError):
        result.n_items = 3


def test_warnings_name_the_task_and_the_number():
    scores = [
        made_scores(40, task="a", seed=1, scoring="letter", option_mass=np.full(40, 0.25), n_truncated=3),
        made_scores(120, task="b", seed=2, n_healed=7),
    ]
    text = "\n".join(audit_model(scores, FAST).warnings)
    assert "on the options (a 25 %)" in text
    assert "a 3 of 40 items" in text
    assert "b 7 of 120 items" in text
    assert "fewer than 100 items: expect wide intervals (a 40)" in text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"n_bins": 0}, "n_bins is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"level": 1.0}, "level is 1.0"),
    ],
)
def test_settings_outside_their_range(fields, text):
    with pytest.raises(CalibauditError, match=text):
        Settings(**fields)


def test_unusable_lists():
    with pytest.raises(ScoresError, match="no scores"):
        audit_model([])
    with pytest.raises(ScoresError, match="two models in one list"):
        audit_model([made_scores(20, model=INFO), made_scores(20, task="b", model=TUNED)])
    with pytest.raises(ScoresError, match="the same"):
        audit_model([made_scores(20), made_scores(20)])


@given(n=st.integers(1, 25), k=st.integers(2, 5), seed=st.integers(0, 2**16), heat=st.floats(0.1, 8))
@hypothesis_settings(max_examples=25, deadline=None)
def test_ranges_and_no_nan(n, k, seed, heat):
    metrics = audit(made_scores(n, n_choices=k, seed=seed, heat=heat), Settings()).metrics
    for name, metric in metrics.items():
        for value in (metric.value, metric.low, metric.high):
            assert value is None or np.isfinite(value), name
        high = {"brier": 2, "nll": np.inf, "temperature": np.inf}.get(name, 1 if name[:6] != "brier_" else 2)
        low = -1 if name in ("gap", "ece", "smooth_ece") or name[:6] == "brier_" else 0
        assert metric.value is None or low <= metric.value <= high + 1e-12, name
