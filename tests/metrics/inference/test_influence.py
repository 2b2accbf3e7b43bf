from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.sample import LINEAR, Sample


def sample(n: int, seed: int, tied: bool = True) -> Sample:
    """Half-right scores of 2 to 5 choices, a third of the items tied in pairs, with option mass for most."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 5)) * 1.5
    if tied:
        scores[: n // 6] = scores[n // 6 : 2 * (n // 6)]
    n_choices = np.full(n, 5)
    n_choices[n // 2 :] = rng.integers(2, 6, size=n - n // 2)
    scores[np.arange(5) >= n_choices[:, None]] = -np.inf
    answer = np.where(rng.random(n) < 0.4, scores.argmax(axis=1), rng.integers(n_choices))
    mass = rng.random(n)
    mass[::7] = np.nan
    return Sample(scores, answer, mass)


def without(whole: Sample, item: int) -> Sample:
    mass = None if whole.option_mass is None else np.delete(whole.option_mass, item)
    return Sample(np.delete(whole.scores, item, axis=0), np.delete(whole.answer, item), mass)


@pytest.mark.parametrize("name", LINEAR)
def test_an_influence_is_what_leaving_the_item_out_takes_away(name: str) -> None:
    n = 240
    whole = sample(n, 1)
    value, influence = whole.influence(name)
    taken = np.array([(value - without(whole, i).influence(name)[0]) * (n - 1) / n for i in range(n)])
    assert np.abs(influence - taken).max() < 0.1 * np.abs(taken).max()
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    se = Design.of(n).linear(value, influence).se
    assert se == pytest.approx(math.sqrt(((taken - taken.mean()) ** 2).sum()), rel=0.03)  # the jackknife's


def test_auroc_is_delongs() -> None:
    whole = sample(70, 2)
    value, influence = whole.influence("auroc")
    right, wrong = np.flatnonzero(whole.correct), np.flatnonzero(~whole.correct)
    c = whole.confidence
    kernel = np.array([[(c[i] > c[j]) + 0.5 * (c[i] == c[j]) for j in wrong] for i in right])
    assert value == pytest.approx(kernel.mean())
    placed_right, placed_wrong = kernel.mean(axis=1), kernel.mean(axis=0)
    for items, placed in ((right, placed_right), (wrong, placed_wrong)):
        n = len(items)
        assert influence[items] == pytest.approx((placed - value) / np.sqrt(n * (n - 1)))
    delong = placed_right.var(ddof=1) / len(right) + placed_wrong.var(ddof=1) / len(wrong)
    assert Design.of(70).linear(value, influence).se ** 2 == pytest.approx(delong * 70 / 69)


def test_a_paired_auroc_change_is_delongs() -> None:
    """Two models on the same answers; the variance of the difference with the covariances of both placements."""
    rng = np.random.default_rng(5)
    correct = rng.random(60) < 0.5
    confidence = [np.clip(0.3 + 0.2 * correct + rng.normal(size=60) * 0.1, 0, 1) for _ in (0, 1)]
    sides = []
    for c in confidence:
        scores = np.log(np.column_stack([c / 2 + 0.5, 0.5 - c / 2]))
        sides.append(Sample(scores, np.where(correct, 0, 1)).influence("auroc"))
    right, wrong = np.flatnonzero(correct), np.flatnonzero(~correct)
    kernels = [c[right][:, None] > c[wrong] for c in confidence]
    d = kernels[1].astype(float) - kernels[0]
    delong = d.mean(axis=1).var(ddof=1) / len(right) + d.mean(axis=0).var(ddof=1) / len(wrong)
    found = Design.of(60).linear(sides[1][0] - sides[0][0], sides[1][1] - sides[0][1])
    assert found.value == pytest.approx(d.mean())
    assert found.se**2 == pytest.approx(delong * 60 / 59)


def test_a_temperatures_influence_is_its_derivative_by_the_items_weight() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(50, 4)) * 2
    answer = np.where(rng.random(50) < 0.5, scores.argmax(axis=1), rng.integers(4, size=50))

    def fitted(weight: np.ndarray) -> float:
        def loss(log_inverse: float) -> float:
            return float(-(weight * log_softmax(math.exp(log_inverse) * scores, axis=1)[np.arange(50), answer]).sum())

        return math.exp(-minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-11}).x)

    value, influence = Sample(scores, answer).influence("temperature")
    assert value == pytest.approx(fitted(np.ones(50)), rel=1e-5)
    for item in range(8):
        more, less = np.ones(50), np.ones(50)
        more[item], less[item] = 1.1, 0.9
        assert influence[item] == pytest.approx((fitted(more) - fitted(less)) / 0.2, abs=2e-3 * value)


def test_what_does_not_exist_is_nan_without_parts() -> None:
    scores = np.log([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    right = Sample(scores, np.zeros(3, dtype=int))
    for name in ("auroc", "temperature", "option_mass"):
        value, influence = right.influence(name)
        assert math.isnan(value)
        assert influence.tolist() == [0, 0, 0]
