from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from calibaudit.errors import ScoresError
from calibaudit.metrics import bin_index, calibration_p_value


def confidences(n: int, seed: int) -> np.ndarray:
    return 0.25 + 0.75 * np.random.default_rng(seed).beta(1.2, 1.2, size=n)


def statistic(confidence: np.ndarray, correct: np.ndarray, n_bins: int) -> float:
    """By loops: over the bins, the squared sum of confidence - correct over the count."""
    index, total = bin_index(confidence, n_bins), 0.0
    for b in range(n_bins):
        if (index == b).any():
            total += (confidence - correct)[index == b].sum() ** 2 / (index == b).sum()
    return total


@pytest.mark.parametrize(("n", "n_bins", "over"), [(120, 15, 0.0), (300, 15, 0.06), (300, 5, 0.05), (1000, 15, 0.04)])
def test_p_is_the_share_of_calibrated_draws_above(n: int, n_bins: int, over: float) -> None:
    rng = np.random.default_rng(n)
    confidence = np.minimum(confidences(n, n) + over, 1)
    correct = rng.random(n) < confidence - over
    observed = statistic(confidence, correct, n_bins)
    drawn = rng.random((8000, n)) < confidence
    cells = np.eye(n_bins)[bin_index(confidence, n_bins)]
    sums, count = (confidence - drawn) @ cells, cells.sum(axis=0)
    above = ((sums**2 / np.maximum(count, 1)).sum(axis=1) >= observed).mean()
    assert calibration_p_value(confidence, correct, n_bins=n_bins) == pytest.approx(above, abs=0.012)


def test_one_bin_is_the_test_of_the_mean() -> None:
    confidence = confidences(2000, 0)
    correct = np.random.default_rng(1).random(2000) < confidence - 0.02
    z = (confidence - correct).sum() / np.sqrt((confidence * (1 - confidence)).sum())
    assert calibration_p_value(confidence, correct, n_bins=1) == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.002)


def test_calibrated_models_are_rejected_as_often_as_said() -> None:
    rng = np.random.default_rng(2)
    rejected = []
    for _ in range(1500):
        confidence = 0.25 + 0.75 * rng.beta(6, 1, size=200)
        rejected.append(calibration_p_value(confidence, rng.random(200) < confidence) < 0.05)
    assert abs(np.mean(rejected) - 0.05) < 0.02


def test_errors_that_cancel_are_seen() -> None:
    """As often too sure as too unsure: the mean knows nothing of it."""
    confidence = np.repeat([0.45, 0.75], 500)
    correct = np.concatenate([np.arange(500) < 300, np.arange(500) < 300])
    assert (confidence - correct).mean() == pytest.approx(0)
    assert calibration_p_value(confidence, correct) < 1e-9


def test_items_seen_again_are_no_more_evidence() -> None:
    confidence = np.minimum(confidences(300, 5) + 0.05, 1)
    correct = np.random.default_rng(6).random(300) < confidence - 0.05
    once = calibration_p_value(confidence, correct)
    again = np.tile(confidence, 10), np.tile(correct, 10)
    assert calibration_p_value(*again) < once / 100
    grouped = calibration_p_value(*again, unit=np.tile(np.arange(300), 10))
    assert once / 10 < grouped < max(10 * once, 0.3)
    assert calibration_p_value(confidence, correct, unit=np.arange(300)) == once


def test_the_sure_ones() -> None:
    ones = np.ones(30)
    assert calibration_p_value(ones, ones) == 1
    assert 0 < calibration_p_value(ones, 0 * ones) < 1e-300
    assert calibration_p_value([0.7], [True]) > 0.05


def test_unusable_input_is_refused() -> None:
    with pytest.raises(ScoresError):
        calibration_p_value([0.5, 0.5], [1])
    with pytest.raises(ScoresError):
        calibration_p_value([0.5, 0.5], [1, 0], unit=[1])
    with pytest.raises(ScoresError):
        calibration_p_value([0.5], [1], n_bins=0)
