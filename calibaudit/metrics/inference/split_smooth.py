"""Smooth ECE and its paired change with standard errors, intervals and p-values; closed form, no draws.

e = confidence - correct, r_s(t) = (1/N) sum_i K_s(t, c_i) e_i as in metrics.smooth. The plug-in integral of |r_s(t)| is
too high by noise: a calibrated model has a positive one. Here each t is a window in which, as in the half-split ECE,
the sign is learnt on a random half of the items and the signed mean taken on the other, averaged over all splits: with
v(t) the variance of r_s(t) and z = r_s / sqrt(v),
    g(s) = integral of sqrt(v(t)) h(z(t)) dt,   h(z) = z (2 Phi(z) - 1) - 2 phi(z),
    E h(Z + d) = m(d) = d (2 Phi(d / sqrt 2) - 1): 0 for a calibrated model, and never above |d|.
The estimate is the s with g(s) = s where g exceeds a smallest width w, and g(w) itself, which may be negative, below:
both are the same at g(w) = w. So smooth errors below w are those at width w.
  - variance: windows of one side and of the two have the covariance of their sums, by unit, about the strata's means.
    Two ways to the covariance of two h of correlation c, m_k the k-th derivative of m: Mehler's series
    sum_k c^k m_k(d) m_k(d') / k! at d = z, which is right for strong and for no errors; and c h'(z) h'(z'), of mean
    sum_k k c^k m_k m_k' / k!, less the second and higher orders, which is right between distant windows that share a
    weak error. A side's own variance takes the larger, and never less than that of the mean of e: a shift that
    noise has hidden looks like a calibrated model. What the two sides share takes the smaller.
  - bias: only downwards, by sqrt(v) beta(d), beta(d) = d - m(d) <= .481, bounded by the concave envelope of beta over
    kappa = 1 - exp(-d^2 / 4), whose mean the data estimate without bias.
  - the fixed point: noise of g moves it by 1 / (1 - g'(s)). g' may be positive, as a wider window sees its sign better.
    The true curve falls, so the bias moves it no further than g.
Items count in 128 cells of confidence, so the covariances are 128 x 128 whatever N.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.inference.estimate import Design, Estimate
from calibaudit.metrics.inference.half_splits import (
    FEW,
    KAPPA_NOISE,
    half_split,
    kappa_estimate,
    mean_derivatives,
    slope,
    tables,
    trusted_variance,
)
from calibaudit.metrics.validation import FloatArray, checked_confidence, checked_correct

_CELLS = 128
_NARROWEST, _WIDEST, _FLOOR = 0.012, 0.05, 1.0
"""The smallest width used is 1 / sqrt(units), a few standard errors of the estimate, within [.012, .05]."""
_STEP, _STEEPEST = 1.25, 0.6
"""g'(s) is taken between s / 1.25 and 1.25 s; above .6 it would make the error of a noisy slope."""
_SLACK, _STRICT_SLACK = 1.0, 2.0
"""Standard errors added to the mean of kappa before the bias of a change, and of a value, is bounded."""
_LEAST = 0.05
"""The variance of a change is at least this part of the two sides' own."""
_TINY = 1e-300


@cache
def _cosines() -> FloatArray:
    """(cells, cells): cos(pi k t) at the cells' middles t, times sqrt 2 but for k = 0."""
    k = np.arange(_CELLS)
    table = np.cos(np.pi * np.outer((k + 0.5) / _CELLS, k)) * 2**0.5
    table[:, 0] = 1
    return np.asarray(table)


def _kernel(width: float) -> FloatArray:
    """(t, cells): the reflected Gaussian, each column's mean 1."""
    table = _cosines()
    damping = np.exp(-0.5 * (width * np.pi * np.arange(_CELLS)) ** 2)
    return np.asarray((table * damping) @ table.T)


@dataclass(frozen=True)
class _Side:
    """One model's cells, each (cells,) or (cells, cells) and over N or N^2: what every width needs."""

    mean: FloatArray
    null: FloatArray
    covariance: FloatArray
    n: int

    def curve(self, width: float) -> _Curve:
        kernel = _kernel(width)
        own = np.maximum(np.einsum("tc,tc->t", kernel @ self.covariance, kernel), 0)
        null = kernel**2 @ self.null
        expected = self.n**2 * (kernel @ self.null) ** 2 / np.maximum(null, _TINY)
        sd = np.maximum(np.sqrt(trusted_variance(own, null, expected)), 1e-9)
        mean = kernel @ self.mean
        z = mean / sd
        return _Curve(kernel, own, sd, z, float((sd * half_split(z)).mean()))


