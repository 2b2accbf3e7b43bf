from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.errors import ScoresError
from calibaudit.metrics import holm, weighted_holm


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


def test_unusable_weights_are_refused():
    with pytest.raises(ScoresError, match="positive weights"):
        weighted_holm([0.5, 0.5], [1, 0])
