"""The tests of a change, against scipy, hand loops, exact enumeration and laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibaudit.errors import ScoresError
from calibaudit.metrics import ece, holm, swap_masks
from calibaudit.metrics.noninferiority import (
    MeanEstimate,
    PairedSample,
    abs_gap_interval,
    abs_gap_p_value,
    ece_change,
    ece_t_p_value,
    squared_ce_change,
    squared_ce_rows,
    swap_p_value,
    weighted_holm,
)


def made(n=80, seed=0, groups=None, heat=0.0):
    """(confidence, correct) pairs and their sample; heat: how much too sure the second side is."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.3, 0.95, n)
    other = np.clip(base + 0.1 * rng.normal(size=n), 0.05, 0.95)
    luck = rng.random(n)
    correct = luck < base, rng.random(n) < np.where(rng.random(n) < 0.5, other, luck)
    confidence = base, np.clip(other + heat, 0, 1)
    return confidence, correct, PairedSample.of(confidence, correct, groups)


def bin_of(confidence, n_bins=15):
    """A hand loop: the first k with c <= (k + 1)/n."""
    return [next(k for k in range(n_bins) if c <= (k + 1) / n_bins) for c in confidence]


def hand_squared(confidence, correct, unit):
    """Mean of e_i e_j over ordered pairs of a bin's items from different units, weighted by the bin's share."""
    total, bins = 0.0, bin_of(confidence)
    error = np.asarray(confidence) - np.asarray(correct)
    for b in range(15):
        items = [i for i in range(len(bins)) if bins[i] == b]
        products = [error[i] * error[j] for i, j in itertools.permutations(items, 2) if unit[i] != unit[j]]
        if products:
            total += len(items) / len(bins) * sum(products) / len(products)
    return total


@pytest.mark.parametrize("bound", [-0.1, 0.0, 0.03])
def test_a_mean_is_the_one_sample_t_test(bound):
    _, _, sample = made()
    values = np.random.default_rng(1).normal(0.05, 0.3, sample.n_items)
    mean = sample.mean(values)
    expected = stats.ttest_1samp(values, bound, alternative="greater")
    assert mean.value == pytest.approx(values.mean())
    assert mean.p_above(bound) == pytest.approx(expected.pvalue)
    assert mean.interval(0.9) == pytest.approx(tuple(stats.ttest_1samp(values, 0).confidence_interval(0.9)))


def test_the_mean_of_equal_groups_is_the_t_test_of_their_means():
    groups = np.repeat(np.arange(20), 4)
    _, _, sample = made(80, groups=groups)
    values = np.random.default_rng(2).normal(0.1, 1, 20)[groups] + 0.1 * np.random.default_rng(3).normal(size=80)
    means = values.reshape(20, 4).mean(axis=1)
    assert sample.mean(values).p_above() == pytest.approx(stats.ttest_1samp(means, 0, alternative="greater").pvalue)
    assert sample.mean(values).df == 19


def test_p_without_variation():
    assert MeanEstimate(0.0, 0.0, 9).p_above() == 1
    assert 0 < MeanEstimate(0.1, 0.0, 9).p_above() < 1e-300
    assert MeanEstimate(-0.1, 0.0, 9).p_above() == 1
    assert MeanEstimate(9.0, 0.001, 10_000).p_above() > 0


@pytest.mark.parametrize("seed", range(4))
def test_ece_change_is_that_of_ece_and_its_t_test_that_of_its_terms(seed):
    (c0, c1), (a0, a1), sample = made(seed=seed, heat=0.08)
    found = ece_change(sample)
    assert found.value == pytest.approx(ece(c1, a1) - ece(c0, a0))
    terms = []
    for confidence, correct in ((c0, a0), (c1, a1)):
        bins, error = bin_of(confidence), confidence - correct
        sums = [sum(e for e, k in zip(error, bins, strict=True) if k == b) for b in range(15)]
        terms.append([np.sign(sums[b]) * e for e, b in zip(error, bins, strict=True)])
    assert found.p_above() == pytest.approx(stats.ttest_rel(terms[1], terms[0], alternative="greater").pvalue)


