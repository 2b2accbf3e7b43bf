"""Pools of wrong answers that several topics share: numbers on both sides, orders of four, picks of four."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from math import floor, log10

from build.drafting import Draft
from build.wording import listed


def split(text: str, mark: str) -> list[str]:
    """A long list written as one text."""
    return text.split(mark)


def digits(value: float, n: int = 3) -> str:
    """A value to n significant digits, in plain decimals."""
    places = n - 1 - floor(log10(abs(value)))
    return f"{round(value, places):.{max(places, 0)}f}"


def scattered(
    rng: random.Random, value: float, steps: Sequence[float], write: Callable[[float], str], factors: bool = False
) -> tuple[str, ...]:
    """Numbers below and above a value at about these distances (or ratios), each distance moved a little at random.

    Four options of the pool leave the answer at any rank: as many lie below as above.
    """
    made = []
    for step in steps:
        for sign in (1, -1):
            size = step * rng.uniform(0.85, 1.15)
            made.append(value * (1 + size) ** sign if factors else value + sign * size)
    rng.shuffle(made)
    return tuple(dict.fromkeys(text for text in map(write, made) if text != write(value)))


def beside(rng: random.Random, right: int, steps: Sequence[int]) -> tuple[str, ...]:
    """Counts that are some steps more and less than the right one, none below 0."""
    pool = [right + sign * step for step in steps for sign in (1, -1) if right + sign * step >= 0]
    rng.shuffle(pool)
    return tuple(f"{n:,}" for n in pool)


def apart(value: float, others: Iterable[float], share: float) -> list[float]:
    """Those of the others that differ by a share from the value and from each other, in the order given."""
    kept = [value]
    for other in others:
        if all(abs(other - one) > share * max(abs(other), abs(one)) for one in kept):
            kept.append(other)
    return kept[1:]


def orders(rng: random.Random, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Things in their order, as one text, and wrong orders of them: some a swap away, some two, some more."""
    right = tuple(names)
    ranked: dict[int, list[tuple[str, ...]]] = {}
    for order in permutations(right):
        places = [right.index(name) for name in order]
        swaps = sum(a > b for i, a in enumerate(places) for b in places[i + 1 :])
        ranked.setdefault(swaps, []).append(order)
    for group in ranked.values():
        rng.shuffle(group)
    pool = ranked[1][:3] + ranked[2][:3] + ranked[3][:2]
    rng.shuffle(pool)
    return ", ".join(right), tuple(", ".join(order) for order in pool)


def ordered(rng: random.Random, fact: str, topic: str, level: int, names: Sequence[str], ask: str, say: str) -> Draft:
    """What puts the things named in order. ask: after 'What is the order of a and b'. say: the same, as a claim."""
    mentioned = list(names)
    rng.shuffle(mentioned)
    answer, pool = orders(rng, names)
    question = f"What is the order of {listed(mentioned)} {ask}?"
    return Draft(fact, topic, level, question, f"The order of {listed(mentioned)} {say} is: {{}}.", answer, pool)


def sets(
    rng: random.Random,
    values: dict[str, float],
    tries: int,
    fits: Callable[[list[float]], bool],
) -> Iterable[tuple[str, ...]]:
    """Fours of names, the smallest value first, whose values fit; no name stands in more than a few."""
    names = sorted(values)
    used: dict[str, int] = dict.fromkeys(names, 0)
    seen: set[tuple[str, ...]] = set()
    for _ in range(tries):
        four = tuple(sorted(rng.sample(names, 4), key=values.__getitem__))
        if four in seen or max(used[name] for name in four) > 3 or not fits([values[name] for name in four]):
            continue
        seen.add(four)
        for name in four:
            used[name] += 1
        yield four
