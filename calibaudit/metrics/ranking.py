"""Whether confidence tells right from wrong: AUROC, the risk-coverage curve, and order with ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import FloatArray, IntArray, Locked, checked_confidence, checked_correct, locked


def auroc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Probability that a right item is surer than a wrong one, ties counted half; in [0, 1], .5 is chance, 1 is best.

    confidence: (N,) in [0, 1]. correct: (N,) bool. NaN when all items are right or all wrong: there is no pair.
    Mann-Whitney U / (n_right n_wrong); Hanley & McNeil 1982 (Radiology 143). Raises ScoresError on unusable input.
    """
    c = checked_confidence(confidence)
    return auroc_of(TieBlocks.of(c), checked_correct(correct, len(c)))


def aurc(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Area under the risk-coverage curve, (1/N) sum_k (errors among the k surest)/k, in [0, 1]; lower is better.

    confidence: (N,) in [0, 1]. correct: (N,) bool. Equal confidences: the expected value over all orders of the tied
    items. Geifman, Uziel, El-Yaniv 2019 (ICLR, arXiv 1805.08206). Raises ScoresError on unusable input.
    """
    c = checked_confidence(confidence)
    return float(risk_curve(TieBlocks.of(c), checked_correct(correct, len(c))).mean())


def risk_at_coverage(confidence: npt.ArrayLike, correct: npt.ArrayLike, coverage: float) -> float:
    """The error rate of the surest `coverage` of the items, in [0, 1]; lower is better.

    confidence: (N,) in [0, 1]. correct: (N,) bool. coverage: in (0, 1]; the count is rounded up, at least one item.
    Tied items count by their mean error. El-Yaniv & Wiener 2010 (JMLR 11). Raises ScoresError on unusable input.
    """
    c = checked_confidence(confidence)
    a = checked_correct(correct, len(c))
    if not 0 < coverage <= 1:
        raise ScoresError(f"coverage is {coverage}; it must be a share of the items above 0 and at most 1")
    return float(risk_curve(TieBlocks.of(c), a)[int(np.ceil(coverage * len(c) - 1e-9)) - 1])


def auroc_of(ties: TieBlocks, correct: FloatArray) -> float:
    """ties of the confidences, correct (N,) -> AUROC; NaN with one class."""
    right, wrong = ties.sums(correct), ties.sums(1 - correct)
    pairs = right.sum() * wrong.sum()
    return float(right @ (np.cumsum(wrong) - 0.5 * wrong) / pairs) if pairs else float("nan")


def risk_curve(ties: TieBlocks, correct: FloatArray) -> FloatArray:
    """(N,) error rate among the k surest items, k = 1..N; of tied items each counts as the mean of the tied."""
    size = ties.sums(np.ones(len(correct)))
    errors = np.repeat((ties.sums(1 - correct) / size)[::-1], size[::-1].astype(np.int64))
    return np.asarray(np.cumsum(errors) / np.arange(1, len(correct) + 1))


@dataclass(frozen=True, eq=False)
class TieBlocks(Locked):
    """order: (N,) items by ascending confidence. starts: (U,) where each block of equal confidence begins in it."""

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, confidence: FloatArray) -> TieBlocks:
        order = np.argsort(confidence, kind="stable")
        ranked = confidence[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        return cls(locked(order), locked(starts))

    @property
    def block(self) -> IntArray:
        """(N,) the block of each item, by ascending confidence."""
        found = np.empty(len(self.order), dtype=np.int64)
        found[self.order] = np.repeat(np.arange(len(self.starts)), np.diff(np.r_[self.starts, len(self.order)]))
        return found

    def sums(self, values: FloatArray) -> FloatArray:
        """(N,) values of items -> (U,) sums over blocks, in ascending confidence."""
        ranked = values[self.order]
        return ranked if len(self.starts) == len(values) else np.asarray(np.add.reduceat(ranked, self.starts))

    def cumulative(self, values: FloatArray) -> FloatArray:
        """(N,) values of items -> (U + 1,) running sums over blocks, from 0."""
        return np.concatenate([[0.0], np.cumsum(self.sums(values))])
