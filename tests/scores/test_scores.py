"""What a choice scores under each kind of scoring, by hand; saved scores and back."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scores import made_scores

from calibaudit.errors import ScoresError
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import Scores

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


def ragged(**fields: Any) -> Scores:
    """The two questions above, with all that scores may hold."""
    kept = {"documents": ("one", "two"), "groups": ("g", "h"), "n_truncated": 1, "unconditional": UNCONDITIONAL}
    return made_scores(
        2, n_choices=3, **{**LENGTHS, **kept, "logprobs": LOGPROBS, "answer": np.array([0, 1]), **fields}
    )


def written(folder: Path, scores: Scores, **changes: Any) -> Path:
    path = folder / "scores.json"
    entry = {**scores.to_dict(), **changes}
    path.write_text(json.dumps({"schema_version": 1, "model": scores.model.to_dict(), "scores": [entry]}))
    return path


@pytest.mark.parametrize("fields", [{}, {"documents": None, "groups": None, "unconditional": None}])
def test_saved_scores_come_back(tmp_path: Path, fields: dict[str, Any]) -> None:
    scores = ragged(**fields)
    assert scores.to_dict()["logprobs"] == [[-1.0, -6.0, -3.0], [-2.0, -0.5]]
    (again,) = read_scores(written(tmp_path, scores))
    for field in dataclasses.fields(scores):
        old, new = getattr(scores, field.name), getattr(again, field.name)
        assert np.array_equal(old, new) if isinstance(old, np.ndarray) else old == new, field.name
        assert not isinstance(new, np.ndarray) or (new.dtype, new.flags.writeable) == (old.dtype, False), field.name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"logprobs": [[-1.0, "much"], [-2.0, -0.5]]},
            "scores of task 'quiz' are malformed: expected a number, found \"much\"",
        ),
        ({"logprobs": [-1.0, -2.0]}, "scores of task 'quiz' are malformed"),
        ({"logprobs": [[-1.0, -6.0, -3.0]]}, r"logprobs has shape \(1, 3\), expected \(2, choices\)"),
        ({"n_bytes": None}, "scores of task 'quiz' are malformed"),
        ({"n_bytes": [[4, 9], [8, 3]]}, r"n_bytes has shape \(2, 2\), expected \(2, 3\)"),
        ({"logprobs": [[-1.0, -6.0, None], [-2.0, -0.5]]}, "are malformed: expected a number, found null"),
        ({"logprobs": [[-1.0, -6.0, 0.25], [-2.0, -0.5]]}, "item 'quiz-0': log-probability 0.25 is above 0"),
        ({"answer": [0.5, 1]}, "are malformed: expected a whole number, found 0.5"),
        ({"n_tokens": [[1, 1, True], [1, 1]]}, "are malformed: expected a whole number, found true"),
        ({"n_chars": [[1, 1], [1, 1, 1]]}, "item 'quiz-1': more n_chars than the item has choices"),
        ({"item_ids": "ab"}, 'expected a list, found "ab"'),
        ({"shots": 3}, "unknown key 'shots'; was it written by a newer calibaudit"),
        ({"documents": ["one"]}, "documents has 1 entries, expected 2"),
        ({"documents": ["one", 2]}, "documents: expected text in every entry, found 2"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScoresError, match=said):
        read_scores(written(tmp_path, ragged(), **changes))


def test_another_order_moves_all_that_an_item_has() -> None:
    scores = ragged()
    turned = scores.in_order(np.array([1, 0]))
    assert (turned.item_ids, turned.documents, turned.groups) == (scores.item_ids[::-1], ("two", "one"), ("h", "g"))
    for name in ("logprobs", "answer", "n_tokens", "n_bytes", "n_chars", "unconditional"):
        assert np.array_equal(getattr(turned, name), getattr(scores, name)[::-1]), name
    assert turned.n_truncated == 1
