from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_samples import ragged_sample

from calibaudit import metrics
from calibaudit.errors import ScoresError
from calibaudit.metrics import Sample
from calibaudit.metrics.sample import EXPERT, LINEAR, PLUG_INS, joined


def assert_same(got, expected):
    assert list(got) == list(expected)
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], err_msg=name, rtol=1e-6, atol=1e-8, equal_nan=True)


def test_the_point_is_what_the_public_functions_give():
    sample = ragged_sample(80)
    c, a = sample.confidence, sample.correct
    parts = metrics.brier_decomposition(sample.probs, sample.answer)
    expected = {
        "accuracy": a.mean(),
        "confidence": c.mean(),
        "gap": metrics.gap(c, a),
        "brier": metrics.brier(sample.probs, sample.answer),
        "nll": metrics.nll(sample.probs, sample.answer),
        "auroc": metrics.auroc(c, a),
        "aurc": metrics.aurc(c, a),
        "temperature": metrics.fit_temperature(sample.scores, sample.answer),
        "option_mass": sample.option_mass.mean(),
        "ece_plugin": metrics.ece(c, a),
        "ece_debiased": metrics.debiased_ece(c, a),
        "ece_adaptive": metrics.adaptive_ece(c, a),
        "smooth_ece_plugin": metrics.smooth_ece(c, a),
        "rms_ce": metrics.rms_ce(c, a),
        "mce": metrics.mce(c, a),
        "classwise_ece": metrics.classwise_ece(sample.probs, sample.answer),
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
        "risk_80": metrics.risk_at_coverage(c, a, 0.8),
    }
    assert tuple(expected) == (*LINEAR, *PLUG_INS, *EXPERT)
    assert_same(sample.point(), expected)


def test_names_pick_metrics():
    assert list(ragged_sample().point(["nll", "mce"])) == ["nll", "mce"]
    with pytest.raises(ScoresError, match="unknown metric 'ecee'"):
        ragged_sample().point(["ecee"])


@pytest.mark.parametrize("name", LINEAR)
def test_influences_sum_to_nothing(name):
    value, influence = ragged_sample(90).influence(name)
    assert value == pytest.approx(ragged_sample(90).point([name])[name])
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_joining_pads_and_pools():
    wide, narrow = ragged_sample(40), Sample([[0.0, -1.0], [0.5, 0.2]], [0, 1], [0.3, 0.4])
    both = joined([narrow, wide])
    assert both.n_items == 42
    np.testing.assert_allclose(both.confidence, np.r_[narrow.confidence, wide.confidence])
    np.testing.assert_array_equal(both.correct, np.r_[narrow.correct, wide.correct])
    assert both.point()["brier"] == pytest.approx((narrow.brier_items.sum() + wide.brier_items.sum()) / 42)
    assert both.point()["option_mass"] == pytest.approx((0.7 + wide.option_mass.sum()) / 42)
    assert joined([wide]) is wide


def test_joining_keeps_the_option_mass_of_those_that_have_one_and_refuses_other_bins():
    without, wide = Sample([[0.0, -1.0]], [0]), ragged_sample()
    assert joined([without, wide]).point(["option_mass"])["option_mass"] == pytest.approx(wide.option_mass.mean())
    with pytest.raises(ScoresError, match=r"n_bins \[10, 15\]"):
        joined([wide, Sample([[0.0, -1.0]], [0], n_bins=10)])


def test_a_sample_is_frozen_and_locked_and_leaves_its_arguments_alone():
    scores = np.array([[0.0, -1.0], [2.0, 1.0]])
    sample = Sample(scores, [0, 1])
    scores[0, 0] = 5.0
    assert sample.scores[0, 0] == 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.n_bins = 3
    for name in ("scores", "answer", "confidence", "correct", "brier_items", "nll_items"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(sample, name)[0] = 1


@pytest.mark.parametrize("mass", [[0.5], [[0.5, 0.5]], [0.5, 1.5], [float("nan"), float("nan")]])
def test_unusable_option_mass_is_refused(mass):
    with pytest.raises(ScoresError, match="option_mass"):
        Sample([[0.0, 1.0], [0.0, 1.0]], [0, 1], mass)


def test_what_does_not_exist_is_nan():
    point = Sample([[1.0, 0.0], [2.0, 0.0]], [0, 0]).point()
    assert {name for name, value in point.items() if np.isnan(value)} == {"auroc", "temperature", "option_mass"}