@dataclass(frozen=True)
class _Curve:
    """r_s(t) at one width: kernel, variance, the sd used, z and g(s)."""

    kernel: FloatArray
    own: FloatArray
    sd: FloatArray
    z: FloatArray
    value: float


@dataclass(frozen=True)
class _Terms:
    """(t,) each, times the window's share of g: h'(z), and the weights of corr, corr^2, corr^3 and what is left."""

    steep: FloatArray
    series: tuple[FloatArray, ...]


@dataclass(frozen=True)
class _Level:
    """One side at its own width: response = change of the value per change of g; its bias at either slack; variance."""

    curve: _Curve
    value: float
    response: float
    bias: float
    strict_bias: float
    terms: _Terms
    variance: float


def _sides(
    confidence: tuple[FloatArray, FloatArray], correct: tuple[FloatArray, FloatArray], design: Design
) -> tuple[list[_Side], FloatArray, float]:
    """Both sides, the (cells, cells) covariance between them, and the degrees of freedom."""
    from scipy.sparse import csr_matrix

    n, n_units, strata = design.n_items, design.n_units, design.n_strata
    unit = np.arange(n) if design.unit is None else design.unit
    stratum = np.zeros(n, np.int64) if design.stratum is None else design.stratum
    cell = [np.minimum((c * _CELLS).astype(np.int64), _CELLS - 1) for c in confidence]
    error = [c - a for c, a in zip(confidence, correct, strict=True)]
    # A unit's row: its sums of e by cell, before and after, then its numbers of items by stratum.
    width = 2 * _CELLS + strata
    columns = np.concatenate([cell[0], cell[1] + _CELLS, stratum + 2 * _CELLS])
    rows = csr_matrix((np.concatenate([*error, np.ones(n)]), (np.tile(unit, 3), columns)), shape=(n_units, width))
    products = (rows.T @ rows).toarray()
    sums = np.zeros((strata, 2 * _CELLS))
    for side in (0, 1):
        sums[:, side * _CELLS : (side + 1) * _CELLS] = np.bincount(
            stratum * _CELLS + cell[side], error[side], strata * _CELLS
        ).reshape(strata, _CELLS)
    # About the strata's means: unit sums less n_items(stratum) times the stratum's mean.
    centre = np.concatenate([np.eye(2 * _CELLS), -sums / np.bincount(stratum)[:, None]])
    df = design.df
    covariance = centre.T @ products @ centre * (n_units / df / n**2)
    sides = []
    for side in (0, 1):
        part = slice(side * _CELLS, (side + 1) * _CELLS)
        c = confidence[side]
        null = np.bincount(cell[side], c * (1 - c), _CELLS)
        # Few expected errors: their own variance says little, so a share of the calibrated model's is added.
        own = covariance[part, part] + np.diag(null / n**2 * FEW / (FEW + null.sum()))
        sides.append(_Side(sums[:, part].sum(0) / n, null / n**2, own, n))
    return sides, covariance[:_CELLS, _CELLS:], df


def _terms(curve: _Curve) -> _Terms:
    share = curve.sd / _CELLS
    orders = [m / factorial**0.5 for m, factorial in zip(mean_derivatives(curve.z), (1, 2, 6), strict=True)]
    left = tables().variance_at(curve.z) - sum(m**2 for m in orders)
    return _Terms(share * slope(curve.z), tuple(share * m for m in (*orders, np.sqrt(np.maximum(left, 0)))))


def _correlation(one: _Curve, other: _Curve, covariance: FloatArray) -> FloatArray:
    """(t, t'): of the windows of two curves, given the cells' covariance."""
    scale = [(v.own > 1e-12 * v.own.max()) / np.sqrt(np.maximum(v.own, _TINY)) for v in (one, other)]
    between = one.kernel @ covariance @ other.kernel.T
    return np.asarray(np.clip(between * scale[0][:, None] * scale[1], -1, 1))


