"""The one bin rule: n bins (k/n, (k+1)/n], with 0 in the first; and the sums within bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.validation import (
    FloatArray,
    IntArray,
    checked_confidence,
    checked_correct,
    checked_n_bins,
    locked,
    ones,
)


def bin_edges(n_bins: int = 15) -> FloatArray:
    """(n_bins + 1,) edges 0, 1/n, ..., 1. Each is the float k/n itself (`linspace` is not), so k/n falls in bin k-1."""
    n = checked_n_bins(n_bins)
    return np.arange(n + 1) / n


def bin_index(confidence: npt.ArrayLike, n_bins: int = 15) -> IntArray:
    """(N,) bin of each confidence in 0..n_bins-1: the k with k/n < c <= (k+1)/n; 0 is in bin 0, 1 in the last."""
    edges = bin_edges(n_bins)
    return np.searchsorted(edges[1:], checked_confidence(confidence), side="left").astype(np.int64)


@dataclass(frozen=True, eq=False)
class BinTotals:
    """Weighted sums within bins, each (B, n_bins): of 1, of correct - confidence, and of correct."""

    weight: FloatArray
    excess: FloatArray
    correct: FloatArray


def bin_columns(index: IntArray, confidence: FloatArray, correct: FloatArray, n_bins: int) -> FloatArray:
    """(N, 3 n_bins) matrix whose product with weights (B, N) is the three blocks of BinTotals."""
    member = (index[:, None] == np.arange(n_bins)).astype(np.float64)
    return np.hstack([member, member * (correct - confidence)[:, None], member * correct[:, None]])


def bin_totals(weights: FloatArray, columns: FloatArray) -> BinTotals:
    """weights (B, N), columns from `bin_columns`."""
    return BinTotals(*np.hsplit(weights @ columns, 3))


def totals_of(confidence: npt.ArrayLike, correct: npt.ArrayLike, n_bins: int) -> BinTotals:
    """The totals of plain arrays, every item once: what the public binned metrics start from."""
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    n = checked_n_bins(n_bins)
    return bin_totals(ones(len(c)), bin_columns(bin_index(c, n), c, a, n))


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """A reliability diagram's data: edges (n_bins + 1,); count, mean confidence, accuracy (n_bins,), NaN if empty."""

    edges: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> ReliabilityBins:
    """Count, mean confidence and accuracy of each bin (the diagram of DeGroot & Fienberg 1983). Arrays are locked.

    confidence: (N,) in [0, 1]. correct: (N,) bool. Raises ScoresError on empty, NaN or unequal input.
    """
    totals = totals_of(confidence, correct, n_bins)
    count, excess, hits = totals.weight[0], totals.excess[0], totals.correct[0]
    filled = count > 0
    accuracy = np.divide(hits, count, out=np.full_like(count, np.nan), where=filled)
    mean = np.divide(hits - excess, count, out=np.full_like(count, np.nan), where=filled)
    return ReliabilityBins(
        edges=locked(bin_edges(n_bins)),
        count=locked(np.rint(count).astype(np.int64)),
        confidence=locked(mean),
        accuracy=locked(accuracy),
    )
