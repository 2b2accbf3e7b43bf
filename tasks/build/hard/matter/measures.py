"""Old measures in steps of unlike size: sums, multiples and conversions in exact whole numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from build.drafting import Draft
from build.wording import listed


@dataclass(frozen=True)
class System:
    """units: singular and plural, the largest first. steps: how many of each make one of the unit before it."""

    name: str
    units: tuple[tuple[str, str], ...]
    steps: tuple[int, ...]
    most: int


SYSTEMS = (
    System(
        "troy weight",
        (("pound", "pounds"), ("ounce", "ounces"), ("pennyweight", "pennyweights"), ("grain", "grains")),
        (12, 20, 24),
        9,
    ),
    System(
        "apothecaries' weight",
        (("pound", "pounds"), ("ounce", "ounces"), ("drachm", "drachms"), ("scruple", "scruples"), ("grain", "grains")),
        (12, 8, 3, 20),
        9,
    ),
    System(
        "avoirdupois weight",
        (
            ("long ton", "long tons"),
            ("hundredweight", "hundredweight"),
            ("stone", "stone"),
            ("pound", "pounds"),
            ("ounce", "ounces"),
        ),
        (20, 8, 14, 16),
        6,
    ),
    System(
        "surveyors' measure",
        (("mile", "miles"), ("furlong", "furlongs"), ("chain", "chains"), ("rod", "rods"), ("link", "links")),
        (8, 10, 4, 25),
        12,
    ),
    System(
        "imperial liquid measure",
        (
            ("gallon", "gallons"),
            ("quart", "quarts"),
            ("pint", "pints"),
            ("gill", "gills"),
            ("fluid ounce", "fluid ounces"),
            ("fluid drachm", "fluid drachms"),
        ),
        (4, 2, 4, 5, 8),
        15,
    ),
    System(
        "imperial dry measure",
        (("bushel", "bushels"), ("peck", "pecks"), ("gallon", "gallons"), ("pint", "pints"), ("gill", "gills")),
        (4, 2, 8, 4),
        14,
    ),
)


def whole(system: System, parts: list[int]) -> int:
    total = parts[0]
    for step, part in zip(system.steps, parts[1:], strict=True):
        total = total * step + part
    return total


def parted(system: System, total: int) -> list[int]:
    parts: list[int] = []
    for step in reversed(system.steps):
        total, rest = divmod(total, step)
        parts.append(rest)
    return [total, *reversed(parts)]


def said(system: System, parts: list[int]) -> str:
    return listed([f"{part} {unit[part != 1]}" for part, unit in zip(parts, system.units, strict=True) if part])


def _sizes(system: System) -> list[int]:
    """Each unit in the smallest, the largest first."""
    sizes = [1]
    for step in reversed(system.steps):
        sizes.append(sizes[-1] * step)
    return sizes[::-1]


def _made(rng: random.Random, system: System) -> list[int]:
    while True:
        parts = [rng.randint(2, system.most), *(rng.randrange(step) for step in system.steps)]
        if sum(map(bool, parts)) >= len(parts) - 1:
            return parts


def _slips(rng: random.Random, system: System, total: int) -> list[int]:
    """One unit of some size too many or too few, and two such slips together."""
    sizes = _sizes(system)
    single = [sign * size for size in sizes[1:-1] for sign in (1, -1)]
    both = [a + b for a in single for b in single if abs(a) > abs(b)]
    rng.shuffle(single)
    rng.shuffle(both)
    pool = single[:3] + both[:4] + [2 * step for step in single[:1]]
    rng.shuffle(pool)
    return [total + step for step in dict.fromkeys(pool) if total + step > 0]


def measures(rng: random.Random) -> Iterator[Draft]:
    for system in SYSTEMS:
        smallest = system.units[-1][1]
        for index in range(30):
            parts = _made(rng, system)
            total = whole(system, parts)
            level = 6
            question = f"In {system.name}, how many {smallest} are {said(system, parts)}?"
            statement = f"In {system.name}, {said(system, parts)} are {{}}."
            answer, pool = f"{total:,} {smallest}", [f"{n:,} {smallest}" for n in _slips(rng, system, total)]
            topic = "measures in the smallest unit"
            if index % 3 == 1:
                level, topic = 7, "measures in all units"
                question = f"In {system.name}, how many {_plurals(system)} are {total:,} {smallest}?"
                statement = f"In {system.name}, {total:,} {smallest} are {{}}."
            elif index % 3 == 2:
                times, topic = rng.choice((7, 11, 13, 17, 19, 23, 29)), "measures multiplied"
                level = 7 if times < 13 else 8
                question = f"In {system.name}, what are {times} times {said(system, parts)}, in {_plurals(system)}?"
                statement = f"In {system.name}, {times} times {said(system, parts)} are {{}}."
                total *= times
            if index % 3:
                answer = said(system, parted(system, total))
                pool = [said(system, parted(system, n)) for n in _slips(rng, system, total)]
            yield Draft(f"measure {system.name} {total}", topic, level, question, statement, answer, tuple(pool))


def _plurals(system: System) -> str:
    return listed([unit[1] for unit in system.units])


MAKERS = (measures,)
