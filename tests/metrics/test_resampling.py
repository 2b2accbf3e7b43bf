from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from calibaudit.errors import ScoresError
from calibaudit.metrics import bootstrap_weights, holm, n_units, permutation_p_value, swap_masks


def stacked(blocks):
    return np.vstack(list(blocks))


def test_bootstrap_rows_are_multinomial_counts():
    weights = stacked(bootstrap_weights(5, 20_000, np.random.default_rng(0)))
    assert weights.shape == (20_000, 5)
    assert (weights.sum(axis=1) == 5).all()
    # An item's count is Binomial(5, 1/5).
    expected = [math.comb(5, k) * 0.2**k * 0.8 ** (5 - k) * 20_000 for k in range(6)]
    for item in range(5):
        assert chisquare(np.bincount(weights[:, item].astype(int), minlength=6), expected).pvalue > 1e-4


def test_groups_are_drawn_whole():
    groups = ["b", "a", "b", "c", "a", "b"]
    weights = stacked(bootstrap_weights(6, 500, np.random.default_rng(1), groups))
    assert (weights[:, [0, 0]] == weights[:, [2, 5]]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean() == pytest.approx(1, abs=0.1)


def test_swaps_are_fair_and_whole_groups():
    masks = stacked(swap_masks(6, 4000, np.random.default_rng(2), ["b", "a", "b", "c", "a", "b"]))
    assert masks.dtype == bool
    assert (masks[:, [0, 0]] == masks[:, [2, 5]]).all()
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.04
    assert abs(np.corrcoef(masks[:, 0], masks[:, 1])[0, 1]) < 0.06


@pytest.mark.parametrize("make", [bootstrap_weights, swap_masks])
def test_seeded_and_in_blocks(make, monkeypatch):
    one, two = (stacked(make(7, 50, np.random.default_rng(3))) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    monkeypatch.setattr("calibaudit.metrics.resampling._BLOCK", 30)
    blocks = list(make(7, 50, np.random.default_rng(3)))
    assert max(map(len, blocks)) == 4
    assert sum(map(len, blocks)) == 50


def test_units_are_groups_or_items():
    assert n_units(4) == 4
    assert n_units(4, ["x", "y", "x", "x"]) == 2


@pytest.mark.parametrize("make", [bootstrap_weights, swap_masks])
def test_unusable_resampling_is_refused(make):
    with pytest.raises(ScoresError, match="groups has 2 names for 3 items"):
        list(make(3, 1, np.random.default_rng(0), ["a", "b"]))
    for n_items, n_resamples in ((0, 5), (5, 0)):
        with pytest.raises(ScoresError, match="at least 1"):
            list(make(n_items, n_resamples, np.random.default_rng(0)))


def test_p_value_counts_both_tails_and_itself():
    assert permutation_p_value(2.0, [-2.0, 1.0, 2.5, 0.0]) == (1 + 2) / 5
    assert permutation_p_value(0.0, [0.1, -0.1, 0.0]) == 1
    assert permutation_p_value(9.0, np.zeros(999)) == 1 / 1000
    assert math.isnan(permutation_p_value(math.nan, [1.0]))
    assert math.isnan(permutation_p_value(1.0, [1.0, math.nan]))


def test_swap_permutation_is_the_exact_sign_test():
    """Paired differences of one: the statistic is their sum, and all 2^n swaps are the binomial distribution."""
    n, positive = 12, 10
    d = np.r_[np.ones(positive), -np.ones(n - positive)]
    masks = stacked(swap_masks(n, 40_000, np.random.default_rng(4)))
    p = permutation_p_value(d.sum(), np.where(masks, -d, d).sum(axis=1))
    exact = 2 * sum(math.comb(n, k) for k in range(positive, n + 1)) / 2**n
    assert p == pytest.approx(exact, abs=0.004)


def test_holm_by_hand():
    # Sorted .01 .02 .03 .5 times 4 3 2 1 = .04 .06 .06 .5, made monotone.
    np.testing.assert_allclose(holm([0.03, 0.01, 0.5, 0.02]), [0.06, 0.04, 0.5, 0.06])
    np.testing.assert_allclose(holm([0.4, math.nan, 0.02]), [0.4, math.nan, 0.04])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values, alpha):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    rejected = set()
    for step, item in enumerate(order):
        if p_values[item] * (len(p_values) - step) > alpha:
            break
        rejected.add(int(item))
    assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected
    assert ((adjusted >= p_values) & (adjusted <= 1)).all()
