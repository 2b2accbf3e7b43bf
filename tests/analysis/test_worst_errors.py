from __future__ import annotations

import math

import numpy as np
import pytest
from made_results import sides, task_of
from made_scores import TUNED, made_scores

from calibaudit.analysis.worst_errors import (
    MAX_ERRORS,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_QUESTION,
    worst_errors,
    worst_new_errors,
)
from calibaudit.errors import ScoresError
from calibaudit.tasks.items import Item, Task


def by_hand(scores):
    """(confidence, id, chosen, answer) of every wrong item, surest first: a loop over the items."""
    wrong = []
    for i, id in enumerate(scores.item_ids):
        weights = [math.exp(x) for x in scores.choice_scores()[i] if x > -math.inf]
        chosen = max(range(len(weights)), key=lambda k: weights[k])
        if chosen != scores.answer[i]:
            wrong.append((weights[chosen] / sum(weights), id, chosen, int(scores.answer[i])))
    return sorted(wrong, key=lambda entry: -entry[0])


def test_the_surest_wrong_items_of_one_task():
    scores = made_scores(200, heat=2.5)
    found = worst_errors([scores])
    expected = by_hand(scores)[:MAX_ERRORS]
    assert [(error.item_id, error.chosen, error.answer) for error in found] == [entry[1:] for entry in expected]
    assert [error.confidence for error in found] == pytest.approx([entry[0] for entry in expected], abs=1e-6)
    for error in found:
        assert sum(option.probability for option in error.options) == pytest.approx(1, abs=1e-5)
        assert all(option.text is None and option.before is None for option in error.options)


def test_no_task_takes_all_places():
    hot = made_scores(200, task="hot", heat=9)
    others = [made_scores(200, task=f"t{i}", seed=i) for i in range(1, 9)]
    found = worst_errors([hot, *others])
    counts = {task: sum(error.task == task for error in found) for task in ("hot", "t1", "t2")}
    assert len(found) == MAX_ERRORS
    assert counts["hot"] == 5
    assert max(counts.values()) == 5
    surest = {scores.task: by_hand(scores)[0][1] for scores in (hot, *others)}
    assert found[0].item_id == surest["hot"]


def test_both_sides_stand_beside_each_other_with_the_text():
    before, after, tasks = sides(n_items=60)
    found = worst_new_errors(before, after, tasks)
    by_task = {scores.task: (scores, other) for scores, other in zip(before, after, strict=True)}
    for error in found:
        old, new = by_task[error.task]
        i = new.item_ids.index(error.item_id)
        task = next(task for task in tasks if task.name == error.task)
        assert error.question == task.items[i].context
        assert error.n_options == len(error.options) == 4
        for option in error.options:
            assert option.text == task.items[i].choices[option.index]
            for value, scores in ((option.probability, new), (option.before, old)):
                row = np.exp(scores.choice_scores()[i])
                assert value == pytest.approx(row[option.index] / row.sum(), abs=1e-6)


def test_nothing_wrong_nothing_shown():
    scores = made_scores(50)
    right = made_scores(50, answer=scores.logprobs.argmax(axis=1))
    assert worst_errors([right]) == ()


def test_text_is_bounded_and_always_encodable():
    scores = made_scores(30, n_choices=12, heat=4)
    task = task_of(scores, "start\ud800 " + "q" * 5000 + " end", ("o" * 2000,))
    scores = made_scores(30, n_choices=12, heat=4, fingerprint=task.fingerprint)
    found = worst_errors([scores], [task])
    assert found
    for error in found:
        assert len(error.question) == MAX_QUESTION
        assert error.question.startswith("…")
        assert error.question.rstrip(")0123456789").endswith("end (")
        assert len(error.options) == MAX_OPTIONS
        assert error.n_options == 12
        assert {error.answer, error.chosen} <= {option.index for option in error.options}
        assert [option.index for option in error.options] == sorted(option.index for option in error.options)
        assert max(len(option.text) for option in error.options) == MAX_OPTION
        str(error.to_dict()).encode("utf-8")


def test_what_all_items_begin_with_is_left_out():
    head = "Answer the question.\n\nQ: one?\nA: two\n\nQ: "
    items = tuple(Item(f"quiz-{i}", f"{head}number {i}?\nA:", ("yes", "no", "so", "on"), 0) for i in range(40))
    task = Task("quiz", "1", "cloze", items)
    scores = made_scores(40, heat=4, fingerprint=task.fingerprint)
    for error in worst_errors([scores], [task]):
        assert error.question == f"Q: number {error.item_id.removeprefix('quiz-')}?\nA:"


def test_leads_stand_before_their_choice():
    leads = ("The cup", "The box", "The hat", "The pen")
    items = tuple(Item(f"quiz-{i}", f"{i}", (" is red", "is big", "fell", "is"), 0, leads=leads) for i in range(40))
    task = Task("quiz", "1", "cloze", items)
    error = worst_errors([made_scores(40, heat=4, fingerprint=task.fingerprint)], [task])[0]
    assert [option.text for option in error.options] == [
        "The cup  is red",
        "The box is big",
        "The hat fell",
        "The pen is",
    ]


def test_another_tasks_text_is_never_taken():
    scores = made_scores(40, heat=4)
    assert all(error.question is None for error in worst_errors([scores], [task_of(scores, "Another?", ("no",))]))


def test_sides_must_hold_the_same_items():
    with pytest.raises(ScoresError, match="number of items"):
        worst_new_errors([made_scores(40)], [made_scores(41, model=TUNED, fingerprint="quiz-0-40")])
