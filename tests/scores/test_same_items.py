"""Rows that two readers have in two forms: paired where what they share proves it, else refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from math import factorial, log
from typing import Any

import numpy as np
import pytest

from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError
from calibaudit.scores.align import paired
from calibaudit.scores.same_items import ENOUGH_NATS, in_order_of
from calibaudit.scores.scores import Scores
from tests.made_scores import INFO, TUNED, made_scores

LOGGED = replace(TUNED, head="logged by lm-evaluation-harness 0.4.13")


def sides(n: int = 40, **fields: Any) -> tuple[Scores, Scores]:
    """A checkpoint, and a log whose rows the harness had prepared: no document is the same, nor is the prompt."""
    lengths = np.random.default_rng(5).integers(3, 90, (n, 4))
    both = {"n_bytes": lengths, "n_chars": lengths}
    documents = tuple(f"prepared {i}" for i in range(n))
    prepared: dict[str, Any] = {"model": LOGGED, "heat": 2.0, "documents": documents, "fingerprint": "other", **both}
    return made_scores(n, **both), made_scores(n, **{**prepared, **fields})


def test_ids_answers_and_lengths_pair_them_and_that_is_told() -> None:
    before, after = sides()
    ((_, new),) = paired([before], [after])
    assert new.item_ids == after.item_ids
    order = np.random.default_rng(1).permutation(40)
    ((_, new),) = paired([before], [after.in_order(order)])
    assert new.item_ids == before.item_ids
    assert np.array_equal(new.logprobs, after.logprobs)
    text = "\n".join(compare([before], [after], Settings()).warnings)
    assert "its items were matched by id, right answer and choices (quiz)" in text
    assert "prompts differ" in text


def test_two_runs_of_one_reader_are_never_paired_so() -> None:
    before, after = sides(model=replace(INFO, name="lab/tuned"))
    with pytest.raises(ScoresError, match="'quiz-0' before has another question, options, answer or group"):
        paired([before], [after])
    logs = [replace(part, model=LOGGED) for part in sides()]
    with pytest.raises(ScoresError, match=r"another question.* by an earlier version of calibaudit: import it again"):
        paired(logs[:1], logs[1:])


def test_what_differs_is_named() -> None:
    before, after = sides()
    moved = after.answer.copy()
    moved[7] = (moved[7] + 1) % 4
    longer = after.n_bytes.copy()
    longer[9, 0] += 1
    for other, said in (
        (replace(after, answer=moved), "item 'quiz-7' has another answer or other choices"),
        (replace(after, n_bytes=longer), "item 'quiz-9' has another answer or other choices"),
        (replace(after, documents=(*before.documents[:-1], "prepared 39")), "the other rows are as they were"),
        (replace(after, item_ids=tuple(map(str, range(40)))), "the ids of the items are not the same"),
    ):
        with pytest.raises(ScoresError, match="though one side is a log, whose rows may have been prepared") as caught:
            paired([before], [other])
        assert said in str(caught.value)


def test_answers_alone_must_be_many_enough() -> None:
    """Letters have one length: by hand, an order of the items agrees by chance once in n! / (n_A! n_B! n_C! n_D!)."""
    for n in (8, 12, 16, 20, 40):
        ones = np.ones((n, 4), dtype=np.int64)
        letters = {"n_bytes": ones, "n_chars": ones, "scoring": "letter", "option_mass": np.full(n, 0.9)}
        before, after = (replace(part, **letters) for part in sides(n))
        orders = factorial(n)
        for count in np.bincount(before.answer).tolist():
            orders //= factorial(count)
        if log(orders) >= ENOUGH_NATS:
            assert in_order_of(before, after, "t").item_ids == before.item_ids
        else:
            with pytest.raises(ScoresError, match=f"answers and choices of {n} items are too similar"):
                in_order_of(before, after, "t")
    assert log(orders) > ENOUGH_NATS > log(factorial(8))


def test_answers_that_are_all_the_same_prove_nothing() -> None:
    ones = np.ones((200, 4), dtype=np.int64)
    same = {"n_bytes": ones, "n_chars": ones, "answer": np.zeros(200, dtype=np.int64)}
    before, after = (replace(part, **same) for part in sides(200))
    with pytest.raises(ScoresError, match="too similar"):
        in_order_of(before, after, "t")


def test_a_log_takes_the_groups_of_the_task_file() -> None:
    groups = tuple(f"passage {i // 4}" for i in range(40))
    before, after = sides()
    before = replace(before, groups=groups)
    for pair in ((before, after), (after, before)):
        ((old, new),) = paired([pair[0]], [pair[1]])
        assert old.groups == new.groups == groups
    with pytest.raises(ScoresError, match="groups differ"):
        paired([before], [replace(made_scores(40), model=TUNED)])


def test_ids_may_differ_where_two_readers_have_the_same_rows() -> None:
    before, after = sides()
    after = replace(after, documents=before.documents, item_ids=tuple(map(str, range(40))))
    assert paired([before], [after]) == [(before, after)]
    with pytest.raises(ScoresError, match="'quiz-0' before stands where '0' stands after"):
        paired([before], [replace(after, model=TUNED)])
