"""Whether confidence tells right from wrong: AUROC, and the area under the risk-coverage curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.metrics.validation import FloatArray, IntArray, checked_confidence, checked_correct, locked, ones


def auroc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Probability that a right item is surer than a wrong one, ties counted half; in [0, 1], .5 is chance, 1 is best.

    confidence: (N,) in [0, 1]. correct: (N,) bool. NaN when all items are right or all wrong: there is no pair.
    Mann-Whitney U / (n_right n_wrong); Hanley & McNeil 1982 (Radiology 143).
    """
    c = checked_confidence(confidence)
    return float(auroc_rows(ones(len(c)), TieBlocks.of(c), checked_correct(correct, len(c)))[0])


def aurc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Area under the risk-coverage curve, (1/N) sum_k (errors among the k surest)/k, in [0, 1]; lower is better.

    Equal confidences: the expected value over all orders of the tied items. Geifman, Uziel, El-Yaniv 2019
    (ICLR, arXiv 1805.08206).
    """
    c = checked_confidence(confidence)
    return float(aurc_rows(ones(len(c)), TieBlocks.of(c), checked_correct(correct, len(c)))[0])


def auroc_rows(weights: FloatArray, ties: TieBlocks, correct: FloatArray) -> FloatArray:
    """weights (B, N), ties of the confidences, correct (N,) -> (B,); NaN where a row has one class."""
    right = ties.sums(weights * correct)
    wrong = ties.sums(weights * (1 - correct))
    below = np.cumsum(wrong, axis=1) - 0.5 * wrong
    pairs = right.sum(axis=1) * wrong.sum(axis=1)
    wins = (right * below).sum(axis=1)
    return np.asarray(np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0))


def aurc_rows(weights: FloatArray, ties: TieBlocks, correct: FloatArray) -> FloatArray:
    """weights (B, N) counts, ties of the confidences, correct (N,) -> (B,).

    A block of m tied items with e errors, after k items with f errors, adds on average
    sum_{j=1..m} (f + e j/m)/(k + j) = e + (f - e k/m)(psi(k + m + 1) - psi(k + 1)).
    """
    size = ties.sums(weights)[:, ::-1]
    errors = ties.sums(weights * (1 - correct))[:, ::-1]
    after = np.cumsum(size, axis=1)
    before = np.hstack([np.zeros((len(size), 1)), after[:, :-1]])
    failed = np.cumsum(errors, axis=1) - errors
    rate = np.divide(errors, size, out=np.zeros_like(size), where=size > 0)
    harmonic = np.diff(_digamma(np.hstack([np.ones((len(size), 1)), after + 1])), axis=1)
    area: FloatArray = (errors + (failed - rate * before) * harmonic).sum(axis=1) / after[:, -1]
    return area


def _digamma(values: FloatArray) -> FloatArray:
    """psi of values from 1, which are whole numbers as a rule: those are looked up."""
    from scipy.special import digamma

    index = values.astype(np.intp)
    if not (index == values).all():
        return np.asarray(digamma(values))
    return np.asarray(digamma(np.arange(index.max() + 1, dtype=np.float64))[index])


@dataclass(frozen=True, eq=False)
class TieBlocks:
    """order: (N,) items by ascending confidence. starts: (U,) where each block of equal confidence begins in it."""

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, confidence: FloatArray) -> TieBlocks:
        order = np.argsort(confidence, kind="stable")
        ranked = confidence[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        return cls(locked(order), locked(starts))

    def sums(self, values: FloatArray) -> FloatArray:
        """(B, N) values of items -> (B, U) sums over blocks, in ascending confidence."""
        ranked = values[:, self.order]
        if len(self.starts) == values.shape[1]:
            return ranked
        blocks: FloatArray = np.add.reduceat(ranked, self.starts, axis=1)
        return blocks

    def cumulative(self, values: FloatArray) -> FloatArray:
        """(B, N) values of items -> (B, U + 1) running sums over blocks, from 0."""
        blocks = self.sums(values)
        running = np.zeros((blocks.shape[0], blocks.shape[1] + 1))
        np.cumsum(blocks, axis=1, out=running[:, 1:])
        return running
