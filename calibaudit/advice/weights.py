"""Which weight of base is aimed at, and which weights the items do not rule out.

Two-sided: a mixture may be too sure or not sure enough, and both count. Towards base the signed gap usually falls and
crosses 0: there is the weight. Where it does not cross, no mixture is calibrated, and the smallest weight that is
about as near as any is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibaudit.metrics.inference.estimate import MIN_UNITS, Design, Estimate
from calibaudit.metrics.inference.influence import mean_influence
from calibaudit.metrics.validation import FloatArray

WEIGHTS = np.arange(101) / 100
"""Of the model before, in the mixture."""

NEAR = 0.01
"""A |gap| this much above the least that any mixture has is about as near: it spares smoothing that gains little."""

_FINE = np.arange(1001) / 1000
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Target:
    """index: into WEIGHTS. aim: the |gap| that was aimed at. given: as the margin that was asked for.

    crosses: whether the gap crosses 0 on the way to base.
    """

    index: int
    aim: float
    crosses: bool
    given: bool

    @property
    def weight(self) -> float:
        return float(WEIGHTS[self.index])


def target_of(gaps: FloatArray, margin: float | None = None) -> Target | None:
    """gaps: (weights,) signed. margin: the |gap| allowed; None: as near as can be. None where no weight is within.

    A margin that the gap leaps over between two weights is met by the nearer of the two.
    """
    size, crossed = np.abs(gaps), np.sign(gaps) != np.sign(gaps[0])
    crosses, given = bool(crossed.any()) or gaps[0] == 0, margin is not None
    if margin is None:
        margin = 0.0 if crosses else float(size.min()) + NEAR
    within = size <= margin + _ROUNDING
    if crosses:
        after = int(crossed.argmax())
        within[after - 1 if after and size[after - 1] < size[after] else after] = True
    return Target(int(within.argmax()), margin, crosses, given) if within.any() else None


def not_ruled_out(
    gap: Sequence[Estimate], target: Target, excess: Callable[[float], FloatArray], design: Design, level: float
) -> tuple[float | None, float | None]:
    """The interval of the target's weight: from the first to the last weight whose gap could be the one aimed at.

    gap: at each of WEIGHTS. excess: weight -> (items,) confidence - correct. A test of size 1 - level decides for each
    weight, so the weight at which the true gap is the one aimed at is held with that level. Where the items leave open
    whether the gap crosses 0, both what is aimed at if it does and if it does not count. Between two weights straight
    lines are drawn. (None, None) where there are too few independent items.
    """
    if design.n_units < MIN_UNITS:
        return None, None
    sign = -1.0 if gap[0].value < 0 else 1.0
    if target.given:
        possible = [_possible(gap, sign * target.aim, level)]
    else:
        farthest = int(np.argmin([sign * one.value for one in gap]))
        low, high = sorted(sign * end for end in gap[farthest].interval(level))
        possible = [_possible(gap, 0.0, level)] if low <= 0 else []
        if high >= 0:  # the least gap is itself uncertain: the paired difference from it
            least = excess(float(WEIGHTS[farthest]))
            differences = [design.linear(*mean_influence(sign * (excess(float(weight)) - least))) for weight in WEIGHTS]
            possible.append(_possible(differences, NEAR, level))
    found = np.concatenate([*possible, [target.weight]])
    return float(found.min()), float(found.max())


def _possible(estimates: Sequence[Estimate], value: float, level: float) -> FloatArray:
    """The weights, in steps of .001, at which the estimate's interval holds the value."""
    ends = np.array([one.interval(level) for one in estimates])
    low, high = (np.interp(_FINE, WEIGHTS, ends[:, i]) for i in (0, 1))
    return np.asarray(_FINE[(low <= value + _ROUNDING) & (value - _ROUNDING <= high)])
