"""How far confidence is from accuracy: the binned calibration errors, the gap, and the floor that noise alone gives.

Throughout: c_i confidence, a_i 1 if right else 0, n_b items in bin b, c_b and a_b the bin's means, N items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.binning import BinTotals, bin_index, bin_totals, exact_confidence, totals_of
from calibaudit.metrics.choices import checked_probs
from calibaudit.metrics.inference.estimate import check_level
from calibaudit.metrics.ranking import TieBlocks
from calibaudit.metrics.validation import (
    FloatArray,
    IntArray,
    checked_confidence,
    checked_correct,
    checked_n_bins,
)

_BLOCK = 1_000_000
"""Simulated answers held at once (some 30 MB)."""


def gap(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Mean confidence minus accuracy, in [-1, 1]; positive is overconfident, 0 is best.

    confidence: (N,) in [0, 1]. correct: (N,) bool. |gap| <= ECE for any bins. Raises ScoresError on unusable input.
    """
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    return float(c.mean() - a.mean())


def ece(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Expected calibration error, sum_b (n_b/N) |a_b - c_b|, in [0, 1]; lower is better.

    confidence: (N,) in [0, 1]. correct: (N,) bool, or 0 and 1. n_bins: equal-width bins, at least 1. Biased upward by
    noise: read it beside `ece_floor`. Naeini, Cooper, Hauskrecht 2015 (AAAI); Guo et al. 2017 (ICML, arXiv 1706.04599).
    Raises ScoresError on empty, NaN or unequal input, or confidences outside [0, 1].
    """
    return ece_of(totals_of(confidence, correct, n_bins))


def overconfidence(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """The part of ECE from bins surer than right, sum_b (n_b/N) max(0, c_b - a_b), in [0, 1].

    overconfidence + underconfidence = ECE; overconfidence - underconfidence = gap. Arguments and errors as for `ece`.
    """
    totals = totals_of(confidence, correct, n_bins)
    return float(np.maximum(0.0, -totals.excess).sum() / totals.count.sum())


def underconfidence(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """The part of ECE from bins less sure than right, sum_b (n_b/N) max(0, a_b - c_b), in [0, 1].

    Arguments and errors as for `ece`.
    """
    totals = totals_of(confidence, correct, n_bins)
    return float(np.maximum(0.0, totals.excess).sum() / totals.count.sum())


def rms_ce(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Root-mean-square calibration error, sqrt(sum_b (n_b/N) (a_b - c_b)^2), in [0, 1]; lower is better.

    Never below ECE with the same bins. Every bin counts, the last too. Nguyen & O'Connor 2015 (EMNLP);
    Hendrycks, Mazeika, Dietterich 2019 (ICLR, arXiv 1812.04606). Arguments and errors as for `ece`.
    """
    return rms_ce_of(totals_of(confidence, correct, n_bins))


def mce(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Maximum calibration error, max over filled bins of |a_b - c_b|, in [0, 1]; lower is better.

    Ruled by the emptiest bin: with one item in a bin it says nothing about the model. Naeini et al. 2015 (AAAI).
    Arguments and errors as for `ece`.
    """
    return mce_of(totals_of(confidence, correct, n_bins))


def adaptive_ece(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """ECE over n_bins bins that each hold exactly N/n_bins of the items in order of confidence, in [0, 1].

    An item on a boundary is divided between its two bins, and items of equal confidence are divided alike, so the
    value depends on neither the items' order nor on N mod n_bins; where N is a multiple of n_bins and nothing is
    tied, it is ECE over N/n_bins neighbours at a time. Nguyen & O'Connor 2015 (EMNLP); Nixon et al. 2019
    (CVPR workshops, arXiv 1904.01685). Arguments and errors as for `ece`.
    """
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    return adaptive_ece_of(TieBlocks.of(c), a - c, checked_n_bins(n_bins))


def classwise_ece(probs: npt.ArrayLike, answer: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Mean over the K choice positions of the ECE of p_ik as a forecast of `k is the answer`, in [0, 1].

    probs: (N, K) probabilities, rows sum to 1, ragged rows padded with 0, or log-probabilities, padded with -inf.
    answer: (N,) choice index. It sees errors in choices that are not the most probable one. Kull et al. 2019 (NeurIPS,
    arXiv 1910.12656). n_bins: equal-width bins. Raises ScoresError as `brier`.
    """
    p, y = checked_probs(probs, answer)
    n = checked_n_bins(n_bins)
    errors = [
        ece_of(bin_totals(bin_index(p[:, k], n), p[:, k], (y == k).astype(np.float64), n)) for k in range(p.shape[1])
    ]
    return float(np.mean(errors))


def debiased_ece(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Debiased L2 calibration error, sqrt(max(0, `debiased_squared_ce`)), in [0, 1]; lower is better.

    The root puts it on the scale of a confidence; it is `rms_ce` less its noise, so compare it with `rms_ce`
    (and with ECE only knowing that RMS >= ECE). 0 means: no more error than sampling noise explains.
    Kumar, Liang, Ma 2019 (NeurIPS, arXiv 1909.10155). Arguments and errors as for `ece`.
    """
    return debiased_ece_of(totals_of(confidence, correct, n_bins))


def debiased_squared_ce(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Unbiased squared calibration error, sum_b (n_b/N) [(a_b - c_b)^2 - a_b (1 - a_b)/(n_b - 1)]; may be negative.

    A bin of one item has no variance estimate and adds 0. Kumar, Liang, Ma 2019 (NeurIPS, arXiv 1909.10155).
    Arguments and errors as for `ece`.
    """
    return debiased_squared_of(totals_of(confidence, correct, n_bins))


def ece_floor(confidence: npt.ArrayLike, n_bins: int = 15, n_draws: int = 1000, *, rng: np.random.Generator) -> float:
    """The expected ECE of a perfectly calibrated model with these confidences and this N, in [0, 1].

    confidence, n_bins: as for `ece`. rng: where the draws come from. Mean ECE over n_draws draws of a_i ~
    Bernoulli(c_i). An ECE near its floor is no finding. The consistency resampling of Broecker & Smith 2007 (Weather
    and Forecasting 22), applied to ECE.
    """
    return ece_floor_interval(confidence, n_bins, n_draws, rng=rng)[0]


def ece_floor_interval(
    confidence: npt.ArrayLike,
    n_bins: int = 15,
    n_draws: int = 1000,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    document: IntArray | None = None,
) -> tuple[float, float, float]:
    """(mean, low, high) of ECE under perfect calibration: `level` of calibrated models' ECEs lie in [low, high].

    confidence, n_bins, n_draws, rng: as for `ece_floor`. level: in (0, 1). document: (N,) 0-based; items of one
    document, a question asked twice, are right or wrong by one draw. Raises ScoresError on unusable input.
    """
    check_level(level)
    null = _null_ece(confidence, n_bins, n_draws, rng, document)
    low, high = np.quantile(null, [(1 - level) / 2, (1 + level) / 2])
    return float(null.mean()), float(low), float(high)


def _null_ece(
    confidence: npt.ArrayLike, n_bins: int, n_draws: int, rng: np.random.Generator, document: IntArray | None
) -> FloatArray:
    n = checked_n_bins(n_bins)
    c = exact_confidence(confidence, n)
    if n_draws < 1:
        raise ScoresError(f"n_draws is {n_draws}; at least one draw is needed")
    index = bin_index(c, n)
    n_documents = len(c) if document is None else int(document.max()) + 1
    expected = np.bincount(index, c, n)
    # a count by a product, 1 where an item is in a bin: exact in float32 below 2^24 items
    in_bin = np.eye(n, dtype=np.float32 if len(c) < 1 << 24 else np.float64)[index]
    null = np.empty(n_draws)
    step = max(1, _BLOCK // len(c))
    for start in range(0, n_draws, step):
        rows = min(step, n_draws - start)
        luck = rng.random((rows, n_documents))
        right = (luck if document is None else luck[:, document]) < c
        hits = right.astype(in_bin.dtype) @ in_bin
        null[start : start + rows] = np.abs(hits - expected).sum(axis=1) / len(c)
    return null


def ece_of(totals: BinTotals) -> float:
    return float(np.abs(totals.excess).sum() / totals.count.sum())


def rms_ce_of(totals: BinTotals) -> float:
    return float(np.sqrt(_per_bin(totals.excess**2, totals.count).sum() / totals.count.sum()))


def mce_of(totals: BinTotals) -> float:
    return float(np.abs(_per_bin(totals.excess, totals.count)).max())


def debiased_squared_of(totals: BinTotals) -> float:
    rate = _per_bin(totals.correct, totals.count)
    variance = _per_bin(totals.count * rate * (1 - rate), totals.count - 1)
    squares = np.where(totals.count > 1, _per_bin(totals.excess**2, totals.count), 0.0)
    return float((squares - variance).sum() / totals.count.sum())


def debiased_ece_of(totals: BinTotals) -> float:
    return float(np.sqrt(max(0.0, debiased_squared_of(totals))))


def adaptive_ece_of(ties: TieBlocks, excess: FloatArray, n_bins: int) -> float:
    """ties of the confidences, excess (N,) = correct - confidence."""
    mass, error = ties.cumulative(np.ones(len(excess))), ties.cumulative(excess)
    parts = np.arange(n_bins + 1) / n_bins
    return float(np.abs(np.diff(np.interp(parts * mass[-1], mass, error))).sum() / mass[-1])


def _per_bin(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """sums / counts, 0 where the count is not positive."""
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
