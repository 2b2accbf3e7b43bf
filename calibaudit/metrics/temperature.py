"""Softmax over a question's choices, and the one temperature that would make it fit best."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.choices import checked_choices, log_softmax
from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray

_HOTTEST = 2.0**20
"""The largest inverse temperature that is looked at, in units of 1/(the scores' spread)."""
_STEPS = 200
_CLOSE = 1e-12


def confidence_correct(probs: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Confidence (N,) in [0, 1], the largest probability of each row, and whether that choice is the answer.

    probs: (N, K) probabilities, rows sum to 1, 0 pads; log-probabilities, -inf pads, normalised over the choices; or
    logits. answer: (N,) choice index. Among equal ones the first choice is taken.
    Raises ScoresError on empty or NaN values, numbers in [0, 1] whose rows do not sum to 1, or an answer that is
    outside or at padding.
    """
    return top_choices(*checked_choices(probs, answer))


def top_choices(scores: FloatArray, answer: IntArray) -> tuple[FloatArray, BoolArray]:
    """`confidence_correct` of (N, K) scores that softmax is taken of, whatever their level."""
    return np.exp(log_softmax(scores).max(axis=1)), np.asarray(scores.argmax(axis=1) == answer)


def fit_temperature(probs: npt.ArrayLike, answer: npt.ArrayLike) -> float:
    """The T > 0 at which softmax(log(probs) / T) has the smallest NLL. 1 is best; above 1 is overconfident.

    probs: (N, K) probabilities, rows sum to 1, 0 pads; log-probabilities, -inf pads; or logits, whose level is free.
    answer: (N,) choice index.
    The NLL is convex in 1/T, so the optimum is unique; the search is in units of the scores' own spread, so scores
    times s give T times s. inf when no temperature beats the uniform distribution. NaN when no finite optimum exists
    because every answer has its row's top score (T would go to 0), or when no row tells its choices apart.
    Platt 1999; Guo et al. 2017 (ICML, arXiv 1706.04599). Raises ScoresError as `confidence_correct`.
    """
    return temperature_of(*checked_choices(probs, answer))


def temperature_of(scores: FloatArray, answer: IntArray) -> float:
    """`fit_temperature` of checked arrays: Newton's method on the NLL's slope, kept between bounds that close in."""
    below = np.where(np.isfinite(scores), scores - scores.max(axis=1, keepdims=True), 0.0)
    spread = -below.min(axis=1)
    unit = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
    if not unit or not (below[np.arange(len(below)), answer] < 0).any():
        return math.nan

    def slope_at(inverse: float) -> tuple[float, float]:
        slope, curvature = nll_slopes(scores, answer, inverse)
        return float(slope.sum()), float(curvature.sum())

    if slope_at(0.0)[0] >= 0:
        return math.inf
    low, high = 0.0, 1 / unit
    while slope_at(high)[0] <= 0:
        low, high = high, 4 * high
        if high * unit > _HOTTEST:
            return math.nan
    inverse = math.sqrt(max(low, high / 16) * high)
    for _ in range(_STEPS):
        slope, curvature = slope_at(inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else math.nan
        new = step if low < step < high else (low + high) / 2
        if abs(new - inverse) <= _CLOSE * inverse:
            return 1 / new
        inverse = new
    return 1 / inverse


def nll_slopes(scores: FloatArray, answer: IntArray, inverse: float) -> tuple[FloatArray, FloatArray]:
    """(N,) first and second derivatives of each item's NLL by the inverse temperature: E_p[s] - s_answer, Var_p[s]."""
    real = np.isfinite(scores)
    below = np.where(real, scores - scores.max(axis=1, keepdims=True), 0.0)
    odds = np.exp(inverse * below) * real
    odds /= odds.sum(axis=1, keepdims=True)
    mean = np.einsum("ik,ik->i", odds, below)
    slope = mean - below[np.arange(len(below)), answer]
    below -= mean[:, None]
    return slope, np.einsum("ik,ik,ik->i", odds, below, below)
