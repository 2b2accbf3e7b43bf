from __future__ import annotations

import math

import numpy as np
import pytest
from made_samples import calibrated, ragged_sample
from scipy.stats import binomtest

from calibaudit.errors import ScoresError
from calibaudit.metrics import METRIC_NAMES, WeightedSample, bootstrap_weights, change_interval, interval

NAMES = ("accuracy", "confidence", "gap", "ece", "ece_debiased", "ece_adaptive", "smooth_ece", "rms_ce", "mce")


def bootstrapped(sample, names=None, n_resamples=400, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    weights = np.vstack(list(bootstrap_weights(sample.n_items, n_resamples, rng, groups)))
    return sample.point(names), sample.replicate(weights, names)


def two_choice(confidence, correct):
    """A two-choice sample with these confidences (all above .5) and hits."""
    scores = np.column_stack([np.log(confidence), np.log1p(-np.asarray(confidence))])
    return WeightedSample(scores, 1 - np.asarray(correct, int))


def test_accuracy_is_wilsons():
    point, replicates = bootstrapped(ragged_sample(60), ["accuracy"])
    hits = round(point["accuracy"] * 60)
    low, high = interval("accuracy", point, replicates, n_units=60)
    expected = binomtest(hits, 60).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_grouped_accuracy_knows_that_copies_are_no_evidence():
    """Every item five times over: the interval is about that of the 40 originals, not of the 200 copies."""
    correct = np.arange(40) % 3 > 0
    sample = two_choice(np.full(200, 0.8), np.repeat(correct, 5))
    groups = list(np.repeat(np.arange(40), 5))
    point, replicates = bootstrapped(sample, ["accuracy"], 4000, groups=groups)
    low, high = interval("accuracy", point, replicates, n_units=40, grouped=True)
    expected = binomtest(int(correct.sum()), 40).proportion_ci(method="wilson")
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.08)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_no_zero_width_when_all_items_are_right_or_wrong(right, grouped):
    sample = two_choice(np.full(30, 0.9), np.full(30, right))
    point, replicates = bootstrapped(sample)
    for name in METRIC_NAMES:
        low, high = interval(name, point, replicates, n_units=30, grouped=grouped)
        if math.isnan(point[name]) or not math.isfinite(point[name]):
            continue
        if name == "confidence":
            assert (low, high) == pytest.approx((0.9, 0.9))  # no answer moves it
            continue
        assert high - low > 0.05, name
        if name == "accuracy":
            assert (high == 1) == right


def test_a_perfect_ranking_is_no_certainty():
    sample = two_choice(np.r_[np.full(20, 0.9), np.full(20, 0.6)], np.repeat([1, 0], 20))
    point, replicates = bootstrapped(sample)
    assert point["auroc"] == 1
    low, high = interval("auroc", point, replicates, n_units=40)
    assert low < 0.95
    assert high == 1


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_fewer_than_ten_units_give_no_interval(name):
    sample = ragged_sample(9)
    point, replicates = bootstrapped(sample)
    assert all(map(math.isnan, interval(name, point, replicates, n_units=9)))
    assert all(map(math.isnan, change_interval(name, point, point, replicates, replicates, n_units=9)))


def test_what_does_not_exist_has_no_interval():
    sample = WeightedSample(ragged_sample(40).scores, ragged_sample(40).answer)
    point, replicates = bootstrapped(sample)
    assert all(map(math.isnan, interval("option_mass", point, replicates, n_units=40)))
    rare = {"auroc": np.r_[np.full(10, np.nan), np.full(90, 0.7)]}
    assert all(map(math.isnan, interval("auroc", {"auroc": 0.7, "accuracy": 0.5}, rare, n_units=40)))


def test_an_infinite_temperature_keeps_its_finite_end():
    replicates = {"temperature": np.r_[np.linspace(3, 9, 80), np.full(20, np.inf)]}
    low, high = interval("temperature", {"temperature": 6.0, "accuracy": 0.3}, replicates, n_units=50)
    assert 3 <= low < 3.3
    assert high == math.inf


def test_percentiles_are_numpys_for_plain_means():
    point, replicates = bootstrapped(ragged_sample(60), n_resamples=999)
    for name in ("gap", "brier", "nll", "auroc", "aurc", "confidence", "option_mass"):
        low, high = interval(name, point, replicates, n_units=60)
        expected = np.quantile(replicates[name], [0.025, 0.975])
        step = 3 * np.std(replicates[name]) / 20
        assert (low, high) == pytest.approx(tuple(expected), abs=step)


def test_a_calibrated_model_is_not_accused():
    """Nominal 95 %: the true calibration error, 0, is inside; the percentile interval never holds it."""
    rng = np.random.default_rng(0)
    held, percentile_held, n = dict.fromkeys(NAMES[3:], 0), 0, 60
    for seed in range(n):
        confidence, correct = calibrated(300, rng)
        point, replicates = bootstrapped(two_choice_like(confidence, correct), NAMES, 200, seed)
        for name in held:
            held[name] += interval(name, point, replicates, n_units=300)[0] <= 0
        percentile_held += np.quantile(replicates["ece"], 0.025) <= 0
    assert all(count >= 0.88 * n for count in held.values()), held
    assert percentile_held == 0


