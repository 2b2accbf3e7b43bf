"""What each item adds to a metric's error: the value of a metric and its influence function, on one sample.

A metric's estimate is its true value plus the sum of the items' influences, but for terms of order 1/N (Hampel 1974,
JASA 69); from these follow the standard error of a value and of a paired change. Each influence sums to 0.
"""

from __future__ import annotations

import math

import numpy as np

from calibaudit.metrics.ranking import TieBlocks
from calibaudit.metrics.temperature import nll_slopes, temperature_of
from calibaudit.metrics.validation import FloatArray, IntArray

Influence = tuple[float, FloatArray]
"""(value, (N,) influences). NaN and zeros where the metric does not exist."""


def mean_influence(values: FloatArray) -> Influence:
    """Of the mean of (N,) values: (x_i - mean)/N."""
    mean = float(values.mean())
    if not math.isfinite(mean):
        return mean, np.zeros(len(values))
    return mean, (values - mean) / len(values)


def auroc_influence(ties: TieBlocks, correct: FloatArray) -> Influence:
    """Of AUROC: the placement values of DeLong, DeLong, Clarke-Pearson 1988 (Biometrics 44), ties counted half.

    Each class by its n - 1, as they do: the placements of few lie nearer to their own mean than to the true one.
    """
    right, wrong = ties.sums(correct), ties.sums(1 - correct)
    n_right, n_wrong = right.sum(), wrong.sum()
    if not n_right or not n_wrong:
        return math.nan, np.zeros(len(correct))
    wrong_below = np.cumsum(wrong) - 0.5 * wrong
    right_above = n_right - np.cumsum(right) + 0.5 * right
    value = float(right @ wrong_below) / (n_right * n_wrong)
    block = ties.block
    of_right, of_wrong = (
        (placed - value)[block] / math.sqrt(n * max(n - 1, 1))
        for placed, n in ((wrong_below / n_wrong, n_right), (right_above / n_right, n_wrong))
    )
    return value, np.where(correct > 0, of_right, of_wrong)


def aurc_influence(ties: TieBlocks, correct: FloatArray) -> Influence:
    """Of the area under the risk-coverage curve, A = mean over items x of r(x), the error rate of the items at least
    as sure as x: r(i) - A + sum over x no surer than i of (error_i - r(x))/(items at least as sure as x).
    """
    size = ties.sums(np.ones(len(correct)))
    rate = ties.sums(1 - correct) / size
    counts = size[::-1].astype(np.int64)
    errors = np.repeat(rate[::-1], counts)  # surest first, tied items alike
    rank = np.arange(1, len(correct) + 1)
    risk = np.cumsum(errors) / rank
    later = np.cumsum((1 / rank)[::-1])[::-1]
    later_risk = np.cumsum((risk / rank)[::-1])[::-1]
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    own, weight, charge = (np.add.reduceat(part, starts) / counts for part in (risk, later, later_risk))
    block = len(counts) - 1 - ties.block  # surest first
    value = float(risk.mean())
    found = (own[block] - value + (1 - correct) * weight[block] - charge[block]) / len(correct)
    return value, found - found.mean()


def temperature_influence(scores: FloatArray, answer: IntArray) -> Influence:
    """Of the fitted temperature T: T^2 g_i / sum of h, with g and h the first and second derivative of an item's NLL
    by the inverse temperature (the sandwich of Huber 1967, fifth Berkeley symposium)."""
    value = temperature_of(scores, answer)
    if not math.isfinite(value):
        return value, np.zeros(len(answer))
    slope, curvature = nll_slopes(scores, answer, 1 / value)
    total = curvature.sum()
    if total <= 0:
        return value, np.zeros(len(answer))
    found = value**2 * slope / total
    return value, found - found.mean()
