"""Is one model calibrated at all? A test of the squared calibration error against what chance alone gives it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.binning import bin_index, exact_confidence
from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.validation import FloatArray, checked_correct, checked_n_bins

_TINY = float(np.finfo(np.float64).tiny)


def calibration_p_value(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, *, unit: npt.ArrayLike | None = None, n_bins: int = 15
) -> float:
    """p of `the model is calibrated`: in every bin as often right as it is sure. In (0, 1].

    confidence: (N,) in [0, 1]. correct: (N,) bool. unit: (N,) integers; items of one unit are not independent.
    n_bins: equal-width bins.
    The statistic is T-Cal's (Lee, Huang, Hassani, Dobriban 2023, JMLR 24) over equal-width bins, sum_b s_b^2 / n_b
    with s_b the bin's sum of confidence - correct. Of a calibrated model it is a weighted sum of squared normals;
    its first three moments are matched by those of a scaled and shifted chi-squared (Pearson 1959, Biometrika 46).
    Raises ScoresError on unusable input.
    """
    n = checked_n_bins(n_bins)
    c = exact_confidence(confidence, n)
    a = checked_correct(correct, len(c))
    return calibration_p_value_of(c, a, Design.of(len(c), unit), n)


def calibration_p_value_of(confidence: FloatArray, correct: FloatArray, design: Design, n_bins: int) -> float:
    """`calibration_p_value` of checked arrays."""
    from scipy.special import chdtrc

    index, e = bin_index(confidence, n_bins), confidence - correct
    count, sums = (np.bincount(index, part, n_bins).astype(np.float64) for part in (None, e))
    filled = count > 0
    root = 1 / np.sqrt(count[filled])
    statistic = float(((sums[filled] * root) ** 2).sum())
    risk = confidence * (1 - confidence)
    variance = np.bincount(index, risk, n_bins)
    if design.unit is None:
        covariance = np.diag(variance)
    else:  # what items of a unit have in common is not known: taken from the units, but never less than without
        cells = np.bincount(design.unit * n_bins + index, e, design.n_units * n_bins).reshape(-1, n_bins)
        covariance = cells.T @ cells
        covariance += np.diag(np.maximum(0.0, variance - np.diag(covariance)))
    weighted = root[:, None] * covariance[np.ix_(filled, filled)] * root
    squared = weighted @ weighted
    # Cumulants of sum_j lambda_j Z_j^2; the second also of the answers' own fourth moment, which few errors make large.
    fourth = np.bincount(index, risk * (1 - 6 * risk), n_bins)[filled] * root**4
    mean, spread = float(np.trace(weighted)), 2 * float(np.trace(squared)) + max(0.0, float(fourth.sum()))
    skew = 8 * float(np.trace(squared @ weighted))
    if spread <= 0 or skew <= 0:
        return 1.0 if statistic <= mean + 1e-12 else _TINY
    df = 8 * spread**3 / skew**2
    scaled = (statistic - mean) * np.sqrt(2 * df / spread) + df
    return max(_TINY, float(chdtrc(df, scaled))) if scaled > 0 else 1.0
