from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from made_scores import INFO, TUNED, made_scores
from sklearn.metrics import log_loss, roc_auc_score

from calibaudit.analysis.audit import audit, audit_model
from calibaudit.analysis.estimates import METRICS, estimate
from calibaudit.analysis.samples import task_row
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.metrics import METRIC_NAMES

FAST = Settings(n_resamples=60, n_permutations=0)


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
    assert value["ece"] == pytest.approx(hand_ece(confidence, correct))
    assert value["brier"] == pytest.approx(((probs - np.eye(4)[scores.answer]) ** 2).sum(axis=1).mean())
    assert value["nll"] == pytest.approx(log_loss(scores.answer, probs))
    assert value["auroc"] == pytest.approx(roc_auc_score(correct, confidence))
    assert value["option_mass"] is None


def test_every_metric_but_the_floor_is_resampled():
    assert tuple(name for name in METRICS if name != "ece_floor") == METRIC_NAMES


def test_the_floor_is_what_a_calibrated_model_shows():
    scores = made_scores(120, seed=5)
    confidence = softmax(scores).max(axis=1)
    rng = np.random.default_rng(11)
    draws = [hand_ece(confidence, rng.random(120) < confidence) for _ in range(400)]
    floor = audit(scores, FAST).metrics["ece_floor"]
    assert floor.value == pytest.approx(np.mean(draws), rel=0.05)
    assert floor.low == pytest.approx(np.quantile(draws, 0.025), rel=0.15)
    assert floor.high == pytest.approx(np.quantile(draws, 0.975), rel=0.15)


def test_replicates_are_the_metric_of_the_drawn_items():
    scores = made_scores(40, seed=1)
    row = task_row(scores, FAST)
    found = estimate([row], FAST).replicates
    probs = softmax(scores)
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == scores.answer
    for r in range(0, 60, 7):
        drawn = np.repeat(np.arange(40), row.draws.weights[r])
        assert len(drawn) == 40
        assert found["ece"][r] == pytest.approx(hand_ece(confidence[drawn], correct[drawn]))
        assert found["nll"][r] == pytest.approx(-np.log(probs[drawn, scores.answer[drawn]]).mean())


def test_pooled_resamples_each_task_within_itself_and_macro_is_the_mean():
    first, second = made_scores(30, task="a", seed=1), made_scores(50, task="b", seed=2, heat=2)
    rows = [task_row(part, FAST) for part in (first, second)]
    parts = [estimate([row], FAST).replicates["brier"] for row in rows]
    pooled = estimate(rows, FAST).replicates["brier"]
    assert pooled == pytest.approx((30 * parts[0] + 50 * parts[1]) / 80)

    result = audit_model([first, second], FAST)
    value = [task.audit.metrics["ece"].value for task in result.tasks]
    assert result.macro.metrics["ece"].value == pytest.approx(np.mean(value))
    assert result.pooled.n_items == 80
    assert result.macro.reliability is None
    confidence = np.concatenate([softmax(part).max(axis=1) for part in (first, second)])
    correct = np.concatenate([softmax(part).argmax(axis=1) == part.answer for part in (first, second)])
    assert result.pooled.metrics["ece"].value == pytest.approx(hand_ece(confidence, correct))


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


def test_no_resamples_no_intervals():
    metrics = audit(made_scores(50), Settings(n_resamples=0, n_permutations=0)).metrics
    assert metrics["brier"].low is None
    assert metrics["brier"].value is not None


def test_groups_widen_the_interval():
    # Fifteen questions asked ten times each: 150 rows, the evidence of fifteen.
    part = made_scores(15, seed=4)
    again = np.tile(np.arange(15), 10)
    fields = {
        "logprobs": part.logprobs[again],
        "answer": part.answer[again],
        "item_ids": tuple(map(str, range(150))),
    }
    loose = audit(made_scores(150, **fields), Settings(n_resamples=500)).metrics["brier"]
    grouped = made_scores(150, **fields, groups=tuple(map(str, again)))
    tight = audit(grouped, Settings(n_resamples=500)).metrics["brier"]
    ratio = (tight.high - tight.low) / (loose.high - loose.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.2)
    assert tight.value == loose.value


def test_numbers_depend_on_the_seed_and_the_task_alone():
    first, second = made_scores(60, task="a", seed=1), made_scores(60, task="b", seed=2)
    alone = audit(first, FAST).metrics
    assert audit_model([first], FAST).tasks[0].audit.metrics == alone
    assert audit_model([second, first], FAST).tasks[1].audit.metrics == alone
    assert audit(first, Settings(n_resamples=60, n_permutations=0, seed=1)).metrics != alone

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
    single = audit_model([off], Settings(n_resamples=300, n_permutations=0)).pooled.metrics["brier"]
    both = audit_model([off, on], Settings(n_resamples=300, n_permutations=0))
    assert [task.label for task in both.tasks] == ["quiz", "quiz (chat)"]
    assert both.pooled.metrics["brier"].low == pytest.approx(single.low)
    assert both.pooled.metrics["brier"].high == pytest.approx(single.high)


def test_reliability_adds_up():
    scores = made_scores(90)
    diagram = audit(scores, FAST).reliability
    filled = diagram.count > 0
    assert diagram.count.sum() == 90
    share = diagram.count[filled] / 90
    ece = (share * np.abs(diagram.accuracy[filled] - diagram.confidence[filled])).sum()
    assert ece == pytest.approx(audit(scores, FAST).metrics["ece"].value)
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
        ({"n_resamples": -1}, "n_resamples is -1"),
        ({"n_permutations": -1}, "n_permutations is -1"),
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
    metrics = audit(made_scores(n, n_choices=k, seed=seed, heat=heat), Settings(n_resamples=12)).metrics
    for name, metric in metrics.items():
        for value in (metric.value, metric.low, metric.high):
            assert value is None or np.isfinite(value), name
        high = {"brier": 2, "nll": np.inf, "temperature": np.inf}.get(name, 1)
        assert metric.value is None or (-1 if name == "gap" else 0) <= metric.value <= high + 1e-12, name
