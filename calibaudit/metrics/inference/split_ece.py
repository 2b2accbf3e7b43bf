"""ECE without the noise's share, and its paired change, each with interval and p-value: no draws, no seed.

ECE is a sum of lengths over cells (confidence bins; for a mean over tasks, the bins of each task),

    ECE = sum_c w_c |m_c|,    m_c = E[sum of e over cell c],    e = confidence - correct.

Learn each cell's sign on a random half of the units, take the signed mean of e on the other half, swap the halves,
average over all splits. With S_c the cell's sum of e, V_c its variance and z = S / sqrt(V), that average is

    sum_c w_c sqrt(V_c) h(z_c),    h(z) = z (2 Phi(z) - 1) - 2 phi(z),

so nothing has to be drawn. At d = E z its mean is m(d) = d (2 Phi(d / sqrt 2) - 1):

- exactly 0 for a calibrated cell, at any accuracy and N: there is no floor to subtract;
- never above d, and below it by beta(d) = d - m(d) <= .481, where the data cannot tell the sign. No estimator of |d| is
  unbiased (Cai & Low 2011, Annals of Statistics 39), so this bias is bounded and not removed: the mean over cells of
  k(z) = 1 - sqrt(2) exp(-z^2 / 2) is unbiased for that of kappa(d) = 1 - exp(-d^2 / 4), and the concave envelope of
  beta over kappa bounds the summed bias of every shape of miscalibration that has this kappa.

The variance of a cell is that of h(Z + d) at d = z; what cells and sides have in common comes from items or units.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.binning import bin_index, exact_confidence
from calibaudit.metrics.inference.estimate import Design, Estimate
from calibaudit.metrics.inference.half_splits import (
    KAPPA_NOISE,
    half_split,
    kappa_estimate,
    mean_derivatives,
    slope,
    tables,
    trusted_variance,
)
from calibaudit.metrics.validation import FloatArray, checked_correct, checked_n_bins

_SLACK, _STRICT_SLACK = 1.0, 1.645
"""Standard errors added to the mean kappa before the bias is bounded. Strict: for a value (a bias that is missed is
missed on one side only, where in a change two such biases meet) and for a mean over tasks, whose bias does not shrink
with their number as its noise does."""
_ENOUGH_CELLS = 9.0
"""With fewer cells that matter, the mean kappa is not near normal: the slack is at least _ENOUGH_CELLS over that."""
_REACH, _LEAST_REACH = 1.96, 1.645
"""Standard errors to the upper limit that few cells are given; and those that an interval with a wide bias adds."""
_LEAST_LEFT = 0.05
"""Of the sides' variances, what a change keeps at least, unless the items themselves moved less."""
_STEEPEST = 3.0
"""More than the square of the largest slope of h."""


def split_ece(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    unit: npt.ArrayLike | None = None,
    task: npt.ArrayLike | None = None,
    macro: bool = False,
    n_bins: int = 15,
) -> Estimate:
    """ECE over equal-width bins without the noise's share; it may come out below 0, which says: none to be seen.

    confidence: (N,) in [0, 1]. correct: (N,) bool. unit: (N,) integers; items of one unit are not independent.
    task: (N,) integers, strata whose sizes are fixed. macro: the mean of the tasks' ECEs, and not all items as one
    sample. n_bins: equal-width bins. Raises ScoresError on unusable input.
    """
    n = checked_n_bins(n_bins)
    c = exact_confidence(confidence, n)
    return split_ece_of(c, checked_correct(correct, len(c)), Design.of(len(c), unit, task), macro=macro, n_bins=n)


def split_ece_change(
    confidence: tuple[npt.ArrayLike, npt.ArrayLike],
    correct: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    unit: npt.ArrayLike | None = None,
    task: npt.ArrayLike | None = None,
    macro: bool = False,
    n_bins: int = 15,
) -> Estimate:
    """The change of `split_ece`, second less first, of two models on the same N items.

    confidence, correct: pairs of (N,), first and second. The other arguments and errors as for `split_ece`.
    """
    n = checked_n_bins(n_bins)
    sides = [exact_confidence(side, n) for side in confidence]
    if len(sides[0]) != len(sides[1]):
        raise ScoresError(f"confidence has {len(sides[0])} and {len(sides[1])} items; they must be the same items")
    hits = [checked_correct(side, len(sides[0])) for side in correct]
    design = Design.of(len(sides[0]), unit, task)
    return split_ece_change_of((sides[0], sides[1]), (hits[0], hits[1]), design, macro=macro, n_bins=n)