@pytest.mark.parametrize("groups", [None, np.arange(40) // 3, np.random.default_rng(0).integers(0, 25, 40)])
def test_squared_error_against_a_double_loop(groups):
    (c0, c1), (a0, a1), sample = made(40, heat=0.1, groups=groups)
    unit = np.arange(40) if groups is None else groups
    before, after = (hand_squared(c, a, unit) for c, a in ((c0, a0), (c1, a1)))
    assert float(squared_ce_rows(sample.sums[0], 40)) == pytest.approx(before)
    assert squared_ce_change(sample).value == pytest.approx(after - before)


def test_squared_error_is_unbiased_whatever_the_accuracy():
    # Calibrated models: plain squared error is far above 0, this one is not, and so is no change between them.
    values, plain = [], []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        sure, unsure = rng.uniform(0.9, 1, 100), rng.uniform(0.3, 0.7, 100)
        hits = [rng.random(100) < confidence for confidence in (sure, unsure)]
        sample = PairedSample.of((sure, unsure), hits)
        values.append(squared_ce_change(sample).value)
        plain.append(ece_change(sample).value)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(600)
    assert np.mean(plain) > 10 * np.std(plain) / np.sqrt(600)


def test_squared_error_t_test_agrees_with_the_bootstrap_where_bins_are_off():
    (c0, c1), (a0, a1), sample = made(600, heat=0.15)
    rng = np.random.default_rng(0)
    replicates = []
    for _ in range(400):
        pick = rng.integers(600, size=600)
        again = PairedSample.of((c0[pick], c1[pick]), (a0[pick], a1[pick]))
        replicates.append(squared_ce_change(again).value)
    assert squared_ce_change(sample).se == pytest.approx(np.std(replicates), rel=0.15)


def test_swap_p_against_exact_enumeration_by_scipy():
    (c0, c1), (a0, a1), sample = made(9, seed=4, heat=0.2)
    unit = np.arange(9)

    def statistic(x, y):
        # scipy swaps the two sides of each item: the item's number says which confidence and hit it was
        sides = [[(c0, c1)[int(v) % 2][int(v) // 2] for v in side] for side in (x, y)]
        hits = [[(a0, a1)[int(v) % 2][int(v) // 2] for v in side] for side in (x, y)]
        return hand_squared(sides[1], hits[1], unit) - hand_squared(sides[0], hits[0], unit)

    marks = 2 * np.arange(9), 2 * np.arange(9) + 1
    exact = stats.permutation_test(
        marks, statistic, permutation_type="samples", vectorized=False, n_resamples=np.inf, alternative="greater"
    )
    masks = np.array(list(itertools.product([False, True], repeat=9)))
    found = swap_p_value(sample, [masks[:200], masks[200:]])
    assert found == pytest.approx((1 + exact.pvalue * 512) / 513)


def test_swaps_move_whole_groups():
    groups = np.arange(24) // 4
    (c0, c1), (a0, a1), sample = made(24, seed=5, heat=0.1, groups=groups)
    masks = np.array(list(itertools.product([False, True], repeat=6)))
    observed = hand_squared(c1, a1, groups) - hand_squared(c0, a0, groups)
    reached = 0
    for mask in masks[:, groups]:
        sides = [np.where(mask, c1, c0), np.where(mask, c0, c1)]
        hits = [np.where(mask, a1, a0), np.where(mask, a0, a1)]
        reached += hand_squared(sides[1], hits[1], groups) - hand_squared(sides[0], hits[0], groups) >= observed - 1e-12
    assert swap_p_value(sample, [masks]) == pytest.approx((1 + reached) / 65)


def test_ece_t_is_the_larger_of_the_two():
    _, _, sample = made(heat=0.1)
    assert ece_t_p_value(sample) == max(ece_change(sample).p_above(), squared_ce_change(sample).p_above())


@pytest.mark.parametrize("seed", range(6))
def test_abs_gap_p_from_scipy_t_tests_and_a_bivariate_normal(seed):
    (c0, c1), (a0, a1), sample = made(seed=seed, heat=0.25)
    e0, e1 = c0 - a0, c1 - a1
    sign = np.sign(e1.mean())
    one = max(stats.ttest_rel(sign * e1, other, alternative="greater").pvalue for other in (sign * e0, -sign * e0))
    r = np.corrcoef(sign * (e1 - e0), sign * (e1 + e0))[0, 1]
    t = stats.norm.isf(one)
    both = 2 * stats.multivariate_normal.cdf([-t, -t], [0, 0], [[1, r], [r, 1]])
    assert abs_gap_p_value(sample) == pytest.approx(max(one, both), rel=1e-3)


def test_abs_gap_p_holds_its_rate_wherever_both_gaps_lie():
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
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.8, 4000)
    hits = rng.random(4000) < base, rng.random(4000) < base
    sample = PairedSample.of((base - 0.1, base + 0.1), hits)
    assert abs_gap_p_value(sample) > 0.01
    assert sample.mean(sample.excess[1] - sample.excess[0]).p_above(0.02) < 1e-6  # the signed gap's test cries wolf
    low, high = abs_gap_interval(sample)
    assert low < 0 < high
    assert high - low < 0.08
    grown = PairedSample.of((base, base - 0.1), hits)
    assert abs_gap_p_value(grown) < 1e-6  # underconfidence counts as well


def test_abs_gap_interval_holds_the_truth():
    for shifts in ((0.0, 0.0), (-0.05, 0.05), (0.0, 0.08), (0.08, -0.02)):
        missed = 0
        for seed in range(400):
            rng = np.random.default_rng([seed, 1])
            base = rng.uniform(0.3, 0.8, 200)
            hits = rng.random(200) < base, rng.random(200) < base
            low, high = abs_gap_interval(PairedSample.of((base + shifts[0], base + shifts[1]), hits), 0.9)
            missed += not low <= abs(shifts[1]) - abs(shifts[0]) <= high
        assert missed <= 0.1 * 400 + 2 * np.sqrt(400 * 0.09), shifts


def test_weighted_holm_with_equal_weights_is_holm():
    p = np.random.default_rng(0).random(9) ** 3
    assert weighted_holm(p, np.full(9, 0.3)) == pytest.approx(holm(p))
    assert weighted_holm([], []).shape == (0,)


def test_weighted_holm_by_hand():
    # ratios p/w: .04, .06, .08: first .01/.25 * 1, then .03/.5 * .75 = .045, then .02/.25 * .25 = .02 -> .045
    assert weighted_holm([0.03, 0.01, 0.02], [0.5, 0.25, 0.25]) == pytest.approx([0.045, 0.04, 0.045])


def test_weighted_holm_holds_the_family_rate():
    rng = np.random.default_rng(0)
    weights = np.array([0.5, 0.1, 0.4])
    wrong = sum((weighted_holm(rng.random(3), weights) <= 0.05).any() for _ in range(4000))
    assert wrong / 4000 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 3, 7]))
def test_relabelled_and_reordered_items_change_nothing(seed, group):
    groups = None if group is None else np.arange(60) // group
    (c0, c1), (a0, a1), sample = made(60, seed=seed, groups=groups, heat=0.1)
    rng = np.random.default_rng(seed)
    order = rng.permutation(60)
    labels = np.arange(60) if groups is None else groups
    names = rng.permutation(labels.max() + 1)[labels] + 100
    again = PairedSample.of((c0[order], c1[order]), (a0[order], a1[order]), names[order])
    for test in (ece_t_p_value, abs_gap_p_value, abs_gap_interval):
        assert test(again) == pytest.approx(test(sample))
    masks = next(iter(swap_masks(sample.n_units, 50, rng)))
    moved = np.empty_like(masks)
    moved[:, again.unit[np.argsort(order)]] = masks[:, sample.unit]  # the same units change places
    assert swap_p_value(again, [moved]) == swap_p_value(sample, [masks])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_sides_exchanged(seed):
    (c0, c1), (a0, a1), sample = made(60, seed=seed, heat=0.1)
    back = PairedSample.of((c1, c0), (a1, a0))
    for change in (ece_change, squared_ce_change):
        there, here = change(sample), change(back)
        assert here.value == pytest.approx(-there.value)
        assert here.se == pytest.approx(there.se)
        assert here.p_above() == pytest.approx(1 - there.p_above())
    assert max(abs_gap_p_value(sample), abs_gap_p_value(back)) == 1  # not both can have grown


def test_unusable_samples():
    with pytest.raises(ScoresError, match="3 items before and 2 after"):
        PairedSample.of(([0.5] * 3, [0.5] * 2), ([1] * 3, [1] * 2))
    with pytest.raises(ScoresError, match="in one unit"):
        PairedSample.of(([0.5] * 3, [0.5] * 3), ([1] * 3, [1] * 3), [7, 7, 7])
    with pytest.raises(ScoresError, match="unit has shape"):
        PairedSample.of(([0.5] * 3, [0.5] * 3), ([1] * 3, [1] * 3), [7, 8])
    with pytest.raises(ScoresError, match="positive weights"):
        weighted_holm([0.5, 0.5], [1, 0])
