"""The action of advice that was saved before actions were."""

from __future__ import annotations

import pytest

from calibaudit.advice.recommendation import older_action


@pytest.mark.parametrize(
    ("method", "epsilon", "gap", "action"),
    [
        ("stack", 0.57, 0.12, "smooth"),
        ("pilot", 0.3, 0.12, "smooth"),
        ("stack", 0.0, 0.02, "none_needed"),
        ("stack", 0.0, -0.343, "nothing_known"),  # underconfident: the rule of then had no remedy
        ("pilot", 0.0, 0.12, "nothing_known"),  # no run that was tried helped
        ("literature", 0.1, 0.2, "nothing_known"),
    ],
)
def test_what_older_advice_amounts_to(method: str, epsilon: float, gap: float, action: str) -> None:
    assert older_action(method, epsilon, gap, 0.03) == action
