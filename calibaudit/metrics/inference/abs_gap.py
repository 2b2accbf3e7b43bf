"""|gap| = |mean confidence - accuracy| and its paired change: means, so exact and powerful."""

from __future__ import annotations

from dataclasses import dataclass

from calibaudit.metrics.inference.estimate import Design, Estimate
from calibaudit.metrics.validation import FloatArray


@dataclass(frozen=True)
class AbsGapChange:
    """|g1| - |g0| from the paired estimates of g1 - g0 (`difference`) and g1 + g0 (`total`), g the signed gap.

    |g1| = |g0| holds just when one of the two is 0, so it is rejected when both are (the intersection-union test of
    Berger 1982, Technometrics 24), and the interval is what the two intervals leave.
    """

    difference: Estimate
    total: Estimate

    @property
    def value(self) -> float:
        before, after = self.total.value - self.difference.value, self.total.value + self.difference.value
        return (abs(after) - abs(before)) / 2

    def p_value(self) -> float:
        """Two-sided p of `|gap| is the same`, in (0, 1]: below 1 - level just when the interval excludes 0."""
        return max(self.difference.p_value(), self.total.p_value())

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """(low, high); where both gaps may be 0 an end may miss up to twice as often as elsewhere."""
        (a, b), (c, d) = self.difference.interval(level), self.total.interval(level)
        # |g1| - |g0| = max over s of min over s' of (s g1 - s' g0)
        return max(min(a, c), min(-b, -d)), max(min(b, d), min(-a, -c))


def abs_gap_change_of(excess: tuple[FloatArray, FloatArray], design: Design) -> AbsGapChange:
    """excess: (N,) confidence - correct, before and after."""
    parts = [excess[1] - excess[0], excess[1] + excess[0]]
    difference, total = (design.linear(float(x.mean()), (x - x.mean()) / len(x)) for x in parts)
    return AbsGapChange(difference, total)


def abs_interval(low: float, high: float) -> tuple[float, float]:
    """The interval of |x| when that of x is [low, high]."""
    return max(0.0, low, -high), max(-low, high)
