"""What no metric accepts, and the one clear line it says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from calibaudit import metrics
from calibaudit.errors import ScoresError

OF_CONFIDENCE = [
    metrics.ece,
    metrics.rms_ce,
    metrics.mce,
    metrics.adaptive_ece,
    metrics.debiased_ece,
    metrics.debiased_squared_ce,
    metrics.smooth_ece,
    metrics.gap,
    metrics.overconfidence,
    metrics.underconfidence,
    metrics.auroc,
    metrics.aurc,
    metrics.reliability,
]
OF_PROBS = [metrics.brier, metrics.nll, metrics.brier_items, metrics.nll_items, metrics.brier_decomposition]
OF_SCORES = [metrics.fit_temperature, metrics.confidence_correct, metrics.Sample]
NAN = float("nan")


@pytest.mark.parametrize("metric", OF_CONFIDENCE)
@pytest.mark.parametrize(
    ("confidence", "correct", "says"),
    [
        ([], [], "empty"),
        ([[0.5]], [1], "shape (1, 1)"),
        ([0.5, 0.5], [1], "confidence has 2 items but correct has 1"),
        ([0.5, NAN], [1, 1], "NaN at item 1"),
        ([0.5, 0.5], [1, NAN], "NaN at item 1"),
        ([0.5, 1.01], [1, 1], "item 1 is 1.01"),
        ([-0.1, 1.0], [1, 1], "item 0 is -0.1"),
        ([0.5, 0.5], [1, 2], "item 1 is 2"),
        (["a"], [1], "numbers"),
    ],
)
def test_confidence_metrics_refuse(metric, confidence, correct, says):
    with pytest.raises(ScoresError, match=re.escape(says)) as caught:
        metric(confidence, correct)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", OF_PROBS)
@pytest.mark.parametrize(
    ("probs", "answer", "says"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "empty"),
        ([0.5, 0.5], [0], "shape (2,)"),
        ([[0.5, 0.5]], [0, 1], "answer has shape (2,)"),
        ([[0.5, NAN]], [0], "NaN at item 0"),
        ([[0.5, 0.5], [0.5, 0.6]], [0, 0], "item 1 sum to 1.1"),
        ([[1.5, -0.5]], [0], "item 0, choice 0 is 1.5"),
        ([[0.5, 0.5]], [2], "item 0 is 2; it must lie in 0..1"),
        ([[0.5, 0.5]], [-1], "item 0 is -1"),
        ([[0.5, 0.5]], [0.0], "whole choice indices"),
    ],
)
def test_probability_metrics_refuse(metric, probs, answer, says):
    with pytest.raises(ScoresError, match=re.escape(says)):
        metric(probs, answer)


@pytest.mark.parametrize("metric", OF_SCORES)
@pytest.mark.parametrize(
    ("scores", "answer", "says"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "empty"),
        ([[-1.0, NAN]], [0], "NaN at item 0"),
        ([[-1.0, np.inf]], [0], "+inf"),
        ([[-1.0, -2.0], [-1.0, -np.inf]], [0, 1], "answer of item 1 is choice 1, which is padding"),
        ([[-1.0, -2.0]], [2], "item 0 is 2"),
        ([[-1.0, -2.0]], [0, 0], "answer has shape (2,)"),
    ],
)
def test_score_metrics_refuse(metric, scores, answer, says):
    with pytest.raises(ScoresError, match=re.escape(says)):
        metric(np.array(scores), np.array(answer))


def test_a_float32_softmax_just_above_one_is_clipped_not_refused():
    assert metrics.ece([1.0 + 1e-7], [True]) == 0


def test_importing_the_metrics_loads_neither_scipy_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys, calibaudit.metrics; print({'scipy', 'torch', 'pandas'} & {m.split('.')[0] for m in sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
