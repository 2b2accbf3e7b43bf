from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from calibaudit.metrics.inference.estimate import Design
from calibaudit.metrics.inference.influence import mean_influence
from calibaudit.metrics.inference.proportion import accuracy_interval, unseen_share, wilson


@pytest.mark.parametrize(("hits", "n", "level"), [(0, 12, 0.95), (7, 12, 0.9), (60, 60, 0.99), (311, 500, 0.95)])
def test_wilson_is_scipys(hits, n, level):
    expected = binomtest(hits, n).proportion_ci(confidence_level=level, method="wilson")
    assert wilson(hits / n, n, level) == pytest.approx((expected.low, expected.high))
    assert unseen_share(n, level) == pytest.approx(binomtest(0, n).proportion_ci(level, method="wilson").high)


def test_grouped_accuracy_knows_that_copies_are_no_evidence():
    """Every item five times over: the interval is about that of the 40 originals, not of the 200 copies."""
    correct = np.arange(40) % 3 > 0
    copies = np.repeat(correct, 5).astype(float)
    estimate = Design.of(200, np.repeat(np.arange(40), 5)).linear(*mean_influence(copies))
    low, high = accuracy_interval(estimate, 40, 0.95, grouped=True)
    expected = binomtest(int(correct.sum()), 40).proportion_ci(method="wilson")
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.08)
