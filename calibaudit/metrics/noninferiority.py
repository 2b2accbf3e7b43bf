"""Is one model's calibration worse than another's on the same items? One-sided tests and intervals of the change.

What is tested, and why so, with measured error rates: docs/gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.binning import bin_index
from calibaudit.metrics.validation import (
    FloatArray,
    IntArray,
    checked_confidence,
    checked_correct,
    checked_n_bins,
    locked,
)

_TINY = float(np.finfo(np.float64).tiny)
_ROUNDING = 1e-12
"""Two changes closer than this are the same change, summed in another order."""


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over items, its standard error over independent units, and that error's degrees of freedom."""

    value: float
    se: float
    df: int

    def p_above(self, bound: float = 0.0) -> float:
        """One-sided p of `the true mean is at most bound` (Student's t), in (0, 1]."""
        from scipy.special import stdtr

        difference = self.value - bound
        if abs(difference) <= _ROUNDING:
            return 1.0 if self.se <= _ROUNDING else 0.5
        if self.se <= _ROUNDING:
            return _TINY if difference > 0 else 1.0
        return max(_TINY, float(stdtr(self.df, -difference / self.se)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """(low, high) of the mean, Student's t."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.df, (1 + level) / 2)) * self.se
        return self.value - half, self.value + half


@dataclass(frozen=True, eq=False)
class PairedSample:
    """Two models' confidences and hits on the same N items; index 0 is before, 1 after.

    unit: (N,) int64 in 0..n_units-1: items of one unit (passage, subject) are not independent; every unit has an item.
    excess: (N,) confidence - correct. bins: (N,) the confidence's bin. Arrays are locked.
    """

    excess: tuple[FloatArray, FloatArray]
    bins: tuple[IntArray, IntArray]
    unit: IntArray
    n_bins: int

    @classmethod
    def of(
        cls,
        confidence: tuple[npt.ArrayLike, npt.ArrayLike],
        correct: tuple[npt.ArrayLike, npt.ArrayLike],
        unit: npt.ArrayLike | None = None,
        n_bins: int = 15,
    ) -> PairedSample:
        """confidence in [0, 1], correct bool, each a pair of (N,). unit: any integers; None: every item its own.

        Raises ScoresError on unequal lengths, NaN, or fewer than two units: one unit has no variance.
        """
        n_bins = checked_n_bins(n_bins)
        c0, c1 = (checked_confidence(side) for side in confidence)
        if len(c1) != len(c0):
            raise ScoresError(f"confidence has {len(c0)} items before and {len(c1)} after; they must be the same items")
        a0, a1 = (checked_correct(side, len(c0)) for side in correct)
        labels = np.arange(len(c0)) if unit is None else np.asarray(unit)
        if labels.shape != (len(c0),):
            raise ScoresError(f"unit has shape {labels.shape}; {len(c0)} items need one each")
        names, index = np.unique(labels, return_inverse=True)
        if len(names) < 2:
            raise ScoresError(
                f"{len(c0)} items in one unit: nothing tells how they vary; at least two units are needed"
            )
        return cls(
            (locked(c0 - a0), locked(c1 - a1)),
            (locked(bin_index(c0, n_bins)), locked(bin_index(c1, n_bins))),
            locked(index.reshape(-1).astype(np.int64)),
            n_bins,
        )

    @property
    def n_items(self) -> int:
        return len(self.unit)

    @property
    def n_units(self) -> int:
        return int(self.unit.max()) + 1

    def mean(self, values: FloatArray) -> MeanEstimate:
        """Mean of (N,) values; its variance is that of the units' sums about their share, df = units - 1.

        The cluster-robust standard error of a mean (Liang & Zeger 1986, Biometrika 73); without groups the usual one.
        """
        centre = float(values.mean())
        sums = np.bincount(self.unit, values - centre, self.n_units)
        g = self.n_units
        return MeanEstimate(centre, math.sqrt(g / (g - 1) * float(sums @ sums)) / self.n_items, g - 1)

    @cached_property
    def totals(self) -> tuple[FloatArray, FloatArray]:
        """(units, 4 n_bins) of each side: by unit and bin the sum of excess, that squared, the items, those squared."""
        return self._totals(0), self._totals(1)

    @cached_property
    def sums(self) -> tuple[FloatArray, FloatArray]:
        """(4 n_bins,) of each side: the sums of `totals` over units."""
        if self.n_units < self.n_items:
            return self.totals[0].sum(axis=0), self.totals[1].sum(axis=0)
        before, after = (
            [np.bincount(bins, weights, self.n_bins).astype(np.float64) for weights in (excess, excess**2, None, None)]
            for bins, excess in zip(self.bins, self.excess, strict=True)
        )
        return np.concatenate(before), np.concatenate(after)

    def _totals(self, side: int) -> FloatArray:
        cells = self.unit * self.n_bins + self.bins[side]
        size = self.n_units * self.n_bins
        excess = np.bincount(cells, self.excess[side], size).reshape(-1, self.n_bins)
        count = np.bincount(cells, minlength=size).reshape(-1, self.n_bins).astype(np.float64)
        return np.hstack([excess, excess**2, count, count**2])


def squared_ce_rows(totals: FloatArray, n_items: int) -> FloatArray:
    """Squared calibration error without the noise's share, of (..., 4 n_bins) totals summed over units.

    sum_b (n_b/N) (mean of e_i e_j over pairs of the bin's items from different units), e = confidence - correct:
    unbiased for sum_b (n_b/N) (bin's true error)^2 whatever the accuracy, so it may be negative. A bin with items of
    one unit only adds 0. Without groups, Kumar, Liang, Ma 2019 (arXiv 1909.10155) with the errors' own variance.
    """
    excess, squares, count, count_squares = np.split(totals, 4, axis=-1)
    pairs = count**2 - count_squares
    share = np.divide(count, pairs, out=np.zeros_like(pairs), where=pairs > 0.5)
    return np.asarray(((excess**2 - squares) * share).sum(axis=-1) / n_items)


def squared_ce_change(sample: PairedSample) -> MeanEstimate:
    """The change, after - before, of `squared_ce_rows`, with its delta-method standard error."""
    before, after = sample.sums
    value = float(squared_ce_rows(after, sample.n_items) - squared_ce_rows(before, sample.n_items))
    terms = []
    for side, totals in enumerate((before, after)):
        excess, _, count, _ = np.split(totals, 4)
        error = (excess / np.maximum(count, 1))[sample.bins[side]]
        terms.append(2 * error * (sample.excess[side] - error) + error**2)
    linear = sample.mean(terms[1] - terms[0])
    return MeanEstimate(value, linear.se, linear.df)


def ece_change(sample: PairedSample) -> MeanEstimate:
    """The change of ECE, after - before, with its delta-method standard error (the bins' signs taken as known)."""
    terms = []
    for side in (0, 1):
        signs = np.sign(np.bincount(sample.bins[side], sample.excess[side], sample.n_bins))
        terms.append(signs[sample.bins[side]] * sample.excess[side])
    return sample.mean(terms[1] - terms[0])


def swap_p_value(sample: PairedSample, swaps: Iterable[npt.NDArray[np.bool_]]) -> float:
    """One-sided p of the change in squared calibration error when the two sides of random units are exchanged.

    swaps: blocks (b, units), True where a unit's sides change places (`swap_masks`).
    p = (1 + #{as large a change}) / (1 + R), never 0. Valid where the two models are interchangeable.
    """
    before, after = sample.totals
    difference = before - after
    sums, n = sample.sums, sample.n_items
    observed = float(squared_ce_rows(sums[1], n) - squared_ce_rows(sums[0], n))
    reached, n_swaps = 0, 0
    for block in swaps:
        moved = block.astype(np.float64) @ difference
        changes = squared_ce_rows(sums[1] + moved, n) - squared_ce_rows(sums[0] - moved, n)
        reached += int((changes >= observed - _ROUNDING).sum())
        n_swaps += len(block)
    return (1 + reached) / (1 + n_swaps)


def ece_t_p_value(sample: PairedSample) -> float:
    """One-sided p of a worse ECE by paired t: the larger of those of ECE and of the squared error without noise.

    Each covers where the other is not to be trusted: ECE is biased by accuracy, the square is not quite the ECE.
    """
    return max(ece_change(sample).p_above(), squared_ce_change(sample).p_above())


def abs_gap_p_value(sample: PairedSample) -> float:
    """One-sided p of `the |gap| has not grown`, gap = mean confidence - accuracy.

    |g1| > |g0| holds when, for the sign s of g1, both s g1 - g0 > 0 and s g1 + g0 > 0 (up to s): both paired t tests
    must reject (intersection-union, Berger 1982), p is the larger. Where both gaps are 0 either sign could do so;
    then the chance is twice that of two correlated normals both passing t, by Owen's T (1956). The larger p counts.
    """
    from scipy.special import ndtr, ndtri, owens_t

    e0, e1 = sample.excess
    sign = 1.0 if e1.mean() >= 0 else -1.0
    lower, upper = sign * e1 - sign * e0, sign * e1 + sign * e0
    one = max(sample.mean(lower).p_above(), sample.mean(upper).p_above())
    if one >= 0.5:
        return 1.0
    t = -float(ndtri(one))
    r = _correlation(sample, lower, upper)
    both = float(ndtr(-t) - 2 * owens_t(t, math.sqrt((1 - r) / (1 + r))))
    return min(1.0, max(one, 2 * both))


def abs_gap_interval(sample: PairedSample, level: float = 0.95) -> tuple[float, float]:
    """(low, high) of |g1| - |g0|, from the t intervals of g1 - g0 and g1 + g0; each end misses at most 1 - level."""
    e0, e1 = sample.excess
    (a, b), (c, d) = sample.mean(e1 - e0).interval(level), sample.mean(e1 + e0).interval(level)
    # |g1| - |g0| = max over s of min over s' of (s g1 - s' g0)
    return max(min(a, c), min(-b, -d)), max(min(b, d), min(-a, -c))


def weighted_holm(p_values: npt.ArrayLike, weights: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values (M,) when hypotheses have unequal shares of alpha: reject those at most alpha.

    Holm 1979 (Scandinavian Journal of Statistics 6), section 4. weights: (M,) positive; their scale does not matter.
    """
    p, w = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if p.shape != w.shape or p.ndim != 1 or not (w > 0).all() or np.isnan(p).any():
        raise ScoresError(f"{p.size} p-values need as many positive weights, and none may be NaN")
    order = np.argsort(p / w, kind="stable")
    left = w[order][::-1].cumsum()[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((p / w)[order] * left))
    return adjusted


def _correlation(sample: PairedSample, x: FloatArray, y: FloatArray) -> float:
    """Correlation of two means over the same units, kept off -1 and 1."""
    a, b = (np.bincount(sample.unit, values - values.mean(), sample.n_units) for values in (x, y))
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(a @ b / scale, -1 + 1e-9, 1 - 1e-9)) if scale > 0 else 0.0
