from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from calibaudit import metrics


def random_probs(n, k, rng):
    p = rng.dirichlet(np.ones(k), size=n)
    return p, np.array([rng.choice(k, p=row) for row in p])


def test_brier_by_hand():
    assert metrics.brier([[0.7, 0.2, 0.1]], [1]) == pytest.approx(0.49 + 0.64 + 0.01)
    np.testing.assert_allclose(metrics.brier_items([[1.0, 0.0], [1.0, 0.0]], [0, 1]), [0, 2])


def test_binary_brier_is_twice_scikit_learns():
    p, y = random_probs(500, 2, np.random.default_rng(0))
    assert metrics.brier(p, y) == pytest.approx(2 * brier_score_loss(y, p[:, 1]))


def test_nll_is_scikit_learns_log_loss():
    p, y = random_probs(500, 4, np.random.default_rng(1))
    assert metrics.nll(p, y) == pytest.approx(log_loss(y, p, labels=range(4)))


def test_nll_clips_nothing():
    assert metrics.nll([[1.0, 0.0]], [1]) == math.inf
    assert metrics.nll([[1.0, 0.0]], [0]) == 0
    np.testing.assert_allclose(metrics.nll_items([[0.25, 0.75]], [0]), [math.log(4)])


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_padding_changes_nothing_and_ranges_hold(n, k, pads, seed):
    p, y = random_probs(n, k, np.random.default_rng(seed))
    padded = np.pad(p, ((0, 0), (0, pads)))
    assert metrics.brier(padded, y) == pytest.approx(metrics.brier(p, y), rel=1e-12)
    assert metrics.nll(padded, y) == metrics.nll(p, y)
    assert 0 <= metrics.brier(p, y) <= 2
    assert metrics.nll(p, y) >= 0


def test_the_split_is_exact_when_a_bin_holds_one_forecast():
    """Three forecasts only, far apart: nothing is lost to binning and the classic identity holds by itself."""
    kinds = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]])
    rng = np.random.default_rng(2)
    which = rng.integers(3, size=400)
    p, y = kinds[which], rng.integers(3, size=400)
    for corrected in (False, True):
        split = metrics.brier_decomposition(p, y, bias_corrected=corrected)
        assert split.within_bin == pytest.approx(0, abs=1e-12)
        assert split.reliability - split.resolution + split.uncertainty == pytest.approx(metrics.brier(p, y))
    # By hand, without the correction.
    rates = np.array([[np.mean(y[which == j] == k) for k in range(3)] for j in range(3)])
    share = np.bincount(which) / 400
    base = np.bincount(y) / 400
    split = metrics.brier_decomposition(p, y, bias_corrected=False)
    assert split.reliability == pytest.approx((share[:, None] * (kinds - rates) ** 2).sum())
    assert split.resolution == pytest.approx((share[:, None] * (rates - base) ** 2).sum())
    assert split.uncertainty == pytest.approx((base * (1 - base)).sum())


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 20), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_four_parts_always_add_up(n, k, n_bins, corrected, seed):
    p, y = random_probs(n, k, np.random.default_rng(seed))
    split = metrics.brier_decomposition(p, y, n_bins=n_bins, bias_corrected=corrected)
    total = split.reliability - split.resolution + split.uncertainty + split.within_bin
    assert total == pytest.approx(metrics.brier(p, y), abs=1e-12)
    if not corrected:
        assert split.reliability >= 0
        assert split.resolution >= 0


def test_within_bin_is_the_variance_less_twice_the_covariance():
    """Stephenson, Coelho, Jolliffe 2008, by a plain loop: mean of (p - p_b)^2 - 2 (p - p_b)(y - y_b)."""
    p, y = random_probs(300, 3, np.random.default_rng(3))
    total = 0.0
    for k in range(3):
        hit = (y == k).astype(float)
        index = metrics.bin_index(p[:, k], 5)
        for b in range(5):
            q, h = p[index == b, k], hit[index == b]
            if len(q):
                total += ((q - q.mean()) ** 2 - 2 * (q - q.mean()) * (h - h.mean())).sum() / 300
    for corrected in (True, False):
        split = metrics.brier_decomposition(p, y, n_bins=5, bias_corrected=corrected)
        assert split.within_bin == pytest.approx(total, abs=1e-12)


def test_the_corrected_parts_are_unbiased():
    """Two known forecasts with known rates: over many draws the corrected parts average to the true ones."""
    rng = np.random.default_rng(4)
    which = np.repeat([0, 1], 10)
    said, rate = np.array([0.3, 0.8])[which], np.array([0.4, 0.7])[which]
    p = np.column_stack([1 - said, said])
    draws = [(rng.random(20) < rate).astype(int) for _ in range(2000)]
    splits = [metrics.brier_decomposition(p, y) for y in draws]
    plain = [metrics.brier_decomposition(p, y, bias_corrected=False) for y in draws]
    reliability = np.array([s.reliability for s in splits])
    assert reliability.mean() == pytest.approx(2 * 0.01, abs=4 * reliability.std() / math.sqrt(2000))
    assert np.mean([s.reliability for s in plain]) > 2 * 0.01 + 0.03
