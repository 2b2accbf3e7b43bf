"""The change of |gap|, against scipy and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibaudit.metrics.inference.abs_gap import abs_gap_change_of
from calibaudit.metrics.inference.estimate import Design


def made(n=80, seed=0, heat=0.0):
    """excess before and after; heat: how much too sure the second side is."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.3, 0.95, n)
    other = np.clip(base + 0.1 * rng.normal(size=n), 0.05, 0.95)
    luck = rng.random(n)
    correct = luck < base, rng.random(n) < np.where(rng.random(n) < 0.5, other, luck)
    return base - correct[0], np.clip(other + heat, 0, 1) - correct[1]


def change(excess, unit=None):
    return abs_gap_change_of(excess, Design.of(len(excess[0]), unit))


def calibrated_pair(seed, n, shifts):
    rng = np.random.default_rng([seed, 1])
    base = rng.uniform(0.3, 0.8, n)
    hits = rng.random(n) < base, rng.random(n) < base
    return base + shifts[0] - hits[0], base + shifts[1] - hits[1]


@pytest.mark.parametrize("seed", range(6))
def test_p_from_scipy_t_tests_and_a_bivariate_normal(seed):
    e0, e1 = made(seed=seed, heat=0.25)
    sign = np.sign(e1.mean())
    one = max(stats.ttest_rel(sign * e1, other, alternative="greater").pvalue for other in (sign * e0, -sign * e0))
    r = np.corrcoef(sign * (e1 - e0), sign * (e1 + e0))[0, 1]
    t = stats.norm.isf(one)
    both = 2 * stats.multivariate_normal.cdf([-t, -t], [0, 0], [[1, r], [r, 1]])
    assert change((e0, e1)).p_above() == pytest.approx(max(one, both), rel=1e-3)


def test_p_holds_its_rate_wherever_both_gaps_lie():
    # Rejection chance of both signs together when |g1| = |g0| = g, over g and over the correlation of the two t's.
    for alpha in (0.05, 0.0125):
        for r in (-0.5, 0.0, 0.5, 0.8, 0.95):
            shape = [[1, r], [r, 1]]
            grid = np.linspace(0.5, 4, 400)
            both = [2 * stats.multivariate_normal.cdf([-t, -t], [0, 0], shape) for t in grid]
            t = grid[np.argmax(np.maximum(stats.norm.sf(grid), both) <= alpha)]
            for shift in (0, 0.5, 1, 2, 4):
                ends = [[-t, -t + shift], [-t, -t - shift]]
                assert sum(stats.multivariate_normal.cdf(end, [0, 0], shape) for end in ends) <= 1.01 * alpha


def test_a_gap_that_changes_sign_is_no_growth():
    crossed = change(calibrated_pair(0, 4000, (-0.1, 0.1)))
    assert crossed.p_above() > 0.01
    assert crossed.difference.p_above() < 1e-6  # the signed gap's test alone cries wolf
    low, high = crossed.bounds(0.025)
    assert low < 0 < high
    assert high - low < 0.08
    assert change(calibrated_pair(0, 4000, (0.0, -0.1))).p_above() < 1e-6  # underconfidence counts as well


def test_the_bounds_hold_the_truth():
    for shifts in ((0.0, 0.0), (-0.05, 0.05), (0.0, 0.08), (0.08, -0.02)):
        missed = 0
        for seed in range(400):
            low, high = change(calibrated_pair(seed, 200, shifts)).bounds(0.05)
            missed += not low <= abs(shifts[1]) - abs(shifts[0]) <= high
        assert missed <= 0.1 * 400 + 2 * np.sqrt(400 * 0.09), shifts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.005, 0.05, 0.2]), st.sampled_from([None, 4]))
def test_p_and_the_low_bound_agree_and_the_value_lies_inside(seed, alpha, group):
    unit = None if group is None else np.arange(60) // group
    excess = made(60, seed, heat=0.1)
    found = change(excess, unit)
    low, high = found.bounds(alpha)
    assert low <= found.value <= high
    assert (found.p_above() <= alpha) == (low > 0)
    assert found.value == pytest.approx(abs(excess[1].mean()) - abs(excess[0].mean()))
    order = np.random.default_rng(seed).permutation(60)
    again = change((excess[0][order], excess[1][order]), None if unit is None else unit[order] + 7)
    assert again.p_above() == pytest.approx(found.p_above())
    back = change((excess[1], excess[0]), unit)
    assert max(found.p_above(), back.p_above()) >= 0.5  # not both can have grown
