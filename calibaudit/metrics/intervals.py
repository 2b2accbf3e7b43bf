"""Intervals from bootstrap replicates, one method per kind of metric. docs/metrics.md has the measured coverage.

- Calibration errors (ece, ece_adaptive, smooth_ece, rms_ce, ece_debiased) are lengths: sampling noise v can only make
  them longer, E[m^2] = true^2 + v, and a bootstrap replicate holds that noise twice. With v estimated by
  mean(m*^2) - m^2, the replicates less both doses, sqrt(m*^2 - 2 v), spread around the true value; their percentiles
  are the interval. A percentile interval of m* itself misses a calibrated model always. smooth_ece takes the power
  2.5 instead of 2: where its width follows the noise it is m^3 that adds up, where it follows the error m^2.
- ece_debiased estimates what rms_ce estimates, and takes its interval. mce: from the low end of rms_ce (which it is
  never below) to its own high end, as no resampling of a maximum over nearly empty bins covers from below; its
  change is all that two such intervals allow.
- accuracy: Wilson. All else: percentiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import FloatArray

MIN_UNITS = 10
"""Fewer independent items (or groups) than this are no evidence for an interval."""
LENGTHS = frozenset({"ece", "ece_adaptive", "smooth_ece", "rms_ce", "ece_debiased"})
"""The calibration errors whose bias the interval removes."""
_RANGES = {"gap": (-1.0, 1.0), "brier": (0.0, 2.0), "nll": (0.0, math.inf), "temperature": (0.0, math.inf)}
_WITHOUT_ANSWERS = frozenset({"confidence", "option_mass"})
_NEGATIVE = 0.3
"""How far below 0, in units of the noise, a debiased replicate counts in a change. At 0 a calibrated side would seem
miscalibrated in half of its replicates and hide a part of the change; without a limit the interval is a third wider."""
_POWER = {"smooth_ece": 2.5}
"""The power of a length in which its noise adds up; 2 unless named here."""
_MAX_NAN = 0.05
"""Share of replicates in which a metric may not exist before its interval does not either."""


def interval(
    name: str,
    point: Mapping[str, float],
    replicates: Mapping[str, FloatArray],
    *,
    n_units: int,
    grouped: bool = False,
    level: float = 0.95,
) -> tuple[float, float]:
    """(low, high) of one metric. ECE-like ones may lie wholly below the estimate: its bias is taken out.

    point: metric -> estimate. replicates: metric -> (B,) bootstrap values. Both need `name`, "accuracy", "confidence",
    and "rms_ce" for ece_debiased and mce. n_units: independent items or groups.
    grouped: whole groups were resampled (or point is a mean over tasks): accuracy then takes its effective number of
    items from the bootstrap variance, and Student's t with n_units - 1.
    (nan, nan) when n_units < 10, the estimate is NaN, or over 5 % of replicates are. high may be inf.
    When every item is right (or wrong) the bootstrap cannot see the other kind, and when all replicates agree it saw no
    variation at all: the interval is then widened by the share of unseen items that Wilson's allows, so its width is
    never 0 (but for confidence and option_mass, which no answer moves). Raises ScoresError if level is outside (0, 1).
    """
    _check_level(level)
    if n_units < MIN_UNITS or math.isnan(point[name]):
        return math.nan, math.nan
    if name == "accuracy":
        return _wilson_from(point[name], replicates[name], n_units, grouped, level)
    source = "rms_ce" if name == "ece_debiased" else name
    if name in LENGTHS or name == "mce":
        low, high = _percentiles(_debiased(source, point, replicates), level)
    else:
        low, high = _percentiles(replicates[source], level)
    if name == "mce":
        low = _percentiles(_debiased("rms_ce", point, replicates), level)[0]
    extra = _unseen(name, point, low, high, n_units, level)
    bottom, top = _RANGES.get(name, (0.0, 1.0))
    return _clipped(low - extra, bottom, top), _clipped(high + extra, bottom, top)


def change_interval(
    name: str,
    before: Mapping[str, float],
    after: Mapping[str, float],
    before_replicates: Mapping[str, FloatArray],
    after_replicates: Mapping[str, FloatArray],
    *,
    n_units: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """(low, high) of after - before, paired: replicate b of both sides has the same weights.

    Arguments and NaN as in `interval`. Calibration errors: percentiles of the difference of the debiased replicates.
    accuracy: Agresti & Min 2005, with the discordant pairs inferred from the bootstrap variance. mce: all that the two
    sides' intervals allow. All else: percentiles of the difference. Widened as in `interval` where all replicates
    agree or a side has one class.
    """
    _check_level(level)
    value = after[name] - before[name] if math.isfinite(after[name]) and math.isfinite(before[name]) else math.nan
    if n_units < MIN_UNITS or math.isnan(value):
        return math.nan, math.nan
    if name == "accuracy":
        return _agresti_min(value, after_replicates[name] - before_replicates[name], n_units, level)
    if name == "mce":
        sides = ((before, before_replicates), (after, after_replicates))
        (low0, high0), (low1, high1) = (interval(name, *side, n_units=n_units, level=level) for side in sides)
        return low1 - high0, high1 - low0
    source = "rms_ce" if name == "ece_debiased" else name
    if name in LENGTHS:
        change = _debiased(source, after, after_replicates) - _debiased(source, before, before_replicates)
    else:
        with np.errstate(invalid="ignore"):
            change = after_replicates[source] - before_replicates[source]
    low, high = _percentiles(change, level)
    extra = max(_unseen(name, side, low, high, n_units, level) for side in (before, after))
    return low - extra, high + extra


def _debiased(name: str, point: Mapping[str, float], replicates: Mapping[str, FloatArray]) -> FloatArray:
    """Replicates of a length less the noise of sample and resample; below 0 down to -0.3 of that noise's length."""
    power = _POWER.get(name, 2.0)
    raised = replicates[name] ** power
    noise = max(0.0, float(np.mean(raised)) - point[name] ** power)
    left = raised - 2 * noise
    return np.asarray(np.maximum(np.sign(left) * np.abs(left) ** (1 / power), -_NEGATIVE * noise ** (1 / power)))


