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
)

_ON_EDGE = 1e-7
"""More than float32 rounds a number up to 1 by (6e-8)."""


def bin_edges(n_bins: int = 15) -> FloatArray:
    """(n_bins + 1,) edges 0, 1/n, ..., 1. Each is the float k/n itself (`linspace` is not), so k/n falls in bin k-1."""
    n = checked_n_bins(n_bins)
    return np.arange(n + 1) / n


def bin_index(confidence: npt.ArrayLike, n_bins: int = 15) -> IntArray:
    """(N,) bin of each confidence in 0..n_bins-1: the k with k/n < c <= (k+1)/n; 0 is in bin 0, 1 in the last.

    A confidence within 1e-7 of an edge is on the edge: in float32 k/n itself may lie that far above k/n.
    """
    edges = bin_edges(n_bins)
    index = np.searchsorted(edges[1:] + _ON_EDGE, checked_confidence(confidence), side="left")
    return np.minimum(index, n_bins - 1).astype(np.int64)


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
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    n = checked_n_bins(n_bins)
    return bin_totals(bin_index(c, n), c, a, n)


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
