from __future__ import annotations

import math

import numpy as np
import pytest
from made_samples import calibrated

from calibaudit import metrics


def slow_smooth_ece(confidence, correct, n_grid=1000):
    """The definition: mirror images for the reflection, a Riemann sum for the integral, bisection for the width."""
    t = (np.arange(n_grid) + 0.5) / n_grid
    excess = np.asarray(correct, float) - confidence

    def error(width):
        kernel = np.zeros((n_grid, len(confidence)))
        for turn in range(-3, 4):
            for image in (2 * turn + confidence, 2 * turn - confidence):
                kernel += np.exp(-0.5 * ((t[:, None] - image) / width) ** 2) / (width * math.sqrt(2 * math.pi))
        return np.abs(kernel @ excess).mean() / len(confidence)

    low, high = 1e-4, 1.0
    for _ in range(22):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return low


@pytest.mark.parametrize(
    ("n", "sharpness", "seed"), [(1, 1.0, 0), (5, 1.0, 1), (60, 1.0, 2), (150, 2.0, 3), (150, 0.5, 4), (250, 1.0, 5)]
)
def test_equals_the_definition_by_quadrature(n, sharpness, seed):
    confidence, correct = calibrated(n, np.random.default_rng(seed), sharpness)
    assert metrics.smooth_ece(confidence, correct) == pytest.approx(slow_smooth_ece(confidence, correct), abs=2e-5)


def test_equals_the_definition_where_signs_alternate_and_the_width_is_small():
    """Overconfident above .6, underconfident below; 400 items so that the width is near .01."""
    confidence = np.linspace(0.3, 0.9, 400)
    correct = np.arange(400) % 100 < 100 * np.where(confidence < 0.6, 0.45 + 0.03, 0.75 - 0.03)
    assert 0.005 < metrics.smooth_ece(confidence, correct) < 0.2
    assert metrics.smooth_ece(confidence, correct) == pytest.approx(slow_smooth_ece(confidence, correct), abs=2e-5)


def test_equals_the_definition_at_every_resolution():
    """All right but for a confidence of 1 - d gives widths of about d."""
    for d in (0.1, 0.012, 0.005, 0.002):
        confidence, correct = np.array([1 - d, 0.4, 0.4]), np.array([1, 1, 0])
        assert metrics.smooth_ece(confidence[:1], correct[:1]) == pytest.approx(d, abs=1e-6)
        more = [np.repeat(values, [1, 4, 6]) for values in (confidence, correct)]
        assert metrics.smooth_ece(*more) == pytest.approx(slow_smooth_ece(*more, 8000), abs=2e-5)


@pytest.mark.parametrize(("sharpness", "n"), [(1.0, 40_000), (1.0, 6000), (1.6, 6000)])
def test_many_items_by_a_transform_are_as_few_one_by_one(sharpness, n, monkeypatch):
    """Widths near .008, .015 and .1; with the ends of [0, 1] among the confidences."""
    confidence, correct = calibrated(n, np.random.default_rng(9), sharpness)
    confidence[:4] = [0.0, 1.0, 1.0, 1 / 3]
    fast = metrics.smooth_ece(confidence, correct)
    monkeypatch.setattr("calibaudit.metrics.smooth._FEW", 10**6)
    assert fast == pytest.approx(metrics.smooth_ece(confidence, correct), abs=1e-6)


def test_a_perfectly_calibrated_model_is_near_zero():
    """Its noise falls as N^(-1/3): at 60,000 items about .006."""
    rng = np.random.default_rng(6)
    small, large = (metrics.smooth_ece(*calibrated(n, rng)) for n in (2000, 60_000))
    assert large < 0.009
    assert small > large


@pytest.mark.parametrize(("c", "right"), [(0.8, 50), (0.3, 90), (0.999, 10), (0.0, 30), (1.0, 30)])
def test_constant_confidence_gives_the_gap(c, right):
    value = metrics.smooth_ece(np.full(100, c), np.arange(100) < right)
    assert value == pytest.approx(abs(c - right / 100), abs=1e-6)


def test_certain_and_right_is_zero():
    assert metrics.smooth_ece([1.0, 1.0], [True, True]) == 0


def test_never_below_the_gap_and_close_to_ece():
    rng = np.random.default_rng(7)
    for sharpness in (0.6, 1.0, 1.7):
        confidence, correct = calibrated(4000, rng, sharpness)
        value = metrics.smooth_ece(confidence, correct)
        assert value >= abs(metrics.gap(confidence, correct)) - 1e-9
        assert value == pytest.approx(metrics.ece(confidence, correct), abs=0.02)
