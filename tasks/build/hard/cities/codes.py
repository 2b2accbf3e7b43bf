"""Codes: of airports (IATA, ICAO) and of first-level subdivisions (ISO 3166-2), asked either way."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pycountry

from build.drafting import shuffled
from build.hard.cities.exclusions import CODES_IN_DOUBT
from build.hard.cities.gazetteer import COUNTRY, TOWNS, Town, country_name, plain
from build.making import Question
from build.wording import article

AIRPORT_LEVELS = {
    "iata": {0: 5, 1: 6, 2: 7, 3: 7, 4: 8, 5: 9, 6: 10, 7: 10},
    "icao": {0: 7, 1: 7, 2: 8, 3: 8, 4: 9, 5: 9, 6: 10, 7: 10},
}
"""By the rank of the town."""

SUBDIVISIONS = {
    6: "BR IT",
    7: "CO PE",
    8: "AR UY SV NI",
    9: "VE MZ MY",
    10: "TH JM CU KR",
}
"""Countries whose codes are asked, by grade: from the name's own letters to letters and numbers without such help."""


MOST = 14
"""Drafts of a topic and grade."""


@cache
def _form(code: str, name: str) -> tuple[bool, bool, int]:
    """How much a code looks like a name: its letters in order, the same initial, how many of its letters."""
    bare = plain(name)
    small = code.lower()
    rest = iter(bare)
    in_order = all(letter in rest for letter in small)
    return in_order, small[0] == bare[0], sum(letter in bare for letter in small)


def _nearby(rng: random.Random, town: Town, others: list[Town]) -> list[Town]:
    """Of the country, then of the continent, then of the world; each in random order."""
    rng.shuffle(others)
    return sorted(others, key=lambda o: (o.country != town.country) + (o.continent != town.continent))


def airports(rng: random.Random) -> Iterator[Question]:
    for system in ("iata", "icao"):
        known = [town for town in TOWNS if getattr(town, system) and getattr(town, system) not in CODES_IN_DOUBT]
        asked = [town for town in known if town.country != "US" or town.rank < 3]
        rng.shuffle(asked)
        made: Counter[tuple[int, int]] = Counter()
        for n, town in enumerate(asked):
            if made[n % 2, AIRPORT_LEVELS[system][town.rank]] == MOST:
                continue
            code = getattr(town, system)
            shown = code if system == "iata" else code[2:]
            grade = AIRPORT_LEVELS[system][town.rank]
            form = _form(shown, town.name)
            others = [other for other in known if other is not town]
            label = f"{system.upper()} code"
            if n % 2:
                tail = 0 if system == "iata" else 2
                fit = [o for o in others if getattr(o, system)[:tail] == code[:tail]]
                fit = [o for o in fit if _form(getattr(o, system)[tail:], town.name) == form]
                pool = [getattr(other, system) for other in _nearby(rng, town, fit)[:8]]
                ask = f"What is the {label} of the airport of {town.name}, {COUNTRY[town.country]}?"
                said = f"The {label} of the airport of {town.name}, {COUNTRY[town.country]}, is {{}}."
                answer, topic = code, system
            else:
                fit = [o for o in others if _form(shown, o.name) == form]
                if system == "icao":
                    fit = [o for o in fit if o.icao[:2] == code[:2]]
                pool = [other.name for other in _nearby(rng, town, fit)[:8]]
                ask = f"Which of these towns has the airport with the {label} {code}?"
                said = f"The airport with the {label} {code} is that of {{}}."
                answer, topic = town.name, f"{system} of"
            if len(pool) >= 6:
                made[n % 2, grade] += 1
                yield Question(f"airport {town.name}", topic, grade, ask, said, answer, tuple(pool))


def subdivisions(rng: random.Random) -> Iterator[Question]:
    for grade, countries in SUBDIVISIONS.items():
        for country in countries.split():
            entries = sorted((s for s in pycountry.subdivisions if s.country_code == country), key=lambda s: s.code)
            kind = max(sorted({s.type for s in entries}), key=lambda name: sum(s.type == name for s in entries))
            entries = [s for s in entries if s.type == kind and not re.search(r"[(/\[,*]", s.name)]
            what = kind.lower() if kind.isalpha() else "subdivision"
            where = country_name(country)
            for rank, entry in enumerate(entries):
                near = sorted((abs(k - rank), rng.random(), k) for k in range(len(entries)) if k != rank)
                close = [entries[k] for *_, k in near[:8]]
                if entry.code in CODES_IN_DOUBT or len(close) < 6:
                    continue
                fact = f"subdivision {entry.code}"
                if rng.random() < 0.55:
                    ask = f"What is the ISO 3166-2 code of {entry.name}, {article(what)} of {where}?"
                    said = f"The ISO 3166-2 code of {entry.name}, {article(what)} of {where}, is {{}}."
                    pool = shuffled(rng, [other.code for other in close[:8]])
                    yield Question(fact, "iso", grade, ask, said, entry.code, pool)
                else:
                    ask = f"Which {what} of {where} has the ISO 3166-2 code {entry.code}?"
                    said = f"The {what} of {where} with the ISO 3166-2 code {entry.code} is {{}}."
                    pool = shuffled(rng, [other.name for other in close])
                    yield Question(fact, "iso of", grade, ask, said, entry.name, pool)
