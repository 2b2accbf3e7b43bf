from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from made_samples import confidence_and_correct
from sklearn.metrics import roc_auc_score

from calibaudit import metrics
from calibaudit.errors import ScoresError


@given(confidence_and_correct())
def test_auroc_is_scikit_learns_and_the_pair_count(sample):
    confidence, correct = sample
    if correct.all() or not correct.any():
        assert math.isnan(metrics.auroc(confidence, correct))
        return
    right, wrong = confidence[correct], confidence[~correct]
    pairs = (right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean()
    assert metrics.auroc(confidence, correct) == pytest.approx(pairs)
    assert metrics.auroc(confidence, correct) == pytest.approx(roc_auc_score(correct, confidence))


def area(correct_surest_first):
    errors = np.cumsum(~np.asarray(correct_surest_first, bool))
    return np.mean(errors / np.arange(1, len(errors) + 1))


def test_aurc_by_hand():
    # Risks at coverage 1/3, 2/3, 1: 0, 1/2, 2/3.
    assert metrics.aurc([0.2, 0.9, 0.5], [0, 1, 0]) == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)
    assert metrics.aurc([0.4], [1]) == 0
    assert metrics.aurc([0.4], [0]) == 1


def test_aurc_without_ties_is_the_running_risk():
    rng = np.random.default_rng(0)
    confidence, correct = rng.random(200), rng.random(200) < 0.6
    assert metrics.aurc(confidence, correct) == pytest.approx(area(correct[np.argsort(-confidence)]))


def test_aurc_with_ties_is_the_mean_over_all_orders():
    confidence, correct = [0.9, 0.5, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 0, 1, 0]
    orders = [
        area([correct[0], *(correct[i] for i in middle), correct[5]]) for middle in itertools.permutations(range(1, 5))
    ]
    assert metrics.aurc(confidence, correct) == pytest.approx(np.mean(orders))


def test_a_constant_confidence_says_nothing():
    correct = [1, 0, 1, 0, 0]
    assert metrics.auroc([0.7] * 5, correct) == 0.5
    assert metrics.aurc([0.7] * 5, correct) == pytest.approx(3 / 5)


def test_perfect_and_reversed_ranking():
    assert metrics.auroc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == 1
    assert metrics.auroc([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == 0


def test_risk_at_coverage_is_the_error_rate_of_the_surest():
    confidence, correct = [0.9, 0.8, 0.8, 0.6, 0.5], [1, 1, 0, 0, 1]
    assert metrics.risk_at_coverage(confidence, correct, 0.2) == 0
    assert metrics.risk_at_coverage(confidence, correct, 0.4) == pytest.approx((0 + 0.5) / 2)  # a tie: the mean of both
    assert metrics.risk_at_coverage(confidence, correct, 0.6) == pytest.approx(1 / 3)
    assert metrics.risk_at_coverage(confidence, correct, 1.0) == pytest.approx(2 / 5)
    for coverage in (0.0, 1.1, float("nan")):
        with pytest.raises(ScoresError, match="coverage is"):
            metrics.risk_at_coverage(confidence, correct, coverage)
