"""ISO 3166-2: the numbers that countries give to their provinces, districts and communes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pycountry

from build.drafting import Draft, shuffled
from build.hard.registries.codes import country, nearest
from build.wording import article

NUMBERED = {
    7: "FR JP TR DZ PL KR HR UA PT FI AT IT MY MA CU IR RS CZ GT",
    8: "TH SA LK TN BT MN BG TZ MR BD DO JM SI MK UG LV EE MT LT MV SC ME CG MM",
}
"""Level: countries whose codes are numbers, by how often they are met (number plates, statistics)."""

PER_COUNTRY = 7
"""At most so many of one country, so that no item places the answer of another."""


def plain(name: str) -> bool:
    return all(letter.isalpha() or letter in " -'’." for letter in name)


def regions(rng: random.Random) -> Iterator[Draft]:
    """From the name to the code and back; each one way only."""
    for level, codes in NUMBERED.items():
        for code in codes.split():
            found = [entry for entry in pycountry.subdivisions.get(country_code=code) if entry.code[3:].isdigit()]
            kinds = [entry.type for entry in found]
            kind = max(sorted(set(kinds)), key=kinds.count)
            own = {
                int(e.code[3:]): e for e in sorted(found, key=lambda e: str(e.code)) if e.type == kind and plain(e.name)
            }
            if len(own) < 11:
                continue
            for index, number in enumerate(rng.sample(sorted(own), PER_COUNTRY)):
                entry, near = own[number], nearest(number, sorted(own))
                where = f"{kind[0].lower()}{kind[1:]}"
                if index % 2:
                    question = f"Which {where} of {country(code)} has the ISO 3166-2 code {entry.code}?"
                    statement = f"The {where} of {country(code)} with the ISO 3166-2 code {entry.code} is {{}}."
                    answer, pool = (
                        entry.name,
                        shuffled(rng, [own[other].name for other in nearest(number, sorted(own), 8)]),
                    )
                    topic = "coded region"
                else:
                    question = f"What is the ISO 3166-2 code of {entry.name}, {article(where)} of {country(code)}?"
                    statement = f"The ISO 3166-2 code of {entry.name}, {article(where)} of {country(code)}, is {{}}."
                    answer, pool = entry.code, shuffled(rng, [own[other].code for other in near])
                    topic = "region code"
                yield Draft(f"region {entry.code}", topic, level, question, statement, answer, pool)
