from __future__ import annotations

import numpy as np
import pytest

from calibaudit.errors import ScoresError
from calibaudit.metrics.inference.split_smooth import smooth_ece_change
from calibaudit.metrics.smooth import smooth_ece_of


def sample(n, rng, shift=(0.0, 0.0), low=0.3, high=0.9):
    """Confidences and hits of two models on the same n items; shift: how much each is too sure."""
    q = [low + (high - low) * rng.random(n) for _ in shift]
    return tuple(p + d for p, d in zip(q, shift, strict=True)), tuple(rng.random(n) < p for p in q)


def samples():
    rng = np.random.default_rng(0)
    for n in (20, 200, 2000):
        for shift in ((0.0, 0.0), (0.0, 0.05), (0.1, -0.1), (0.06, 0.0)):
            c, a = sample(n, rng, shift)
            yield c, a, None
            yield c, a, np.arange(n) // 4


def test_a_p_below_alpha_is_an_interval_without_zero_and_the_estimate_lies_inside():
    for c, a, unit in samples():
        for estimate in smooth_ece_change(c, a, unit=unit):
            assert estimate.se > 0
            assert min(estimate.below, estimate.above) >= 0
            for alpha in (0.5, 0.2, 0.05, 0.001):
                low, high = estimate.interval(1 - alpha)
                assert low <= estimate.value <= high
                assert (estimate.p_value() < alpha) == (not low <= 0 <= high)


def test_the_change_is_the_difference_of_the_levels_and_turns_with_the_sides():
    for c, a, unit in samples():
        before, after, change = smooth_ece_change(c, a, unit=unit)
        other = smooth_ece_change(c[::-1], a[::-1], unit=unit)
        assert change.value == after.value - before.value
        assert change.below <= before.above
        assert change.above <= after.above
        assert other[2].value == pytest.approx(-change.value, abs=1e-12)
        assert other[2].se == pytest.approx(change.se, rel=1e-9)
        assert other[2].p_value() == pytest.approx(change.p_value(), rel=1e-9)
        assert [e.value for e in other[:2]] == pytest.approx([after.value, before.value], abs=1e-12)


def test_the_same_model_twice_has_not_changed():
    c, a = sample(300, np.random.default_rng(1), (0.1, 0.1))
    change = smooth_ece_change((c[0], c[0]), (a[0], a[0]))[2]
    assert (change.value, change.p_value(), change.interval()) == (0, 1, (0, 0))


def test_order_of_items_and_names_of_units_do_not_matter():
    rng = np.random.default_rng(2)
    c, a = sample(400, rng, (0.0, 0.08))
    unit, stratum = np.arange(400) // 5, np.arange(400) % 3
    order = rng.permutation(400)
    named = np.array([f"item {u}" for u in unit])
    one = smooth_ece_change(c, a, unit=unit, task=stratum)
    moved = (c[0][order], c[1][order]), (a[0][order], a[1][order])
    two = smooth_ece_change(*moved, unit=named[order], task=stratum[order])
    for x, y in zip(one, two, strict=True):
        assert [y.value, y.se, y.below, y.above, y.df] == pytest.approx([x.value, x.se, x.below, x.above, x.df])


def test_items_counted_ten_times_in_a_unit_are_one_item():
    c, a = sample(300, np.random.default_rng(3), (0.1, 0.0))
    one = smooth_ece_change(c, a)
    copies = [tuple(np.repeat(v, 10) for v in pair) for pair in (c, a)]
    for x, grouped, loose in zip(
        one, smooth_ece_change(*copies, unit=np.arange(3000) // 10), smooth_ece_change(*copies), strict=True
    ):
        assert grouped.df == x.df
        assert grouped.se == pytest.approx(x.se, rel=0.15)
        assert grouped.se > 2 * loose.se


def test_strata_take_their_own_means_out():
    """Two tasks of opposite errors: that items of both are there in a fixed number is no noise."""
    rng = np.random.default_rng(4)
    hit = np.repeat([True, False], 500)
    c, a = (np.full(1000, 0.7) + 0.01 * rng.random(1000),) * 2, (hit, hit)
    loose, strata = smooth_ece_change(c, a), smooth_ece_change(c, a, task=hit)
    assert strata[0].df == loose[0].df - 1
    assert strata[0].se < 0.5 * loose[0].se


def test_a_calibrated_model_is_near_zero_and_an_even_error_near_its_size():
    c, a = sample(200_000, np.random.default_rng(5), (0.0, 0.05))
    before, after, change = smooth_ece_change(c, a)
    assert abs(before.value) < 0.003
    assert after.value == pytest.approx(0.05, abs=0.004)
    assert change.p_value() < 1e-6


def test_an_error_of_changing_sign_is_near_the_populations():
    rng = np.random.default_rng(6)
    q = rng.random(300_000)
    c = np.clip(0.5 + 1.5 * (q - 0.5), 0, 1)
    truth = smooth_ece_of(c, q - c)
    level = smooth_ece_change((c, q), (rng.random(len(q)) < q, rng.random(len(q)) < q))[0]
    low, high = level.interval(0.999)
    assert low <= truth <= high
    assert level.value == pytest.approx(truth, abs=0.003)


def test_calibrated_models_average_zero_at_any_accuracy():
    """300 items, 60 samples: the plug-in's mean is .046 and .023, larger for the less accurate model."""
    rng = np.random.default_rng(7)
    for low in (0.3, 0.8):
        values = [smooth_ece_change(*sample(300, rng, low=low, high=1.0))[0].value for _ in range(60)]
        assert abs(np.mean(values)) < 4 * np.std(values) / 60**0.5


def test_no_spread_is_no_certainty():
    """All right at a confidence of .9, 20 items: the variance is the calibrated model's."""
    c, a = np.full(20, 0.9), np.ones(20)
    level = smooth_ece_change((c, c), (a, a))[0]
    assert level.se > 0.02
    assert level.p_value() > 0.05


def test_what_is_not_the_same_items_is_refused():
    c, a = sample(10, np.random.default_rng(8))
    with pytest.raises(ScoresError, match="10 items before and 9 after"):
        smooth_ece_change((c[0], c[1][:9]), a)
    with pytest.raises(ScoresError, match="unit has shape"):
        smooth_ece_change(c, a, unit=np.arange(9))
