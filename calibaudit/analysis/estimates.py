"""Scores -> estimates: every metric's value with its bootstrap replicates, and its permuted changes.

NaN stands for what does not exist while numbers are made; `Interval` and `Change`, the results, carry None instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.samples import Row, joined
from calibaudit.analysis.settings import Settings
from calibaudit.metrics import ece_floor_interval
from calibaudit.metrics.intervals import change_interval, interval
from calibaudit.metrics.replicates import METRIC_NAMES
from calibaudit.metrics.resampling import permutation_p_value

_AFTER_ECE = METRIC_NAMES.index("ece") + 1
METRICS: tuple[str, ...] = (*METRIC_NAMES[:_AFTER_ECE], "ece_floor", *METRIC_NAMES[_AFTER_ECE:])

FloatArray = npt.NDArray[np.float64]

_BLOCK = 2_000_000  # weights handed to one call: what bounds the memory of a large task
_MASS = ("option_mass",)


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval. `low`, `high` are None where there is no evidence for one."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Change:
    """after minus before, paired. p_value: two-sided; None where there is no test."""

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None


@dataclass(frozen=True, eq=False)
class Estimates:
    """One side. point: metric -> value, NaN where it does not exist. replicates: metric -> (resamples,).

    n_units: metric -> the independent units behind it. floor: (mean, low, high) of the calibrated model's ECE.
    """

    point: Mapping[str, float]
    replicates: Mapping[str, FloatArray]
    n_units: Mapping[str, int]
    grouped: bool
    floor: tuple[float, float, float]


def estimate(rows: Sequence[Row], settings: Settings) -> Estimates:
    """All items of the rows as one sample, resampled within each row. option_mass: of the rows that have one."""
    row = joined(rows)
    point, replicates = row.sample.point(), _replicates(row, METRIC_NAMES)
    units = dict.fromkeys(METRICS, row.draws.n_units)
    with_mass = [part for part in rows if part.sample.option_mass is not None]
    if 0 < len(with_mass) < len(rows):
        part = joined(with_mass)
        point = {**point, **part.sample.point(_MASS)}
        replicates = {**replicates, **_replicates(part, _MASS)}
        units["option_mass"] = part.draws.n_units
    floor = ece_floor_interval(
        row.sample.confidence, settings.n_bins, rng=np.random.default_rng(row.draws.floor), level=settings.level
    )
    return Estimates(point, replicates, units, row.draws.grouped, floor)


def mean_estimates(parts: Sequence[Estimates], used: Mapping[str, Sequence[bool]]) -> Estimates:
    """The mean of the tasks' estimates. used: metric -> which tasks count for it; NaN where none does."""

    def mean(name: str, values: Iterable[Any]) -> Any:
        chosen = [value for value, use in zip(values, used[name], strict=True) if use]
        return np.mean(chosen, axis=0) if chosen else None

    points = {name: mean(name, [part.point[name] for part in parts]) for name in METRIC_NAMES}
    replicates = {name: mean(name, [part.replicates[name] for part in parts]) for name in METRIC_NAMES}
    nothing = np.full(len(parts[0].replicates["accuracy"]), np.nan)
    units = {
        name: sum(part.n_units[name] for part, use in zip(parts, used[name], strict=True) if use) for name in METRICS
    }
    floor = float(np.mean([part.floor[0] for part in parts]))
    return Estimates(
        point={name: math.nan if value is None else float(value) for name, value in points.items()},
        replicates={name: nothing if value is None else value for name, value in replicates.items()},
        n_units=units,
        grouped=True,
        floor=(floor, math.nan, math.nan),
    )


def exists(estimates: Estimates, name: str) -> bool:
    """Has this metric a finite value here? ece_floor always has."""
    return name == "ece_floor" or math.isfinite(estimates.point[name])


