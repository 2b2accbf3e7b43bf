"""The rows by level against a loop over the items, on one task and on several; and what has no rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_scores import TUNED, made_scores
from scipy import stats

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.by_level import level_rows_from_dicts
from calibaudit.analysis.compare import compare
from calibaudit.scores.scores import Scores


def pair(levels: tuple[int | None, ...], **fields: object) -> tuple[Scores, Scores]:
    n = len(levels)
    return (
        made_scores(n, levels=levels, **fields),
        made_scores(n, levels=levels, heat=2.0, noise=0.6, model=TUNED, **fields),
    )


def confidence_and_hits(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    probs = np.exp(scores.logprobs) / np.exp(scores.logprobs).sum(axis=1, keepdims=True)
    return probs.max(axis=1), (probs.argmax(axis=1) == scores.answer).astype(float)


LEVELS = tuple(3 if i % 3 else 7 for i in range(120))


def test_each_row_is_what_its_items_alone_give() -> None:
    before, after = pair(LEVELS)
    rows = compare([before], [after]).by_level
    assert [(row.level, row.n_items) for row in rows] == [(3, 80), (7, 40)]
    for row in rows:
        places = [i for i, level in enumerate(LEVELS) if level == row.level]
        gaps = []
        for side, scores in zip(row.sides, (before, after), strict=True):
            confidence, hits = (column[places] for column in confidence_and_hits(scores))
            assert side["accuracy"].value == pytest.approx(hits.mean())
            assert side["confidence"].value == pytest.approx(confidence.mean())
            assert side["gap"].value == pytest.approx((confidence - hits).mean())
            gaps.append(confidence - hits)
        moved = gaps[1] - gaps[0]
        assert row.change is not None
        change = row.change["gap"]
        assert change.value == pytest.approx(moved.mean())
        low, high = stats.t.interval(0.95, len(moved) - 1, moved.mean(), stats.sem(moved))
        assert (change.low, change.high) == pytest.approx((low, high), abs=0.01)  # ours is a little wider
        alone = [scores.in_order(np.array(places)) for scores in (before, after)]
        assert change == compare(alone[:1], alone[1:]).pooled.change["gap"]


def test_one_model_has_the_same_rows_as_its_side_of_a_pair() -> None:
    before, after = pair(LEVELS)
    for i, scores in enumerate((before, after)):
        for row, both in zip(audit_model([scores]).by_level, compare([before], [after]).by_level, strict=True):
            assert row.change is None
            assert (row.level, row.n_items) == (both.level, both.n_items)
            for name, metric in row.sides[0].items():
                assert metric.value == pytest.approx(both.sides[i][name].value)


def test_tasks_are_pooled_and_an_item_without_a_level_is_in_no_row() -> None:
    one = pair((1,) * 50 + (None,) * 20 + (2,) * 30, task="one")
    two = pair((2,) * 40, task="two", seed=1)
    rows = compare([one[0], two[0]], [one[1], two[1]]).by_level
    assert [(row.level, row.n_items) for row in rows] == [(1, 50), (2, 70)]
    hits = np.concatenate([confidence_and_hits(one[0])[1][70:], confidence_and_hits(two[0])[1]])
    assert rows[1].sides[0]["accuracy"].value == pytest.approx(hits.mean())


def test_a_question_under_two_scorings_counts_once() -> None:
    before, after = pair((1,) * 60 + (2,) * 60)
    twice = [[part, dataclasses.replace(part, task="again", fingerprint="other")] for part in (before, after)]
    assert [row.n_items for row in compare(*twice).by_level] == [60, 60]


@pytest.mark.parametrize("levels", [None, (4,) * 60, tuple(range(60))], ids=["none", "one level", "60 levels"])
def test_no_rows_where_there_is_nothing_to_compare(levels: tuple[int, ...] | None) -> None:
    before, after = made_scores(60, levels=levels), made_scores(60, levels=levels, heat=2, model=TUNED)
    assert compare([before], [after]).by_level == ()
    assert audit_model([before]).by_level == ()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_file_without_levels_takes_those_of_the_other_side(missing: int) -> None:
    sides = list(pair(LEVELS))
    whole = compare(*([side] for side in sides)).to_dict()["by_level"]
    sides[missing] = dataclasses.replace(sides[missing], levels=None)
    assert compare(*([side] for side in sides)).to_dict()["by_level"] == whole


def test_sides_with_other_levels_are_told() -> None:
    before, after = pair(LEVELS)
    found = compare([before], [dataclasses.replace(after, levels=tuple(9 for _ in LEVELS))])
    assert [row.level for row in found.by_level] == [3, 7]
    assert any("levels differ between the two sides (quiz); those before are shown" in text for text in found.warnings)


def test_rows_come_back_from_their_dictionaries() -> None:
    before, after = pair(LEVELS)
    for rows in (compare([before], [after]).by_level, audit_model([before]).by_level):
        dictionaries = [row.to_dict() for row in rows]
        assert [
            row.to_dict() for row in level_rows_from_dicts(dictionaries, pair=len(rows[0].sides) == 2)
        ] == dictionaries