def _percentiles(values: FloatArray, level: float) -> tuple[float, float]:
    """Outer order statistics at (1 -+ level)/2, which also order infinities; NaN when too many values are."""
    known = values[~np.isnan(values)]
    if not len(known) or len(values) - len(known) > _MAX_NAN * len(values):
        return math.nan, math.nan
    low = np.quantile(known, (1 - level) / 2, method="lower")
    high = np.quantile(known, (1 + level) / 2, method="higher")
    return float(low), float(high)


def _unseen(name: str, point: Mapping[str, float], low: float, high: float, n_units: int, level: float) -> float:
    """What items of a kind that the sample does not hold could add to a metric; 0 when the bootstrap saw both kinds."""
    seen = 0 < point["accuracy"] < 1 and high - low > 1e-12
    if name in _WITHOUT_ANSWERS or seen or math.isnan(low):
        return 0.0
    share = _wilson(0.0, n_units, _normal(level))[1]
    if name == "brier":
        return 2 * share
    # A wrong item's right answer has at most 1 - confidence.
    return share * max(1.0, -math.log(max(1 - point["confidence"], 1e-12))) if name == "nll" else share


def wilson(rate: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """(low, high) of a share `rate` seen in n independent items, in [0, 1]. Wilson 1927 (JASA 22)."""
    _check_level(level)
    return _wilson(rate, n, _normal(level))


def _wilson_from(
    accuracy: float, replicates: FloatArray, n_units: int, grouped: bool, level: float
) -> tuple[float, float]:
    if not grouped:
        return _wilson(accuracy, n_units, _normal(level))
    from scipy.special import stdtrit

    variance = float(np.var(replicates))
    effective = accuracy * (1 - accuracy) / variance if variance > 0 else float(n_units)
    return _wilson(accuracy, effective, float(stdtrit(n_units - 1, (1 + level) / 2)))


def _wilson(rate: float, n: float, z: float) -> tuple[float, float]:
    """Wilson 1927 (JASA 22): never of zero width, never outside [0, 1]."""
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the formula is exact but for rounding.
    return (0.0 if rate == 0 else centre - half), (1.0 if rate == 1 else centre + half)


def _agresti_min(change: float, replicates: FloatArray, n: int, level: float) -> tuple[float, float]:
    """Adjusted Wald for paired proportions (Statistics in Medicine 24): half an item added to each of the four cells.

    discordant: the two counts' sum, in units; Var*(change) = (discordant/n - change^2)/n.
    """
    discordant = n * (n * float(np.var(replicates)) + change**2)
    shrunk = change * n / (n + 2)
    half = _normal(level) * math.sqrt(max(0.0, discordant + 1 - (n + 2) * shrunk**2)) / (n + 2)
    return max(-1.0, shrunk - half), min(1.0, shrunk + half)


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _clipped(value: float, bottom: float, top: float) -> float:
    return value if math.isnan(value) else min(max(value, bottom), top)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ScoresError(f"level is {level}; it must lie between 0 and 1, for example 0.95")
