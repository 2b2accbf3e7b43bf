"""Two models' items -> Evidence: the changes that the gate judges, each with its bounds and one-sided p-value.

The estimates are those of `compare` (`analysis.inference`); the gate asks of them whether calibration got *worse*, so
its tests look one way, and the bounds are those tests' own: an error of at most alpha at either end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibaudit.analysis.inference import abs_gap_change, ece_change, ece_of, linear_level
from calibaudit.analysis.samples import Items
from calibaudit.metrics.inference.abs_gap import AbsGapChange, abs_interval
from calibaudit.metrics.inference.estimate import MIN_UNITS, Estimate


@dataclass(frozen=True)
class Moved:
    """A measure on both sides and its change. low, high: the change is above the one and below the other, each with an
    error of at most alpha; p_value: one-sided, of `not worse`, at most alpha just when low is above 0.

    None: fewer than ten independent items or groups, so no evidence.
    """

    before: float
    after: float
    low: float | None
    high: float | None
    p_value: float | None

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Level:
    """A measure of the candidate with the bounds that a limit is held against. None: no evidence."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """What one task, or all of them pooled, says. gap: its absolute value, mean confidence less accuracy.

    max_ece, max_gap, max_brier: the candidate's own measures.
    """

    name: str
    n_items: int
    n_units: int
    ece: Moved
    gap: Moved
    max_ece: Level
    max_gap: Level
    max_brier: Level


def weigh(name: str, before: Items, after: Items, share: float, alpha: float) -> Evidence:
    """The evidence of these items, as one sample.

    alpha: the rate of false alarms; share: what of it may be spent here, which the bounds of the limits follow.
    """
    known = before.n_units >= MIN_UNITS
    ece, gap = ece_change(before, after, 1 - 2 * alpha), abs_gap_change(before, after, 1 - 2 * alpha)
    eces = [ece_of(side, 1 - 2 * alpha).value for side in (before, after)]
    gaps = [abs(float(np.mean(side.whole.confidence - side.whole.hits))) for side in (before, after)]
    spent = alpha * share
    level = 1 - 2 * spent
    limits = {name: linear_level(name, after, level) for name in ("gap", "brier")}
    brier = limits["brier"].bounds(spent)
    return Evidence(
        name=name,
        n_items=before.n_items,
        n_units=before.n_units,
        ece=_moved((eces[0], eces[1]), ece, alpha, known),
        gap=_moved((gaps[0], gaps[1]), gap, alpha, known),
        max_ece=Level(eces[1], *_bounds(ece_of(after, level).bounds(spent), known)),
        max_gap=Level(gaps[1], *_bounds(abs_interval(*limits["gap"].bounds(spent)), known)),
        max_brier=Level(limits["brier"].value, *_bounds((max(0.0, brier[0]), min(2.0, brier[1])), known)),
    )


def _moved(sides: tuple[float, float], change: Estimate | AbsGapChange, alpha: float, known: bool) -> Moved:
    return Moved(*sides, *_bounds(change.bounds(alpha), known), p_value=change.p_above() if known else None)


def _bounds(ends: tuple[float, float], known: bool) -> tuple[float | None, float | None]:
    return ends if known else (None, None)
