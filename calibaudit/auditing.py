"""Scores -> Audit: every metric of one model on one task, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from collections.abc import Mapping

METRICS: tuple[str, ...] = (
    "accuracy", "confidence", "gap", "ece", "ece_floor", "ece_debiased", "ece_adaptive", "smooth_ece", "rms_ce", "mce",
    "brier", "nll", "auroc", "aurc", "temperature", "option_mass",
)


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
class Reliability:
    """A reliability diagram's data. edges (bins + 1,); count, confidence, accuracy (bins,), NaN in empty bins."""


@dataclass(frozen=True, eq=False)
class Audit:
    """One model on one task (or overall). `metrics` has every key of METRICS in that order; a value of None
    inside an Interval says that it does not exist there (option_mass of a cloze task, auroc with one class)."""

    task: str
    scoring: str
    n_items: int
    metrics: Mapping[str, Interval]
    reliability: Reliability
