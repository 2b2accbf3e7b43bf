"""`Scores.from_arrays`: each kind of numbers against its formula, and what is refused with item and value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import calibaudit
from calibaudit.errors import ScoresError

PROBS = [[0.5, 0.3, 0.2], [0.9, 0.1], [0.25, 0.25, 0.5]]
ANSWER = [0, 1, 2]


def of(**given: Any) -> calibaudit.Scores:
    return calibaudit.Scores.from_arrays(**{"answer": ANSWER, "task": "quiz", **given})


def confidences(scores: calibaudit.Scores) -> list[list[float]]:
    rows = [row[np.isfinite(row)] for row in scores.choice_scores()]
    return [(np.exp(row) / np.exp(row).sum()).tolist() for row in rows]


def test_the_three_kinds_are_one_where_they_say_the_same() -> None:
    logs = [[math.log(p) for p in row] for row in PROBS]
    shifted = [[value + 7 for value in row] for row in logs]
    for scores in (of(probs=PROBS), of(logprobs=logs), of(logits=shifted)):
        for found, row in zip(confidences(scores), PROBS, strict=True):
            assert found == pytest.approx(row)
        assert scores.option_mass is None
        assert scores.answer.tolist() == ANSWER
        assert scores.item_ids == ("0", "1", "2")
        assert (scores.n_tokens > 0).sum(axis=1).tolist() == [3, 2, 3]


def test_an_array_is_as_good_as_lists() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 3.0]])
    scores = of(logits=logits, answer=np.array([0, 1]), groups=["a", "a"], model="m")
    assert confidences(scores)[0][0] == pytest.approx(1 / (1 + math.exp(-1)))
    assert scores.groups == ("a", "a")
    assert scores.model.name == "m"


def test_option_mass_is_known_only_where_it_is_given() -> None:
    mass = [0.8, 0.5, 1.0]
    inside = of(probs=PROBS, option_mass=mass)
    outside = of(probs=[[p * m for p in row] for row, m in zip(PROBS, mass, strict=True)], option_mass=mass)
    for scores in (inside, outside):
        assert np.exp(scores.logprobs).sum(axis=1) == pytest.approx(mass)
        assert scores.option_mass == pytest.approx(mass)
    with pytest.raises(ScoresError, match=r"item '1': probs: .* sum to 0\.7, neither to 1 nor to its option mass"):
        of(probs=[[0.5, 0.3, 0.2], [0.6, 0.1], [0.2, 0.2, 0.6]], option_mass=mass)


def test_half_precisions_rounding_is_no_fault() -> None:
    scores = of(probs=[[0.502, 0.3, 0.2], [0.9, 0.098], [0.25, 0.25, 0.5]])
    assert np.exp(scores.logprobs).sum(axis=1) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"probs": [[0.5, 0.3]]}, r"item '0': probs: the row sums to 0\.8, not to 1"),
        ({"probs": [[1.5, -0.5]]}, r"item '0': probs: 1\.5 is not the probability of an option"),
        ({"probs": [[1.0, 0.0]]}, r"item '0': probs: 0 is not the probability of an option"),
        ({"logprobs": [[-1.0, 0.5]]}, r"item '0': logprobs: 0\.5 is above 0"),
        ({"logprobs": [[-0.1, -0.1]]}, r"item '0': logprobs: .* sum to 1\.80967, which exceeds 1"),
        ({"logprobs": [[-1.0, math.nan]]}, r"item '0': logprobs: nan is not a finite number"),
        ({"logits": [[1.0, -math.inf]]}, r"item '0': logits: -inf is not a finite number; make a ragged row shorter"),
        ({"logits": [[1.0]]}, r"item '0': 1 choices; at least 2"),
        ({"logits": [[1.0, 2.0]], "answer": [2]}, r"item '0': answer 2 is outside its choices"),
        ({"logits": [[1.0, 2.0]], "answer": [0.5]}, r"item '0': answer 0\.5 is not a whole number"),
        ({"logits": [[1.0, 2.0]], "answer": [0, 1]}, r"answer has shape \(2,\), 1 items need \(1,\)"),
        ({"logits": [[1.0, 2.0]], "item_ids": ["a", "b"]}, "item_ids has 2 entries, expected 1"),
        ({"logits": [[1, 2], [1, 2]], "answer": [0, 0], "item_ids": ["a", "a"]}, "item 'a' occurs twice"),
        ({"logits": [[1.0, 2.0]], "option_mass": [0.0]}, r"item '0': option_mass 0 is not a probability above 0"),
        (
            {"logits": [[1.0, 2.0]], "option_mass": [0.5], "scoring": "cloze"},
            "option_mass belongs to letter scoring, not cloze",
        ),
        ({"logits": [[1.0, 2.0]], "scoring": "pmi"}, "scoring 'pmi': imported numbers are letter or cloze"),
        ({"logits": [["x", 2.0]]}, "logits holds something other than numbers"),
        ({"logits": [1.0, 2.0]}, r"logits of row 0 has shape \(\)"),
        ({"logits": []}, "no items"),
        ({}, "give one of logprobs, probs and logits; none given"),
        ({"logits": [[1, 2]], "probs": [[0.5, 0.5]]}, "probs and logits given"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        of(**{"answer": [0], **given})


def test_summed_log_probabilities_of_texts_need_not_be_one_distribution() -> None:
    scores = of(logprobs=[[-0.1, -0.1]], answer=[0], scoring="cloze")
    assert scores.logprobs.tolist() == [[-0.1, -0.1]]


def test_compare_takes_them_and_says_nothing_of_an_unknown_mass() -> None:
    rng = np.random.default_rng(0)
    logits, answer = rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    base = of(logits=logits, answer=answer)
    tuned = of(logits=3 * logits, answer=answer)
    found = calibaudit.compare([base], [tuned])
    for side, scale in ((found.pooled.before, 1), (found.pooled.after, 3)):
        odds = np.exp(scale * logits)
        probs = odds / odds.sum(axis=1, keepdims=True)
        right = logits.argmax(axis=1) == answer
        assert side.metrics["accuracy"].value == pytest.approx(right.mean())
        assert side.metrics["confidence"].value == pytest.approx(probs.max(axis=1).mean())
        assert side.metrics["nll"].value == pytest.approx(-np.log(probs[np.arange(200), answer]).mean())
        assert side.metrics["option_mass"].value is None
    assert not [line for line in found.warnings if "probability is on the options" in line]
    with pytest.raises(ScoresError, match="differ"):
        calibaudit.compare([base], [of(logits=logits, answer=(answer + 1) % 4)])


def test_items_of_different_tasks_are_not_one_document() -> None:
    one, two = of(probs=PROBS, task="one"), of(probs=PROBS, task="two")
    assert set(one.documents or ()).isdisjoint(two.documents or ())
    assert len(set(one.documents or ())) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([True, False, True], "answer: expected an index from 0, found true"),
        (["A", "B", "C"], 'answer: expected an index from 0, found "A"'),
        ([0, float("nan"), 1], "item '1': answer nan is not a whole number"),
        ([0, 0.5, 1], r"item '1': answer 0\.5 is not a whole number"),
    ],
)
def test_answers_are_indices(answer: list[Any], said: str) -> None:
    with pytest.raises(ScoresError, match=said):
        of(probs=PROBS, answer=answer)


def test_as_many_documents_as_items() -> None:
    with pytest.raises(ScoresError, match="documents has 2 entries, expected 3"):
        of(probs=PROBS, documents=["a", "b"])
