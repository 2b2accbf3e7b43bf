"""Unicode's names and code points: characters of ever rarer scripts, combining classes, control codes."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from itertools import product
from string import ascii_uppercase, digits

from build.drafting import Draft, shuffled
from build.hard.registries.families import RUNS, kin, members

APART = 7
"""At least so many characters lie between two of one run, so that no item places the answer of another."""

CLASSED = (
    "COMBINING HEBREW ARABIC THAI LAO TIBETAN DEVANAGARI BENGALI MYANMAR KHMER LIMBU SYRIAC TELUGU HANGUL GLAGOLITIC"
)
"""First words of the names of the marks whose combining classes are asked for."""

MARKED = (
    *((0x0300, 0x05C7), (0x0610, 0x0896), (0x08D3, 0x0C3B), (0x0C3D, 0x1714), (0x1716, 0x1AB0)),
    *((0x1DC0, 0x1DF9), (0x1DFB, 0x1DFF), (0x20D0, 0x20EF), (0x302A, 0x302F)),
)
"""Where they are, without the marks that came after Unicode 13.0."""

COMMON = (230, 220, 9, 7, 0)
"""Combining classes of very many marks: few of them are asked for."""


def shown(point: int) -> str:
    return f"U+{point:04X}"


def spread(rng: random.Random, run: list[int], n: int) -> list[int]:
    """Up to n of a run, no two of them close."""
    taken: list[int] = []
    for point in rng.sample(run, len(run)):
        if len(taken) < n and all(abs(run.index(point) - run.index(other)) > APART for other in taken):
            taken.append(point)
    return taken


def characters(rng: random.Random) -> Iterator[Draft]:
    """From a name to the code point and back, each character one way only."""
    for level, runs in RUNS.items():
        for first, last in runs:
            run = members(first, last)
            for index, point in enumerate(spread(rng, run, 4)):
                near = kin(point, run)[:10]
                if len(near) < 7:
                    continue
                fact, name = f"character {point:X}", unicodedata.name(chr(point))
                if index % 2:
                    question = f"Which character has the Unicode code point {shown(point)}?"
                    statement = f"The Unicode character with the code point {shown(point)} is {{}}."
                    pool = shuffled(rng, [unicodedata.name(chr(other)) for other in near[:8]])
                    yield Draft(fact, "character", level, question, statement, name, pool)
                else:
                    question = f"What is the Unicode code point of {name}?"
                    statement = f"The Unicode code point of {name} is {{}}."
                    pool = shuffled(rng, [shown(other) for other in near])
                    yield Draft(fact, "code point", level, question, statement, shown(point), pool)


def classes(rng: random.Random) -> Iterator[Draft]:
    """Canonical combining classes, which order the marks on a letter."""
    points = [point for first, last in MARKED for point in range(first, last + 1)]
    known = {point: unicodedata.combining(chr(point)) for point in points if unicodedata.name(chr(point), "")}
    marks: dict[int, list[int]] = {}
    for point, value in known.items():
        if value not in (0, 9) and unicodedata.name(chr(point)).split()[0] in CLASSED.split():
            marks.setdefault(value, []).append(point)
    values = sorted(marks)
    for value in values:
        for point in rng.sample(marks[value], min(len(marks[value]), 6 if value in COMMON else 3)):
            place = values.index(value)
            near = [values[i] for i in range(max(0, place - 6), min(len(values), place + 7)) if i != place]
            name = unicodedata.name(chr(point))
            question = f"What is the canonical combining class of {name} ({shown(point)}) in Unicode?"
            statement = f"In Unicode, the canonical combining class of {name} ({shown(point)}) is {{}}."
            level = 7 if value in COMMON or value >= 200 else 8
            pool = shuffled(rng, [str(other) for other in near if other not in COMMON or value in COMMON][:10])
            yield Draft(f"character {point:X}", "combining class", level, question, statement, str(value), pool)


def controls(rng: random.Random) -> Iterator[Draft]:
    """The control codes 80 to 9F, by the abbreviations that Unicode lists as their aliases."""
    found: dict[int, str] = {}
    for letters in product(ascii_uppercase, ascii_uppercase + digits, ("", *ascii_uppercase, *digits)):
        abbreviation = "".join(letters)
        try:
            character = unicodedata.lookup(abbreviation)
        except KeyError:
            continue
        if "\x80" <= character <= "\x9f":
            found[ord(character)] = abbreviation
    for point, abbreviation in sorted(found.items()):
        near = sorted((other for other in found if other != point), key=lambda other: (abs(other - point), other))[:10]
        fact = f"control {point:X}"
        if rng.random() < 0.5:
            question = f"Which code (hexadecimal) has the C1 control character {abbreviation}?"
            statement = f"The hexadecimal code of the C1 control character {abbreviation} is {{}}."
            answer, pool = f"{point:02X}", shuffled(rng, [f"{other:02X}" for other in near])
        else:
            question = f"Which C1 control character has the code {point:02X} (hexadecimal)?"
            statement = f"The C1 control character with the hexadecimal code {point:02X} is {{}}."
            answer, pool = abbreviation, shuffled(rng, [found[other] for other in near])
        yield Draft(fact, "control code", 7, question, statement, answer, pool)
