"""The half-split estimate of a length |d| from z = Z + d, Z standard normal: its mean, slopes, variance and bias.

h(z) = z (2 Phi(z) - 1) - 2 phi(z) is what is left of learning the sign of d on one half of the data and taking the
signed mean of the other, averaged over all splits. Its mean m(d) = d (2 Phi(d / sqrt 2) - 1) is 0 at 0 and never
above |d|.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from calibaudit.metrics.validation import FloatArray

KAPPA_NOISE = 0.45
"""Standard deviation of `kappa_estimate` at d = 0."""
FEW = 5.0
"""Expected variance of a sum of errors below which its own, from few errors, is not to be trusted."""


@dataclass(frozen=True)
class Tables:
    """d: (D,) grid from 0; variance: (D,) Var h(Z + d). kappa, beta: the corners of the least concave function above
    beta = d - m(d) over kappa = 1 - exp(-d^2 / 4). peak: the kappa of its top."""

    d: FloatArray
    variance: FloatArray
    kappa: FloatArray
    beta: FloatArray
    peak: float

    def variance_at(self, d: FloatArray) -> FloatArray:
        """Var h(Z + d), of d's shape."""
        return np.asarray(np.interp(np.abs(d), self.d, self.variance, right=1.0))

    def bias_within(self, low: float, high: float) -> float:
        """The largest mean bias, in standard deviations, of lengths whose mean kappa is between low and high."""
        low, high = (min(1.0, max(0.0, end)) for end in (low, high))
        return float(np.interp(min(high, max(low, self.peak)), self.kappa, self.beta))


def phi(z: FloatArray) -> FloatArray:
    """The normal density."""
    return np.asarray(np.exp(-z * z / 2) / np.sqrt(2 * np.pi))


def half_split(z: FloatArray) -> FloatArray:
    """h(z)."""
    from scipy.special import ndtr

    return np.asarray(z * (2 * ndtr(z) - 1) - 2 * phi(z))


def slope(z: FloatArray) -> FloatArray:
    """The first derivative of h at z."""
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(z) - 1 + 4 * z * phi(z))


def mean_derivatives(d: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The first three derivatives of m at d: the means of those of h."""
    from scipy.special import ndtr

    g = d / 2**0.5
    first = 2 * ndtr(g) - 1 + 2 * g * phi(g)
    return first, phi(g) * (4 - 2 * g**2) / 2**0.5, phi(g) * g * (g**2 - 4)


def kappa_estimate(z: FloatArray) -> FloatArray:
    """Of kappa = 1 - exp(-d^2 / 4), without bias."""
    return np.asarray(1 - 2**0.5 * np.exp(-(z**2) / 2))


def trusted_variance(own: FloatArray, calibrated: FloatArray, expected: FloatArray) -> FloatArray:
    """(cells,) variances. own: as estimated. calibrated: a calibrated model's. expected: that, in items.

    Few or rare errors: mostly the calibrated model's, unless the cell's own is plainly larger.
    """
    trust = expected / (expected + FEW)
    return np.where(own > 1.5 * calibrated, own, trust * own + (1 - trust) * calibrated)


@cache
def tables() -> Tables:
    from scipy.special import ndtr

    d = np.linspace(0, 12, 1201)
    x, w = np.polynomial.hermite_e.hermegauss(80)
    values = half_split(d[:, None] + x)
    mean = values @ w / w.sum()
    kappa, beta = np.append(-np.expm1(-(d**2) / 4), 1.0), np.append(2 * d * ndtr(-d / 2**0.5), 0.0)
    kept: list[int] = []
    for i in range(len(kappa)):
        if kept and kappa[i] - kappa[kept[-1]] < 1e-12:
            continue
        while len(kept) > 1 and _below_chord(kappa, beta, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    variance = values**2 @ w / w.sum() - mean**2
    return Tables(d, variance, kappa[kept], beta[kept], float(kappa[kept][beta[kept].argmax()]))


def _below_chord(x: FloatArray, y: FloatArray, a: int, b: int, c: int) -> bool:
    """Whether point b does not rise above the chord from a to c."""
    return bool((x[b] - x[a]) * (y[c] - y[a]) >= (y[b] - y[a]) * (x[c] - x[a]))