def split_ece_of(
    confidence: FloatArray, correct: FloatArray, design: Design, *, macro: bool = False, n_bins: int = 15
) -> Estimate:
    """`split_ece` of checked arrays."""
    side = _Side(confidence, correct, design, macro, n_bins)
    above = side.bias(_STRICT_SLACK) + side.skew()
    return Estimate(side.value, side.variance**0.5, 0.0, above, design.df)


def split_ece_change_of(
    confidence: tuple[FloatArray, FloatArray],
    correct: tuple[FloatArray, FloatArray],
    design: Design,
    *,
    macro: bool = False,
    n_bins: int = 15,
) -> Estimate:
    """`split_ece_change` of checked arrays."""
    before, after = (_Side(c, a, design, macro, n_bins) for c, a in zip(confidence, correct, strict=True))
    own = before.variance + after.variance
    shared = min(
        design.covariance(before.by_item(before.steep), after.by_item(after.steep)),
        design.covariance(before.by_item(before.smooth), after.by_item(after.smooth)) + _curved(before, after),
    )
    if design.unit is not None:
        shared = min(shared, design.covariance(before.by_item(before.common), after.by_item(after.common)))
    # Where one side's noise is nearly all, its bias does not meet another's: it is judged as a value is.
    uneven = abs(after.variance - before.variance) / own if own > 0 else 0.0
    slack = _STRICT_SLACK if macro else _SLACK + (_STRICT_SLACK - _SLACK) * uneven
    reach, noise = _moved(before, after)
    variance = min(max(own - 2 * shared, _LEAST_LEFT * own), noise)
    below, above = (min(side.bias(slack), reach) for side in (before, after))
    return Estimate(after.value - before.value, variance**0.5, below, above, design.df)


