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
_FEW = 4096
"""Up to so many items the moments are summed item by item."""
_CELLS = 2**17
"""Above it, items are shared out over the ends of so many cells, whose moments are one fast cosine transform: their
error is below (pi k / cells)^2 / 8, 3e-4 of the last of 2,048 terms and 5e-6 of the hundredth part of them."""
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
    value = 0.0
    for width, n_terms in _LEVELS:
        moments = _moments(confidence, excess, n_terms)
        value = _smoothed_error(moments, width)
        if value >= width:
            return _fixed_point(moments, width, value)
    return value


def _moments(confidence: FloatArray, excess: FloatArray, n_terms: int) -> FloatArray:
    """(n_terms,) of (1/N) sum_i (a_i - c_i) cos(pi k c_i)."""
    n = len(confidence)
    if n <= _FEW:
        return np.asarray(excess @ np.cos(np.outer(confidence, np.pi * np.arange(n_terms))) / n)
    from scipy.fft import dct

    place = confidence * _CELLS
    left = np.minimum(place.astype(np.int64), _CELLS - 1)
    share = place - left
    sums = np.bincount(left, excess * (1 - share), _CELLS + 1) + np.bincount(left + 1, excess * share, _CELLS + 1)
    sums[[0, -1]] *= 2  # the transform counts the ends once and all else twice
    return np.asarray(dct(sums, type=1)[:n_terms] / (2 * n))


def _smoothed_error(moments: FloatArray, width: float) -> float:
    """smECE at one width: the cosine series on a grid, |.| integrated exactly between grid points."""
    n_terms = len(moments)
    damping = np.exp(-0.5 * (width * np.pi * np.arange(n_terms)) ** 2)
    n_grid = _GRID * n_terms
    curve = np.fft.irfft(moments * damping, n=2 * n_grid)[: n_grid + 1] * (2 * n_grid)
    left, right = curve[:-1], curve[1:]
    height = np.abs(left) + np.abs(right)
    pieces = 0.5 * height
    product = left * right
    crossed = product < 0
    # A curve that crosses 0 between two points has two triangles there: less than the trapezoid of the absolute values.
    pieces[crossed] += product[crossed] / height[crossed]
    return float(pieces.sum() / n_grid)


def _fixed_point(moments: FloatArray, low: float, at_low: float) -> float:
    """The width with smECE(width) = width: false position (Illinois).

    smECE falls with the width and is never below |gap| (the moment 0), so the root lies between these two.
    """
    a = max(low, abs(float(moments[0])))
    b = max(a, at_low)
    fa, fb = (_smoothed_error(moments, width) - width for width in (a, b))
    if fa <= _TOLERANCE:
        return a
    if fb >= -_TOLERANCE:
        return b
    side, middle = 0, a
    for _ in range(_STEPS):
        middle = b + fb * (b - a) / (fa - fb)
        fm = _smoothed_error(moments, middle) - middle
        if fm > 0:
            fb *= 0.5 if side > 0 else 1.0
            a, fa, side = middle, fm, 1
        else:
            fa *= 0.5 if side < 0 else 1.0
            b, fb, side = middle, fm, -1
        if abs(fm) <= _TOLERANCE or b - a <= _TOLERANCE:
            break
    return middle
