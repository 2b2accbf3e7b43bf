"""|gap| = |mean confidence - accuracy| and its paired change: means, so exact and powerful."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibaudit.metrics.inference.estimate import Design, Estimate
from calibaudit.metrics.inference.influence import mean_influence
from calibaudit.metrics.validation import FloatArray


@dataclass(frozen=True)
class AbsGapChange:
    """|g1| - |g0|, g the signed gap before and after, from the paired estimates of g1 - g0 and of g1 + g0.

    |g1| > |g0| holds when, for the sign s of g1, both s (g1 - g0) > 0 and s (g1 + g0) > 0. correlation: of the two.
    """

    difference: Estimate
    total: Estimate
    correlation: float

    @property
    def value(self) -> float:
        twice = (self.total.value - self.difference.value, self.total.value + self.difference.value)
        return (abs(twice[1]) - abs(twice[0])) / 2

    def p_above(self) -> float:
        """One-sided p of `|gap| has not grown`, in (0, 1].

        Both one-sided tests must reject (intersection-union, Berger 1982, Technometrics 24); p is the larger. Where
        both gaps are 0 either sign could do so: then the chance is twice that of two correlated normals both passing
        t, by Owen's T (1956, Annals of Mathematical Statistics 27). The larger p counts.
        """
        from scipy.special import ndtr, ndtri, owens_t

        after = self.total.value + self.difference.value
        sign = 1.0 if after >= 0 else -1.0
        one = max(Estimate(sign * part.value, part.se, df=part.df).p_above() for part in (self.difference, self.total))
        if one >= 0.5:
            return one
        t, r = -float(ndtri(one)), self.correlation
        return min(1.0, max(one, 2 * float(ndtr(-t) - 2 * owens_t(t, math.sqrt((1 - r) / (1 + r))))))

    def bounds(self, alpha: float = 0.05) -> tuple[float, float]:
        """(low, high): |gap| changed by more than the one and by less than the other, each with an error of alpha.

        low is above 0 just when `p_above` is at most alpha.
        """
        (a, b), (c, d) = self.difference.bounds(alpha), self.total.bounds(alpha)
        if a == b == 0:  # the same on every item
            return 0.0, 0.0
        # |g1| - |g0| = max over s of min over s' of (s g1 - s' g0)
        low, high = max(min(a, c), min(-b, -d)), max(min(b, d), min(-a, -c))
        return (low if self.p_above() <= alpha else min(low, 0.0)), high


def abs_gap_change_of(excess: tuple[FloatArray, FloatArray], design: Design) -> AbsGapChange:
    """excess: (N,) confidence - correct, before and after."""
    parts = [mean_influence(x) for x in (excess[1] - excess[0], excess[1] + excess[0])]
    difference, total = (design.linear(*part) for part in parts)
    scale = difference.se * total.se
    shared = design.covariance(parts[0][1], parts[1][1])
    correlation = min(max(shared / scale, -1 + 1e-9), 1 - 1e-9) if scale > 0 else 0.0
    return AbsGapChange(difference, total, correlation)


def abs_interval(low: float, high: float) -> tuple[float, float]:
    """The interval of |x| when that of x is [low, high]."""
    return max(0.0, low, -high), max(-low, high)
