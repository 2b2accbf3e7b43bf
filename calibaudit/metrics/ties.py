"""Items in order of confidence, equal confidences kept together: what makes rank-based metrics order-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibaudit.metrics.validation import FloatArray, IntArray, locked


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
