"""Is the tuned model calibrated, as far as these items can tell? Only then is nothing needed."""

from __future__ import annotations

import math

from calibaudit.analysis.compare import Comparison
from calibaudit.metrics.inference.multiple_tests import holm

SMALL = 0.03
"""A gap above this is not called none, however wide its interval: with few items every interval covers 0."""


def calibrated(comparison: Comparison, tolerance: float) -> bool:
    """Of the model after: no sign of miscalibration, or all of it within `tolerance`, overall and task by task.

    No sign: the gap's interval covers 0 and the gap is SMALL, the ECE's interval does not lie above 0, and the test of
    calibration rejects neither for all items nor for a task (Holm). Within: |gap|, ECE and the tasks' mean ECE.
    """
    return no_sign(comparison) or within(comparison, tolerance)


def no_sign(comparison: Comparison) -> bool:
    gap = comparison.pooled.after.metrics["gap"].value
    assert gap is not None
    return abs(gap) <= SMALL and none_shown(comparison)


def none_shown(comparison: Comparison) -> bool:
    """Could all of the error be chance, however large it is? False where there is no interval to tell by."""
    audit, alpha = comparison.pooled.after, comparison.settings.alpha
    gap, ece = audit.metrics["gap"], audit.metrics["ece"]
    if gap.low is None or gap.high is None or not gap.low <= 0 <= gap.high:
        return False
    if (ece.low is not None and ece.low > 0) or (audit.calibrated_p is not None and audit.calibrated_p < alpha):
        return False
    tasks = [task.after.calibrated_p for task in comparison.tasks]
    adjusted = holm([math.nan if p is None else p for p in tasks])
    return not bool((adjusted < alpha).any())


def within(comparison: Comparison, tolerance: float) -> bool:
    pooled, macro = comparison.pooled.after.metrics, comparison.macro.after.metrics
    gap, *eces = (pooled["gap"].value, pooled["ece"].value, macro["ece"].value)
    return gap is not None and abs(gap) <= tolerance and all(ece is not None and ece <= tolerance for ece in eces)
