"""Which items tuning has seen is checked against questions written out by hand, halves against all possible halves."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibaudit.chat.messages import Conversation, Message
from calibaudit.errors import SftError
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import load_tasks
from calibaudit.training.data.rows import Completion, PlainText, Row, read_rows
from calibaudit.training.held_out import halves, without_seen


def item(context: str, choices: tuple[str, ...] = ("a cat", "a dog"), answer: int = 0, **more: Any) -> Item:
    return Item(more.pop("id", context), context, choices, answer, **more)


def task(*items: Item, name: str = "t", n_fewshot: int = 0, letters: bool = False) -> Task:
    return Task(name, "1", "letter" if letters else "cloze", items, n_fewshot)


def asked(text: str, answer: str = "yes") -> Conversation:
    return Conversation((Message("user", text), Message("assistant", answer)), "f:1")


OTHER = item("Question: Who barks?\nAnswer:")


def is_seen(asked_item: Item, row: Row, **more: Any) -> bool:
    kept, n = without_seen([task(asked_item, OTHER, **more)], [row])
    assert [kept[0].items[-1]] == [OTHER]
    assert n == 2 - len(kept[0].items)
    return n == 1


class TestWithoutSeen:
    @pytest.mark.parametrize(
        "row",
        [
            asked("Question: What sat on the mat?\nAnswer:"),
            asked("what  sat on\nthe MAT ?"),
            asked("Answer in a word. Q: What sat on the mat?\nOptions: a cat, a dog"),
            asked("Hello", "Well: what sat on the mat? A cat."),
            Completion("What sat on the mat?", "A cat.", "f:1"),
            PlainText("### Question: What sat on the mat?\n### Answer: a cat", "f:1"),
        ],
    )
    def test_a_question_that_stands_in_a_row(self, row: Row) -> None:
        assert is_seen(item("Question: What sat on the mat?\nAnswer:"), row)

    @pytest.mark.parametrize(
        "row",
        [
            asked("Question: What sat on the mats?\nAnswer:"),
            asked("Somewhat sat on the mat?"),
            asked("What sat on the", "mat"),
            PlainText("A cat sat on the mat.", "f:1"),
        ],
    )
    def test_one_that_does_not(self, row: Row) -> None:
        assert not is_seen(item("Question: What sat on the mat?\nAnswer:"), row)

    def test_numbers_are_whole_words(self) -> None:
        assert not is_seen(item("Question: What is 5^2?\nAnswer:"), asked("What is 15^2?"))
        assert is_seen(item("Question: What is 5^2?\nAnswer:"), asked("What is 5^2?"))

    def test_examples_before_a_question_do_not_count(self) -> None:
        context = "Question: What purrs?\nAnswer: a cat\n\nQuestion: What sat on the mat?\nAnswer:"
        assert not is_seen(item(context), asked("What purrs?"), n_fewshot=1)
        assert is_seen(item(context), asked("What sat on the mat?"), n_fewshot=1)
        unlabelled = "What purrs?\nA. cat\nB. dog\nAnswer: A\n\nWhat sat?\nA. cat\nB. dog\nAnswer:"
        one = item(unlabelled, ("A", "B"))
        assert not is_seen(one, asked("What purrs?"), n_fewshot=1, letters=True)
        assert is_seen(one, asked("What sat?"), n_fewshot=1, letters=True)

    def test_a_passage_is_part_of_its_question(self) -> None:
        one = item("A cat came in and sat.\n\nQuestion: Who sat?\nAnswer:")
        assert not is_seen(one, asked("A dog came in.\n\nQuestion: Who sat?\nAnswer:"))
        assert is_seen(one, asked("A cat came in and sat. Who sat?"))
        shown = "A dog ran.\n\nQuestion: Who ran?\nAnswer: a dog\n\n"
        assert is_seen(item(shown + "A cat sat.\n\nQuestion: Who sat?\nAnswer:"), asked("Who sat?"), n_fewshot=1)

    @pytest.mark.parametrize(
        "form", ["A. a cat\nB. a dog", "(A) a cat\n(B) a dog", "A) a cat\nB) a dog", "A: a cat\nB: a dog"]
    )
    def test_lettered_options_are_not_part_of_a_question(self, form: str) -> None:
        one = item(f"Question: What sat on the mat?\n{form}\nAnswer:", ("A", "B"))
        assert is_seen(one, asked("What sat on the mat?"), letters=True)
        assert is_seen(one, asked("What sat on the mat?\nA. a dog\nB. a cat"), letters=True)

    def test_a_question_that_says_little_needs_its_answer(self) -> None:
        items = [
            item("Which of these purrs?\nAnswer:", ("a cat", "a dog"), 0, id="1"),
            item("Which of these purrs?\nAnswer:", ("a car", "a lynx"), 1, id="2"),
        ]
        kept, n = without_seen([task(*items)], [asked("Which of these purrs? A lynx or a dog?", "a lynx")])
        assert (n, kept[0].items) == (1, (items[0],))
        lettered = [
            item("Which of these purrs?\nA. a cat\nB. a dog\nAnswer:", ("A", "B"), 0, id="1"),
            item("Which of these purrs?\nA. a car\nB. a lynx\nAnswer:", ("A", "B"), 1, id="2"),
        ]
        kept, n = without_seen([task(*lettered, letters=True)], [asked("Which of these purrs?", "a lynx")])
        assert (n, kept[0].items) == (1, (lettered[0],))

    def test_a_thought_is_seen_too(self) -> None:
        turns = (Message("user", "Go on."), Message("assistant", "a cat", "Let me see: which of these purrs?"))
        assert is_seen(item("Which of these purrs?\nAnswer:", ("a cat", "a dog"), 0), Conversation(turns, "f:1"))

    def test_text_before_each_choice_is_part_of_the_question(self) -> None:
        leads = ("The cat did not fit, since the cat", "The cat did not fit, since the box")
        one = Item("q", "", (" was too big.",) * 2, 0, leads=leads)
        assert is_seen(one, PlainText("The cat did not fit, since the cat was too big.", "f:1"))
        assert not is_seen(one, PlainText("The cat did not fit, since the bag was too small.", "f:1"))

    def test_the_rest_of_a_task_is_kept_and_its_fingerprint_is_its_own(self) -> None:
        items = [item(f"Question: What is {n}?\nAnswer:") for n in range(5)]
        kept, n = without_seen([task(*items), task(items[3], name="gone")], [asked("What is 3?")])
        expected = task(*(one for one in items if "3" not in one.context))
        assert (kept, n) == ((expected,), 2)
        assert kept[0].fingerprint == expected.fingerprint != task(*items).fingerprint

    def test_nothing_left(self) -> None:
        with pytest.raises(SftError, match="the questions of all 1 audited items are in the tuning data"):
            without_seen([task(OTHER)], [asked("Who barks?")])

    @pytest.mark.parametrize("names", [["bundled"], ["bundled_letter"]])
    def test_the_demo_has_seen_no_audited_question(self, names: list[str]) -> None:
        tasks = load_tasks(names)
        assert without_seen(tasks, read_rows("demo:sft").rows) == (tasks, 0)

    def test_every_bundled_question_is_known_again(self) -> None:
        """Each of them, asked in a row of its own, is found: no form of context hides one."""
        for names in (["bundled"], ["bundled_letter"]):
            for one in load_tasks(names):
                last = one.items[-1]
                rows = [asked(each.context, each.choices[each.answer]) for each in one.items[:-1]]
                kept, n = without_seen([one, task(OTHER)], rows)
                left = kept[0].items if kept[0].name == one.name else ()
                assert n >= len(one.items) - 1
                assert left in ((), (last,)), one.name


class TestHalves:
    @pytest.mark.parametrize("n", [2, 3, 8, 257])
    def test_single_items_are_halved_evenly(self, n: int) -> None:
        whole = task(*(item(str(i)) for i in range(n)))
        (advice,), (proof,) = halves([whole], 0)
        assert (len(advice.items), len(proof.items)) == (n // 2, n - n // 2)
        assert sorted(advice.items + proof.items, key=lambda one: int(one.id)) == list(whole.items)
        assert list(advice.items) == sorted(advice.items, key=lambda one: int(one.id))
        assert advice.fingerprint == replace(whole, items=advice.items).fingerprint != whole.fingerprint

    def test_the_seed_draws(self) -> None:
        whole = task(*(item(str(i)) for i in range(40)))
        assert halves([whole], 1) == halves([whole], 1)
        drawn = Counter(one.id for seed in range(200) for one in halves([whole], seed)[0][0].items)
        assert set(drawn) == {one.id for one in whole.items}
        # Each item is drawn in half of 200 seeds: mean 100, standard deviation 7.
        assert 65 < min(drawn.values()) < max(drawn.values()) < 135

    @given(st.lists(st.integers(1, 6), min_size=2, max_size=9), st.integers(0, 5))
    def test_groups_are_whole_and_as_even_as_any_split(self, sizes: list[int], seed: int) -> None:
        items = [item(f"{g}-{i}", group=f"g{g}") for g, size in enumerate(sizes) for i in range(size)]
        advice, proof = halves([task(*items)], seed)
        groups = [{one.group for part in side for one in part.items} for side in (advice, proof)]
        assert not groups[0] & groups[1]
        best = min(
            abs(sum(sizes) - 2 * sum(picked))
            for n in range(1, len(sizes))
            for picked in itertools.combinations(sizes, n)
        )
        assert abs(len(advice[0].items) - len(proof[0].items)) == best

    def test_one_group_or_id_is_on_one_side_over_all_tasks(self) -> None:
        open_form = task(*(item(f"q{i}", group=f"g{i // 3}" if i < 9 else None) for i in range(20)), name="open")
        letters = task(*(replace(one, context=one.context + "\nA. x") for one in open_form.items[4:]), name="letters")
        advice, proof = halves([open_form, letters], 3)
        sides = [{(one.group, one.id) for part in side for one in part.items} for side in (advice, proof)]
        assert not sides[0] & sides[1]
        assert not {g for g, _ in sides[0]} & {g for g, _ in sides[1]} - {None}
        assert len(advice) == len(proof) == 2

    def test_the_bundled_tasks(self) -> None:
        tasks = load_tasks(["bundled"])
        for part in halves(tasks, 0):
            assert [(one.name, len(one.items)) for one in part] == [(one.name, 128) for one in tasks]

    def test_a_task_of_one_group_is_on_one_side(self) -> None:
        whole = task(*(item(str(i)) for i in range(6)))
        lump = task(*(item(str(i), group="all", id=f"l{i}") for i in range(6)), name="lump")
        advice, proof = halves([whole, lump], 0)
        assert [part.name for part in advice] == ["t"]
        assert [part.name for part in proof] == ["t", "lump"]
        with pytest.raises(SftError, match="the audited items cannot be halved"):
            halves([lump], 0)
