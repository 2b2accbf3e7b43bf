"""Every item of the bundled task `reading`, answered again from the text of its passage."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bundled.readers import astray, reading, sums

Row = dict[str, Any]
NUMERIC = r"\d+|\d+:\d\d"
WITH_NUMBERS = ("market", "recipe", "shelter", "ship", "walk", "ferry", "camp", "classes", "label", "watches")
WITHOUT = ("hiding", "race", "stage", "loans", "garden", "theft", "will")
READERS = {name: getattr(reading, name) for name in WITHOUT}
READERS |= {name: getattr(sums, name) for name in WITH_NUMBERS}
PLACE_WORDS = ("Island", "Hut", "Lake", "Bridge", "Pass", "Rock", "Bay", "Point", "Cove")


def rows(root: Path, *parts: str) -> list[Row]:
    texts = [(root / "tasks" / f"reading{part}.jsonl").read_text(encoding="utf-8") for part in parts or ("", ".train")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.mark.parametrize("genre", sorted(READERS))
def test_the_passage_gives_the_answer(genre: str, root: Path) -> None:
    data = [row for row in rows(root) if row["topic"] == genre]
    assert len(data) >= 20
    for row in data:
        answer = READERS[genre](row["passage"], row["question"])
        assert answer == row["choices"][row["answer"]], (row["passage"], row["question"], answer)
        assert row["choices"].count(answer) == 1


def test_every_item_has_a_reader(root: Path) -> None:
    assert {row["topic"] for row in rows(root)} == set(READERS)


def test_passages_have_four_questions_and_fifty_to_ninety_words(root: Path) -> None:
    for part, n in (("", 64), (".train", 80)):
        groups = Counter(row["passage"] for row in rows(root, part))
        assert len(groups) == n
        assert set(groups.values()) == {4}
        assert all(50 <= len(passage.split()) <= 90 for passage in groups)


def test_no_two_passages_share_a_full_name_and_every_statement_names_its_story(root: Path) -> None:
    owner: dict[str, str] = {}
    for row in rows(root):
        pairs = [
            set(re.findall(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b", row[key].replace("Captain ", "")))
            for key in ("passage", "statement")
        ]
        race = re.findall(r"\w+ race of \w+", row["statement"])
        named = {pair for pair in pairs[0] & pairs[1] if not pair.startswith("On ") and not pair.endswith(PLACE_WORDS)}
        assert named or race, row["statement"]
        for key in [*named, *race]:
            assert owner.setdefault(key, row["passage"]) == row["passage"], key


def test_wrong_choices_are_named_in_the_passage_unless_they_are_numbers(root: Path) -> None:
    days = set(reading.DAYS)
    for row in rows(root):
        for choice in row["choices"]:
            if not re.fullmatch(NUMERIC, choice) and choice not in days:
                assert re.search(rf"\b{re.escape(choice)}\b", row["passage"]), (choice, row["passage"])


def test_no_question_names_the_answer_to_another_about_its_passage(root: Path) -> None:
    by_passage: dict[str, list[Row]] = {}
    for row in rows(root):
        by_passage.setdefault(row["passage"], []).append(row)
    for group in by_passage.values():
        for row in group:
            answer = re.escape(row["choices"][row["answer"]])
            told = [other["question"] for other in group if other is not row]
            assert not [ask for ask in told if re.search(rf"\b{answer}\b", ask)], (row["id"], answer)


def test_what_is_worked_out_is_not_a_number_of_the_passage(root: Path) -> None:
    for row in rows(root):
        answer = row["choices"][row["answer"]]
        if row["level"] >= 4 and answer.isdigit():
            assert answer not in astray.stated(row["passage"]), row["id"]


GENRES_WITH_HASTY_WAYS = (
    *("market", "shelter", "label", "ship", "ferry", "watches", "classes", "camp", "race", "recipe", "will"),
)


@pytest.mark.parametrize("genre", GENRES_WITH_HASTY_WAYS)
def test_no_hasty_way_leads_to_the_answer(genre: str, root: Path) -> None:
    """Where a slip happens to give the right answer, the item does not tell who read on."""
    seen = 0
    for row in rows(root):
        if row["topic"] == genre:
            wrong = getattr(astray, genre)(row["passage"], row["question"])
            seen += bool(wrong)
            assert row["choices"][row["answer"]] not in wrong, (row["id"], wrong)
    assert seen >= 3
