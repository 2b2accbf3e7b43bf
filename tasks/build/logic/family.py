"""Puzzles about kinship: what one person is to another, over every family that fits the text."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import filterfalse, product

from build.logic.follows import MEN, WOMEN, given, told
from build.making import Question

TERMS = {
    "parent": ("mother", "father"),
    "child": ("daughter", "son"),
    "sibling": ("sister", "brother"),
    "grandparent": ("grandmother", "grandfather"),
    "grandchild": ("granddaughter", "grandson"),
    "uncle": ("aunt", "uncle"),
    "nephew": ("niece", "nephew"),
    "great-grandparent": ("great-grandmother", "great-grandfather"),
    "great-grandchild": ("great-granddaughter", "great-grandson"),
    "cousin": ("cousin", "cousin"),
}
NEAR = {
    "grandparent": ("grandchild", "great-grandparent", "uncle", "parent", "cousin"),
    "grandchild": ("grandparent", "great-grandchild", "nephew", "child", "cousin"),
    "uncle": ("nephew", "cousin", "grandparent", "sibling", "parent"),
    "nephew": ("uncle", "cousin", "grandchild", "sibling", "child"),
    "great-grandparent": ("grandparent", "great-grandchild", "grandchild", "uncle"),
    "great-grandchild": ("grandchild", "great-grandparent", "grandparent", "nephew"),
    "cousin": ("nephew", "uncle", "sibling", "grandchild"),
}
"""What a relation is easily taken for."""

TURNED = {"parent": "child", "child": "parent", "sibling": "sibling"}

Link = tuple[str, int, int]
"""(relation, i, j): person i is the relation of person j."""

Parents = tuple[tuple[int, int], ...]
"""A world: mother and father of each person of the text; numbers below zero are people whom it does not name."""

STEPS = {
    1: (("parent", "parent"),),
    2: (("sibling", "parent"), ("child", "child")),
    3: (("child", "sibling"), ("sibling", "parent"), ("child", "child"), ("parent", "parent")),
    4: (("parent", "parent", "parent"), ("child", "child", "child"), ("child", "sibling", "parent")),
    5: (("child", "sibling", "parent"), ("parent", "parent", "parent"), ("child", "child", "child")),
}


def family(rng: random.Random, level: int) -> Question | None:
    """What the first of a chain of people is to the last.

    Level 1: two steps up. 2: an aunt, or two steps down. 3: the same said the other way round. 4: three steps. 5: three
    steps, said from either end and out of order, with one more person beside them.
    """
    steps = rng.choice(STEPS[level])
    n = len(steps) + 1
    sexes = [rng.randrange(2) for _ in range(n + (level == 5))]
    # Nobody is father and mother at once: names say the sex as well as the words do.
    women, men = rng.sample(WOMEN, n + 1), rng.sample(MEN, n + 1)
    people = [(women, men)[sex][i] for i, sex in enumerate(sexes)]
    links: list[Link] = [(step, i, i + 1) for i, step in enumerate(steps)]
    if level >= 3:
        turn = rng.randrange(len(links))
        links = [
            (TURNED[r], j, i) if (level == 3 and place == turn) or (level == 5 and rng.random() < 0.5) else (r, i, j)
            for place, (r, i, j) in enumerate(links)
        ]
    if level == 5:
        links.append((rng.choice(("child", "sibling", "parent")), n, rng.randrange(n)))
    following = kin(tuple(links), tuple(sexes), 0, n - 1)
    if following not in NEAR:
        return None
    sex = sexes[0]
    answer = TERMS[following][sex]
    if not _sex_told(links, sexes, 0) and answer != "cousin":
        return None
    if level >= 3:
        rng.shuffle(links)
    clauses = [f"{people[i]} is {people[j]}'s {TERMS[relation][sexes[i]]}" for relation, i, j in links]
    wrong = [TERMS[relation][sex] for relation in NEAR[following]]
    return Question(
        fact=" ".join(sorted(clauses)),
        topic="family",
        level=level,
        question=f"{told(clauses)} What is {people[0]} to {people[n - 1]}?",
        statement=f"{given(clauses)}, then {people[0]} is {people[n - 1]}'s {{}}.",
        answer=answer,
        distractors=tuple(rng.sample(wrong, 3)),
    )


def _sex_told(links: list[Link], sexes: list[int], person: int) -> bool:
    """Whether a word of the text, not only a name, tells the person's sex."""
    return any(i == person for _, i, _ in links)


@cache
def kin(links: tuple[Link, ...], sexes: tuple[int, ...], a: int, b: int) -> str | None:
    """What a is to b in every family, or None unless exactly one relation is sure.

    It holds even where siblings share one parent only; no other relation is sure even where they share both.
    """
    half = _sure(links, sexes, a, b, shared=1)
    full = _sure(links, sexes, a, b, shared=2)
    return half[0] if len(half) == 1 and half == full else None


def _sure(links: tuple[Link, ...], sexes: tuple[int, ...], a: int, b: int, shared: int) -> list[str]:
    left = list(TERMS)
    for world in _families(links, sexes, shared):
        left = [relation for relation in left if _is(relation, world, a, b, shared)]
        if not left:
            break
    return left


def _families(links: tuple[Link, ...], sexes: tuple[int, ...], shared: int) -> Iterator[Parents]:
    n = len(sexes)
    mothers = [-1, -2, *[i for i in range(n) if sexes[i] == 0]]
    fathers = [-3, -4, *[i for i in range(n) if sexes[i] == 1]]
    choices = []
    for person in range(n):
        pairs = [(m, f) for m in mothers for f in fathers if person not in (m, f)]
        for relation, i, j in links:
            if relation == "parent" and j == person:
                pairs = [pair for pair in pairs if i in pair]
            if relation == "child" and i == person:
                pairs = [pair for pair in pairs if j in pair]
        choices.append(pairs)
    worlds: Iterable[Parents] = product(*choices)
    for relation, i, j in links:
        if relation == "sibling":
            worlds = _with_siblings(worlds, i, j, shared)
    return filterfalse(_circular, worlds)


def _with_siblings(worlds: Iterable[Parents], i: int, j: int, shared: int) -> Iterator[Parents]:
    for world in worlds:
        (mother, father), (other_mother, other_father) = world[i], world[j]
        if (mother == other_mother) + (father == other_father) >= shared:
            yield world


def _circular(world: Parents) -> bool:
    """Whether somebody descends from themselves."""
    left = set(range(len(world)))
    while left:
        eldest = {person for person in left if left.isdisjoint(world[person])}
        if not eldest:
            return True
        left -= eldest
    return False


def _parents(world: Parents, person: int) -> tuple[int, ...]:
    return world[person] if person >= 0 else ()


def _is(relation: str, world: Parents, a: int, b: int, shared: int) -> bool:
    """Whether a is the relation of b."""
    up_a, up_b = _parents(world, a), _parents(world, b)
    if relation == "parent":
        return a in up_b
    if relation == "child":
        return b in up_a
    if relation == "sibling":
        return a != b and len(set(up_a).intersection(up_b)) >= shared
    if relation in ("grandparent", "great-grandparent"):
        closer = relation.removeprefix("great-") if relation.startswith("great-") else "parent"
        return any(_is(closer, world, a, parent, shared) for parent in up_b)
    if relation in ("grandchild", "great-grandchild"):
        return _is(relation.replace("child", "parent"), world, b, a, shared)
    if relation == "uncle":
        return any(_is("sibling", world, a, parent, shared) for parent in up_b)
    if relation == "nephew":
        return _is("uncle", world, b, a, shared)
    return any(_is("sibling", world, p, q, shared) for p in up_a for q in up_b)
