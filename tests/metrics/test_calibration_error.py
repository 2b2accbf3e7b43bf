from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_samples import calibrated, confidence_and_correct
from torchmetrics.functional.classification import binary_calibration_error

from calibaudit import metrics
from calibaudit.errors import ScoresError

ERRORS = [
    metrics.ece,
    metrics.rms_ce,
    metrics.mce,
    metrics.adaptive_ece,
    metrics.debiased_ece,
    metrics.overconfidence,
    metrics.underconfidence,
]
OTHERS = [metrics.smooth_ece, metrics.aurc]


def by_hand(confidence, correct, n_bins):
    """[(share, accuracy - confidence, accuracy, count)] of each filled bin, by a plain loop over the rule."""
    bins = []
    for k in range(n_bins):
        inside = [
            (c, a)
            for c, a in zip(confidence, correct, strict=True)
            if k / n_bins < c <= (k + 1) / n_bins or (k == 0 and c == 0)
        ]
        if inside:
            c = sum(c for c, _ in inside) / len(inside)
            a = sum(bool(a) for _, a in inside) / len(inside)
            bins.append((len(inside) / len(confidence), a - c, a, len(inside)))
    return bins


@given(confidence_and_correct(), st.integers(1, 20))
def test_binned_errors_are_the_hand_loop(sample, n_bins):
    confidence, correct = sample
    bins = by_hand(confidence, correct, n_bins)
    near = {"rel": 1e-9, "abs": 1e-12}
    assert metrics.ece(confidence, correct, n_bins=n_bins) == pytest.approx(
        sum(s * abs(d) for s, d, _, _ in bins), **near
    )
    assert metrics.rms_ce(confidence, correct, n_bins=n_bins) ** 2 == pytest.approx(
        sum(s * d * d for s, d, _, _ in bins), **near
    )
    assert metrics.mce(confidence, correct, n_bins=n_bins) == pytest.approx(max(abs(d) for _, d, _, _ in bins), **near)
    over = sum(s * max(0, -d) for s, d, _, _ in bins)
    assert metrics.overconfidence(confidence, correct, n_bins=n_bins) == pytest.approx(over, **near)
    squared = sum(s * (d * d - a * (1 - a) / (n - 1)) for s, d, a, n in bins if n > 1)
    assert metrics.debiased_squared_ce(confidence, correct, n_bins=n_bins) == pytest.approx(squared, **near)
    assert metrics.debiased_ece(confidence, correct, n_bins=n_bins) == pytest.approx(
        math.sqrt(max(0, squared)), rel=1e-6, abs=1e-7
    )


@given(confidence_and_correct())
def test_laws_of_every_calibration_error(sample):
    confidence, correct = sample
    values = {metric.__name__: metric(confidence, correct) for metric in ERRORS + OTHERS}
    assert all(0 <= v <= 1 + 1e-12 for v in values.values()), values
    gap = metrics.gap(confidence, correct)
    assert gap == pytest.approx(confidence.mean() - correct.mean())
    assert values["overconfidence"] + values["underconfidence"] == pytest.approx(values["ece"], abs=1e-12)
    assert values["overconfidence"] - values["underconfidence"] == pytest.approx(gap, abs=1e-12)
    slack = 1e-9
    assert abs(gap) <= values["ece"] + slack
    assert abs(gap) <= values["adaptive_ece"] + slack
    assert values["ece"] <= values["rms_ce"] + slack
    assert values["rms_ce"] <= values["mce"] + slack
    assert values["debiased_ece"] <= values["rms_ce"] + slack
    assert values["ece"] <= np.abs(correct - confidence).mean() + slack


@given(confidence_and_correct(), st.randoms(use_true_random=False))
def test_order_does_not_matter(sample, random):
    confidence, correct = sample
    order = list(range(len(confidence)))
    random.shuffle(order)
    for metric in ERRORS + OTHERS:
        assert metric(confidence[order], correct[order]) == pytest.approx(
            metric(confidence, correct), rel=1e-7, abs=1e-7
        )


