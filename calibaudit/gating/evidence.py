"""Two models' Scores -> Evidence: the changes that the gate judges, each with its interval and one-sided p-value."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.samples import Row, joined, task_row
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.intervals import MIN_UNITS, change_interval, interval
from calibaudit.metrics.noninferiority import (
    PairedSample,
    abs_gap_interval,
    abs_gap_p_value,
    ece_t_p_value,
    swap_p_value,
)
from calibaudit.metrics.resampling import swap_masks
from calibaudit.scores.scores import Scores

_NAMES = ("accuracy", "confidence", "ece")
_BLOCK = 2_000_000
_PER_SHARE = 20  # exchanges for each p-value as small as the smallest that could matter
_MOST_SWAPS = 200_000


@dataclass(frozen=True)
class Moved:
    """A measure on both sides and its change. low, high: the change's interval; p_value: one-sided, of `not worse`.

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
    """A measure of the candidate with the interval that a limit is held against. None: no evidence."""

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


def weigh(name: str, pairs: Sequence[tuple[Scores, Scores]], share: float, settings: Settings) -> Evidence:
    """The evidence of these rows (before, after), taken as one sample.

    share: of the false-alarm rate `settings.alpha`, what may be spent here; the intervals of the limits and the number
    of exchanges follow it. The ECE interval is that of `compare`: the same draws, the same method.
    Raises ScoresError when the scores are unusable.
    """
    rows = [[task_row(side, settings) for side in sides] for sides in zip(*pairs, strict=True)]
    before, after = (joined(side) for side in rows)
    units = units_of([(old.fingerprint, old.groups, old.n_items) for old, _ in pairs])
    n_units = len(np.unique(units))
    sample = None
    if n_units >= MIN_UNITS:
        sides = before.sample, after.sample
        sample = PairedSample.of(
            (sides[0].confidence, sides[1].confidence), (sides[0].correct, sides[1].correct), units, settings.n_bins
        )
    seed = np.random.default_rng([settings.seed, 3, *before.draws.floor])
    limit_level = 1 - settings.alpha * share
    points = [row.sample.point((*_NAMES, "gap", "brier")) for row in (before, after)]
    replicates = [_replicates(row) for row in (before, after)]
    change = level = (math.nan, math.nan)
    if settings.n_resamples:
        change = change_interval(
            "ece", points[0], points[1], replicates[0], replicates[1], n_units=n_units, level=settings.level
        )
        level = interval(
            "ece", points[1], replicates[1], n_units=n_units, grouped=before.draws.grouped, level=limit_level
        )
    gaps = [abs(point["gap"]) for point in points]
    none = (math.nan, math.nan)
    gap_change = none if sample is None else abs_gap_interval(sample, settings.level)
    return Evidence(
        name=name,
        n_items=before.sample.n_items,
        n_units=n_units,
        ece=Moved(points[0]["ece"], points[1]["ece"], *_known(change), _ece_p_value(sample, share, settings, seed)),
        gap=Moved(gaps[0], gaps[1], *_known(gap_change), None if sample is None else abs_gap_p_value(sample)),
        max_ece=Level(points[1]["ece"], *_known(level)),
        max_gap=Level(gaps[1], *_known(_abs_interval(sample, after, limit_level))),
        max_brier=Level(points[1]["brier"], *_known(_brier_interval(sample, after, limit_level))),
    )


def units_of(rows: Sequence[tuple[str, Sequence[Hashable] | None, int]]) -> npt.NDArray[np.int64]:
    """(items of all rows,) which items are one piece of evidence: those of one group, or one item seen twice.

    rows: (fingerprint, groups or None, items). Rows of one fingerprint (with and without a chat template) share units.
    """
    numbers: dict[tuple[str, Hashable], int] = {}
    found = [
        numbers.setdefault((fingerprint, i if groups is None else groups[i]), len(numbers))
        for fingerprint, groups, n_items in rows
        for i in range(n_items)
    ]
    return np.array(found, dtype=np.int64)


def _ece_p_value(
    sample: PairedSample | None, share: float, settings: Settings, rng: np.random.Generator
) -> float | None:
    """The largest of the swap test's and the two paired t tests' p-values: an alarm needs all three."""
    if sample is None or not settings.n_permutations:
        return None
    by_t = ece_t_p_value(sample)
    n_swaps = settings.n_permutations
    if by_t <= settings.alpha:  # else nothing hangs on how small the swap test's p is
        n_swaps = max(n_swaps, min(_MOST_SWAPS, math.ceil(_PER_SHARE / (settings.alpha * share))))
    return max(by_t, swap_p_value(sample, swap_masks(sample.n_units, n_swaps, rng)))


def _replicates(row: Row) -> dict[str, npt.NDArray[np.float64]]:
    weights = row.draws.weights
    size = max(1, _BLOCK // row.sample.n_items)
    parts = [
        row.sample.replicate(weights[start : start + size].astype(np.float64), _NAMES)
        for start in range(0, len(weights), size)
    ]
    return {name: np.concatenate([np.zeros(0), *(part[name] for part in parts)]) for name in _NAMES}


def _abs_interval(sample: PairedSample | None, row: Row, level: float) -> tuple[float, float]:
    """Of the candidate's |gap|: that of the gap, turned about 0."""
    if sample is None:
        return math.nan, math.nan
    low, high = sample.mean(row.sample.confidence - row.sample.correct).interval(level)
    return max(0.0, low, -high), max(-low, high)


def _brier_interval(sample: PairedSample | None, row: Row, level: float) -> tuple[float, float]:
    if sample is None:
        return math.nan, math.nan
    low, high = sample.mean(row.sample.brier_items).interval(level)
    return max(0.0, low), min(2.0, high)


def _known(ends: tuple[float, float]) -> tuple[float | None, float | None]:
    return (ends[0], ends[1]) if all(map(math.isfinite, ends)) else (None, None)
