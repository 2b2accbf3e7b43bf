"""An estimate, its interval and its p-value as one object; and which items are independent evidence.

The interval is the set of values that the test does not reject, so the two never disagree, and it holds the estimate.
Nothing is drawn at random. What is assumed, and how often it errs: the documentation's page on metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from calibaudit.errors import ScoresError
from calibaudit.metrics.validation import FloatArray, IntArray

MIN_UNITS = 10
"""Fewer independent items (or groups) than this are no evidence for an interval or a test."""
_TINY = float(np.finfo(np.float64).tiny)
_NO_NOISE = 1e-12
"""A standard error below this is rounding."""


@dataclass(frozen=True)
class Estimate:
    """A value that scatters with standard error `se` about a number in [truth - above, truth + below].

    So without noise the truth would lie in [value - below, value + above]. Both are 0 for an estimator without bias.
    df: Student's degrees of freedom.
    """

    value: float
    se: float
    below: float = 0.0
    above: float = 0.0
    df: float = math.inf

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p of `the true value is null`, in (0, 1]: below 1 - level just when the interval excludes it.

        The inversion of the interval of Imbens & Manski 2004 (Econometrica 72) for a value known up to a bias.
        """
        from scipy.special import stdtr

        distance = self.value - null
        near = max(distance - self.below, -distance - self.above)
        if self.se <= _NO_NOISE:
            return 1.0 if near <= _NO_NOISE else _TINY
        far = near + self.below + self.above
        p = stdtr(self.df, -near / self.se) + stdtr(self.df, -far / self.se)
        return float(min(1.0, max(p, _TINY)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """(low, high): the values whose p is at least 1 - level. Raises ScoresError when level is outside (0, 1)."""
        from scipy.special import stdtr, stdtrit

        check_level(level)
        if self.se <= _NO_NOISE:
            return self.value - self.below, self.value + self.above
        width = (self.below + self.above) / self.se
        low, high = 0.0, float(stdtrit(self.df, (1 + level) / 2))  # without bias it is this; with it, less
        if width > 0:
            for _ in range(60):
                middle = (low + high) / 2
                rejects = stdtr(self.df, -middle) + stdtr(self.df, -middle - width) <= 1 - level
                low, high = (low, middle) if rejects else (middle, high)
        return float(self.value - self.below - high * self.se), float(self.value + self.above + high * self.se)

    def p_above(self) -> float:
        """One-sided p of `the true value is at most 0`, in (0, 1]: at most alpha just when `bounds` lie above 0."""
        from scipy.special import stdtr

        lead = self.value - self.below
        if self.se <= _NO_NOISE:
            return _TINY if lead > _NO_NOISE else 1.0
        return max(_TINY, float(stdtr(self.df, -lead / self.se)))

    def bounds(self, alpha: float = 0.05) -> tuple[float, float]:
        """(low, high): the true value is above the one and below the other, each with an error of at most alpha."""
        from scipy.special import stdtrit

        reach = 0.0 if self.se <= _NO_NOISE else float(stdtrit(self.df, 1 - alpha)) * self.se
        return self.value - self.below - reach, self.value + self.above + reach

    def widened(self, extra: float) -> Estimate:
        """The same, with this much more that the sample cannot tell, on either side."""
        return replace(self, below=self.below + extra, above=self.above + extra) if extra else self


def mean_of(estimates: Sequence[Estimate], df: float, *, independent: bool) -> Estimate:
    """The mean of estimates of different things; if they are not independent, with the largest error it can have."""
    n = len(estimates)
    errors = [estimate.se for estimate in estimates]
    se = math.sqrt(math.fsum(error**2 for error in errors)) if independent else math.fsum(errors)
    value, below, above = (
        math.fsum(getattr(estimate, name) for estimate in estimates) / n for name in ("value", "below", "above")
    )
    return Estimate(value, se / n, below, above, df)


@dataclass(frozen=True, eq=False)
class Design:
    """How the items were drawn. unit: (N,) 0-based, items of one unit (a passage, one question asked twice) are not
    independent; None: every item is its own. stratum: (N,) 0-based, tasks whose numbers of items are fixed.
    """

    n_items: int
    unit: IntArray | None
    n_units: int
    stratum: IntArray | None
    n_strata: int

    @classmethod
    def of(cls, n_items: int, unit: npt.ArrayLike | None = None, stratum: npt.ArrayLike | None = None) -> Design:
        """unit, stratum: any integers, (N,); None: every item its own unit, all one stratum.

        Raises ScoresError on another length.
        """
        (units, n_units), (strata, n_strata) = (
            _numbered(name, labels, n_items) for name, labels in (("unit", unit), ("stratum", stratum))
        )
        alone, whole = n_units == n_items, n_strata == 1
        return cls(n_items, None if alone else units, n_units, None if whole else strata, n_strata)

    @property
    def df(self) -> float:
        """Degrees of freedom of a variance over units about the strata's means."""
        return max(self.n_units - self.n_strata, 1)

    @cached_property
    def sizes(self) -> FloatArray:
        """(n_strata,) items of each stratum."""
        if self.stratum is None:
            return np.array([float(self.n_items)])
        return np.bincount(self.stratum, minlength=self.n_strata).astype(np.float64)

    def unit_sums(self, influence: FloatArray) -> FloatArray:
        """(n_units,) sums of (N,) values about their stratum's mean, as if a unit had had no say in that."""
        if self.stratum is None:
            centred = influence - influence.mean()
        else:
            means = np.bincount(self.stratum, influence, self.n_strata) / self.sizes
            centred = influence - means[self.stratum]
        if self.unit is None:
            return np.asarray(centred)
        return np.asarray(np.bincount(self.unit, centred, self.n_units) * self._leverage)

    @cached_property
    def _leverage(self) -> FloatArray:
        """(n_units,) 1 for units of equal size: a large one draws the mean towards itself and so looks like it.

        The jackknife's correction, 1 / (1 - share of the items) (CR3; Bell & McCaffrey 2002, Survey Methodology 28).
        """
        assert self.unit is not None
        share = np.bincount(self.unit, minlength=self.n_units) / self.n_items
        return np.asarray((1 - 1 / self.n_units) / np.maximum(1 - share, 1 / self.n_items))

    def covariance(self, x: FloatArray, y: FloatArray) -> float:
        """Of two sums over the items, x and y (N,): over units, as Liang & Zeger 1986 (Biometrika 73)."""
        left = self.unit_sums(x)
        right = left if y is x else self.unit_sums(y)
        return float(left @ right) * self.n_units / self.df

    def linear(self, value: float, influence: FloatArray, extra_variance: float = 0.0) -> Estimate:
        """The estimate of a statistic that is its true value and the sum of `influence` (N,), but for rounding.

        Degrees of freedom: those that a variance has which was estimated from sums of this kurtosis, for with rare
        errors it is known from few (Satterthwaite 1946, Biometrics Bulletin 2).
        """
        squares = self.unit_sums(influence) ** 2
        total = float(squares.sum())
        df = self.df
        if total > 0:
            excess = self.n_units * float((squares / total) @ (squares / total)) - 1  # kurtosis - 1
            df = max(1.0, min(df, 2 * self.n_units / max(excess, 1e-9)))
        variance = total * self.n_units / self.df + extra_variance
        return Estimate(value, math.sqrt(max(0.0, variance)), df=df)


def _numbered(name: str, labels: npt.ArrayLike | None, n_items: int) -> tuple[IntArray | None, int]:
    """(N,) labels as 0-based numbers, and how many there are."""
    if labels is None:
        return None, n_items if name == "unit" else 1
    array = np.asarray(labels)
    if array.shape != (n_items,):
        raise ScoresError(f"{name} has shape {array.shape}; {n_items} items need one each")
    names, index = np.unique(array, return_inverse=True)
    return index.reshape(-1).astype(np.int64), len(names)


def check_level(level: float) -> None:
    """Raises ScoresError outside (0, 1)."""
    if not 0 < level < 1:
        raise ScoresError(f"level is {level}; it must lie between 0 and 1, for example 0.95")