@pytest.mark.parametrize("metric", [metrics.ece, metrics.rms_ce, metrics.mce, metrics.adaptive_ece, metrics.smooth_ece])
@pytest.mark.parametrize(
    ("confidence", "correct", "value"),
    [([1.0], [1], 0), ([1.0], [0], 1), ([0.0], [0], 0), ([0.0], [1], 1), ([0.3], [1], 0.7), ([0.3], [0], 0.3)],
)
def test_one_item(metric, confidence, correct, value):
    assert metric(confidence, correct) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_torchmetrics_agrees_below_confidence_one(norm):
    """It puts confidence 1.0 in a bin of its own, and its bins are open at the other end: keep off both."""
    rng = np.random.default_rng(0)
    for n, n_bins in [(7, 3), (100, 10), (5000, 15)]:
        confidence, correct = calibrated(n, rng, 1.4)
        ours = {"l1": metrics.ece, "l2": metrics.rms_ce, "max": metrics.mce}[norm](confidence, correct, n_bins=n_bins)
        theirs = binary_calibration_error(
            torch.tensor(confidence, dtype=torch.float64), torch.tensor(correct).int(), n_bins=n_bins, norm=norm
        )
        assert ours == pytest.approx(float(theirs), abs=2e-6)


def test_confidence_one_shares_the_last_bin():
    # .95 right and 1.0 wrong share bin 15: |(1 + 0)/2 - 1.95/2|. In bins of their own it would be .525.
    assert metrics.ece([0.95, 1.0], [1, 0]) == pytest.approx(0.475)


def test_netcal_agrees_on_ece_and_mce():
    netcal = pytest.importorskip("netcal.metrics")
    confidence, correct = calibrated(3000, np.random.default_rng(1), 1.3)
    assert metrics.ece(confidence, correct) == pytest.approx(netcal.ECE(15).measure(confidence, correct), abs=1e-9)
    assert metrics.mce(confidence, correct) == pytest.approx(netcal.MCE(15).measure(confidence, correct), abs=1e-9)


def test_adaptive_is_chunks_of_the_sorted_items():
    rng = np.random.default_rng(2)
    confidence, correct = rng.random(150), rng.random(150) < 0.5
    order = np.argsort(confidence)
    chunks = zip(np.split(correct[order], 15), np.split(confidence[order], 15), strict=True)
    by_chunks = np.mean([abs(a.mean() - c.mean()) for a, c in chunks])
    assert metrics.adaptive_ece(confidence, correct) == pytest.approx(by_chunks)


def test_adaptive_divides_an_item_on_a_boundary():
    # 3 items in 2 bins: the middle one is half in each.
    d = [1 - 0.2, 0 - 0.5, 1 - 0.9]
    by_hand_value = (abs(d[0] + d[1] / 2) + abs(d[2] + d[1] / 2)) / 3
    assert metrics.adaptive_ece([0.5, 0.2, 0.9], [0, 1, 1], n_bins=2) == pytest.approx(by_hand_value)


def test_adaptive_treats_equal_confidences_alike():
    # All tied: every bin has the same mixture, so ECE is the gap whatever the items' order.
    for correct in ([1, 1, 0, 0], [0, 1, 0, 1]):
        assert metrics.adaptive_ece([0.8] * 4, correct, n_bins=4) == pytest.approx(0.3)


def test_the_squared_debiased_error_is_unbiased():
    """Constant confidence c, accuracy a, one bin: the mean over draws is (a - c)^2, where the plain square is not."""
    rng = np.random.default_rng(4)
    n, c, a = 20, 0.7, 0.6
    draws = rng.random((2000, n)) < a
    debiased = [metrics.debiased_squared_ce(np.full(n, c), row) for row in draws]
    plain = [metrics.rms_ce(np.full(n, c), row) ** 2 for row in draws]
    error = np.std(debiased) / math.sqrt(len(draws))
    assert abs(np.mean(debiased) - (a - c) ** 2) < 4 * error
    assert np.mean(plain) - (a - c) ** 2 == pytest.approx(a * (1 - a) / n, abs=4 * error)


