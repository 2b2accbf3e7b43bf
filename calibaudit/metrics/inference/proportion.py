"""Shares of items: an interval for one, and what a sample without one kind of item cannot rule out."""

from __future__ import annotations

import math

from calibaudit.metrics.inference.estimate import Estimate, check_level


def wilson(rate: float, n: float, level: float = 0.95, df: float = math.inf) -> tuple[float, float]:
    """(low, high) of a share `rate` seen in n independent items, in [0, 1]: never of zero width.

    level: in (0, 1). n may be an effective number of items; df: Student's, for one that was estimated. Wilson 1927
    (JASA 22).
    """
    from scipy.special import stdtrit

    check_level(level)
    z = float(stdtrit(df, (1 + level) / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the formula is exact but for rounding.
    return (0.0 if rate == 0 else centre - half), (1.0 if rate == 1 else centre + half)


def accuracy_interval(accuracy: Estimate, n_units: int, level: float, *, grouped: bool) -> tuple[float, float]:
    """Wilson's, with groups over the effective number of items that the estimate's variance says."""
    if not grouped:
        return wilson(accuracy.value, n_units, level)
    variance, spread = accuracy.se**2, accuracy.value * (1 - accuracy.value)
    return wilson(accuracy.value, spread / variance if variance > 0 else n_units, level, accuracy.df)


def unseen_share(n_units: int, level: float = 0.95) -> float:
    """The largest share of a kind of item that none of n_units was of: Wilson's upper end at 0."""
    return wilson(0.0, n_units, level)[1]
