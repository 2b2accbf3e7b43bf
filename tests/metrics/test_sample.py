from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_samples import ragged_sample

from calibaudit import metrics
from calibaudit.errors import ScoresError
from calibaudit.metrics import METRIC_NAMES, WeightedSample

SAME = {"rtol": 1e-6, "atol": 1e-8, "equal_nan": True}


def taken(sample: WeightedSample, items: np.ndarray) -> WeightedSample:
    return WeightedSample(sample.scores[items], sample.answer[items], sample.option_mass[items], sample.n_bins)


def assert_same(got, expected):
    assert list(got) == list(expected)
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], err_msg=name, **SAME)


def test_the_point_is_what_the_public_functions_give():
    sample = ragged_sample(80)
    c, a = sample.confidence, sample.correct
    expected = {
        "accuracy": a.mean(),
        "confidence": c.mean(),
        "gap": metrics.gap(c, a),
        "ece": metrics.ece(c, a),
        "ece_debiased": metrics.debiased_ece(c, a),
        "ece_adaptive": metrics.adaptive_ece(c, a),
        "smooth_ece": metrics.smooth_ece(c, a),
        "rms_ce": metrics.rms_ce(c, a),
        "mce": metrics.mce(c, a),
        "brier": metrics.brier(sample.probs, sample.answer),
        "nll": metrics.nll(sample.probs, sample.answer),
        "auroc": metrics.auroc(c, a),
        "aurc": metrics.aurc(c, a),
        "temperature": metrics.fit_temperature(sample.scores, sample.answer),
        "option_mass": sample.option_mass.mean(),
    }
    assert tuple(expected) == METRIC_NAMES
    assert_same(sample.point(), expected)


def test_weight_zero_is_an_absent_item_and_two_is_two_items():
    sample = ragged_sample(60)
    rng = np.random.default_rng(1)
    weights = np.vstack([rng.integers(0, 2, (6, 60)), rng.integers(0, 4, (6, 60))]).astype(float)
    got = sample.replicate(weights)
    for row, w in enumerate(weights):
        expected = taken(sample, np.repeat(np.arange(60), w.astype(int))).point()
        assert_same({name: values[row] for name, values in got.items()}, expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_same_for_any_small_sample(n_items, seed, n_bins):
    """N = 1, one class, all tied, one bin: the weighted core and a plain sample never part."""
    sample = ragged_sample(n_items, seed, n_bins)
    weights = np.random.default_rng(seed).integers(0, 3, (3, n_items)).astype(float)
    weights[:, 0] += weights.sum(axis=1) == 0
    got = sample.replicate(weights)
    for row, w in enumerate(weights):
        expected = taken(sample, np.repeat(np.arange(n_items), w.astype(int))).point()
        assert_same({name: values[row] for name, values in got.items()}, expected)


def test_rows_do_not_depend_on_their_neighbours():
    """Blocks, brackets and levels are shared by rows; a row alone gives the same."""
    sample = ragged_sample(50)
    weights = np.random.default_rng(2).multinomial(50, np.full(50, 1 / 50), size=40).astype(float)
    got = sample.replicate(weights)
    for row in (0, 17, 39):
        assert_same(
            {name: values[row] for name, values in got.items()},
            {name: values[0] for name, values in sample.replicate(weights[row : row + 1]).items()},
        )


def test_blocks_do_not_matter(monkeypatch):
    sample = ragged_sample(50)
    weights = np.random.default_rng(3).multinomial(50, np.full(50, 1 / 50), size=30).astype(float)
    whole = sample.replicate(weights)
    monkeypatch.setattr("calibaudit.metrics.replicates._BLOCK", 170)
    monkeypatch.setattr("calibaudit.metrics.replicates._RANKED_BLOCK", 1)  # 16 rows at a time
    monkeypatch.setattr("calibaudit.metrics.smooth._CURVES", 1)
    assert_same(sample.replicate(weights), whole)


def test_names_pick_metrics_and_keep_their_order():
    sample = ragged_sample()
    assert list(sample.point(["nll", "ece"])) == ["ece", "nll"]
    with pytest.raises(ScoresError, match="unknown metric 'ecee'"):
        sample.point(["ecee"])


def test_concatenating_pads_and_pools():
    wide, narrow = ragged_sample(40), WeightedSample([[0.0, -1.0], [0.5, 0.2]], [0, 1], [0.3, 0.4])
    both = narrow.concatenate(wide)
    assert both.n_items == 42
    np.testing.assert_allclose(both.confidence, np.r_[narrow.confidence, wide.confidence])
    np.testing.assert_array_equal(both.correct, np.r_[narrow.correct, wide.correct])
    assert both.point()["brier"] == pytest.approx((narrow.brier_items.sum() + wide.brier_items.sum()) / 42)
    assert both.point()["option_mass"] == pytest.approx((0.7 + wide.option_mass.sum()) / 42)
    # Each half alone is each sample.
    halves = both.replicate(np.vstack([np.r_[np.ones(2), np.zeros(40)], np.r_[np.zeros(2), np.ones(40)]]))
    for row, side in enumerate((narrow, wide)):
        assert_same({name: values[row] for name, values in halves.items()}, side.point())


def test_concatenating_drops_a_lone_option_mass_and_refuses_other_bins():
    without = WeightedSample([[0.0, -1.0]], [0])
    assert ragged_sample().concatenate(without).option_mass is None
    with pytest.raises(ScoresError, match="n_bins 15 and 10"):
        ragged_sample().concatenate(WeightedSample([[0.0, -1.0]], [0], n_bins=10))


def test_a_sample_is_frozen_and_locked_and_leaves_its_arguments_alone():
    scores = np.array([[0.0, -1.0], [2.0, 1.0]])
    sample = WeightedSample(scores, [0, 1])
    scores[0, 0] = 5.0
    assert sample.scores[0, 0] == 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.n_bins = 3
    for name in ("scores", "answer", "probs", "confidence", "correct", "bin_index", "brier_items", "nll_items"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(sample, name)[0] = 1


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.ones(60), "shape"),
        (np.ones((2, 59)), "shape"),
        (-np.ones((1, 60)), "not negative"),
        (np.full((1, 60), np.nan), "finite"),
        (np.zeros((1, 60)), "all zero"),
    ],
)
def test_unusable_weights_are_refused(weights, says):
    with pytest.raises(ScoresError, match=says):
        ragged_sample().replicate(weights)


@pytest.mark.parametrize("mass", [[0.5], [[0.5, 0.5]], [0.5, 1.5], [0.5, float("nan")]])
def test_unusable_option_mass_is_refused(mass):
    with pytest.raises(ScoresError, match="option_mass"):
        WeightedSample([[0.0, 1.0], [0.0, 1.0]], [0, 1], mass)


def test_what_does_not_exist_is_nan():
    point = WeightedSample([[1.0, 0.0], [2.0, 0.0]], [0, 0]).point()
    assert {name for name, value in point.items() if np.isnan(value)} == {"auroc", "temperature", "option_mass"}