def intervals(estimates: Estimates, settings: Settings) -> dict[str, Interval]:
    """Every key of METRICS, in that order."""
    found = {}
    for name in METRICS:
        if name == "ece_floor":
            value, low, high = estimates.floor
        else:
            value, low, high = estimates.point[name], math.nan, math.nan
            if math.isfinite(value) and settings.n_resamples:
                low, high = interval(
                    name,
                    estimates.point,
                    estimates.replicates,
                    n_units=estimates.n_units[name],
                    grouped=estimates.grouped,
                    level=settings.level,
                )
        found[name] = Interval(finite(value), *_both(low, high))
    return found


def change_estimates(
    before: Estimates, after: Estimates, permuted: Mapping[str, FloatArray], settings: Settings
) -> dict[str, Change]:
    """after - before for every key of METRICS, in that order. The floor's change has no interval and no test."""
    found = {}
    for name in METRICS:
        if name == "ece_floor":
            found[name] = Change(after.floor[0] - before.floor[0], None, None, None)
            continue
        value = after.point[name] - before.point[name]
        if not math.isfinite(value):
            found[name] = Change(None, None, None, None)
            continue
        low, high, p_value = math.nan, math.nan, math.nan
        if settings.n_resamples:
            sides = (before.point, after.point, before.replicates, after.replicates)
            units = min(before.n_units[name], after.n_units[name])
            low, high = change_interval(name, *sides, n_units=units, level=settings.level)
        if settings.n_permutations:
            p_value = permutation_p_value(value, permuted[name])
        found[name] = Change(value, *_both(low, high), finite(p_value))
    return found


def permuted_changes(before: Sequence[Row], after: Sequence[Row]) -> dict[str, FloatArray]:
    """metric -> (permutations,): after - before with the two sides of random items (or groups) exchanged.

    What the changes would look like if the two models were interchangeable. The rows count as one sample.
    """
    found = _permuted(before, after, METRIC_NAMES)
    with_mass = [i for i, row in enumerate(before) if row.sample.option_mass is not None]
    if 0 < len(with_mass) < len(before):
        found |= _permuted([before[i] for i in with_mass], [after[i] for i in with_mass], _MASS)
    return found


def mean_permuted(
    parts: Sequence[Mapping[str, FloatArray]], used: Mapping[str, Sequence[bool]]
) -> dict[str, FloatArray]:
    """The mean over tasks of their permuted changes. used: metric -> which tasks count for it."""
    found = {}
    for name in METRIC_NAMES:
        chosen = [part[name] for part, use in zip(parts, used[name], strict=True) if use]
        found[name] = np.mean(chosen, axis=0) if chosen else np.zeros(0)
    return found


def finite(value: float) -> float | None:
    """None for NaN and infinity, which no result carries."""
    return float(value) if math.isfinite(value) else None


def _both(low: float, high: float) -> tuple[float | None, float | None]:
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else (None, None)


def _permuted(before: Sequence[Row], after: Sequence[Row], names: tuple[str, ...]) -> dict[str, FloatArray]:
    left, right = joined(before), joined(after)
    both = left.sample.concatenate(right.sample)
    parts = []
    for block in _blocks(left.draws.swaps, 2):
        swapped, kept = block.astype(np.float64), (~block).astype(np.float64)
        now = both.replicate(np.hstack([swapped, kept]), names)
        was = both.replicate(np.hstack([kept, swapped]), names)
        with np.errstate(invalid="ignore"):  # infinite temperatures on both sides: no difference to speak of
            parts.append({name: now[name] - was[name] for name in names})
    return _stacked(parts, names)


def _replicates(row: Row, names: tuple[str, ...]) -> dict[str, FloatArray]:
    return _stacked(
        [row.sample.replicate(block.astype(float), names) for block in _blocks(row.draws.weights, 1)], names
    )


def _stacked(parts: Sequence[Mapping[str, FloatArray]], names: Iterable[str]) -> dict[str, FloatArray]:
    return {name: np.concatenate([np.zeros(0), *(part[name] for part in parts)]) for name in names}


def _blocks(array: npt.NDArray[Any], n_sides: int) -> Iterator[npt.NDArray[Any]]:
    size = max(1, _BLOCK // (array.shape[1] * n_sides))
    for start in range(0, len(array), size):
        yield array[start : start + size]
