"""Smooth ECE: no bins, a kernel whose width the data choose.

r_s(t) = (1/N) sum_i K_s(t, c_i) (a_i - c_i) with K_s the Gaussian reflected at 0 and 1;
smECE_s = integral over [0, 1] of |r_s(t)|, which falls as s grows; smooth ECE is the s with smECE_s = s.
The reflected Gaussian is the heat kernel of [0, 1], K_s(t, x) = 1 + 2 sum_k exp(-(s pi k)^2/2) cos(pi k t) cos(pi k x);
the data enter through cosine moments alone, which are linear in the items' weights.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.validation import FloatArray, checked_confidence, checked_correct

_LEVELS = ((0.016, 128), (0.004, 512), (0.001, 2048))
"""(smallest width, cosine terms): what the dropped terms would add is damped by exp(-20) or more."""
_GRID = 4
"""Integration points per cosine term."""
_TABLE = 4_000_000
"""Cosines held at once (32 MB of float64)."""
_CURVES = 60_000
"""Grid points of curves made at once (half a MB of float64): the many passes over them are faster within the cache."""
_STEPS = 60
_TOLERANCE = 1e-10


def smooth_ece(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Smooth calibration error, in [0, 1]; lower is better.

    confidence: (N,) in [0, 1]. correct: (N,) bool. Reflected Gaussian kernel whose width equals the value it gives.
    Widths below .001 are not resolved: there smECE at width .001 is returned, low by less than .001; the integral's
    own error is below 1e-5. Blasiok & Nakkiran 2023 (ICLR 2024, arXiv 2309.12236). ScoresError on unusable input.
    """
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    return smooth_ece_of(c, a - c)


def smooth_ece_of(confidence: FloatArray, excess: FloatArray) -> float:
    """confidence (N,), excess (N,) = correct - confidence."""
    return float(smooth_ece_rows(np.ones((1, len(excess))), confidence, excess)[0])


def smooth_ece_rows(weights: FloatArray, confidence: FloatArray, excess: FloatArray) -> FloatArray:
    """weights (B, N), confidence (N,), excess (N,) = correct - confidence -> (B,) smooth ECE."""
    values = np.empty(len(weights))
    rows = np.arange(len(weights))
    for width, n_terms in _LEVELS:
        below = []
        for start in range(0, len(rows), step := max(1, _TABLE // (_GRID * n_terms))):
            part = rows[start : start + step]
            moments = _moments(weights[part], confidence, excess, n_terms)
            at_width = _smoothed_error(moments, np.full(len(part), width))
            values[part] = at_width
            inside = at_width >= width
            values[part[inside]] = _fixed_point(moments[inside], width, at_width[inside])
            below.append(part[~inside])
        rows = np.concatenate(below)
        if not len(rows):
            break
    return values


def _moments(weights: FloatArray, confidence: FloatArray, excess: FloatArray, n_terms: int) -> FloatArray:
    """(B, n_terms) of (1/N) sum_i w_i (a_i - c_i) cos(pi k c_i)."""
    frequency = np.pi * np.arange(n_terms)
    total = np.zeros((len(weights), n_terms))
    step = max(1, _TABLE // n_terms)
    for start in range(0, len(confidence), step):
        part = slice(start, start + step)
        total += weights[:, part] @ (np.cos(np.outer(confidence[part], frequency)) * excess[part, None])
    return np.asarray(total / weights.sum(axis=1, keepdims=True))


def _smoothed_error(moments: FloatArray, width: FloatArray) -> FloatArray:
    """smECE at one width per row: the cosine series on a grid, |.| integrated exactly between grid points."""
    values = np.empty(len(moments))
    step = max(1, _CURVES // (_GRID * moments.shape[1]))
    for start in range(0, len(moments), step):
        rows = slice(start, start + step)
        values[rows] = _areas(moments[rows], width[rows])
    return values


def _areas(moments: FloatArray, width: FloatArray) -> FloatArray:
    n_terms = moments.shape[1]
    damping = np.exp(-0.5 * (np.outer(width, np.pi * np.arange(n_terms))) ** 2)
    n_grid = _GRID * n_terms
    curve = np.fft.irfft(moments * damping, n=2 * n_grid, axis=1)[:, : n_grid + 1] * (2 * n_grid)
    left, right = curve[:, :-1], curve[:, 1:]
    size = np.abs(curve)
    height = size[:, :-1] + size[:, 1:]
    pieces = 0.5 * height
    product = left * right
    crossed = product < 0
    # A curve that crosses 0 between two points has two triangles there: less than the trapezoid of the absolute values.
    pieces[crossed] += product[crossed] / height[crossed]
    area: FloatArray = pieces.sum(axis=1) / n_grid
    return area


def _fixed_point(moments: FloatArray, low: float, at_low: FloatArray) -> FloatArray:
    """The width with smECE(width) = width, row by row: false position (Illinois).

    smECE falls with the width and is never below |gap| (the moment 0), so the root lies between these two.
    """
    a = np.maximum(low, np.abs(moments[:, 0]))
    b = np.maximum(a, at_low)
    fa, fb = (_smoothed_error(moments, width) - width for width in (a, b))
    values = np.where(fa <= _TOLERANCE, a, b)
    side = np.zeros(len(moments))
    rows = np.flatnonzero((fa > _TOLERANCE) & (fb < -_TOLERANCE))
    for _ in range(_STEPS):
        middle = b[rows] + fb[rows] * (b[rows] - a[rows]) / (fa[rows] - fb[rows])
        fm = _smoothed_error(moments[rows], middle) - middle
        values[rows] = middle
        rising, falling = rows[fm > 0], rows[fm <= 0]
        fb[rising[side[rising] > 0]] *= 0.5
        fa[falling[side[falling] < 0]] *= 0.5
        a[rising], fa[rising], side[rising] = middle[fm > 0], fm[fm > 0], 1.0
        b[falling], fb[falling], side[falling] = middle[fm <= 0], fm[fm <= 0], -1.0
        rows = rows[(np.abs(fm) > _TOLERANCE) & (b[rows] - a[rows] > _TOLERANCE)]
        if not len(rows):
            break
    return values
