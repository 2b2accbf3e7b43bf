"""Who and where: invented people and places for the passages, and small turns of language."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_WOMEN = """
Ada Agnes Alma Anna Berta Bella Carla Celia Clara Daria Della Dora Edith Elena Elsa Emma Esme Eva Flora Freda Gerda
Greta Hanna Hedda Helen Ida Ines Irma Iris Jana Julia June Karin Kira Lara Lena Lilia Lina Lotta Lucy Mabel Maja Marta
Mira Molly Nadia Nella Nina Nora Olga Paula Petra Rita Rosa Runa Ruth Sally Selma Sofia Tamar Tessa Thea Tilda Vera
Vida Wanda Willa Yara Zelda Zora Ulla
"""
_MEN = """
Abel Adam Albin Alec Amos Anton Arlo Axel Basil Bruno Carl Cyril Dario David Denis Edgar Edwin Elias Emil Ernst Fabio
Felix Frank Fritz Georg Gregor Gus Hans Harald Henry Hugo Igor Ivan Jacob Jonas Josef Karl Klaus Lars Leon Lewis Linus
Lucas Magnus Marco Matti Milo Nils Noel Olaf Oscar Otto Pablo Peter Ralph Remo Robin Roman Rufus Samuel Simon Stefan
Sven Theo Tobias Urban Victor Walter Yuri
"""
_NAMED = """
Tov Bren Cald Dars Fenn Gall Harv Kels Lorr Marv Nev Ost Pell Rost
al ick ova en ard isk une ett or ima ander oss
"""
_PLACED = """
Brask Cald Drev Elvin Farn Grell Hask Irm Jorv Kesk Lusk Marn Nesk Orl
ford mere wick stow haven combe dale by holm gate beck moor
"""
WOMEN, MEN = _WOMEN.split(), _MEN.split()


@dataclass(frozen=True)
class Cast:
    """hero: whose story it is, a full name that no other passage has. place: so is this. others: eight more names."""

    hero: str
    first: str
    she: str
    her: str
    place: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class Ask:
    """A question about a passage: its level, wording, statement, answer and wrong answers, the nearest first."""

    level: int
    question: str
    statement: str
    answer: str
    wrong: tuple[str, ...]


class Accident(ValueError):
    """A wrong path through a passage leads to the right answer."""


Story = tuple[str, list[Ask]]
"""A passage and one question of each level."""

Genre = Callable[[random.Random, Cast], Story]

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def casts(rng: random.Random) -> Iterator[Cast]:
    """Casts for 168 passages; no full name and no place comes twice."""
    starts, ends = (line.split() for line in _NAMED.strip().splitlines())
    families = [start + end for start in starts for end in ends]
    starts, ends = (line.split() for line in _PLACED.strip().splitlines())
    places = [start + end for start in starts for end in ends]
    rng.shuffle(families)
    rng.shuffle(places)
    for family, place in zip(families, places, strict=True):
        names = rng.sample(WOMEN, 5) + rng.sample(MEN, 5)
        rng.shuffle(names)
        first = names[0]
        she, her = ("she", "her") if first in WOMEN else ("he", "his")
        yield Cast(f"{first} {family}", first, she, her, place, tuple(names[1:9]))


def told(rng: random.Random, text: str) -> str:
    """A passage from its parts, which blank lines separate. Lines that begin with / begin another way to say a part."""
    parts = [part.split("\n/ ") for part in text.strip().split("\n\n")]
    return " ".join(" ".join(rng.choice(ways).split()) for ways in parts)


def asks(rng: random.Random, text: str, **groups: Sequence[str]) -> list[Ask]:
    """One question of each level, from blocks of three lines: level, answer and wrong answers; question; statement.

    Wrong answers are a group's name, or numbers ("5: 20 30": the neighbours are 5 apart), or minutes ("time: 600").
    After one more | stands, with commas, where other wrong paths lead. Raises Accident if one leads to the answer.
    """
    found: dict[int, list[Ask]] = {}
    accidents: set[str] = set()
    for block in text.strip().split("\n\n"):
        head, question, statement = block.splitlines()
        level, answer, source, *others = (field.strip() for field in head.split("|"))
        kind, colon, numbers = source.partition(":")
        paths = [path.strip() for other in others for path in other.split(",")] + (numbers.split() if colon else [])
        if answer in paths:
            accidents.add(question)
        if not colon:
            wrong = tuple(item for item in dict.fromkeys(groups[source]) if item != answer)
        elif kind == "time":
            wrong = _near_times(int(answer), [int(number) for number in numbers.split()])
            answer = clock(int(answer))
        else:
            wrong = _near(int(answer), [int(number) for number in numbers.split()], int(kind))
        found.setdefault(int(level), []).append(Ask(int(level), question, statement, answer, wrong))
    chosen = [rng.choice(found[level]) for level in sorted(found)]
    if any(ask.question in accidents for ask in chosen):
        raise Accident(f"a wrong path leads to the right answer: {sorted(accidents)}")
    return chosen


def rest(values: Sequence[int], place: int) -> str:
    """The numbers but the one at a place, as wrong answers of a block."""
    return " ".join(str(value) for i, value in enumerate(values) if i != place)


def clock(minutes: int) -> str:
    """Minutes after midnight as a time of day, '9:05'."""
    return f"{minutes // 60 % 24}:{minutes % 60:02d}"


def _near(answer: int, named: Sequence[int], step: int) -> tuple[str, ...]:
    """Wrong numbers: those that the passage leads to, then neighbours."""
    pool = dict.fromkeys([*named[:5], answer + step, answer - step, answer + 2 * step, answer - 2 * step, *named[5:]])
    return tuple(str(number) for number in pool if number > 0 and number != answer)


def _near_times(answer: int, named: Sequence[int]) -> tuple[str, ...]:
    pool = dict.fromkeys([*named, answer + 10, answer - 10, answer + 5, answer - 15])
    return tuple(clock(minutes) for minutes in pool if minutes != answer)
