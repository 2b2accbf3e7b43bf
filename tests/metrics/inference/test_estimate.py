from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from calibaudit.errors import ScoresError
from calibaudit.metrics import Estimate
from calibaudit.metrics.inference.estimate import Design

values = st.floats(-1, 1)
errors = st.one_of(st.just(0.0), st.floats(1e-6, 1))
biases = st.one_of(st.just(0.0), st.floats(0, 1))
degrees = st.one_of(st.just(math.inf), st.floats(1, 1e6))
levels = st.floats(0.5, 0.999)
estimates = st.builds(Estimate, values, errors, biases, biases, degrees)


@given(estimates, levels, st.one_of(st.just(0.0), values))
def test_the_interval_is_what_the_test_does_not_reject(estimate: Estimate, level: float, null: float) -> None:
    low, high = estimate.interval(level)
    assume(min(abs(null - low), abs(null - high)) > 1e-9)
    p_value = estimate.p_value(null)
    assume(abs(p_value - (1 - level)) > 1e-9)
    assert (p_value < 1 - level) == (not low <= null <= high)
    assert 0 < p_value <= 1


@given(estimates, levels)
def test_the_estimate_lies_inside_and_a_higher_level_is_wider(estimate: Estimate, level: float) -> None:
    low, high = estimate.interval(level)
    assert low <= estimate.value <= high
    wider = estimate.interval((1 + level) / 2)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12
    assert estimate.p_value(estimate.value) >= 0.5


@given(estimates, levels)
def test_the_opposite_has_the_opposite_interval(estimate: Estimate, level: float) -> None:
    other = Estimate(-estimate.value, estimate.se, estimate.above, estimate.below, estimate.df)
    low, high = estimate.interval(level)
    assert other.interval(level) == pytest.approx((-high, -low))
    assert other.p_value() == pytest.approx(estimate.p_value())


@given(values, st.floats(1e-3, 1), st.floats(1, 500), levels)
def test_without_bias_it_is_students(value: float, se: float, df: float, level: float) -> None:
    estimate = Estimate(value, se, df=df)
    assert estimate.interval(level) == pytest.approx(stats.t.interval(level, df, loc=value, scale=se))
    assert estimate.p_value() == pytest.approx(2 * stats.t.sf(abs(value) / se, df), abs=1e-12)


@given(st.floats(1e-3, 1), biases, biases, levels, st.floats(0, 1))
def test_wherever_the_bias_lies_it_errs_as_often_as_said(
    se: float, below: float, above: float, level: float, share: float
) -> None:
    """The truth is 0 and the estimate is about a number in [-above, below]: how often does its interval miss 0?"""
    low, high = Estimate(0.0, se, below, above).interval(level)

    def missed(centre: float) -> float:
        return float(stats.norm.sf((-low - centre) / se) + stats.norm.cdf((-high - centre) / se))

    assert missed(-above + share * (above + below)) <= 1 - level + 1e-9
    assert max(missed(-above), missed(below)) == pytest.approx(1 - level, abs=1e-9)


def test_no_noise_leaves_what_is_not_known() -> None:
    sure = Estimate(0.2, 0.0, 0.1, 0.3)
    assert sure.interval(0.95) == pytest.approx((0.1, 0.5))
    assert sure.p_value(0.4) == 1
    assert 0 < sure.p_value(0.0) < 1e-300
    assert Estimate(0.0, 0.0).p_value() == 1


def test_widened_on_both_sides() -> None:
    estimate = Estimate(0.2, 0.1, 0.0, 0.05)
    assert estimate.widened(0.0) is estimate
    assert estimate.widened(0.03) == Estimate(0.2, 0.1, 0.03, 0.08)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5])
def test_a_level_is_between_0_and_1(level: float) -> None:
    with pytest.raises(ScoresError, match="level"):
        Estimate(0.0, 1.0).interval(level)


def test_a_sums_variance_by_loops() -> None:
    """Over units about the strata's means, with a unit that lies in two strata."""
    rng = np.random.default_rng(0)
    unit = np.array([7, 7, 3, 3, 3, 9, 7, 4, 4, 5])
    stratum = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    x, y = rng.normal(size=(2, 10))
    design = Design.of(10, unit, stratum)
    total = 0.0
    for name in set(unit.tolist()):
        sums = [0.0, 0.0]
        for i in range(10):
            if unit[i] == name:
                for k, part in enumerate((x, y)):
                    sums[k] += part[i] - part[stratum == stratum[i]].mean()
        without = 1 - (unit == name).mean()  # the items that are not the unit's own; of equal units 1 - 1/5
        total += sums[0] * sums[1] * ((1 - 1 / 5) / without) ** 2
    assert (design.n_units, design.df) == (5, 3)
    assert design.covariance(x, y) == pytest.approx(total * 5 / 3)
    assert design.linear(0.5, x).se ** 2 == pytest.approx(design.covariance(x, x))


def test_units_of_very_unequal_size_are_no_certainty() -> None:
    """One unit holds half of the items: its mean is nearly the whole's, and its own spread cannot be seen."""
    rng = np.random.default_rng(2)
    unit = np.r_[np.zeros(200, dtype=int), 1 + np.arange(200)]
    missed = 0
    for _ in range(200):
        x = rng.normal(size=400) + 0.3 * rng.normal(size=201)[unit]
        low, high = Design.of(400, unit).linear(float(x.mean()), (x - x.mean()) / 400).interval()
        missed += not low <= 0 <= high
    assert missed <= 20


def test_a_means_standard_error_is_the_textbooks() -> None:
    x = np.random.default_rng(1).uniform(size=40)  # less kurtosis than the normal's: all degrees of freedom
    found = Design.of(40).linear(float(x.mean()), (x - x.mean()) / 40)
    assert found.interval(0.9) == pytest.approx(stats.t.interval(0.9, 39, loc=x.mean(), scale=stats.sem(x)))
    assert found.p_value(0.1) == pytest.approx(stats.ttest_1samp(x, 0.1).pvalue)


def test_few_errors_are_few_degrees_of_freedom() -> None:
    """3 of 100 wrong: the squares are of two sizes, .97^2 and .03^2, whose kurtosis is that of a coin of .03."""
    x = np.array([1.0] * 3 + [0.0] * 97)
    kurtosis = stats.kurtosis(x, fisher=False)
    found = Design.of(100).linear(0.03, (x - x.mean()) / 100)
    assert found.df == pytest.approx(200 / (kurtosis - 1))
    assert 5 < found.df < 8
    assert found.se == pytest.approx(stats.sem(x))


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(ScoresError, match="unit has shape"):
        Design.of(5, np.zeros(4))
    with pytest.raises(ScoresError, match="stratum has shape"):
        Design.of(5, None, np.zeros(6))


def test_units_of_one_item_are_no_units() -> None:
    assert Design.of(4, [9, 2, 5, 1]).unit is None
    assert Design.of(4, [9, 2, 5, 1], [1, 1, 1, 1]).stratum is None
