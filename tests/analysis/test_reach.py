"""Where the questions can show nothing: at ceiling, and at chance. Made cases, on both sides of each limit."""

from __future__ import annotations

import pytest
from made_scores import INFO

from calibaudit.analysis.audit import Audit
from calibaudit.analysis.estimates import Interval
from calibaudit.analysis.reach import at_ceiling, at_chance


def side(accuracy: float, confidence: float, low: float | None = None, high: float | None = None) -> Audit:
    metrics = {"accuracy": Interval(accuracy, low, high), "confidence": Interval(confidence, None, None)}
    return Audit("t", "cloze", 100, metrics, None)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ([(0.98, 0.98), (0.99, 0.999)], True),
        ([(0.98, 0.98)], True),
        ([(0.97, 0.98), (0.99, 0.99)], False),  # above, not at
        ([(0.98, 0.98), (0.99, 0.97)], False),
        ([(0.98, 0.90), (0.99, 0.99)], False),  # right, and not sure of it: there is something to see
        ([(0.80, 0.99), (0.80, 0.99)], False),  # sure and wrong: a lot to see
        ([(1.0, 1.0), (1.0, 1.0)], True),
    ],
)
def test_at_ceiling_needs_accuracy_and_confidence_of_every_side(
    sides: list[tuple[float, float]], expected: bool
) -> None:
    assert at_ceiling([side(*one, low=0.9, high=1.0) for one in sides]) is expected
    assert at_ceiling([side(*one) for one in sides]) is False  # too few items for an interval


@pytest.mark.parametrize(
    ("interval", "chance", "expected"),
    [
        ((0.26, 0.21, 0.32), 0.25, True),
        ((0.24, 0.19, 0.30), 0.25, True),
        ((0.31, 0.255, 0.37), 0.25, False),  # surely above
        ((0.18, 0.14, 0.23), 0.25, False),  # surely below: it knows something, and says the opposite
        ((0.28, 0.15, 0.44), 0.25, False),  # too few items to say that it is near
        ((0.52, 0.46, 0.58), 0.50, True),  # of two choices
        ((0.26, 0.21, 0.32), 0.50, False),
        ((0.26, 0.21, 0.32), None, False),  # an older result does not know
        ((0.26, None, None), 0.25, False),
    ],
)
def test_at_chance_needs_an_interval_that_holds_chance_and_is_short(
    interval: tuple[float, float | None, float | None], chance: float | None, expected: bool
) -> None:
    accuracy, low, high = interval
    assert at_chance(side(accuracy, 0.9, low, high), chance) is expected


def test_chance_is_the_mean_over_items_of_one_in_so_many_choices() -> None:
    import numpy as np

    from calibaudit.scores.scores import Scores

    logprobs = np.log(np.array([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.4, 0.6, 0, 0]], dtype=float) + 1e-300)
    real = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]])
    scores = Scores(
        task="t", version="1", scoring="cloze", fingerprint="f", model=INFO, chat_template=False,
        item_ids=("a", "b", "c"), groups=None, logprobs=np.where(real, logprobs, -np.inf),
        answer=np.array([0, 0, 1]), n_tokens=real, n_bytes=real, n_chars=real,
    )  # fmt: skip
    assert scores.chance == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)
