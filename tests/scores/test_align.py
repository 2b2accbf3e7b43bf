"""Which rows are compared with which, and which items are one piece of evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scores import TUNED, made_scores

from calibaudit.errors import ScoresError
from calibaudit.scores.align import document_numbers, paired, units, unseen_doublings
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import Scores

OLDER = Path(__file__).resolve().parents[1] / "saved" / "v0.1.0"


def quiz(documents: str | None, task: str = "quiz", groups: str | None = None, **fields: object) -> Scores:
    """One item a letter."""
    n = len(documents if documents is not None else groups or "abcd")
    names = {"documents": documents, "groups": groups}
    return made_scores(n, task=task, **{k: v and tuple(v) for k, v in names.items()}, **fields)


def units_of(*rows: Scores) -> list[str]:
    """The units of each row as digits."""
    return ["".join(map(str, row)) for row in units(rows)]


def test_one_question_under_two_scorings_and_templates_is_one_unit() -> None:
    rows = quiz("abcd"), quiz("cdea", "quiz_letter"), quiz("abcd", chat_template=True)
    assert units_of(*rows) == ["0123", "2340", "0123"]
    assert len(np.unique(np.concatenate(document_numbers(rows)))) == 5
    assert unseen_doublings(rows) is None


def test_a_question_that_stands_twice_in_one_task() -> None:
    assert units_of(quiz("abac")) == ["0102"]


def test_items_of_one_group_are_one_unit_and_groups_meet_in_shared_documents() -> None:
    cloze = quiz("abcdef", groups="xxyyzz")
    assert units_of(cloze) == ["001122"]
    assert len(np.unique(np.concatenate(document_numbers([cloze])))) == 6
    # A group's name counts within its task: this x is another one, until a question belongs to both.
    assert units_of(cloze, quiz("gh", "other", groups="xx")) == ["001122", "33"]
    assert units_of(cloze, quiz("ga", "other", groups="xx")) == ["001122", "00"]
    assert units_of(cloze, quiz("gab", "other", groups="xxx"), quiz("ec", "third", groups="uu")) == [
        "001111",
        "000",
        "11",
    ]
    assert units_of(quiz("ec", "third"), cloze) == ["01", "221100"]


def test_an_item_that_stands_256_times_stays_joined() -> None:
    assert units_of(quiz("ab" + "a" * 255, groups="xx" + "x" * 255)) == ["0" * 257]


def test_the_order_of_the_tasks_changes_names_only() -> None:
    rows = [quiz("abcdef", groups="xxyyzz"), quiz("fgha", "two"), quiz("ijg", "three", groups="kkl")]

    def sets(order: list[int]) -> set[frozenset[tuple[str, int]]]:
        found: dict[int, set[tuple[str, int]]] = {}
        for part, numbers in zip([rows[i] for i in order], units([rows[i] for i in order]), strict=True):
            for i, number in enumerate(numbers.tolist()):
                found.setdefault(number, set()).add((part.task, i))
        assert sorted(found) == list(range(len(found)))
        return {frozenset(items) for items in found.values()}

    assert sets([0, 1, 2]) == sets([2, 1, 0]) == sets([1, 2, 0])


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=8), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_units_are_the_components_of_the_graph(rows: list[list[tuple[int, int]]], grouped: list[bool]) -> None:
    graph, parts = nx.Graph(), []
    for i, row in enumerate(rows):
        groups = tuple(str(group) for _, group in row) if grouped[i] else None
        parts.append(made_scores(len(row), task=f"t{i}", documents=tuple(str(d) for d, _ in row), groups=groups))
        for k, (document, group) in enumerate(row):
            graph.add_edge(("item", i, k), ("document", document))
            if grouped[i]:
                graph.add_edge(("item", i, k), ("group", i, group))
    found = {("item", i, k): u for i, row in enumerate(units(parts)) for k, u in enumerate(row.tolist())}
    wanted = [{node for node in part if node[0] == "item"} for part in nx.connected_components(graph)]
    assert {frozenset(part) for part in wanted} == {
        frozenset(node for node, unit in found.items() if unit == number) for number in set(found.values())
    }


def test_without_documents_fingerprint_and_id_stand_in() -> None:
    old = quiz(None)
    assert units_of(old, replace(old, chat_template=True), quiz(None, "other")) == ["0123", "0123", "4567"]
    assert unseen_doublings([old, replace(old, chat_template=True)]) is None
    assert "counts twice" in (unseen_doublings([old, quiz(None, "other")]) or "")
    # One fingerprint, the same items: what one row knows, the other has.
    known = replace(old, chat_template=True, documents=tuple("abcd"))
    assert units_of(old, known, quiz("ae", "other")) == ["0123", "0123", "04"]
    assert unseen_doublings([old, known, quiz("ae", "other")]) is None


@pytest.mark.parametrize("name", ["scores", "baseline"])
def test_of_older_files_a_note_says_what_cannot_be_seen(name: str) -> None:
    scores = read_scores(OLDER / f"{name}.json")
    assert {part.documents for part in scores} == {None}
    assert len(np.unique(np.concatenate(document_numbers(scores)))) == sum(part.n_items for part in scores)
    assert unseen_doublings(scores) is not None
    assert unseen_doublings(scores[:1]) is None


def sides(before: str | None, after: str | None, **fields: object) -> tuple[Scores, Scores]:
    return quiz(before), quiz(after, model=TUNED, heat=2.0, **fields)


def test_documents_pair_the_sides() -> None:
    before, after = sides("abcd", "abcd")
    assert paired([before], [after]) == [(before, after)]
    shuffled = after.in_order(np.array([2, 0, 3, 1]))
    assert shuffled.documents == tuple("cadb")
    ((old, new),) = paired([before], [shuffled])
    assert old is before
    assert (new.documents, new.item_ids) == (before.documents, before.item_ids)
    for name in ("logprobs", "answer", "n_bytes"):
        assert np.array_equal(getattr(new, name), getattr(after, name)), name


def test_another_document_is_named_by_its_item() -> None:
    with pytest.raises(ScoresError, match=r"task 'quiz'.*'quiz-2' before has another question.*'quiz-2' after"):
        paired(*([side] for side in sides("abcd", "abxd")))
    with pytest.raises(ScoresError, match="'quiz-1' before"):  # the same ones, but which is which?
        paired(*([side] for side in sides("aabb", "abab")))
    (old, new), order = sides("aabb", "aabb"), np.array([3, 0, 2, 1])
    assert paired([old], [new.in_order(order)])[0][1].item_ids == old.item_ids  # ids tell a document's items apart
    with pytest.raises(ScoresError, match="'quiz-0' before"):
        paired(*([side] for side in sides("abcd", "efgh", fingerprint="another")))


def test_documents_of_two_readers_do_not_hinder_what_the_model_saw_alike() -> None:
    before, after = sides("abcd", "efgh")
    assert paired([before], [after]) == [(before, after)]
    before, after = sides(None, "efgh")
    assert paired([before], [after]) == [(before, after)]


def test_the_same_documents_under_another_prompt_are_compared() -> None:
    before, after = sides("abcd", "abcd", fingerprint="another prompt", version="2")
    assert paired([before], [after]) == [(before, after)]
    (old, new) = sides("abcd", None, fingerprint="another prompt")
    with pytest.raises(ScoresError, match=r"another content \(fingerprint quiz-0-4 before, another prom"):
        paired([old], [new])  # nothing tells the question from its prompt


def test_the_same_documents_with_other_answers_or_choices_are_not_compared() -> None:
    before, after = sides("abcd", "abcd", fingerprint="another prompt")
    moved = after.answer.copy()
    moved[2] = (moved[2] + 1) % 4
    with pytest.raises(ScoresError, match=f"'quiz-2': the right answer is choice {before.answer[2] + 1} before and"):
        paired([before], [replace(after, answer=moved)])
    fewer = {name: getattr(after, name).copy() for name in ("logprobs", "n_tokens", "n_bytes", "n_chars")}
    last = 3 if after.answer[1] != 3 else None
    assert last is not None
    fewer["logprobs"][1, last] = -np.inf
    for name in ("n_tokens", "n_bytes", "n_chars"):
        fewer[name][1, last] = 0
    with pytest.raises(ScoresError, match="'quiz-1' has 4 choices before and 3 after"):
        paired([before], [replace(after, **fewer)])
