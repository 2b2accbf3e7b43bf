"""What findings are made of: the metrics by name, a value with its interval, a change with its test."""

from __future__ import annotations

import math
from dataclasses import dataclass

METRICS: tuple[str, ...] = (
    "accuracy",
    "confidence",
    "gap",
    "ece",
    "ece_plugin",
    "ece_floor",
    "ece_debiased",
    "ece_adaptive",
    "smooth_ece",
    "smooth_ece_plugin",
    "rms_ce",
    "mce",
    "brier",
    "nll",
    "auroc",
    "aurc",
    "temperature",
    "option_mass",
    "classwise_ece",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "risk_80",
)
"""Every metric of an Audit, in the order of the pages and files; the functions in `metrics` say what each is."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, which holds it. `low`, `high` are None where there is no evidence for one, and
    for metrics that have none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Change:
    """after minus before, paired. p_value: two-sided, of `the true values are equal`; below 1 - level just when the
    interval excludes 0. low, high, p_value: None where there is no evidence, and for metrics that have none."""

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None


def finite(value: float) -> float | None:
    """None for NaN and infinity, which no result carries."""
    return float(value) if math.isfinite(value) else None