def _covariances(one: _Terms, other: _Terms, correlation: FloatArray) -> tuple[float, float]:
    """Of two g, by Mehler's series and by the slopes at z."""
    orders, power = [], np.ones_like(correlation)
    for a, b in zip(one.series, other.series, strict=True):
        power = power * correlation
        orders.append(float(a @ power @ b))
    slopes = float(one.steep @ correlation @ other.steep)
    return sum(orders), slopes - sum(k * order for k, order in enumerate(orders))


def _level(side: _Side, floor: float) -> _Level:
    curve, value, response = side.curve(floor), 0.0, 1.0
    if curve.value > floor:
        value = _fixed_point(side, floor)
        near = [side.curve(width).value for width in (value / _STEP, value * _STEP)]
        response = 1 / (1 - min(_STEEPEST, (near[1] - near[0]) / (value * (_STEP - 1 / _STEP))))
        curve = side.curve(value)
    else:
        value = curve.value
    correlation, terms = _correlation(curve, curve, side.covariance), _terms(curve)
    variance = max(*_covariances(terms, terms, correlation), float(side.covariance.sum()))
    bias, strict_bias = (min(1.0, response) * _bias(curve, correlation, slack) for slack in (_SLACK, _STRICT_SLACK))
    return _Level(curve, value, response, bias, strict_bias, terms, response**2 * variance)


def _fixed_point(side: _Side, floor: float) -> float:
    """The width with g(width) = width. g(floor) > floor, and no g exceeds 1."""
    from scipy.optimize import brentq

    return float(brentq(lambda width: side.curve(width).value - width, floor, 1.001, xtol=1e-7))


def _bias(curve: _Curve, correlation: FloatArray, slack: float) -> float:
    """By how much the mean of g may lie below the integral of |E r_s|. slack: in standard errors of kappa."""
    share = curve.sd / _CELLS
    total = max(float(share.sum()), _TINY)
    margin = slack * KAPPA_NOISE * float(share @ correlation**2 @ share) ** 0.5
    kappa = float(share @ kappa_estimate(curve.z))
    return total * tables().bias_within((kappa - margin) / total, (kappa + margin) / total)


def smooth_ece_change(
    confidence: tuple[npt.ArrayLike, npt.ArrayLike],
    correct: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    unit: npt.ArrayLike | None = None,
    task: npt.ArrayLike | None = None,
) -> tuple[Estimate, Estimate, Estimate]:
    """(before, after, change) of smooth ECE. confidence, correct: pairs of (N,), before and after on the same items.

    unit: (N,) integers; items of one unit are not independent. task: (N,) integers, strata whose sizes are fixed. The
    null of change.p_value() is that the populations' smooth ECEs are equal; smooth errors below the smallest width are
    those at that width. An estimate may be negative: a calibrated model's is 0 on average.
    Raises ScoresError on unusable input.
    """
    c = [checked_confidence(values) for values in confidence]
    if len(c[1]) != len(c[0]):
        raise ScoresError(f"confidence has {len(c[0])} items before and {len(c[1])} after; they must be the same items")
    a = [checked_correct(values, len(c[0])) for values in correct]
    return smooth_ece_change_of((c[0], c[1]), (a[0], a[1]), Design.of(len(c[0]), unit, task))


def smooth_ece_change_of(
    confidence: tuple[FloatArray, FloatArray], correct: tuple[FloatArray, FloatArray], design: Design
) -> tuple[Estimate, Estimate, Estimate]:
    """`smooth_ece_change` of checked arrays."""
    sides, between, df = _sides(confidence, correct, design)
    floor = min(_WIDEST, max(_NARROWEST, _FLOOR / design.n_units**0.5))
    before, after = (_level(side, floor) for side in sides)
    levels = [Estimate(level.value, level.variance**0.5, 0.0, level.strict_bias, df) for level in (before, after)]
    if all(np.array_equal(*pair) for pair in (confidence, correct)):
        return levels[0], levels[1], Estimate(0.0, 0.0, df=df)
    correlation = _correlation(before.curve, after.curve, between)
    shared = min(_covariances(before.terms, after.terms, correlation))
    if design.unit is not None:
        # One shift of all of a unit's items moves both models: slopes of the side that noise hides would not show it.
        lean = np.sign(sides[0].mean.sum() * sides[1].mean.sum())
        shared = min(shared, float(lean * between.sum()))
    own = before.variance + after.variance
    variance = max(own - 2 * before.response * after.response * shared, _LEAST * own)
    return levels[0], levels[1], Estimate(after.value - before.value, variance**0.5, before.bias, after.bias, df)
