"""What the questions can show of a model: little where it knows all of them; and where it knows none, that is said."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.analysis.audit import Audit

CEILING = 0.97
"""Accuracy and mean confidence above it leave no room to see a calibration error, or a repair of one."""

NEAR_CHANCE = 0.10
"""Of a side at chance the interval of the accuracy holds that of guessing, and ends less than this above it."""


def at_ceiling(sides: Sequence[Audit]) -> bool:
    """Whether accuracy and mean confidence of every side are above CEILING, on items enough for an interval."""
    if any(side.metrics["accuracy"].low is None for side in sides):
        return False
    values = [side.metrics[name].value for side in sides for name in ("accuracy", "confidence")]
    return all(value is not None and value > CEILING for value in values)


def at_chance(side: Audit, chance: float | None) -> bool:
    """Whether the accuracy is that of guessing, as far as the items can tell, and the items can tell."""
    accuracy = side.metrics["accuracy"]
    if chance is None or accuracy.low is None or accuracy.high is None:
        return False
    return accuracy.low <= chance < accuracy.high < chance + NEAR_CHANCE
