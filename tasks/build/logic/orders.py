"""Puzzles about orders: who is tallest, who stands where in a line."""

from __future__ import annotations

import random
from itertools import permutations

from build.logic.follows import MEN, WOMEN, Claim, Premise, given, sure, told
from build.making import Question
from build.wording import listed

SCALES = (
    ("taller", "shorter", "tallest", "shortest", "equally tall"),
    ("older", "younger", "oldest", "youngest", "of the same age"),
    ("heavier", "lighter", "heaviest", "lightest", "equally heavy"),
    ("faster", "slower", "fastest", "slowest", "equally fast"),
    ("richer", "poorer", "richest", "poorest", "equally rich"),
)
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def order(rng: random.Random, level: int) -> Question | None:
    """Comparisons of four or five people.

    Level 1: in order, all one way round. 2: shuffled. 3: both ways round. 4: five people, a place from the
    middle is asked for. 5: besides, two comparisons are denied.
    """
    n = 4 if level <= 3 else 5
    people = rng.sample(WOMEN + MEN, n)
    more, less, most, least, equal = rng.choice(SCALES)
    premises = []
    for place in range(n - 1):
        high, low = people[place], people[place + 1]
        turned = level >= 3 and rng.random() < 0.5
        premises.append(_compared(high, low, more, less, turned))
    if level == 5:
        for place in rng.sample(range(n - 1), 2):
            premises[place] = _denied(people[place], people[place + 1], more, less, rng.random() < 0.5)
    if level >= 2:
        rng.shuffle(premises)
    if level <= 3:
        asked = rng.choice((0, n - 1))
        ask, end = (f"Who is {most}?", f"the {most} is") if asked == 0 else (f"Who is {least}?", f"the {least} is")
    else:
        asked = rng.choice((1, 2, 3))
        from_top = asked == 1 or (asked == 2 and rng.random() < 0.5)
        rank = f"{ORDINALS[asked] if from_top else ORDINALS[n - 1 - asked]} {most if from_top else least}"
        ask, end = f"Who is the {rank}?", f"the {rank} is"
    clauses = [premise.text for premise in premises]
    if level == 5:
        clauses.insert(0, f"no two of {listed(sorted(people))} are {equal}")
    # Heights as ranks: with ties wherever the text does not exclude them.
    ranks = list(permutations(range(n))) if level == 5 else _heights(n)
    worlds = [dict(zip(people, heights, strict=True)) for heights in ranks]

    def at_place(name: str) -> Claim:
        return lambda world: (
            sum(height > world[name] for height in world.values()) == asked
            and (sum(height == world[name] for height in world.values()) == 1)
        )

    options = {name: at_place(name) for name in people}
    answer = sure(worlds, premises, options)
    if answer != people[asked]:
        return None
    near = sorted((p for p in people if p != answer), key=lambda p: (abs(people.index(p) - asked), rng.random()))
    return Question(
        fact=" ".join(clauses) + ask,
        topic="order",
        level=level,
        question=f"{told(clauses)} {ask}",
        statement=f"{given(clauses)}, then {end} {{}}.",
        answer=answer,
        distractors=tuple(near[:3]),
    )


def _compared(high: str, low: str, more: str, less: str, turned: bool) -> Premise:
    text = f"{low} is {less} than {high}" if turned else f"{high} is {more} than {low}"
    return Premise(text, lambda world: world[high] > world[low])


def _denied(high: str, low: str, more: str, less: str, turned: bool) -> Premise:
    text = f"{high} is not {less} than {low}" if turned else f"{low} is not {more} than {high}"
    return Premise(text, lambda world: world[high] >= world[low], negated=True)


def _heights(n: int) -> list[tuple[int, ...]]:
    """Every way to order n people with ties: heights 0 to n - 1 without gaps."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(n):
        found = [(*heights, height) for heights in found for height in range(n)]
    return [heights for heights in found if set(heights) == set(range(max(heights) + 1))]


def line(rng: random.Random, level: int) -> Question | None:
    """Who stands where in a line of four or five people.

    Level 1: places and neighbours. 2: "somewhere behind". 3: one denial. 4: five people, one denial.
    5: five people, two denials.
    """
    n = 4 if level <= 3 else 5
    denials = (0, 0, 1, 1, 2)[level - 1]
    people = rng.sample(WOMEN + MEN, n)
    row = tuple(people)
    kinds = ("at", "next") if level == 1 else ("at", "next", "after", "after")
    pool = [_placed(rng, row, rng.choice(kinds)) for _ in range(3 if level <= 3 else 4)]
    pool = pool[: len(pool) - denials] + [_placed(rng, row, rng.choice(("not at", "not next"))) for _ in range(denials)]
    asked = rng.randrange(n)
    worlds = list(permutations(people))

    def stands(name: str) -> Claim:
        return lambda world: world[asked] == name

    options = {name: stands(name) for name in people}
    answer = sure(worlds, pool, options)
    texts = [premise.text for premise in pool]
    if answer is None or any(text.startswith(f"{answer} is {_ordinal(asked, n)}") for text in texts):
        return None
    # Whoever is never mentioned would be right too often.
    if not any(answer in text for text in texts) and rng.random() < 0.6:
        return None
    if level == 2 and not any("somewhere" in text for text in texts):
        return None
    # Each premise must be needed, or the level would not be what it says.
    if any(sure(worlds, pool[:i] + pool[i + 1 :], options) for i in range(len(pool))):
        return None
    rng.shuffle(texts)
    number = "Four" if n == 4 else "Five"
    names = listed(sorted(people))
    ordinal = _ordinal(asked, n)
    near = [p for p in people if p != answer]
    rng.shuffle(near)
    return Question(
        fact=" ".join(sorted(texts)) + ordinal,
        topic="line",
        level=level,
        question=f"{number} people stand in a line: {names}. {told(texts)} Who is {ordinal}?",
        statement=f"{given([f'{names} stand in a line', *texts])}, then the one who is {ordinal} is {{}}.",
        answer=answer,
        distractors=tuple(near[:3]),
    )


def _ordinal(place: int, n: int) -> str:
    return "last" if place == n - 1 else ORDINALS[place]


def _placed(rng: random.Random, row: tuple[str, ...], kind: str) -> Premise:
    """A true clause of one kind about a line."""
    n = len(row)
    i = rng.randrange(n)
    a = row[i]
    if kind == "at":
        return Premise(f"{a} is {_ordinal(i, n)}", lambda world: world[i] == a)
    if kind == "not at":
        j = rng.choice([place for place in range(n) if place != i])
        return Premise(f"{a} is not {_ordinal(j, n)}", lambda world: world[j] != a, negated=True)
    if kind == "not next":
        i, j = rng.choice([(i, j) for i in range(n) for j in range(n) if abs(i - j) > 1])
        a, b = row[i], row[j]
        text = f"{a} is not next to {b}"
        return Premise(text, lambda world: abs(world.index(a) - world.index(b)) != 1, negated=True)
    i = rng.randrange(n - 1)
    if kind == "next":
        a, b = row[i], row[i + 1]
        if rng.random() < 0.5:
            return Premise(f"{b} is right behind {a}", lambda world: world.index(b) == world.index(a) + 1)
        return Premise(f"{a} is right in front of {b}", lambda world: world.index(b) == world.index(a) + 1)
    j = rng.randrange(i + 1, n)
    a, b = row[i], row[j]
    return Premise(f"{b} is somewhere behind {a}", lambda world: world.index(b) > world.index(a))
