"""Means over cells with intervals: a bootstrap over settings, whose seeds hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS, LEVEL = 10_000, 0.95


@dataclass(frozen=True)
class Mean:
    """low, high: the interval. n: settings."""

    value: float
    low: float
    high: float
    n: int

    @property
    def covers_0(self) -> bool:
        return self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{shown(self.value)} [{shown(self.low)}, {shown(self.high)}]"


def mean_of(values: Mapping[str, Sequence[float]]) -> Mean:
    """values: setting -> one for each of its cells. Each setting counts as much as it has cells."""
    totals = np.array([[np.sum(cells), len(cells)] for cells in values.values()])
    rng = np.random.default_rng(0)
    drawn = totals[rng.integers(len(totals), size=(DRAWS, len(totals)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(float(totals[:, 0].sum() / totals[:, 1].sum()), float(low), float(high), len(totals))


def shown(value: float) -> str:
    """Three decimals, no 0 before the point."""
    text = f"{value:.3f}"
    text = text.replace("0.", ".", 1) if abs(value) < 1 else text
    return text.replace("-", "−") if float(f"{value:.3f}") else ".000"
