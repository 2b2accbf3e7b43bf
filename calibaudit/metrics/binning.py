"""The one bin rule: n bins (k/n, (k+1)/n], with 0 in the first; and the sums within bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.validation import (
    FloatArray,
    IntArray,
    Locked,
    as_array,
    checked_confidence,
    checked_correct,
    checked_n_bins,
    locked,
)


def bin_edges(n_bins: int = 15) -> FloatArray:
    """(n_bins + 1,) edges 0, 1/n, ..., 1. Each is the float k/n itself (`linspace` is not), so k/n falls in bin k-1."""
    n = checked_n_bins(n_bins)
    return np.arange(n + 1) / n


def bin_index(confidence: npt.ArrayLike, n_bins: int = 15) -> IntArray:
    """(N,) bin of each confidence in 0..n_bins-1: the k with k/n < c <= (k+1)/n; 0 is in bin 0, 1 in the last.

    k/n closes its bin in whatever precision it comes: see `exact_confidence`.
    """
    edges = bin_edges(n_bins)
    return np.searchsorted(edges[1:], exact_confidence(confidence, n_bins), side="left").astype(np.int64)


def exact_confidence(confidence: npt.ArrayLike, n_bins: int) -> FloatArray:
    """(N,) checked confidences as float64, in which a float16 or float32 that is an edge k/n so rounded is k/n.

    In float32 k/n may lie above the float64 k/n, and would else fall a bin too high.
    """
    c, given = checked_confidence(confidence), as_array(confidence).dtype
    if given in (np.float16, np.float32):
        edges = bin_edges(n_bins)
        rounded = edges.astype(given).astype(np.float64)
        at = np.minimum(np.searchsorted(rounded, c), n_bins)
        c = np.where(rounded[at] == c, edges[at], c)
    return c


@dataclass(frozen=True, eq=False)
class BinTotals:
    """Sums within bins, each (n_bins,): of 1, of correct - confidence, and of correct."""

    count: FloatArray
    excess: FloatArray
    correct: FloatArray


def bin_totals(index: IntArray, confidence: FloatArray, correct: FloatArray, n_bins: int) -> BinTotals:
    """index (N,) of `bin_index`, confidence and correct (N,)."""
    parts = (None, correct - confidence, correct)
    return BinTotals(*(np.bincount(index, part, n_bins).astype(np.float64) for part in parts))


def totals_of(confidence: npt.ArrayLike, correct: npt.ArrayLike, n_bins: int) -> BinTotals:
    """The totals of plain arrays: what the public binned metrics start from."""
    n = checked_n_bins(n_bins)
    c = exact_confidence(confidence, n)
    a = checked_correct(correct, len(c))
    return bin_totals(bin_index(c, n), c, a, n)


@dataclass(frozen=True, eq=False)
class ReliabilityBins(Locked):
    """A reliability diagram's data: edges (n_bins + 1,); count, mean confidence, accuracy (n_bins,), NaN if empty."""

    edges: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15) -> ReliabilityBins:
    """Count, mean confidence and accuracy of each bin (the diagram of DeGroot & Fienberg 1983). Arrays are locked.

    confidence: (N,) in [0, 1]. correct: (N,) bool. n_bins: equal-width bins. Raises ScoresError on empty, NaN or
    unequal input.
    """
    totals = totals_of(confidence, correct, n_bins)
    count, excess, hits = totals.count, totals.excess, totals.correct
    filled = count > 0
    accuracy = np.divide(hits, count, out=np.full_like(count, np.nan), where=filled)
    mean = np.divide(hits - excess, count, out=np.full_like(count, np.nan), where=filled)
    return ReliabilityBins(
        edges=locked(bin_edges(n_bins)),
        count=locked(np.rint(count).astype(np.int64)),
        confidence=locked(mean),
        accuracy=locked(accuracy),
    )
