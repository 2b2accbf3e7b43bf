"""Probabilities, log-probabilities and logits: one answer for one distribution, a line for what is none."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
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
        (PROBS * 100, "every row sums to 100: percentages; divide by 100"),
        (PROBS * 50, "is 4"),
        (PROBS.T, "4 items need shape (4,); is the other array transposed? it must be (items, choices)"),
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
def test_percentages_and_turned_arrays_are_no_logits(metric):
    for given in (PROBS * 100, np.round(PROBS * 100, 1), [[25, 75], [60, 40]]):
        with pytest.raises(ScoresError, match=r"every row sums to 100: percentages; divide by 100$"):
            metric(given, ANSWER[: len(given)].clip(max=1))
    with pytest.raises(ScoresError, match="and every column to 1: transpose them"):
        metric(PROBS.T, ANSWER)
    with pytest.raises(ScoresError, match="is the other array transposed"):
        metric(LOGITS.T, ANSWER)
    metric([[25.0, 75.0], [60.0, 41.0]], [0, 1])  # logits: not every row sums to 100


HALVES = {
    "float16": lambda array: array.astype(np.float16),
    "float16 tensor": lambda array: torch.tensor(array, requires_grad=True).half(),
    "bfloat16 tensor": lambda array: torch.tensor(array, requires_grad=True).bfloat16(),
    "float32 tensor": lambda array: torch.tensor(array, requires_grad=True).float(),
}


@pytest.mark.parametrize("form", HALVES)
def test_a_probability_rounded_to_its_type_is_one(form):
    given, step = HALVES[form](PROBS), 2.0**-7 if form.startswith("b") else 2.0**-10
    assert metrics.brier(given, ANSWER) == pytest.approx(metrics.brier(PROBS, ANSWER), abs=2 * step)
    assert metrics.fit_temperature(given, ANSWER) == pytest.approx(metrics.fit_temperature(PROBS, ANSWER), rel=0.1)
    confidence, _ = metrics.confidence_correct(given, ANSWER)
    np.testing.assert_allclose(confidence, PROBS.max(axis=1), atol=2 * step)
    correct = torch.tensor(PROBS.argmax(axis=1) == ANSWER)
    rounded = HALVES[form](PROBS.max(axis=1))
    assert metrics.gap(rounded, correct) == pytest.approx(metrics.gap(PROBS.max(axis=1), correct), abs=step)
    with pytest.raises(ScoresError, match="item 0 sum to"):  # more than rounding
        metrics.brier(HALVES[form](PROBS * 0.98), ANSWER)


def test_in_full_precision_a_row_may_be_off_by_less():
    off = [[0.5, 0.4998], [0.5, 0.5]]
    with pytest.raises(ScoresError, match=r"item 0 sum to 0\.9998"):
        metrics.brier(off, [0, 1])
    half = np.array(off, dtype=np.float16)
    assert float(half.astype(float).sum(axis=1)[0]) == pytest.approx(0.9998, abs=1e-4)
    assert metrics.brier(half, [0, 1]) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("metric", [metrics.fit_temperature, metrics.confidence_correct])
def test_numbers_that_may_be_either_are_refused(metric):
    with pytest.raises(ScoresError, match=r"item 1 sum to 1\.1; .*log_softmax"):
        metric([[0.5, 0.5], [0.5, 0.6]], [0, 1])
    with pytest.raises(ScoresError, match="answer of item 0 is choice 1, which is padding"):
        metric([[1.0, 0.0], [0.5, 0.5]], [1, 1])