class _Side:
    """One model's cells. All (cells,) but for e, cell, rest and weight, which are (N,)."""

    def __init__(self, confidence: FloatArray, correct: FloatArray, design: Design, macro: bool, n_bins: int) -> None:
        self.n_bins, self.design = n_bins, design
        self.e = confidence - correct
        self.cell, n_cells = bin_index(confidence, n_bins), n_bins
        self.weight: FloatArray | float = 1 / design.n_items
        if macro and design.stratum is not None:
            self.cell, n_cells = self.cell + n_bins * design.stratum, n_bins * design.n_strata
            self.weight = (1 / (design.n_strata * design.sizes))[design.stratum]
            count_weight = np.repeat(1 / (design.n_strata * design.sizes), n_bins)
        else:
            count_weight = np.full(n_cells, self.weight)
        n, s = (np.bincount(self.cell, values, n_cells).astype(np.float64) for values in (None, self.e))
        expected: FloatArray = np.bincount(self.cell, confidence * (1 - confidence), n_cells).astype(np.float64)
        self.rest = self.e - (s / np.maximum(n, 1))[self.cell]
        own = self._within(n, n_cells)
        self.sd = np.sqrt(trusted_variance(own, expected, expected))
        self.z = np.divide(s, self.sd, out=np.zeros(n_cells), where=self.sd > 1e-12)
        self.w = np.where(n > 0, count_weight, 0.0)
        self.wsd = self.w * self.sd
        self.value = float(self.wsd @ half_split(self.z))
        # Where units span cells, one shift moves all cells: slopes of unsure cells alone would not show it.
        self.common = np.full(n_cells, 1.0 if float(self.w @ s) >= 0 else -1.0)
        self.steep = slope(self.z)
        self.smooth, self.bent, _ = mean_derivatives(self.z)
        alone = float(self.wsd**2 @ tables().variance_at(self.z))
        slopes = (self.steep,) if design.unit is None else (self.steep, self.common)
        self.variance = alone + max(0.0, *(self._between(each, own) for each in slopes))

    def by_item(self, slope: FloatArray) -> FloatArray:
        """(N,) each item's part in the estimate, to first order."""
        return np.asarray(self.weight * slope[self.cell] * self.e)

    def bias(self, slack: float) -> float:
        """A bound on how far the value lies below the truth by unknown signs; slack: in standard errors of kappa."""
        total, square = float(self.wsd.sum()), float(self.wsd @ self.wsd)
        if total <= 0:
            return 0.0
        k, n_effective = float(self.wsd @ kappa_estimate(self.z)), total**2 / square
        margin = max(slack, _ENOUGH_CELLS / n_effective) * KAPPA_NOISE * square**0.5
        bound = total * tables().bias_within((k - margin) / total, (k + margin) / total)
        # Few cells whose z are small by chance look calibrated, variance and all. |Z + d| is on average at least d and
        # rises by at most 1 for 1, so the plug-in sum and its noise are an upper limit for every shape.
        few = min(1.0, max(0.0, _ENOUGH_CELLS / n_effective - 1))
        limit = float(self.wsd @ np.abs(self.z)) + _REACH * square**0.5
        return float(bound + few * max(0.0, limit - self.value - bound - _LEAST_REACH * self.variance**0.5))

    def skew(self) -> float:
        """How much further up the truth may lie because e is skewed: rare errors may have been rarer here than they
        are. The correction of a t interval's end of 95 % by Johnson 1978 (JASA 73): (1 + 2 t^2) / 6 = 1.45."""
        squares = float((np.square(self.weight * self.rest)).sum())
        cubes = float((np.power(self.weight * self.rest, 3)).sum())
        return 1.45 * abs(cubes) / squares if squares > 0 else 0.0

    def curvature(self) -> FloatArray:
        """m'' of each cell over its standard deviation, by what its items weigh."""
        return np.asarray(self.bent * self.w / np.maximum(self.sd, 1e-300))

    def _within(self, n: FloatArray, n_cells: int) -> FloatArray:
        """Variance of each cell's sum of e, from the items or units in it."""
        if self.design.unit is None:
            count, squares = n, np.bincount(self.cell, self.rest**2, n_cells)
        else:
            keys, index = np.unique(self.cell * self.design.n_units + self.design.unit, return_inverse=True)
            owner = keys // self.design.n_units
            count = np.bincount(owner, minlength=n_cells).astype(np.float64)
            squares = np.bincount(owner, np.bincount(index.reshape(-1), self.rest) ** 2, n_cells)
        return np.asarray(squares * count / np.maximum(count - 1, 1))

    def _between(self, slope: FloatArray, own: FloatArray) -> float:
        """What units and strata have in common over cells: the variance of the sum less that of its cells."""
        values = self.by_item(slope)
        return self.design.covariance(values, values) - float((self.w**2 * own) @ slope**2)


def _moved(before: _Side, after: _Side) -> tuple[float, float]:
    """(reach, noise): how far the sides' biases can differ, and a bound on the change's variance, both from what the
    cells' sums moved between the models. 0 where the two are alike on every item.

    beta rises by at most 1 for 1, so the biases differ by at most sum_c w_c |m_c after - m_c before|: that of the
    sample, which noise only lifts, and a standard error more.
    """
    design, n_cells = before.design, len(before.z)
    unit = np.arange(design.n_items) if design.unit is None else design.unit
    cell = np.concatenate([before.cell, after.cell])
    moved = np.concatenate([-before.weight * before.e, after.weight * after.e])
    keys, index = np.unique(cell * design.n_units + np.tile(unit, 2), return_inverse=True)
    by_unit = np.bincount(index.reshape(-1), moved)
    sums = np.bincount(keys // design.n_units, by_unit, n_cells)
    variance = float(by_unit @ by_unit)
    most_cells = int(np.bincount(keys % design.n_units).max())
    return float(np.abs(sums).sum()) + variance**0.5, _STEEPEST * most_cells * variance


def _curved(before: _Side, after: _Side) -> float:
    """What the curved parts of two sides have in common, item by item (the second term of Mehler's series)."""
    if before.design.unit is not None:
        return 0.0
    n_bins, n_cells = before.n_bins, len(before.z)
    joint = np.bincount(before.cell * n_bins + after.cell % n_bins, before.rest * after.rest, n_cells * n_bins).reshape(
        -1, n_bins, n_bins
    )
    left, right = (side.curvature().reshape(-1, n_bins) for side in (before, after))
    return float(np.einsum("tij,ti,tj->", joint**2, left, right)) / 2
