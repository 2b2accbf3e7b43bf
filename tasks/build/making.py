"""What every builder shares: a question, its split, its options and its line in the JSONL file.

A task's folder has a module `questions` with `questions(rng)`, which yields more `Question`s than are needed, most of
them with a pool of distractors to choose from. `python tasks/build` runs them all; the same seed and the same pinned
packages give the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

N_TEST = 256
"""Audited items of a task."""

N_TRAIN = 320
"""Items of the same kind about other facts: for tuning and for examples, never audited."""

N_CHOICES = 4
LEVELS = (1, 2, 3, 4, 5)
HARD_LEVELS = (6, 7, 8, 9, 10)
"""Of the tasks in `hard/`, on the same scale: their easiest level is meant to be harder than the others' hardest."""


@dataclass(frozen=True)
class Question:
    """One question with a single right answer.

    fact: what it asks about, as a key; questions about one fact never stand on both sides of the split.
    topic: the kind of question. level: 1 (most people know) to 5 (experts, or much work), and on to 10 (almost nobody
        without a book or a computer).
    statement: the same fact as a sentence with {} where the answer goes.
    distractors: wrong answers of the answer's type, the most plausible first; at least three.
    passage: text the question is about; items of one passage count as one piece of evidence.
    """

    fact: str
    topic: str
    level: int
    question: str
    statement: str
    answer: str
    distractors: tuple[str, ...]
    passage: str = ""


def distinct(answer: str, pool: Iterable[str]) -> tuple[str, ...]:
    """The pool without what differs from the answer, or from an earlier one, in case alone."""
    kept = {answer.casefold(): answer}
    for option in pool:
        kept.setdefault(option.casefold(), option)
    return tuple(option for option in kept.values() if option != answer)


def split(
    questions: Iterable[Question], rng: random.Random, n_test: int = N_TEST, n_train: int = N_TRAIN
) -> tuple[list[Question], list[Question]]:
    """Test and training questions: no fact in both, levels and topics spread alike over both. Order is shuffled.

    Raises ValueError when there are not enough questions, when one is malformed, and when a text stands twice.
    """
    by_fact: dict[str, list[Question]] = {}
    seen: set[tuple[str, str]] = set()
    for question in questions:
        _check(question)
        text = (question.passage, question.question)
        if text in seen:
            raise ValueError(f"{question.fact}: asked twice: {question.question}")
        seen.add(text)
        by_fact.setdefault(question.passage or question.fact, []).append(question)
    # Whole facts (or passages) are dealt in shuffled order, those of one topic and level apart: both sides look alike.
    strata: dict[tuple[str, int], list[str]] = {}
    for fact, group in by_fact.items():
        strata.setdefault((group[0].topic, group[0].level), []).append(fact)
    places: list[tuple[float, str]] = []
    for stratum in sorted(strata):
        facts = sorted(strata[stratum])
        rng.shuffle(facts)
        places += [((i + rng.random()) / len(facts), fact) for i, fact in enumerate(facts)]
    order = [fact for _, fact in sorted(places)]
    test: list[Question] = []
    train: list[Question] = []
    for fact in order:
        group = by_fact[fact]
        # Fill both sides in proportion, so that neither takes only what comes early.
        if len(test) + len(group) <= n_test and (
            len(test) * n_train <= len(train) * n_test or len(train) + len(group) > n_train
        ):
            test += group
        elif len(train) + len(group) <= n_train:
            train += group
    if len(test) < n_test or len(train) < n_train:
        raise ValueError(f"{len(test)} test and {len(train)} training questions; {n_test} and {n_train} are needed")
    rng.shuffle(test)
    rng.shuffle(train)
    return test, train


def split_by_level(questions: Iterable[Question], rng: random.Random) -> tuple[list[Question], list[Question]]:
    """The same, each level for itself, so that both sides have as many of each as of any other, or one more.

    Raises ValueError also when a fact is asked at two levels.
    """
    by_level: dict[int, list[Question]] = {}
    level_of: dict[str, int] = {}
    for question in questions:
        if level_of.setdefault(question.fact, question.level) != question.level:
            raise ValueError(f"{question.fact}: asked at levels {level_of[question.fact]} and {question.level}")
        by_level.setdefault(question.level, []).append(question)
    sides: tuple[list[Question], list[Question]] = ([], [])
    for i, level in enumerate(sorted(by_level)):
        quotas = [n // len(by_level) + (i < n % len(by_level)) for n in (N_TEST, N_TRAIN)]
        for side, part in zip(sides, split(by_level[level], rng, *quotas), strict=True):
            side += part
    for side in sides:
        rng.shuffle(side)
    return sides


def rows(name: str, part: str, questions: Sequence[Question], rng: random.Random) -> list[dict[str, object]]:
    """The JSON objects of one file; the right answer stands equally often at each place."""
    positions = [i % N_CHOICES for i in range(len(questions))]
    rng.shuffle(positions)
    made = []
    for index, (question, position) in enumerate(zip(questions, positions, strict=True)):
        choices = list(question.distractors[: N_CHOICES - 1])
        rng.shuffle(choices)
        choices.insert(position, question.answer)
        row: dict[str, object] = {
            "id": f"{name}-{part}-{index:03d}",
            "topic": question.topic,
            "level": question.level,
            "question": question.question,
            "choices": choices,
            "answer": position,
            "statement": question.statement,
        }
        if question.passage:
            row["passage"] = question.passage
        made.append(row)
    return made


def write(path: Path, lines: Iterable[dict[str, object]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8", newline="\n")


def _check(question: Question) -> None:
    options = (question.answer, *question.distractors)
    if len(set(options)) != len(options) or len({" ".join(o.casefold().split()) for o in options}) != len(options):
        raise ValueError(f"{question.fact}: two options are the same: {options}")
    if len(options) < N_CHOICES:
        raise ValueError(f"{question.fact}: {len(options)} options; {N_CHOICES} are needed")
    if any(not option or option != option.strip() for option in options):
        raise ValueError(f"{question.fact}: an empty option, or one with spaces around it: {options}")
    if question.statement.count("{}") != 1:
        raise ValueError(f"{question.fact}: the statement needs one {{}}: {question.statement}")
    if question.level not in (*LEVELS, *HARD_LEVELS):
        raise ValueError(f"{question.fact}: level {question.level} is not one of {(*LEVELS, *HARD_LEVELS)}")
