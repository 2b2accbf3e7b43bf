"""Every item of the bundled task `logic`, read again from the text of its question and settled by trying all worlds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundled.readers.logic import Row, boxes, counts, family, liars, sentences, siblings, sure

ORDINALS = ["first", "second", "third", "fourth", "fifth"]
NEGATIVE = {"not", "closed", "wrong", "dry", "outside", "shut", "awake"}
TURNED = {"older": "younger", "taller": "shorter", "heavier": "lighter", "faster": "slower", "richer": "poorer"}
TOP = {"oldest": "youngest", "tallest": "shortest", "heaviest": "lightest", "fastest": "slowest", "richest": "poorest"}


def rows(root: Path) -> list[Row]:
    texts = [(root / "tasks" / f"logic{part}.jsonl").read_text(encoding="utf-8") for part in ("", ".train")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def order(row: Row) -> list[int]:
    told, ask = sentences(row)
    people = sorted(set(re.findall(r"\b[A-Z][a-z]+\b", " ".join(told))) - {"No"})
    strict = told[0].startswith("No two of")
    words = {**TURNED, **{b: a for a, b in TURNED.items()}}
    pairs = []
    for sentence in told[strict:]:
        a, denied, word, b = re.fullmatch(r"(\w+) is (not )?(\w+) than (\w+)", sentence).groups()  # type: ignore[union-attr]
        up = word in TURNED
        assert word in words
        # a is not older than b: b is at least as old as a.
        pairs.append((b, a, denied) if up == bool(denied) else (a, b, denied))
    rank, word = re.fullmatch(r"Who is (?:the )?(\w+ )?(\w+)\?", ask).groups()  # type: ignore[union-attr]
    place = ORDINALS.index(rank.strip()) if rank else 0

    def worlds() -> Iterable[dict[str, int]]:
        for heights in product(range(len(people)), repeat=len(people)):
            world = dict(zip(people, heights, strict=True))
            if strict and len(set(heights)) < len(people):
                continue
            if all(world[a] > world[b] or (denied and world[a] == world[b]) for a, b, denied in pairs):
                yield world

    def at(name: str) -> Callable[[dict[str, int]], bool]:
        sign = 1 if word in TOP else -1
        return lambda world: (
            sorted(world.values(), key=lambda h: -sign * h).index(world[name]) == place
            and (list(world.values()).count(world[name]) == 1)
        )

    assert word in TOP or word in TOP.values()
    return sure(worlds(), [at(choice) for choice in row["choices"]])


def line(row: Row) -> list[int]:
    (opening, *told), ask = sentences(row)
    people = re.findall(r"[A-Z][a-z]+", opening.partition(": ")[2])
    n = len(people)
    place = {**{word: i for i, word in enumerate(ORDINALS)}, "last": n - 1}

    def fits(sentence: str, at: dict[str, int]) -> bool:
        a, rest = sentence.split(" is ")
        if rest.removeprefix("not ") in place:
            return (at[a] == place[rest.removeprefix("not ")]) != rest.startswith("not ")
        relation, b = rest.rsplit(" ", 1)
        gap = at[a] - at[b]
        return {
            "not next to": abs(gap) > 1,
            "right behind": gap == 1,
            "right in front of": gap == -1,
            "somewhere behind": gap > 0,
        }[relation]

    asked = place[ask.removeprefix("Who is ").removesuffix("?")]
    worlds = [dict(zip(people, world, strict=True)) for world in permutations(range(n))]
    worlds = [world for world in worlds if all(fits(sentence, world) for sentence in told)]
    return sure(worlds, [lambda world, name=choice: world[name] == asked for choice in row["choices"]])  # type: ignore[misc]


def kinds(row: Row) -> list[int]:
    told, ask = sentences(row)
    nouns = sorted(set(re.findall(r"\b(?:an?|every|no) (\w+)", " ".join(told).lower())))

    def worlds(exclusive: bool) -> Iterable[dict[str, bool]]:
        for values in product((False, True), repeat=len(nouns)):
            world = dict(zip(nouns, values, strict=True))
            for sentence in told:
                subject, _, rest = sentence.lower().partition(" is ")
                parts = [world[re.sub(r"^(not )?an? ", "", part)] for part in rest.split(" or ")]
                first, *kind = subject.split()
                true = (sum(parts) == 1 if exclusive else any(parts)) != rest.startswith("not ")
                if (first == "every" and world[kind[0]] and not true) or (first == "no" and world[kind[0]] and true):
                    break
                if first not in ("every", "no") and not true:
                    break
            else:
                yield world

    wanted = "certainly not" not in ask

    def claim(noun: str) -> Callable[[dict[str, bool]], bool]:
        return lambda world: world[noun] == wanted

    claims = [claim(choice.split()[1]) for choice in row["choices"]]
    right = sure(worlds(exclusive=False), claims)
    assert sure(worlds(exclusive=True), claims) == right
    return right


def syllogism(row: Row) -> list[int]:
    told, _ = sentences(row)
    nouns = sorted(set(re.findall(r"(\w+)s are (?:not )?(\w+)s", " ".join(told).lower())))
    names = sorted({noun for pair in nouns for noun in pair})
    worlds = np.arange(1, 2 ** (2 ** len(names)))

    def some(a: str, b: str, inside: bool) -> Any:
        i, j = names.index(a), names.index(b)
        bits = [t for t in range(2 ** len(names)) if t >> i & 1 and bool(t >> j & 1) == inside]
        return worlds & sum(1 << t for t in bits) != 0

    def true(sentence: str) -> Any:
        form, a, denied, b = re.fullmatch(r"(\w+) (\w+)s are (not )?(\w+)s", sentence.lower()).groups()  # type: ignore[union-attr]
        return {"all": ~some(a, b, False), "no": ~some(a, b, True), "some": some(a, b, not denied)}[form]

    allowed = np.all([true(sentence) for sentence in told], axis=0)
    existing = allowed & np.all([some(name, name, True) for name in names], axis=0)
    assert existing.any()
    right = [i for i, choice in enumerate(row["choices"]) if true(choice)[allowed].all()]
    assert right == [i for i, choice in enumerate(row["choices"]) if true(choice)[existing].all()]
    return right


def literal(text: str) -> tuple[str, bool]:
    words = text.lower().split()
    return words[1], not NEGATIVE & set(words)


def conditions(row: Row) -> list[int]:
    told, _ = sentences(row)
    clauses: list[tuple[tuple[str, bool], tuple[str, bool]]] = []
    both_ways = []
    for sentence in told[:-1]:
        if sentence.startswith("If "):
            first, then = (literal(part) for part in sentence[3:].split(", "))
        elif " only if " in sentence:
            first, then = (literal(part) for part in sentence.split(" only if "))
        elif sentence.startswith("Unless "):
            (subject, state), then = (literal(part) for part in sentence.removeprefix("Unless ").split(", "))
            first = (subject, not state)
        elif " unless " in sentence:
            then, (subject, state) = (literal(part) for part in sentence.split(" unless "))
            first = (subject, not state)
        else:
            (subject, state), then = (literal(part) for part in sentence.removeprefix("Either ").split(" or "))
            first = (subject, not state)
        clauses.append((first, then))
        both_ways.append(not sentence.startswith("If "))
    subjects = sorted({subject for clause in clauses for subject, _ in clause} | {literal(told[-1])[0]})

    def worlds(narrow: bool) -> Iterable[dict[str, bool]]:
        for values in product((False, True), repeat=len(subjects)):
            world = dict(zip(subjects, values, strict=True))
            if world[literal(told[-1])[0]] != literal(told[-1])[1]:
                continue
            for ((a, x), (b, y)), twice in zip(clauses, both_ways, strict=True):
                if world[a] == x and world[b] != y:
                    break
                if narrow and twice and world[a] != x and world[b] == y:
                    break
            else:
                yield world

    def claim(subject: str, state: bool) -> Callable[[dict[str, bool]], bool]:
        return lambda world: world[subject] == state

    claims = [claim(*literal(choice)) for choice in row["choices"]]
    right = sure(worlds(narrow=False), claims)
    assert sure(worlds(narrow=True), claims) == right
    return right


SOLVERS = {solver.__name__: solver for solver in (order, line, kinds, syllogism, conditions, liars, boxes)}
SOLVERS |= {solver.__name__: solver for solver in (counts, siblings, family)}


@pytest.mark.parametrize("topic", sorted(SOLVERS))
def test_exactly_the_answer_follows(topic: str, root: Path) -> None:
    data = [row for row in rows(root) if row["topic"] == topic]
    assert data
    for row in data:
        assert SOLVERS[topic](row) == [row["answer"]], row


def test_every_item_has_a_solver_and_its_statement_says_all_its_premises(root: Path) -> None:
    for row in rows(root):
        assert row["topic"] in SOLVERS
        told, _ = sentences(row)
        statement = row["statement"].lower()
        missing = [s for s in told if s.lower() not in statement and row["topic"] != "line"]
        assert not missing, (row["id"], missing)
        names = set(re.findall(r"\b[A-Z][a-z]+\b", " ".join(told))) & set(row["choices"])
        assert all(name in row["statement"] for name in names), row["id"]


def test_no_negation_can_be_heard_to_deny_a_whole_condition(root: Path) -> None:
    """In "the gate does not open only if ..." the "not" may belong to the gate, or to all that follows it."""
    for row in rows(root):
        told, ask = sentences(row)
        for sentence in (part for text in told for part in text.split("; ")):
            for word in (" only if ", " unless ", " if ", " and ", " or "):
                before = sentence.partition(word)[0] if word in sentence else ""
                denied = re.search(r"\b(not|never|none)\b", before)
                opened = re.match(r"(If|Unless|Either|No two of|\w+ says that either)\b", sentence)
                assert not denied or opened, (row["id"], sentence)
        assert not re.search(r"\bcan \w+ not\b", ask), (row["id"], ask)


def test_no_number_of_the_text_or_slip_is_the_answer(root: Path) -> None:
    """What is counted is not a number that stands in the puzzle, but for the bounds, where one may be the limit."""
    for row in rows(root):
        told, ask = sentences(row)
        answer = row["choices"][row["answer"]]
        if row["topic"] == "counts":
            total, n_first, *rest = (int(n) for n in re.findall(r"\d+", " ".join(told)))
            most_both = "largest" in ask and "both" in ask
            assert int(answer) not in (total, -1 if most_both else n_first), row["id"]
            if not re.search("smallest|largest", ask):
                assert int(answer) not in {*rest, *(abs(n_first - n) for n in rest[:1])}, row["id"]
        if row["topic"] == "siblings" and row["level"] == 3:
            said = re.search(r"has (\w+) sisters? and (\w+) brothers?", told[0])
            assert said is not None
            words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
            assert int(answer) not in [words.index(word) for word in said.groups()], row["id"]
