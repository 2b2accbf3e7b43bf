"""Words: opposites, meanings, kinds, parts, families of animals, callings, forms, sounds and spellings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from build.balancing import EVEN, Balancer
from build.likeness import ORDERINGS
from build.making import LEVELS, Question
from build.wording import article, listed
from build.words.forms import ANAGRAMS, MEANINGS, PASTS, PLURALS
from build.words.kinds import (
    CALLINGS,
    FEMALES,
    HOMES,
    KINDS,
    LIKENESSES,
    MALES,
    NEAR_KINDS,
    SOUNDS,
    STUDIES,
    YOUNG,
)
from build.words.pairs import GROUPS, HOMOPHONES, OPPOSITES, PARTS
from build.words.spelling import alphabet, numbers

PER_LEVEL = 122
"""Questions of each level; a few more in all than the two files hold."""

DRAFTS = 24

Drafts = list[Question]
"""One question with each of several sets of wrong answers."""


def questions(rng: random.Random) -> Iterator[Question]:
    """As many questions of each level, the topics in turn; one way of asking about each fact."""
    by_level: dict[int, dict[str, list[Drafts]]] = {level: {} for level in LEVELS}
    asked: set[str] = set()
    pool = list(_all(rng))
    rng.shuffle(pool)
    for drafts in pool:
        first = drafts[0]
        if first.fact not in asked:
            asked.add(first.fact)
            by_level[first.level].setdefault(first.topic, []).append(drafts)
    balancer = Balancer(replace(EVEN, orderings=(*EVEN.orderings, *((6, one) for one in ORDERINGS)), whole=1))
    for level in LEVELS:
        topics = by_level[level]
        taken = 0
        while taken < PER_LEVEL:
            if not any(topics.values()):
                raise ValueError(f"{taken} questions of level {level}; {PER_LEVEL} are needed")
            for topic in sorted(topics):
                if topics[topic] and taken < PER_LEVEL:
                    yield balancer.pick(topic, topics[topic].pop())
                    taken += 1


def _all(rng: random.Random) -> Iterator[Drafts]:
    yield from _given(rng, "opposites", OPPOSITES, "What is the opposite of '{}'?", "The opposite of '{}' is '{{}}'.")
    meaning = "Which of these is nearest in meaning to '{}'?"
    yield from _given(rng, "meanings", MEANINGS, meaning, "The word '{}' means about the same as '{{}}'.")
    sound = "Which word sounds exactly like '{}'?"
    yield from _given(rng, "homophones", HOMOPHONES, sound, "The word '{}' sounds exactly like '{{}}'.")
    yield from _given(
        rng,
        "parts",
        PARTS,
        "Which of these things has a part called '{}'?",
        "The thing that has a part called '{}' is the {{}}.",
    )
    group = "What is the word for a group of {}?"
    yield from _given(rng, "groups", GROUPS, group, "The word for a group of {} is {{}}.")
    plural = "What is the plural of '{}'?"
    yield from _given(rng, "plurals", PLURALS, plural, "The plural of '{}' is '{{}}'.")
    letters = "Which word has the same letters as '{}'?"
    yield from _given(rng, "anagrams", ANAGRAMS, letters, "The word '{}' has the same letters as '{{}}'.")
    yield from _pasts(rng)
    yield from _pooled(rng, "young", YOUNG, "What is a young {} called?", "The word for a young {} is {{}}.")
    yield from _pooled(rng, "males", MALES, "What is a male {} called?", "The word for a male {} is {{}}.")
    yield from _pooled(rng, "females", FEMALES, "What is a female {} called?", "The word for a female {} is {{}}.")
    yield from _pooled(
        rng, "sounds", SOUNDS, "Which word names the sound of {}?", "The word for the sound of {} is {{}}."
    )
    yield from _pooled(rng, "homes", HOMES, "What is the home of {} called?", "The word for the home of {} is {{}}.")
    calling = "What do you call someone who {}?"
    yield from _pooled(rng, "callings", CALLINGS, calling, "The word for someone who {} is {{}}.")
    study = "What is the study of {} called?"
    yield from _pooled(rng, "studies", STUDIES, study, "The word for the study of {} is {{}}.")
    likeness = "Which adjective means 'of {}'?"
    yield from _pooled(rng, "likenesses", LIKENESSES, likeness, "The adjective that means 'of {}' is {{}}.")
    yield from _kinds(rng)
    yield from _odd(rng)
    for question in [*numbers(rng), *alphabet(rng)]:
        yield _drafted(rng, question, question.distractors)


def _fields(table: str) -> list[tuple[int, str, str, list[str]]]:
    """Level, word, answer and the list at the end, of each line of a table."""
    found = []
    for line in table.strip().splitlines():
        level, word, answer, last = (field.strip() for field in line.split("|"))
        found.append((int(level), word, answer, [item.strip() for item in last.split(",") if item.strip()]))
    return found


def _drafted(rng: random.Random, question: Question, wrong: tuple[str, ...] | list[str]) -> Drafts:
    """The question with each choice of three wrong answers, or with some of them when they are many."""
    triples = list(combinations(wrong, 3)) if len(wrong) <= 6 else [tuple(rng.sample(wrong, 3)) for _ in range(DRAFTS)]
    return [replace(question, distractors=triple) for triple in triples]


def _given(rng: random.Random, topic: str, table: str, ask: str, say: str) -> Iterator[Drafts]:
    """Questions whose lines name their wrong answers."""
    for level, word, answer, wrong in _fields(table):
        fact = f"{topic}: {word}"
        if topic == "plurals" and word != answer:
            wrong = [*wrong, word]
        yield _drafted(rng, Question(fact, topic, level, ask.format(word), say.format(word), answer, ()), wrong)


def _pooled(rng: random.Random, topic: str, table: str, ask: str, say: str) -> Iterator[Drafts]:
    """Questions whose wrong answers are answers of other lines, of about the same level where there are enough."""
    lines = _fields(table)
    for level, word, answer, also in lines:
        others = {other: far for far, _, other, _ in reversed(lines) if other != answer and other not in also}
        near = sorted(others, key=lambda other: abs(others[other] - level))[:9]
        if topic in ("homes", "sounds"):
            word = article(word)
        question = Question(f"{topic}: {word}", topic, level, ask.format(word), say.format(word), answer, ())
        yield _drafted(rng, question, near)


def _pasts(rng: random.Random) -> Iterator[Drafts]:
    """The past tense, or the past participle where it differs and is the harder question."""
    for line in PASTS.strip().splitlines():
        level, verb, past, participle, last = (field.strip() for field in line.split("|"))
        wrong = [*last.split(", "), verb.partition(" (")[0], past, participle]
        asked = [("past tense", int(level), past)]
        if participle not in ("-", past):
            asked.append(("past participle", min(5, int(level) + 2), participle))
        for form, hard, answer in asked:
            ask, say = f"What is the {form} of '{verb}'?", f"The {form} of '{verb}' is '{{}}'."
            question = Question(f"pasts: {verb}", "pasts", hard, ask, say, answer, ())
            yield _drafted(rng, question, [other for other in dict.fromkeys(wrong) if other not in (answer, "-")])


def _members() -> dict[str, list[tuple[str, int]]]:
    """The things of each kind, with their levels."""
    return {kind: [(word[:-1], int(word[-1])) for word in words.split()] for kind, words in KINDS.items()}


def _apart(kind: str) -> list[str]:
    """The kinds that can stand beside one without doubt."""
    return [other for other in KINDS if other != kind and frozenset((kind, other)) not in NEAR_KINDS]


def _kinds(rng: random.Random) -> Iterator[Drafts]:
    members = _members()
    for kind, things in members.items():
        others = _apart(kind)
        for thing, level in things:
            fact, say = f"kinds: {thing}", f"The word '{thing}' names a kind of {{}}."
            question = Question(
                fact, "kinds", level, f"What kind of thing does the word '{thing}' name?", say, kind, ()
            )
            yield _drafted(rng, question, others)


def _odd(rng: random.Random) -> Iterator[Drafts]:
    """Three words of one kind and one of another; the harder the words, the higher the level."""
    members = _members()
    for level in LEVELS:
        for _ in range(14):
            drafts = []
            for _ in range(6):
                ranks = (1,) if level == 1 else (level - 1, level)
                fits = {kind: [word for word, rank in things if rank in ranks] for kind, things in members.items()}
                kind = rng.choice([kind for kind, words in fits.items() if len(words) >= 3])
                other = rng.choice([other for other in _apart(kind) if fits[other]])
                three, odd = rng.sample(fits[kind], 3), rng.choice(fits[other])
                words = [*three, odd]
                rng.shuffle(words)
                names = listed(words)
                ask = f"Which is the odd one out among {names}?"
                say = f"Among {names}, the odd one out is {{}}."
                drafts.append(Question(f"odd: {sorted(words)}", "odd", level, ask, say, odd, tuple(three)))
            yield drafts
