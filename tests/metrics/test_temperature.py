from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_samples import ragged_sample
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from calibaudit import metrics


def made(n, k, rng, sharpness):
    """Logits whose softmax at temperature `sharpness` is the truth."""
    logits = rng.normal(size=(n, k))
    answer = np.array([rng.choice(k, p=row) for row in softmax(logits, axis=1)])
    return sharpness * logits, answer


def mean_nll(scores, answer, temperature):
    z = scores / temperature  # -inf stays -inf
    return np.mean(logsumexp(z, axis=1) - z[np.arange(len(z)), answer])


def test_confidence_is_the_top_probability_and_the_first_of_equals():
    scores = np.array([[0.0, 0.0, -np.inf], [1.0, 3.0, 2.0], [-2000.0, -2001.0, -np.inf]])
    confidence, correct = metrics.confidence_correct(scores, [0, 2, 0])
    np.testing.assert_allclose(confidence, [0.5, *softmax(scores[1:], axis=1).max(axis=1)])
    assert correct.tolist() == [True, False, True]
    assert metrics.confidence_correct(scores[:1], [1])[1].tolist() == [False]


@pytest.mark.parametrize(("n", "k", "sharpness"), [(50, 2, 0.3), (300, 4, 1.0), (300, 4, 7.0), (2000, 5, 40.0)])
def test_temperature_is_scipys_minimum(n, k, sharpness):
    scores, answer = made(n, k, np.random.default_rng(n), sharpness)
    best = minimize_scalar(
        lambda log_t: mean_nll(scores, answer, math.exp(log_t)),
        bounds=(math.log(sharpness) - 3, math.log(sharpness) + 3),
        method="bounded",
        options={"xatol": 1e-10},
    )
    # A minimum is flat: scipy sees it only to about the root of the float precision.
    assert metrics.fit_temperature(scores, answer) == pytest.approx(math.exp(best.x), rel=2e-6)


def test_ragged_rows_take_part_without_their_padding():
    sample = ragged_sample(400, hit_rate=0.6)
    best = minimize_scalar(
        lambda log_t: mean_nll(sample.scores, sample.answer, math.exp(log_t)),
        bounds=(-3, 6),
        method="bounded",
        options={"xatol": 1e-10},
    )
    got = metrics.fit_temperature(sample.scores, sample.answer)
    assert mean_nll(sample.scores, sample.answer, got) <= best.fun + 1e-12


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_the_scaling_law(seed, scale):
    scores, answer = made(40, 3, np.random.default_rng(seed), 1.0)
    temperature = metrics.fit_temperature(scores, answer)
    scaled = metrics.fit_temperature(scale * scores, answer)
    assert scaled == pytest.approx(scale * temperature, rel=1e-6, nan_ok=True)
    # Adding a constant to a row, as log-probabilities do to logits, changes nothing.
    assert metrics.fit_temperature(scores + 7, answer) == pytest.approx(temperature, rel=1e-6, nan_ok=True)


def test_a_doubled_model_has_twice_the_temperature():
    scores, answer = made(500, 4, np.random.default_rng(0), 1.7)
    assert metrics.fit_temperature(2 * scores, answer) == pytest.approx(
        2 * metrics.fit_temperature(scores, answer), rel=1e-9
    )


def test_closed_form_of_two_choices_with_one_margin():
    """Margin m everywhere and accuracy a: sigmoid(m / T) = a."""
    scores, answer = np.tile([2.0, 0.0], (10, 1)), np.array([0] * 8 + [1] * 2)
    assert metrics.fit_temperature(scores, answer) == pytest.approx(2 / math.log(0.8 / 0.2), rel=1e-9)


@pytest.mark.parametrize("accuracy", [0.501, 0.5001, 0.99, 0.9999])
def test_optima_far_from_one(accuracy):
    n = 10_000
    scores = np.tile([0.0, -1.0], (n, 1))
    answer = (np.arange(n) >= round(accuracy * n)).astype(int)
    assert metrics.fit_temperature(scores, answer) == pytest.approx(1 / math.log(accuracy / (1 - accuracy)), rel=1e-6)


def test_worse_than_uniform_is_infinite():
    assert metrics.fit_temperature([[0.0, -1.0], [0.0, -1.0], [-0.5, -1.0]], [1, 1, 0]) == math.inf


def test_no_finite_optimum_is_nan():
    assert math.isnan(metrics.fit_temperature([[1.0, 0.0], [0.0, 3.0]], [0, 1]))  # all right
    assert math.isnan(metrics.fit_temperature([[1.0, 1.0], [2.0, 2.0]], [0, 1]))  # nothing told apart
    assert math.isnan(metrics.fit_temperature([[1.0]], [0]))  # nothing to choose
