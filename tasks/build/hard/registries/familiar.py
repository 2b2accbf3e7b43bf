"""What many people have met: letters and states that are written everywhere, codes of two letters."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from html.entities import name2codepoint

import pycountry

from build.drafting import Draft, shuffled
from build.hard.registries.characters import shown, spread
from build.hard.registries.codes import country
from build.hard.registries.families import kin, members

ALPHABETS = ((0x0391, 0x03A9), (0x03B1, 0x03C9), (0x0410, 0x042F), (0x0430, 0x044F), (0x05D0, 0x05EA), (0x00E0, 0x00FF))
LETTERED = "US CA AU IN ZA NG"
"""Countries with codes of letters and English names for their states and provinces."""

SIGNS = range(0x2010, 0x2300)
"""Where the signs are whose entities are asked for."""


def alphabets(rng: random.Random) -> Iterator[Draft]:
    """Greek, Cyrillic, Hebrew and accented letters."""
    for first, last in ALPHABETS:
        run = members(first, last)
        for index, point in enumerate(spread(rng, run, 3)):
            near, name = kin(point, run)[:10], unicodedata.name(chr(point))
            if index % 2:
                question = f"Which letter has the Unicode code point {shown(point)}?"
                statement = f"The letter with the Unicode code point {shown(point)} is {{}}."
                pool = shuffled(rng, [unicodedata.name(chr(other)) for other in near])
                yield Draft(f"character {point:X}", "well-known letter", 6, question, statement, name, pool)
            else:
                question = f"What is the Unicode code point of {name}?"
                statement = f"The Unicode code point of {name} is {{}}."
                pool = shuffled(rng, [shown(other) for other in near])
                yield Draft(f"character {point:X}", "letter's code point", 6, question, statement, shown(point), pool)


def states(rng: random.Random) -> Iterator[Draft]:
    """ISO 3166-2, where it uses letters."""
    for code in LETTERED.split():
        entries = pycountry.subdivisions.get(country_code=code)
        found = dict(sorted((str(entry.code), str(entry.name)) for entry in entries))
        for index, (own, name) in enumerate(sorted(rng.sample(sorted(found.items()), 8))):
            same = [other for other in found if other != own and other[3] == own[3]]
            others = sorted(other for other in found if other != own and other not in same)
            wrong = [*same, *rng.sample(others, min(len(others), max(0, 9 - len(same))))]
            if not name.isascii():
                continue
            if index % 2:
                question = f"Which part of {country(code)} has the ISO 3166-2 code {own}?"
                statement = f"The part of {country(code)} with the ISO 3166-2 code {own} is {{}}."
                pool = shuffled(rng, [found[other] for other in wrong])
                yield Draft(f"region {own}", "lettered region", 6, question, statement, name, pool)
            else:
                question = f"What is the ISO 3166-2 code of {name} in {country(code)}?"
                statement = f"The ISO 3166-2 code of {name} in {country(code)} is {{}}."
                yield Draft(f"region {own}", "region's letters", 6, question, statement, own, shuffled(rng, wrong))


def tongues(rng: random.Random) -> Iterator[Draft]:
    """The two letters that ISO 639-1 gives to the largest languages."""
    known = {entry.alpha_2: entry for entry in pycountry.languages if hasattr(entry, "alpha_2")}
    plain = {
        code: str(entry.name)
        for code, entry in known.items()
        if entry.name.isalpha() and entry.name.isascii() and entry.type == "L"
    }
    for index, code in enumerate(rng.sample(sorted(plain), 26)):
        same = [other for other in sorted(plain) if other != code and other[0] == code[0]]
        rest = [other for other in sorted(plain) if other != code and other[0] != code[0]]
        wrong = [*same, *rng.sample(rest, max(0, 9 - len(same)))]
        fact = f"language {known[code].alpha_3}"
        if index % 2:
            question = f'Which language has the ISO 639-1 code "{code}"?'
            statement = f'The language with the ISO 639-1 code "{code}" is {{}}.'
            pool = shuffled(rng, [plain[other] for other in wrong][:9])
            yield Draft(fact, "two-letter language", 6, question, statement, plain[code], pool)
        else:
            question = f"What is the ISO 639-1 code of the language {plain[code]}?"
            statement = f"The ISO 639-1 code of the language {plain[code]} is {{}}."
            yield Draft(fact, "two letters", 6, question, statement, code, shuffled(rng, wrong[:9]))


def signs(rng: random.Random) -> Iterator[Draft]:
    """HTML's older entities."""
    points = {point: name for name, point in name2codepoint.items() if point in SIGNS}
    for point in rng.sample(sorted(points), 14):
        near = sorted((other for other in points if other != point), key=lambda other: (abs(other - point), other))
        question = f"What is the code point of the character that the HTML entity &{points[point]}; stands for?"
        statement = f"The code point of the character that the HTML entity &{points[point]}; stands for is {{}}."
        pool = shuffled(rng, [shown(other) for other in near[:9]])
        yield Draft(f"character {point:X}", "sign's code point", 6, question, statement, shown(point), pool)
