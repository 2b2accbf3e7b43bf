"""Probabilities, log-probabilities and logits: one answer for one distribution, a line for what is none."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.metrics import log_loss

from calibaudit import metrics
from calibaudit.errors import ScoresError

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(400, 4)) * 3
ANSWER = np.array([RNG.choice(4, p=row) for row in softmax(LOGITS / 2, axis=1)])
PROBS, LOGPROBS = softmax(LOGITS, axis=1), log_softmax(LOGITS, axis=1)
OF_PROBS = [metrics.brier, metrics.brier_items, metrics.nll, metrics.nll_items, metrics.classwise_ece]


@pytest.mark.parametrize("metric", OF_PROBS)
def test_log_probabilities_give_what_probabilities_give(metric):
    np.testing.assert_allclose(metric(LOGPROBS, ANSWER), metric(PROBS, ANSWER), rtol=1e-9, atol=1e-12)
    # Of a letter's options the rest of the vocabulary has a part, and of a continuation all others: level is free.
    np.testing.assert_allclose(metric(LOGPROBS - 5, ANSWER), metric(PROBS, ANSWER), rtol=1e-9, atol=1e-12)
    ragged = np.where([[False, False, False, True]], -np.inf, LOGPROBS)
    told = ANSWER.clip(max=2)
    np.testing.assert_allclose(metric(ragged, told), metric(softmax(ragged, axis=1), told), rtol=1e-9, atol=1e-12)


def test_nll_is_scikit_learns_log_loss():
    expected = log_loss(ANSWER, PROBS, labels=range(4))
    assert metrics.nll(PROBS, ANSWER) == pytest.approx(expected, rel=1e-12)
    assert metrics.nll(LOGPROBS, ANSWER) == pytest.approx(expected, rel=1e-12)


def test_log_probabilities_keep_what_a_probability_rounds_to_0():
    assert metrics.nll([[-2000.0, 0.0]], [0]) == pytest.approx(2000)
    assert metrics.nll([[0.0, 1.0]], [0]) == metrics.nll([[-np.inf, 0.0]], [0]) == math.inf


@pytest.mark.parametrize("given", [PROBS, LOGPROBS, LOGITS], ids=["probs", "logprobs", "logits"])
def test_the_temperature_and_the_confidence_are_those_of_the_distribution(given):
    def mean_nll(log_t):
        z = LOGITS / math.exp(log_t)
        return np.mean(logsumexp(z, axis=1) - z[np.arange(len(z)), ANSWER])

    best = minimize_scalar(mean_nll, bounds=(-3, 4), method="bounded", options={"xatol": 1e-10})
    assert metrics.fit_temperature(given, ANSWER) == pytest.approx(math.exp(best.x), rel=2e-6)
    confidence, correct = metrics.confidence_correct(given, ANSWER)
    np.testing.assert_allclose(confidence, PROBS.max(axis=1), rtol=1e-12)
    assert correct.tolist() == (PROBS.argmax(axis=1) == ANSWER).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_rounded_softmax_is_still_one(dtype):
    rounded = PROBS.astype(np.float32).astype(dtype)
    rounded = rounded / rounded.sum(axis=1, keepdims=True, dtype=np.float32)
    assert metrics.nll(rounded, ANSWER) == pytest.approx(metrics.nll(PROBS, ANSWER), rel=5e-3)
    assert metrics.fit_temperature(rounded, ANSWER) == pytest.approx(metrics.fit_temperature(PROBS, ANSWER), rel=5e-2)


@pytest.mark.parametrize("metric", [*OF_PROBS, metrics.brier_decomposition])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (LOGITS, "of logits take scipy.special.log_softmax(logits, axis=1)"),
        (PROBS * 100, "is 4"),  # percentages
        ([[0.5, 0.4]] * 400, "item 0 sum to 0.9"),
        ([[0.0, 0.0]] * 400, "item 0 sum to 0"),
        ([[-1.0, -2.0], *[[-np.inf, -np.inf]] * 399], "item 1 are all -inf"),
    ],
)
def test_what_is_neither_is_refused(metric, given, says):
    with pytest.raises(ScoresError, match=re.escape(says) if says != "is 4" else r"choice \d is \d") as caught:
        metric(given, ANSWER.clip(max=1))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("metric", [metrics.fit_temperature, metrics.confidence_correct])
def test_numbers_that_may_be_either_are_refused(metric):
    with pytest.raises(ScoresError, match=r"item 1 sum to 1\.1; .*log_softmax"):
        metric([[0.5, 0.5], [0.5, 0.6]], [0, 1])
    with pytest.raises(ScoresError, match="answer of item 0 is choice 1, which is padding"):
        metric([[1.0, 0.0], [0.5, 0.5]], [1, 1])