def test_floor_is_the_binomial_expectation_with_one_bin():
    """N equal confidences: ECE = |K/N - c| with K binomial, whose mean is a finite sum."""
    n, c = 40, 0.35
    exact = sum(math.comb(n, k) * c**k * (1 - c) ** (n - k) * abs(k / n - c) for k in range(n + 1))
    got = metrics.ece_floor(np.full(n, c), n_draws=20_000, rng=np.random.default_rng(0))
    assert got == pytest.approx(exact, abs=0.001)


def test_floor_is_the_normal_approximation_with_many_items():
    """Full bins: |N(0, v_b)| has mean sqrt(2 v_b / pi), v_b the bin's Bernoulli variance."""
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 0.95, 5000)
    index = np.minimum((confidence * 15).astype(int), 14)
    variance = np.bincount(index, confidence * (1 - confidence), 15)
    closed = np.sqrt(2 * variance / np.pi).sum() / 5000
    assert metrics.ece_floor(confidence, rng=rng) == pytest.approx(closed, rel=0.02)


@pytest.mark.parametrize(("n", "floor"), [(100, 0.101), (500, 0.046), (1000, 0.031), (2000, 0.023), (5000, 0.014)])
def test_floor_of_a_random_four_way_model(n, floor):
    """Floors measured elsewhere for this project. One spread of the logits, 2.4, explains all five of them."""
    rng = np.random.default_rng(n)
    values = []
    for _ in range(5):
        odds = np.exp(2.4 * rng.normal(size=(n, 4)))
        values.append(metrics.ece_floor((odds / odds.sum(axis=1, keepdims=True)).max(axis=1), n_draws=200, rng=rng))
    assert np.mean(values) == pytest.approx(floor, rel=0.07)


def test_floor_is_what_a_calibrated_model_scores_on_average():
    rng = np.random.default_rng(5)
    scored = np.mean([metrics.ece(*calibrated(400, rng)) for _ in range(300)])
    assert metrics.ece_floor(calibrated(400, rng)[0], rng=rng) == pytest.approx(scored, rel=0.08)


def test_floor_interval_holds_the_null():
    rng = np.random.default_rng(6)
    confidence, _ = calibrated(300, rng)
    mean, low, high = metrics.ece_floor_interval(confidence, n_draws=4000, rng=rng)
    drawn = [metrics.ece(confidence, rng.random(300) < confidence) for _ in range(500)]
    assert low < mean < high
    assert np.mean((np.array(drawn) >= low) & (np.array(drawn) <= high)) == pytest.approx(0.95, abs=0.04)


def test_floor_is_zero_when_certain_and_seeded():
    assert metrics.ece_floor([0.0, 1.0, 1.0], rng=np.random.default_rng(0)) == 0
    confidence = np.linspace(0.1, 0.9, 50)
    pair = [metrics.ece_floor(confidence, rng=np.random.default_rng(7)) for _ in range(2)]
    assert pair[0] == pair[1]


@pytest.mark.parametrize(("n_draws", "level"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_floor_refuses(n_draws, level):
    with pytest.raises(ScoresError, match=r"draw|level"):
        metrics.ece_floor_interval([0.5], n_draws=n_draws, level=level, rng=np.random.default_rng(0))


def test_classwise_ece_by_hand():
    """Two items, two bins, three choices: position by position."""
    probs = [[0.7, 0.2, 0.1], [0.1, 0.9, 0.0]]
    # choice 0: bins .7 (right) and .1; choice 1: .2 and .9 (right); choice 2: .1 and .0 in one bin.
    expected = np.mean([(0.3 + 0.1) / 2, (0.2 + 0.1) / 2, 0.1 / 2])
    assert metrics.classwise_ece(probs, [0, 1], n_bins=2) == pytest.approx(expected)


def test_classwise_ece_sees_what_the_top_choice_hides():
    """Right as often as sure, but the probability of the other choices is on the wrong ones."""
    rng = np.random.default_rng(0)
    probs = np.tile([0.6, 0.3, 0.1], (4000, 1))
    answer = rng.choice(3, size=4000, p=[0.6, 0.1, 0.3])
    confidence, correct = probs.max(axis=1), answer == 0
    assert metrics.ece(confidence, correct) < 0.02
    assert metrics.classwise_ece(probs, answer) == pytest.approx((0.2 + 0.2) / 3, abs=0.02)
