"""What a choice scores under each kind of scoring, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_scores import made_scores

LOGPROBS = np.array([[-1.0, -6.0, -3.0], [-2.0, -0.5, -math.inf]])  # the second question has two choices
LENGTHS = {
    "n_tokens": np.array([[1, 2, 1], [2, 1, 0]]),
    "n_bytes": np.array([[4, 9, 5], [8, 3, 0]]),
    "n_chars": np.array([[4, 6, 5], [7, 3, 0]]),
}
UNCONDITIONAL = np.array([[-2.0, -8.0, -1.0], [-0.25, -4.0, -math.inf]])


@pytest.mark.parametrize(
    ("scoring", "wanted"),
    [
        ("cloze", [[-1.0, -6.0, -3.0], [-2.0, -0.5]]),
        ("letter", [[-1.0, -6.0, -3.0], [-2.0, -0.5]]),
        ("cloze_token", [[-1.0, -3.0, -3.0], [-1.0, -0.5]]),
        ("cloze_byte", [[-1 / 4, -6 / 9, -3 / 5], [-2 / 8, -0.5 / 3]]),
        ("cloze_char", [[-1 / 4, -6 / 6, -3 / 5], [-2 / 7, -0.5 / 3]]),
        ("pmi", [[1.0, 2.0, -2.0], [-1.75, 3.5]]),
    ],
)
def test_the_score_of_a_choice(scoring: str, wanted: list[list[float]]) -> None:
    extra = {"pmi": {"unconditional": UNCONDITIONAL}, "letter": {"option_mass": np.ones(2)}}.get(scoring, {})
    scores = made_scores(
        2, n_choices=3, scoring=scoring, logprobs=LOGPROBS, answer=np.array([0, 1]), **LENGTHS, **extra
    )
    found = scores.choice_scores()
    for row, right in zip(found, wanted, strict=True):
        assert row[: len(right)] == pytest.approx(right)
        assert np.isneginf(row[len(right) :]).all()