def test_an_overconfident_models_error_is_covered():
    """Constant confidence c and accuracy a: every calibration error is |c - a| (but for mce and adaptive, near it)."""
    rng = np.random.default_rng(1)
    held, n = dict.fromkeys(("ece", "rms_ce", "ece_debiased", "smooth_ece"), 0), 60
    for seed in range(n):
        correct = rng.random(300) < 0.7
        point, replicates = bootstrapped(two_choice(np.full(300, 0.82), correct), NAMES, 200, seed)
        for name in held:
            low, high = interval(name, point, replicates, n_units=300)
            held[name] += low <= 0.12 <= high
    assert all(count >= 0.87 * n for count in held.values()), held


def two_choice_like(confidence, correct):
    """Scores whose top choice has this confidence, the rest shared by enough other choices to stay below it."""
    n_others = 15
    rest = (1 - confidence) / n_others
    scores = np.log(np.column_stack([confidence, *[rest] * n_others]))
    return WeightedSample(scores, np.where(correct, 0, 1))


def test_change_is_paired_and_signed():
    """The same items, the after side 20 points surer: the gap's change is known exactly, its interval is narrow."""
    rng = np.random.default_rng(2)
    correct = rng.random(200) < 0.7
    sides = [bootstrapped(two_choice(np.full(200, c), correct), NAMES) for c in (0.7, 0.9)]
    (before, before_replicates), (after, after_replicates) = sides
    low, high = change_interval("gap", before, after, before_replicates, after_replicates, n_units=200)
    assert low <= 0.2 + 1e-9
    assert high >= 0.2 - 1e-9
    # Zero spread is widened by what 200 items cannot exclude: z^2 / (200 + z^2).
    assert high - low == pytest.approx(2 * 3.8415 / 203.8415, rel=1e-3)
    reverse = change_interval("ece", after, before, after_replicates, before_replicates, n_units=200)
    forward = change_interval("ece", before, after, before_replicates, after_replicates, n_units=200)
    assert reverse == pytest.approx((-forward[1], -forward[0]))
    assert forward[0] > 0


def test_change_of_accuracy_is_agresti_and_mins():
    """12 items became right, 4 became wrong, of 100: (8/102) -+ z sqrt(17 - 64/102)/102."""
    before_hits = np.r_[np.zeros(12), np.ones(4), np.ones(84)]
    after_hits = np.r_[np.ones(12), np.zeros(4), np.ones(84)]
    weights = np.vstack(list(bootstrap_weights(100, 20_000, np.random.default_rng(3))))
    sides = [({"accuracy": hits.mean()}, {"accuracy": weights @ hits / 100}) for hits in (before_hits, after_hits)]
    (before, before_replicates), (after, after_replicates) = sides
    low, high = change_interval("accuracy", before, after, before_replicates, after_replicates, n_units=100)
    half = 1.959964 * math.sqrt(17 - 64 / 102) / 102
    assert (low, high) == pytest.approx((8 / 102 - half, 8 / 102 + half), abs=0.001)


def test_no_discordant_pair_is_no_certainty():
    point, replicates = bootstrapped(ragged_sample(50, hit_rate=0.7))
    low, high = change_interval("accuracy", point, point, replicates, replicates, n_units=50)
    assert low < 0 < high
    for name in METRIC_NAMES[1:]:
        low, high = change_interval(name, point, point, replicates, replicates, n_units=50)
        assert low <= 0 <= high
        assert high > low or name in ("confidence", "option_mass")


def test_change_from_no_finite_temperature_has_no_interval():
    point, replicates = bootstrapped(ragged_sample(50))
    other = {**point, "temperature": math.inf}
    assert all(map(math.isnan, change_interval("temperature", point, other, replicates, replicates, n_units=50)))


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_outside_is_refused(level):
    with pytest.raises(ScoresError, match="level"):
        interval("ece", {}, {}, n_units=50, level=level)
    with pytest.raises(ScoresError, match="level"):
        change_interval("ece", {}, {}, {}, {}, n_units=50, level=level)


def test_a_wider_level_is_wider():
    point, replicates = bootstrapped(ragged_sample(100))
    for name in METRIC_NAMES:
        (a, b), (c, d) = (interval(name, point, replicates, n_units=100, level=level) for level in (0.99, 0.8))
        assert a <= c <= d <= b


def test_mce_is_bounded_by_rms_ce_and_its_change_by_both_sides():
    (before, before_replicates), (after, after_replicates) = (bootstrapped(ragged_sample(80, seed)) for seed in (4, 5))
    low0, high0 = interval("mce", before, before_replicates, n_units=80)
    low1, high1 = interval("mce", after, after_replicates, n_units=80)
    assert low0 == interval("rms_ce", before, before_replicates, n_units=80)[0]
    assert high0 > before["rms_ce"]
    change = change_interval("mce", before, after, before_replicates, after_replicates, n_units=80)
    assert change == pytest.approx((low1 - high0, high1 - low0))
