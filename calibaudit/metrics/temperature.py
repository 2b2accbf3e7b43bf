"""Softmax over a question's choices, and the one temperature that would make it fit best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.validation import BoolArray, FloatArray, IntArray, checked_scores, ones

_COARSE = np.r_[0.0, 2.0 ** np.arange(-16, 21)]
"""Inverse temperatures tried first, in units of 1/(the scores' spread)."""
_FINE = 32
"""Parts into which the coarse interval with the optimum is cut; the cubic between has an error near 1e-9."""
_FLOOR = -1e100


def log_softmax(scores: FloatArray) -> FloatArray:
    """(N, K) scores, -inf pads -> (N, K) log-probabilities; padding stays -inf."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def confidence_correct(scores: npt.ArrayLike, answer: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Confidence (N,) in [0, 1], the largest softmax probability of each row, and whether that choice is the answer.

    scores: (N, K) log-probabilities or logits, -inf pads. answer: (N,). Equal scores: the first choice is taken.
    Raises ScoresError on empty or NaN scores, or an answer that is outside or at padding.
    """
    s, y = checked_scores(scores, answer)
    return np.exp(log_softmax(s).max(axis=1)), np.asarray(s.argmax(axis=1) == y)


def fit_temperature(logprobs: npt.ArrayLike, answer: npt.ArrayLike) -> float:
    """The T > 0 at which softmax(logprobs / T) has the smallest NLL. 1 is best; above 1 is overconfident.

    logprobs: (N, K) log-probabilities or logits, -inf pads. answer: (N,).
    The NLL is convex in 1/T, so the optimum is unique; the search is in units of the scores' own spread, so scores
    times s give T times s. inf when no temperature beats the uniform distribution. NaN when no finite optimum exists
    because every answer has its row's top score (T would go to 0), or when no row tells its choices apart.
    Platt 1999; Guo et al. 2017 (ICML, arXiv 1706.04599). Raises ScoresError on unusable input.
    """
    s, y = checked_scores(logprobs, answer)
    return float(TemperatureTable(s, y).rows(ones(len(s)))[0])


class TemperatureTable:
    """Slopes of each item's NLL on a grid of inverse temperatures b: dNLL_i/db = E_p[s] - s_answer.

    Sums over items are linear in their weights, so B weightings cost one matrix product per grid.
    """

    def __init__(self, scores: FloatArray, answer: IntArray) -> None:
        """scores (N, K) checked, -inf pads; answer (N,)."""
        real = np.isfinite(scores)
        below = np.where(real, scores - scores.max(axis=1, keepdims=True), 0.0)
        spread = -below.min(axis=1)
        self._real = real
        self._unit = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
        self._scores = np.maximum(below / (self._unit or 1.0), _FLOOR)
        self._answer = self._scores[np.arange(len(scores)), answer]
        self._coarse = self._slopes(_COARSE)[0] if self._unit else None

    def rows(self, weights: FloatArray) -> FloatArray:
        """weights (B, N) -> (B,) temperatures."""
        values = np.full(len(weights), np.nan)
        if self._coarse is None:
            return values
        slope = weights @ self._coarse
        wrong = weights @ -self._answer > 0
        values[wrong & (slope[:, 0] >= 0)] = np.inf
        finite = np.flatnonzero(wrong & (slope[:, 0] < 0) & (slope[:, -1] > 0))
        last_negative = np.argmax(slope[finite] > 0, axis=1) - 1
        for part in np.unique(last_negative):
            rows = finite[last_negative == part]
            values[rows] = self._unit / self._root(weights[rows], part)
        return values

    def _root(self, weights: FloatArray, part: int) -> FloatArray:
        """(B,) inverse temperature at which the summed slope vanishes, in [coarse[part], coarse[part + 1]]."""
        low, high = _COARSE[part], _COARSE[part + 1]
        grid = (
            low + (high - low) * np.arange(_FINE + 1) / _FINE if low == 0 else low * 2 ** (np.arange(_FINE + 1) / _FINE)
        )
        slope, curvature = (weights @ table for table in self._slopes(grid))
        # The ends are signed by the coarse table; rounding must not hide the crossing here.
        crossing = np.clip((slope <= 0).sum(axis=1), 1, _FINE) - 1
        take = np.arange(len(weights))
        x0, x1 = grid[crossing], grid[crossing + 1]
        h = x1 - x0
        f0, f1 = slope[take, crossing], slope[take, crossing + 1]
        d0, d1 = h * curvature[take, crossing], h * curvature[take, crossing + 1]
        t0, t1 = np.zeros(len(weights)), np.ones(len(weights))
        for _ in range(54):
            t = 0.5 * (t0 + t1)
            cubic = (
                f0 * (1 + 2 * t) * (1 - t) ** 2 + f1 * t**2 * (3 - 2 * t) + d0 * t * (1 - t) ** 2 - d1 * t**2 * (1 - t)
            )
            t0, t1 = np.where(cubic > 0, t0, t), np.where(cubic > 0, t, t1)
        return np.asarray(x0 + h * 0.5 * (t0 + t1))

    def _slopes(self, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, J) first and second derivatives of each item's NLL at inverse temperatures (J,)."""
        first, second = np.empty((len(self._answer), len(grid))), np.empty((len(self._answer), len(grid)))
        for j, inverse in enumerate(grid):
            odds = np.exp(inverse * self._scores) * self._real
            probs = odds / odds.sum(axis=1, keepdims=True)
            mean = (probs * self._scores).sum(axis=1)
            first[:, j] = mean - self._answer
            second[:, j] = (probs * (self._scores - mean[:, None]) ** 2).sum(axis=1)
        return first, second
