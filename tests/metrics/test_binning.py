from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_samples import confidence_and_correct

from calibaudit import metrics
from calibaudit.errors import ScoresError
from calibaudit.metrics import bin_edges, bin_index, reliability


@pytest.mark.parametrize("n_bins", range(1, 51))
def test_every_multiple_of_one_over_n_closes_its_bin(n_bins):
    multiples = np.array([k / n_bins for k in range(n_bins + 1)])
    assert bin_index(multiples, n_bins).tolist() == [0, *range(n_bins)]
    above = np.nextafter(multiples[:-1], 2)
    assert bin_index(above, n_bins).tolist() == list(range(n_bins))


@given(st.floats(0, 1), st.integers(1, 60))
def test_a_confidence_lies_between_its_bins_edges(confidence, n_bins):
    k = int(bin_index([confidence], n_bins)[0])
    assert 0 <= k < n_bins
    # k/n as a float is the edge; the rational is within one rounding of it.
    assert confidence <= (k + 1) / n_bins
    assert confidence > k / n_bins or (k == 0 and confidence == 0)
    assert abs(Fraction(bin_edges(n_bins)[k]) - Fraction(k, n_bins)) < Fraction(1, 2**52)


def test_the_diagram_is_the_hand_count():
    got = reliability([0.1, 0.5, 0.45, 0.5000001, 1.0, 1.0], [0, 1, 0, 1, 1, 0], n_bins=2)
    assert got.edges.tolist() == [0, 0.5, 1]
    assert got.count.tolist() == [3, 3]
    np.testing.assert_allclose(got.confidence, [1.05 / 3, 2.5000001 / 3])
    np.testing.assert_allclose(got.accuracy, [1 / 3, 2 / 3])


def test_empty_bins_are_nan_and_arrays_are_locked():
    got = reliability([0.95], [True], n_bins=3)
    assert got.count.tolist() == [0, 0, 1]
    assert np.isnan(got.accuracy[:2]).all()
    assert np.isnan(got.confidence[:2]).all()
    for array in (got.edges, got.count, got.confidence, got.accuracy):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@given(confidence_and_correct(), st.integers(1, 30))
def test_the_diagram_keeps_every_item(sample, n_bins):
    confidence, correct = sample
    got = reliability(confidence, correct, n_bins=n_bins)
    filled = got.count > 0
    assert got.count.sum() == len(confidence)
    assert np.isclose(got.count[filled] @ got.accuracy[filled], correct.sum())
    assert np.isclose(got.count[filled] @ got.confidence[filled], confidence.sum())


@pytest.mark.parametrize("n_bins", [0, -1, 2.5, True, None])
def test_an_unusable_bin_count_is_refused(n_bins):
    with pytest.raises(ScoresError, match="n_bins"):
        bin_index([0.5], n_bins)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n_bins", [10, 15, 20])
def test_an_edge_closes_its_bin_in_every_precision(n_bins, dtype):
    edges = (np.arange(1, n_bins + 1) / n_bins).astype(dtype)
    np.testing.assert_array_equal(bin_index(edges, n_bins), np.arange(n_bins))
    np.testing.assert_array_equal(bin_index(np.nextafter(edges[:-1], dtype(1)), n_bins), np.arange(1, n_bins))


def test_every_binned_metric_keeps_the_rule_in_float32():
    """Confidences 1/15 to 15/15, all wrong: in float32 some lie above their edge, and would share the next bin."""
    edges = np.arange(1, 16) / 15
    wrong = np.zeros(15, bool)
    for metric in (metrics.ece, metrics.rms_ce, metrics.mce):
        assert metric(edges.astype(np.float32), wrong) == pytest.approx(metric(edges, wrong), abs=1e-12)
    assert (reliability(edges.astype(np.float32), wrong).count == 1).all()
